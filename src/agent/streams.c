/* SPDX-License-Identifier: Apache-2.0 */
/* streams - see streams.h. */
#include "agent/streams.h"

#include "agent/listen.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <sys/socket.h>

struct stream {
	struct list link;
	int fd;
	uint32_t port;
	int64_t expires; /* of loop_now_ms */
};

void streams_init(struct streams *s)
{
	*s = (struct streams){ .listen_fd = -1 };
	list_init(&s->waiting);
}

static struct stream *streams_oldest(struct streams *s)
{
	return list_empty(&s->waiting) ? NULL : list_entry(s->waiting.next, struct stream, link);
}

/* Removes @st and returns its descriptor. */
static int stream_remove(struct streams *s, struct stream *st)
{
	int fd = st->fd;

	list_del(&st->link);
	s->n--;
	free(st);
	return fd;
}

static void stream_drop(struct streams *s, struct stream *st, const char *why)
{
	log_warn("stream from port %u closed: %s", st->port, why);
	fd_close(stream_remove(s, st));
}

static void on_timer(struct loop_source *t, void *data)
{
	struct streams *s = data;
	int64_t now = loop_now_ms();
	struct stream *st;

	while ((st = streams_oldest(s)) && st->expires <= now)
		stream_drop(s, st, "no request named it");
	if (st)
		loop_timer_set(s->timer, st->expires - now);
}

static void stream_add(struct streams *s, int fd)
{
	struct stream *st;

	if (agent_peer_check(fd, NULL) < 0) {
		log_warn("a stream that is not the host's was refused");
		fd_close(fd);
		return;
	}
	if (s->n >= LIMIT_AGENT_STREAMS)
		stream_drop(s, streams_oldest(s), "too many wait");
	st = xnew(struct stream);
	st->fd = fd;
	st->port = agent_peer_port(fd);
	st->expires = loop_now_ms() + STREAM_WAIT_MS;
	list_add(&s->waiting, &st->link);
	if (s->n++ == 0)
		loop_timer_set(s->timer, STREAM_WAIT_MS);
}

static void streams_accept(struct streams *s)
{
	int fd;

	while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		stream_add(s, fd);
}

static void on_listen(struct loop_source *io, int fd, uint32_t events, void *data)
{
	streams_accept(data);
}

int streams_start(struct streams *s, struct loop *l, int listen_fd, struct error *e)
{
	s->loop = l;
	s->listen_fd = listen_fd;
	s->io = loop_add_io(l, listen_fd, EPOLLIN, on_listen, s);
	s->timer = s->io ? loop_add_timer(l, -1, on_timer, s) : NULL;
	return s->timer ? 0 : error_set(e, errno, "watch the stream port");
}

void streams_done(struct streams *s)
{
	struct stream *st;

	while ((st = streams_oldest(s)))
		fd_close(stream_remove(s, st));
	s->io = loop_source_free(s->io);
	s->timer = loop_source_free(s->timer);
	s->listen_fd = fd_close(s->listen_fd);
}

int streams_take(struct streams *s, uint32_t port, struct error *e)
{
	struct stream *st;

	/* The host may have connected a moment ago: what the loop has not seen yet waits in the
	 * listener. */
	if (s->listen_fd >= 0)
		streams_accept(s);
	list_for_each(st, &s->waiting, link)
		if (st->port == port)
			return stream_remove(s, st);
	return error_plain(e, ENOENT, "no stream was opened from port %u", port);
}
