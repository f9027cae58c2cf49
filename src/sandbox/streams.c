/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams - see streams.h. Three pumps, one a direction, on the loop.
 *
 * A pump that moves waits for its input. When its output is full it forgets the input (a hang-up
 * there would be told again and again) and waits for the output. Which of the two a failing splice
 * means is known from what was announced: the input was there, so the output is full.
 */
#include "sandbox/streams.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE KIB(64)
#define PIECE_COPIED KIB(16) /* on the stack */
#define LINGER_MS 500        /* how often a fifo that nobody reads is looked at */

struct pump {
	struct streams *streams;
	int which;
	int stream; /* the guest's socket; -1: not there yet, or over */
	struct streams_end end;
	struct loop_source *in, *out; /* at most one waits for data; out may watch for a hang-up */
	bool closing;                 /* stdin: ends when what is in the pipe has gone */
	bool connected;               /* has had its stream */
	bool broken;                  /* the output takes nothing any more: it is thrown away */
};

struct streams {
	struct loop *loop;
	char *id;
	bool terminal;
	struct pump pump[STREAM_COUNT];
	struct loop_source *drain_timer, *drained, *linger;
	uint64_t moved, moved_before; /* pieces, to see whether anything comes */
	void (*fn)(void *data);
	void *data;
};

static void pump_ready(struct loop_source *s, int fd, uint32_t events, void *data);

/* --- the end of a pump --- */

static bool is_over(const struct pump *p)
{
	return p->connected && p->stream < 0;
}

static void drain_check(struct streams *s);

static void end_close(struct streams_end *e)
{
	e->fd = fd_close(e->fd);
	e->hold = fd_close(e->hold);
}

static size_t unread(int fd)
{
	int n = 0;

	return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* Closes a fifo that somebody else reads, or that is empty; else keeps what is in it. */
static bool fifo_let_go(struct streams_end *e)
{
	struct pollfd p = { .fd = e->fd };
	size_t left = unread(e->hold);
	char path[PATH_FD_MAX];

	e->hold = fd_close(e->hold);
	if (left && poll(&p, 1, 0) > 0 && (p.revents & POLLERR)) {
		/* No reader: the bytes live as long as an end of the fifo is open. */
		e->hold = open(path_of_fd(e->fd, path), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (e->hold >= 0)
			return false;
	}
	end_close(e);
	return true;
}

static void linger(struct loop_source *src, void *data)
{
	struct streams *s = data;
	bool again = false;

	for (int i = STREAM_OUT; i <= STREAM_ERR; i++) {
		struct pump *p = &s->pump[i];

		if (is_over(p) && p->end.fd >= 0 && !fifo_let_go(&p->end))
			again = true;
	}
	if (again)
		loop_timer_set(s->linger, LINGER_MS);
}

static void pump_end(struct pump *p)
{
	struct streams *s = p->streams;

	p->in = loop_source_free(p->in);
	p->out = loop_source_free(p->out);
	if (p->which == STREAM_IN && p->stream >= 0)
		shutdown(p->stream, SHUT_WR);
	p->stream = fd_close(p->stream);
	p->connected = true;
	if (p->which == STREAM_IN || p->end.hold < 0) {
		end_close(&p->end);
	} else if (!fifo_let_go(&p->end)) {
		if (!s->linger)
			s->linger = loop_add_timer(s->loop, LINGER_MS, linger, s);
		else
			loop_timer_set(s->linger, LINGER_MS);
	}
	drain_check(s);
}

/* --- moving --- */

static void output_broke(struct pump *p, int err)
{
	log_warn("%s: output %d cannot be written any more, what comes is thrown away: %s",
		 p->streams->id, p->which, strerror(err));
	p->broken = true;
	end_close(&p->end);
}

/* Output to a file or to nowhere. > 0: moved, 0: the end, -errno. */
static ssize_t move_copied(struct pump *p)
{
	char piece[PIECE_COPIED];
	ssize_t n = recv(p->stream, piece, sizeof(piece), MSG_DONTWAIT);
	int r;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	r = p->end.fd >= 0 ? fd_write_full(p->end.fd, piece, (size_t)n) : 0;
	if (r < 0)
		output_broke(p, -r);
	return n;
}

static ssize_t move_spliced(const struct pump *p)
{
	int from = p->which == STREAM_IN ? p->end.fd : p->stream;
	int to = p->which == STREAM_IN ? p->stream : p->end.fd;
	ssize_t n = splice(from, NULL, to, NULL, PIECE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	return n < 0 ? -errno : n;
}

/* Waits for the input, or for the output where that is full. */
static void pump_wait(struct pump *p, bool full)
{
	struct loop *l = p->streams->loop;
	int from = p->which == STREAM_IN ? p->end.fd : p->stream;
	int to = p->which == STREAM_IN ? p->stream : p->end.fd;

	if (full) {
		p->in = loop_source_free(p->in);
		if (p->out)
			loop_io_set(p->out, EPOLLOUT);
		else
			p->out = loop_add_io(l, to, EPOLLOUT, pump_ready, p);
		return;
	}
	/* The guest may close its stdin: that shows at our output without asking for anything. */
	if (p->which == STREAM_IN && p->out)
		loop_io_set(p->out, 0);
	else if (p->which == STREAM_IN)
		p->out = loop_add_io(l, to, 0, pump_ready, p);
	else
		p->out = loop_source_free(p->out);
	if (!p->in)
		p->in = loop_add_io(l, from, EPOLLIN, pump_ready, p);
}

static void pump_step(struct pump *p)
{
	ssize_t n = p->end.pipe && !p->broken ? move_spliced(p) : move_copied(p);

	if (n == -EINTR)
		return;
	if (n == -EAGAIN) {
		pump_wait(p, p->in != NULL && p->end.pipe);
	} else if (n < 0 && p->which != STREAM_IN && p->end.fd >= 0 && n != -ECONNRESET) {
		output_broke(p, (int)-n); /* what is still to come is thrown away */
		pump_wait(p, false);
	} else if (n <= 0) {
		pump_end(p);
	} else {
		p->streams->moved++;
		pump_wait(p, false);
	}
}

static void pump_ready(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct pump *p = data;

	if (p->which == STREAM_IN && s == p->out && (events & (EPOLLERR | EPOLLHUP))) {
		pump_end(p);
		return;
	}
	pump_step(p);
	if (p->stream >= 0 && p->closing && !unread(p->end.fd))
		pump_end(p);
}

/* --- life --- */

int streams_open(const struct streams_params *q, struct streams **ret, struct error *e)
{
	struct streams_end ends[STREAM_COUNT];
	int r = streams_open_ends(q, ends, e);
	struct streams *s;

	if (r < 0)
		return r;
	s = xnew(struct streams);
	s->loop = q->loop;
	s->id = xstrdup(q->id);
	s->terminal = q->terminal;
	for (int i = 0; i < STREAM_COUNT; i++)
		s->pump[i] =
			(struct pump){ .streams = s, .which = i, .stream = -1, .end = ends[i] };
	*ret = s;
	return 0;
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	for (int i = 0; i < STREAM_COUNT; i++) {
		struct pump *p = &s->pump[i];

		loop_source_free(p->in);
		loop_source_free(p->out);
		fd_close(p->stream);
		end_close(&p->end);
	}
	loop_source_free(s->drain_timer);
	loop_source_free(s->drained);
	loop_source_free(s->linger);
	free(s->id);
	free(s);
}

static void connect_in(struct pump *p)
{
	if (p->end.fd >= 0 && (!p->closing || unread(p->end.fd)))
		pump_wait(p, false);
	else if (p->closing || !p->streams->terminal)
		pump_end(p);
	/* A terminal without stdin: nothing is typed, and nothing hung up. */
}

void streams_connect(struct streams *s, int stream[STREAM_COUNT])
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		struct pump *p = &s->pump[i];

		p->stream = take_fd(stream[i]);
		p->connected = true;
		if (p->stream < 0)
			end_close(&p->end);
		else if (i == STREAM_IN)
			connect_in(p);
		else
			pump_wait(p, false);
	}
}

void streams_close_in(struct streams *s)
{
	struct pump *p = &s->pump[STREAM_IN];

	p->closing = true;
	/* Our own writing end keeps the reading one from its end of file. */
	p->end.hold = fd_close(p->end.hold);
	if (p->stream >= 0 && !unread(p->end.fd))
		pump_end(p);
}

void streams_hang_up(struct streams *s)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		s->pump[i].connected = true;
		end_close(&s->pump[i].end);
	}
}

/* --- the process has ended --- */

static bool outputs_over(const struct streams *s)
{
	return is_over(&s->pump[STREAM_OUT]) && is_over(&s->pump[STREAM_ERR]);
}

static void drain_done(struct loop_source *src, void *data)
{
	struct streams *s = data;
	void (*fn)(void *) = s->fn;

	s->drained = NULL;
	s->drain_timer = loop_source_free(s->drain_timer);
	s->fn = NULL;
	fn(s->data);
}

static void drain_check(struct streams *s)
{
	if (!s->fn || s->drained || !outputs_over(s))
		return;
	s->drain_timer = loop_source_free(s->drain_timer);
	s->drained = loop_add_defer(s->loop, drain_done, s);
}

static void drain_expired(struct loop_source *src, void *data)
{
	struct streams *s = data;

	if (s->moved != s->moved_before) {
		s->moved_before = s->moved;
		loop_timer_set(s->drain_timer, STREAMS_DRAIN_MS);
		return;
	}
	s->drain_timer = loop_source_free(s->drain_timer);
	for (int i = STREAM_OUT; i <= STREAM_ERR; i++)
		if (s->pump[i].in) /* waits for the guest, not for a reader */
			pump_end(&s->pump[i]);
	if (!s->drained)
		s->drained = loop_add_defer(s->loop, drain_done, s);
}

void streams_drain(struct streams *s, void (*fn)(void *data), void *data)
{
	if (s->fn)
		return; /* it is under way */
	s->fn = fn;
	s->data = data;
	s->moved_before = s->moved;
	s->drain_timer = loop_add_timer(s->loop, STREAMS_DRAIN_MS, drain_expired, s);
	if (s->pump[STREAM_IN].stream >= 0)
		pump_end(&s->pump[STREAM_IN]);
	drain_check(s);
}
