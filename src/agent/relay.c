/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - see relay.h.
 *
 * Both descriptors are in the loop once, edge-triggered: every pump runs until one side would
 * block, so no event is missed and none has to be switched on or off. A pump is bounded; one that
 * still has work asks for its event again, behind the others.
 */
#include "agent/relay.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RELAY_BUF KIB(64)  /* a pipe's default capacity, and a vsock packet's largest payload */
#define RELAY_KEEP KIB(16) /* a buffer used no further than this is kept between bursts */
#define RELAY_TIDY_MS 1000
#define RELAY_ROUNDS 16 /* steps of one pump */

#define RELAY_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

struct relay {
	struct list link;
	struct relay_set *set;
	int src, dst;
	struct loop_source *in, *out;
	bool splice; /* the destination is a pipe and the kernel can */
	bool dst_socket;
	char *buf;       /* RELAY_BUF of address space; NULL with splice */
	size_t off, len; /* what was read and is not written */
	bool busy;       /* since on_tidy looked last */
	size_t used;     /* how far the buffer was written since it was last given back */
};

enum step { STEP_MOVED, STEP_BLOCKED, STEP_END };

void relay_set_init(struct relay_set *s, struct loop *l)
{
	*s = (struct relay_set){ .loop = l };
	list_init(&s->relays);
}

static void relay_free(struct relay *r)
{
	loop_source_free(r->in);
	loop_source_free(r->out);
	fd_close(r->src);
	if (r->dst_socket)
		shutdown(r->dst, SHUT_WR);
	fd_close(r->dst);
	if (r->buf)
		munmap(r->buf, RELAY_BUF);
	if (!list_empty(&r->link)) {
		list_del(&r->link);
		r->set->n--;
	}
	free(r);
}

void relay_set_done(struct relay_set *s)
{
	s->tidy = loop_source_free(s->tidy);
	while (!list_empty(&s->relays))
		relay_free(list_entry(s->relays.next, struct relay, link));
}

static enum step step_of_errno(int err)
{
	return err == EAGAIN || err == EINTR ? STEP_BLOCKED : STEP_END;
}

static int relay_map(struct relay *r)
{
	void *p = mmap(NULL, RELAY_BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	r->buf = p;
	return 0;
}

static enum step step_splice(struct relay *r)
{
	ssize_t n =
		splice(r->src, NULL, r->dst, NULL, RELAY_BUF, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n > 0)
		return STEP_MOVED;
	if (n == 0)
		return STEP_END;
	if (errno != EINVAL)
		return step_of_errno(errno);
	/* This kind of source cannot be spliced. */
	r->splice = false;
	return relay_map(r) < 0 ? STEP_END : STEP_MOVED;
}

static enum step step_write(struct relay *r)
{
	const char *p = r->buf + r->off;
	ssize_t n = (ssize_t)r->len;

	if (r->dst_socket)
		n = send(r->dst, p, r->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (r->dst >= 0)
		n = write(r->dst, p, r->len);
	if (n < 0)
		return step_of_errno(errno);
	r->off += (size_t)n;
	r->len -= (size_t)n;
	return STEP_MOVED;
}

/* Gives back the pages of buffers that nothing has gone through since the last look. */
static void on_tidy(struct loop_source *t, void *data)
{
	struct relay_set *s = data;
	struct relay *r;
	bool again = false;

	list_for_each(r, &s->relays, link) {
		if (r->used <= RELAY_KEEP)
			continue;
		if (r->busy || r->len || madvise(r->buf, RELAY_BUF, MADV_DONTNEED) < 0)
			again = true;
		else
			r->used = 0;
		r->busy = false;
	}
	if (again)
		loop_timer_set(s->tidy, RELAY_TIDY_MS);
	s->tidying = again;
}

/* The buffer was used further than we like to keep it: somebody has to look after that later. */
static void tidy_later(struct relay_set *s)
{
	if (!s->tidy)
		s->tidy = loop_add_timer(s->loop, -1, on_tidy, s);
	if (!s->tidying && s->tidy)
		s->tidying = loop_timer_set(s->tidy, RELAY_TIDY_MS) == 0;
}

static enum step step_read(struct relay *r)
{
	ssize_t n = read(r->src, r->buf, RELAY_BUF);

	if (n > 0) {
		r->off = 0;
		r->len = (size_t)n;
		r->used = MAX(r->used, r->len);
		r->busy = true;
		if (r->used > RELAY_KEEP)
			tidy_later(r->set);
		return STEP_MOVED;
	}
	/* A terminal's master says EIO where a pipe is at its end: nobody holds the other side. */
	return n == 0 ? STEP_END : step_of_errno(errno);
}

static enum step relay_step(struct relay *r)
{
	if (r->splice)
		return step_splice(r);
	return r->len ? step_write(r) : step_read(r);
}

static void relay_pump(struct relay *r)
{
	for (int i = 0; i < RELAY_ROUNDS; i++) {
		enum step s = relay_step(r);

		if (s == STEP_BLOCKED)
			return;
		if (s == STEP_END) {
			relay_free(r);
			return;
		}
	}
	/* Setting the events again asks for those that are there already. */
	if (loop_io_set(r->in, RELAY_EVENTS) < 0)
		relay_free(r);
}

static void on_src(struct loop_source *s, int fd, uint32_t events, void *data)
{
	relay_pump(data);
}

/* EPOLLERR on a pipe, EPOLLHUP on a socket or terminal: nobody will read what we write. */
static void on_dst(struct loop_source *s, int fd, uint32_t events, void *data)
{
	if (events & (EPOLLERR | EPOLLHUP))
		relay_free(data);
	else
		relay_pump(data);
}

static int relay_prepare(struct relay *r)
{
	struct stat st;
	int on;

	if (r->dst < 0) {
		on = fd_set_nonblock(r->src, true);
		return on < 0 ? on : relay_map(r);
	}
	if (fstat(r->dst, &st) < 0)
		return -errno;
	r->dst_socket = S_ISSOCK(st.st_mode);
	r->splice = S_ISFIFO(st.st_mode);
	on = fd_set_nonblock(r->src, true);
	if (on >= 0)
		on = fd_set_nonblock(r->dst, true);
	return on < 0 || r->splice ? on : relay_map(r);
}

static int relay_watch(struct relay *r)
{
	r->in = loop_add_io(r->set->loop, r->src, RELAY_EVENTS, on_src, r);
	if (!r->in)
		return -errno;
	if (r->dst < 0)
		return 0;
	r->out = loop_add_io(r->set->loop, r->dst, EPOLLOUT | EPOLLET, on_dst, r);
	return r->out ? 0 : -errno;
}

int relay_start(struct relay_set *s, int src, int dst, struct error *e)
{
	struct relay *r = xnew(struct relay);
	int err = s->n >= LIMIT_AGENT_RELAYS ? -ENOBUFS : 0;

	r->set = s;
	r->src = src;
	r->dst = dst;
	list_init(&r->link);
	if (err >= 0)
		err = relay_prepare(r);
	if (err >= 0)
		err = relay_watch(r);
	if (err < 0) {
		relay_free(r);
		return error_set(e, err, "stdio stream");
	}
	list_add(&s->relays, &r->link);
	s->n++;
	return 0;
}
