/* SPDX-License-Identifier: Apache-2.0 */
/* vhost - see vhost.h: the connection, its rings, and the device's way to the guest. */
#include "vhost/vhost_priv.h"

#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIM_MS 1000

/* ---- memory ---- */

/*
 * Every page of the guest that was ever written to or read from stays in our page tables, and
 * counts as ours, until it is taken out of them. That is done once a second while there is work,
 * and once after it; another access maps it again.
 */
static void trim_tick(struct loop_source *s, void *data)
{
	struct vhost *v = data;

	gmem_trim(&v->mem);
	v->trim_armed = v->active;
	v->active = false;
	if (v->trim_armed)
		loop_timer_set(s, TRIM_MS);
}

static void note_work(struct vhost *v)
{
	v->active = true;
	if (v->trim_armed)
		return;
	v->trim_armed = true;
	loop_timer_set(v->trim, TRIM_MS);
}

/* ---- rings ---- */

void vhost_signal(int fd)
{
	static const uint64_t one = 1;

	/* A full counter is a signal already; a descriptor that takes nothing belongs to a
	 * front-end that is going. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_debug("vhost: signal the guest: %m");
}

static void ring_interrupt(struct virtio_device *d, unsigned q)
{
	struct vhost *v = d->host;

	note_work(v);
	vhost_signal(v->ring[q].call);
}

static void ring_broken(struct virtio_device *d)
{
	struct vhost *v = d->host;

	for (unsigned i = 0; i < d->ops->nqueues; i++)
		vhost_signal(v->ring[i].err);
}

static const struct virtio_host_ops host_ops = { .interrupt = ring_interrupt,
						 .broken = ring_broken };

static void ring_kicked(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct vhost_ring *r = data;
	uint64_t n;
	ssize_t got = read(fd, &n, sizeof(n));

	if (got > 0) {
		note_work(r->v);
		virtio_kick(r->v->dev, r->index);
	} else if (got == 0 || errno != EAGAIN) {
		r->kick_io = loop_source_free(s); /* closed: it would be ready for ever */
	}
}

static void ring_stop(struct vhost_ring *r)
{
	struct virtq *q = &r->v->dev->queue[r->index];

	if (q->live)
		r->base = q->next_avail;
	vq_stop(q);
}

int vhost_ring_update(struct vhost_ring *r, struct error *e)
{
	struct virtio_device *d = r->v->dev;
	struct virtq *q = &d->queue[r->index];
	bool run = r->started && (r->enabled || !r->v->protocol);
	int ret;

	if (!run) {
		ring_stop(r);
		return 0;
	}
	if (q->live)
		return 0;
	ret = virtio_start_queue(d, r->index, r->base);
	return ret < 0 ? error_set(e, ret, "ring %u", r->index) : 0;
}

void vhost_ring_set_kick(struct vhost_ring *r, int fd)
{
	r->kick_io = loop_source_free(r->kick_io);
	fd_close(r->kick);
	r->kick = fd;
	if (fd < 0)
		return;
	r->kick_io = loop_add_io(r->v->loop, fd, EPOLLIN, ring_kicked, r);
	if (!r->kick_io)
		log_warn("vhost: watch the kick descriptor of ring %u: %m", r->index);
}

int vhost_memory_changed(struct vhost *v, struct error *e)
{
	for (unsigned i = 0; i < v->dev->ops->nqueues; i++) {
		int r;

		ring_stop(&v->ring[i]);
		r = vhost_ring_update(&v->ring[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

void vhost_stop_rings(struct vhost *v)
{
	for (unsigned i = 0; i < v->dev->ops->nqueues; i++) {
		ring_stop(&v->ring[i]);
		v->ring[i].started = v->ring[i].enabled = false;
	}
}

/* ---- messages ---- */

static void close_fds(struct vhost_msg *m)
{
	while (m->nfds > 0)
		fd_close(m->fd[--m->nfds]);
}

static void hang_up(struct vhost *v, const struct error *e)
{
	v->io = loop_source_free(v->io);
	vhost_stop_rings(v);
	v->closed(v->data, e);
}

/* Replies are small and asked for one at a time: a socket without room for one has a front-end that
 * does not listen. */
static int send_reply(struct vhost *v, struct error *e)
{
	struct vhost_msg *m = &v->msg;
	size_t len = sizeof(m->hdr) + m->hdr.size;
	ssize_t n;

	m->hdr.flags = VHOST_FLAG_VERSION | VHOST_FLAG_REPLY;
	n = send(v->fd, &m->hdr, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return error_set(e, errno, "reply to request %u", m->hdr.request);
	return (size_t)n == len
		       ? 0
		       : error_plain(e, EIO, "reply to request %u was cut", m->hdr.request);
}

/* A complete message is in v->msg. */
static int handle(struct vhost *v, struct error *e)
{
	struct vhost_msg *m = &v->msg;
	bool wanted = m->hdr.flags & VHOST_FLAG_NEED_REPLY;
	struct error why = ERROR_INIT;
	int r = vhost_handle(v, &why);

	close_fds(m);
	v->got = 0;
	if (r > 0)
		return send_reply(v, e);
	/* also to the very message that negotiates it: UML waits for that */
	if (!wanted || !(v->protocol_features & VHOST_PF_REPLY_ACK))
		return error_copy(e, &why);
	if (r < 0)
		log_warn("vhost: %s", error_text(&why));
	m->p.u64 = r < 0;
	m->hdr.size = sizeof(m->p.u64);
	return send_reply(v, e);
}

/* Reads up to the end of the header, then of the payload. Bytes; 0 at the end of the stream;
 * -errno. */
static ssize_t receive_part(struct vhost *v, size_t until)
{
	struct vhost_msg *m = &v->msg;
	size_t room = ARRAY_SIZE(m->fd) - m->nfds;
	ssize_t n =
		fd_recv(v->fd, (char *)&m->hdr + v->got, until - v->got, m->fd + m->nfds, &room);

	if (n < 0)
		return n;
	m->nfds += room;
	v->got += (size_t)n;
	return n;
}

/* 1: a message is complete; 0: not yet; -ECONNRESET between messages is the orderly end. */
static int receive(struct vhost *v, struct error *e)
{
	struct vhost_msg *m = &v->msg;
	size_t until = sizeof(m->hdr);
	ssize_t n;

	if (v->got >= sizeof(m->hdr))
		until += m->hdr.size;
	n = receive_part(v, until);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return error_set(e, (int)n, "read from the front-end");
	if (n == 0)
		return error_plain(e, ECONNRESET, "the front-end closed inside a message");
	if (v->got < until)
		return 0;
	if (until == sizeof(m->hdr) && m->hdr.size > sizeof(m->p))
		return error_plain(e, EMSGSIZE, "request %u has %u bytes", m->hdr.request,
				   m->hdr.size);
	return until == sizeof(m->hdr) + m->hdr.size;
}

static void readable(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct error e = ERROR_INIT;
	struct vhost *v = data;
	bool between = v->got == 0;
	int r = receive(v, &e);

	if (r > 0)
		r = handle(v, &e);
	if (r < 0)
		hang_up(v, r == -ECONNRESET && between ? NULL : &e);
}

static int watch_connection(struct vhost *v)
{
	v->io = loop_add_io(v->loop, v->fd, EPOLLIN, readable, v);
	return v->io ? 0 : -errno;
}

static void connected(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct vhost *v = data;
	struct error e = ERROR_INIT;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (conn < 0) {
		error_set(&e, errno, "accept the front-end");
		hang_up(v, &e);
		return;
	}
	v->io = loop_source_free(v->io);
	fd_close(v->fd);
	v->fd = conn;
	if (watch_connection(v) < 0) {
		error_set(&e, errno, "watch the front-end");
		hang_up(v, &e);
	}
}

/* ---- life ---- */

static int watch(struct vhost *v)
{
	socklen_t len = sizeof(int);
	int listening;

	v->trim = loop_add_timer(v->loop, -1, trim_tick, v);
	if (!v->trim || fd_set_nonblock(v->fd, true) < 0 ||
	    getsockopt(v->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return -errno;
	if (!listening)
		return watch_connection(v);
	v->io = loop_add_io(v->loop, v->fd, EPOLLIN, connected, v);
	return v->io ? 0 : -errno;
}

struct vhost *vhost_new(struct loop *l, int fd, struct virtio_device *dev, vhost_closed_fn *closed,
			void *data)
{
	struct vhost *v = xnew(struct vhost);
	int r;

	v->loop = l;
	v->dev = dev;
	v->fd = fd;
	v->backend_fd = -1;
	v->closed = closed;
	v->data = data;
	v->ring = xnew_array(struct vhost_ring, dev->ops->nqueues);
	for (unsigned i = 0; i < dev->ops->nqueues; i++)
		v->ring[i] = (struct vhost_ring){
			.v = v, .index = i, .kick = -1, .call = -1, .err = -1
		};
	virtio_attach(dev, &host_ops, v, &v->mem);
	r = watch(v);
	if (r == 0)
		return v;
	v->fd = -1; /* stays the caller's */
	vhost_free(v);
	errno = -r;
	return NULL;
}

void vhost_free(struct vhost *v)
{
	if (!v)
		return;
	vhost_stop_rings(v);
	for (unsigned i = 0; i < v->dev->ops->nqueues; i++) {
		vhost_ring_set_kick(&v->ring[i], -1);
		fd_close(v->ring[i].call);
		fd_close(v->ring[i].err);
	}
	loop_source_free(v->io);
	loop_source_free(v->trim);
	close_fds(&v->msg);
	fd_close(v->fd);
	fd_close(v->backend_fd);
	gmem_done(&v->mem);
	free(v->ring);
	free(v);
}
