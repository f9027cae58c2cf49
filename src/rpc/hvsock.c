/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hvsock - see hvsock.h.
 *
 * States of a dial: waiting (for the next attempt; no socket), asked (connected, CONNECT written,
 * the answer awaited). An attempt ends in the answer, in a refusal (back to waiting) or in a
 * failure that another attempt would not cure. The blocking form runs the same machine on a loop of
 * its own.
 */
#include "rpc/hvsock.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 32 /* "OK 4294967295\n" has 14 */

struct hvsock_dial {
	struct loop *loop;
	char *path;
	uint32_t port;
	int64_t timeout_ms, deadline;
	hvsock_dial_fn *fn;
	void *data;
	int fd;                /* -1 while waiting */
	char line[ANSWER_MAX]; /* of the answer so far */
	size_t len;
	int refusal; /* why the last attempt was in vain, -errno */
	struct loop_source *io, *timer;
};

void hvsock_dial_free(struct hvsock_dial *d)
{
	if (!d)
		return;
	loop_source_free(d->io);
	loop_source_free(d->timer);
	fd_close(d->fd);
	free(d->path);
	free(d);
}

static void dial_end(struct hvsock_dial *d, const struct error *e, int fd, uint32_t host_port)
{
	hvsock_dial_fn *fn = d->fn;
	void *data = d->data;

	hvsock_dial_free(d);
	fn(data, e, fd, host_port);
}

static void dial_fail(struct hvsock_dial *d, int r, const char *what)
{
	struct error e = ERROR_INIT;

	error_set(&e, r, "vsock port %u of %s: %s", d->port, d->path, what);
	dial_end(d, &e, -1, 0);
}

/* What the peer of the next attempt may still cure: not there yet, nobody listening in the guest, a
 * full backlog. */
static bool worth_retrying(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET || r == -EPIPE ||
	       r == -EAGAIN;
}

static void dial_expire(struct hvsock_dial *d)
{
	struct error e = ERROR_INIT;

	error_plain(&e, d->refusal ? d->refusal : ETIMEDOUT, "vsock port %u of %s: %s for %lld ms",
		    d->port, d->path,
		    d->refusal ? strerror(-d->refusal) : "no answer from the guest",
		    (long long)d->timeout_ms);
	dial_end(d, &e, -1, 0);
}

/* The attempt was in vain for the reason @r: try again later, or give up. May free @d. */
static void attempt_failed(struct hvsock_dial *d, int r, const char *what)
{
	int64_t left = d->deadline - loop_now_ms();

	d->io = loop_source_free(d->io);
	d->fd = fd_close(d->fd);
	if (!worth_retrying(r)) {
		dial_fail(d, r, what);
		return;
	}
	d->refusal = r;
	if (left <= 0)
		dial_expire(d);
	else
		loop_timer_set(d->timer, MIN(left, HVSOCK_RETRY_MS));
}

/*
 * Takes bytes up to the end of the line and no further: what follows belongs to the stream. 0: the
 * line is complete; -EAGAIN: not yet.
 */
static int take_answer(struct hvsock_dial *d)
{
	char *to = d->line + d->len;
	size_t room = sizeof(d->line) - d->len;
	ssize_t n = recv(d->fd, to, room, MSG_PEEK | MSG_DONTWAIT);
	const char *end;

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNREFUSED;
	end = memchr(to, '\n', (size_t)n);
	if (end)
		n = end - to + 1;
	if (recv(d->fd, to, (size_t)n, MSG_DONTWAIT) != n)
		return -EPROTO;
	d->len += (size_t)n;
	if (end)
		return 0;
	return d->len == sizeof(d->line) ? -EPROTO : -EAGAIN;
}

/* "OK <port>\n" */
static int parse_answer(struct hvsock_dial *d, uint32_t *ret_port)
{
	const char *rest;

	d->line[d->len - 1] = '\0';
	rest = str_skip_prefix(d->line, "OK ");
	return rest && str_to_u32(rest, 10, ret_port) == 0 ? 0 : -EPROTO;
}

static void dial_io(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct hvsock_dial *d = data;
	uint32_t host_port = 0;
	int r = take_answer(d);

	if (r == -EAGAIN)
		return;
	if (r == 0)
		r = parse_answer(d, &host_port);
	if (r < 0)
		attempt_failed(d, r, "answer");
	else
		dial_end(d, NULL, take_fd(d->fd), host_port);
}

/* Connects and asks. The request fits the empty buffer of a fresh socket. */
static int attempt_ask(struct hvsock_dial *d)
{
	char request[sizeof("CONNECT 4294967295\n")];
	int n = snprintf(request, sizeof(request), "CONNECT %u\n", d->port);
	int fd = unix_connect(d->path, SOCK_STREAM | SOCK_NONBLOCK);

	if (fd < 0)
		return fd;
	d->fd = fd;
	d->len = 0;
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return -errno;
	d->io = loop_add_io(d->loop, fd, EPOLLIN, dial_io, d);
	return d->io ? loop_timer_set(d->timer, MAX(d->deadline - loop_now_ms(), 0)) : -errno;
}

static void dial_timer(struct loop_source *src, void *data)
{
	struct hvsock_dial *d = data;
	int r;

	if (d->fd >= 0) { /* asked, and no answer came */
		d->refusal = 0;
		dial_expire(d);
		return;
	}
	r = attempt_ask(d);
	if (r < 0)
		attempt_failed(d, r, "connect");
}

struct hvsock_dial *hvsock_dial(struct loop *l, const char *path, uint32_t port, int64_t timeout_ms,
				hvsock_dial_fn *fn, void *data)
{
	struct hvsock_dial *d = xnew(struct hvsock_dial);

	d->loop = l;
	d->path = xstrdup(path);
	d->port = port;
	d->timeout_ms = timeout_ms;
	d->deadline = loop_now_ms() + timeout_ms;
	d->fn = fn;
	d->data = data;
	d->fd = -1;
	d->timer = loop_add_timer(l, 0, dial_timer, d);
	if (d->timer)
		return d;
	hvsock_dial_free(d);
	return NULL;
}

struct blocking {
	struct loop *loop;
	struct error *e;
	int fd;
	uint32_t host_port;
};

static void blocking_done(void *data, const struct error *e, int fd, uint32_t host_port)
{
	struct blocking *b = data;

	b->fd = e ? error_copy(b->e, e) : fd;
	b->host_port = host_port;
	loop_quit(b->loop, 0);
}

int hvsock_connect(const char *path, uint32_t port, int64_t timeout_ms, uint32_t *ret_host_port,
		   struct error *e)
{
	autoptr(loop) l = loop_new();
	struct blocking b = { .loop = l, .e = e, .fd = -1 };
	struct hvsock_dial *d = l ? hvsock_dial(l, path, port, timeout_ms, blocking_done, &b)
				  : NULL;
	int r;

	if (!d)
		return error_set(e, errno, "vsock port %u of %s", port, path);
	r = loop_run(l);
	if (r < 0) {
		hvsock_dial_free(d);
		return error_set(e, r, "vsock port %u of %s", port, path);
	}
	if (b.fd >= 0 && ret_host_port)
		*ret_host_port = b.host_port;
	return b.fd;
}
