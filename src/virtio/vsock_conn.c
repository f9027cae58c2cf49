/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_conn - the connections of a vsock device: a fixed table with a hash over the port pair,
 * deadlines, credit, and the way of bytes from the guest to the host socket.
 */
#include "virtio/vsock_priv.h"

#include "base/fd.h"
#include "base/loop.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

static struct vsock_conn **bucket(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
	uint32_t h = (host_port * 2654435761U) ^ (guest_port * 2246822519U);

	return &v->hash[(h >> 16 ^ h) % VSOCK_HASH];
}

struct vsock_conn *conn_find(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
	for (struct vsock_conn *c = *bucket(v, host_port, guest_port); c; c = c->next)
		if (c->host_port == host_port && c->guest_port == guest_port)
			return c;
	return NULL;
}

void conn_hash(struct vsock_conn *c)
{
	struct vsock_conn **b = bucket(c->v, c->host_port, c->guest_port);

	c->next = *b;
	*b = c;
	c->hashed = true;
}

void conn_unhash(struct vsock_conn *c)
{
	struct vsock_conn **p = bucket(c->v, c->host_port, c->guest_port);

	if (!c->hashed)
		return;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->hashed = false;
}

static struct vsock_conn *take_slot(struct vsock *v)
{
	struct vsock_conn *c = v->unused;

	if (c) {
		v->unused = c->next;
		return c;
	}
	return v->high < LIMIT_VSOCK_CONNS ? &v->conns[v->high++] : NULL;
}

struct vsock_conn *conn_new(struct vsock *v, bool by_guest)
{
	struct vsock_conn *c;

	if (by_guest && v->nguest == LIMIT_VSOCK_GUEST_CONNS)
		return NULL;
	c = take_slot(v);
	if (!c)
		return NULL;
	*c = (struct vsock_conn){ .v = v, .fd = -1, .by_guest = by_guest };
	list_init(&c->ready);
	list_init(&c->timed);
	v->nguest += by_guest;
	return c;
}

static void ring_free(struct vsock_conn *c)
{
	if (c->ring) {
		munmap(c->ring, LIMIT_VSOCK_WINDOW);
		c->v->nrings--;
	}
	c->ring = NULL;
	c->ring_start = c->ring_len = 0;
}

void conn_close_host(struct vsock_conn *c)
{
	c->io = loop_source_free(c->io);
	c->fd = fd_close(c->fd);
	ring_free(c);
	c->readable = false;
}

static void conn_free(struct vsock_conn *c)
{
	struct vsock *v = c->v;

	conn_close_host(c);
	conn_no_deadline(c);
	conn_unhash(c);
	list_del(&c->ready);
	v->nguest -= c->by_guest;
	c->state = VSOCK_FREE;
	c->next = v->unused;
	v->unused = c;
	vsock_resume_listener(v);
}

/* 5.10.6.3: what the guest's buffer has room for. A guest that lies about it gets nothing. */
uint32_t conn_credit(const struct vsock_conn *c)
{
	uint32_t used = c->sent - c->peer_forwarded;

	return used < c->peer_alloc ? c->peer_alloc - used : 0;
}

bool conn_can_read(const struct vsock_conn *c)
{
	return c->state == VSOCK_OPEN && c->readable && !c->host_eof && !c->guest_deaf;
}

void conn_update(struct vsock_conn *c)
{
	if (c->state == VSOCK_ENDED && !c->owe && !c->ring_len) {
		conn_free(c);
		return;
	}
	if (conn_can_read(c) && conn_credit(c) == 0 && !c->asked) {
		c->asked = true;
		c->owe |= OWE_ASK;
	}
	if ((c->owe || (conn_can_read(c) && conn_credit(c) > 0)) && list_empty(&c->ready))
		list_add(&c->v->ready, &c->ready);
}

void conn_abort(struct vsock_conn *c)
{
	conn_close_host(c);
	conn_no_deadline(c);
	c->state = VSOCK_ENDED;
	c->owe = OWE_RST;
}

void conn_deadline(struct vsock_conn *c)
{
	struct vsock *v = c->v;
	bool first = list_empty(&v->timed);

	conn_no_deadline(c);
	c->deadline = loop_now_ms() + VSOCK_TIMEOUT_MS;
	c->redial = c->state == VSOCK_DIALING;
	v->ndialing += c->redial;
	list_add(&v->timed, &c->timed);
	if (first || c->redial)
		loop_timer_set(v->timer, v->ndialing ? VSOCK_DIAL_RETRY_MS : VSOCK_TIMEOUT_MS);
}

void conn_no_deadline(struct vsock_conn *c)
{
	c->v->ndialing -= c->redial;
	c->redial = false;
	list_del(&c->timed);
}

static void deadline_passed(struct vsock_conn *c)
{
	if (c->state == VSOCK_HANDSHAKE) {
		conn_no_deadline(c);
		c->state = VSOCK_ENDED; /* the guest never heard of it */
	} else {
		conn_abort(c);
	}
}

/* Everything whose time is up, then the host listeners that were too busy. Arms itself for the
 * next. */
void conn_timer(struct loop_source *s, void *data)
{
	struct vsock *v = data;
	int64_t now = loop_now_ms();
	struct vsock_conn *c;

	list_for_each(c, &v->timed, timed) {
		if (c->deadline <= now)
			deadline_passed(c);
		else if (c->state == VSOCK_DIALING)
			conn_dial(c);
		else if (v->ndialing == 0)
			break;
		else
			continue;
		conn_update(c);
	}
	if (v->ndialing)
		loop_timer_set(s, VSOCK_DIAL_RETRY_MS);
	else if (!list_empty(&v->timed))
		loop_timer_set(
			s, MAX(list_entry(v->timed.next, struct vsock_conn, timed)->deadline - now,
			       0));
	vsock_run(v);
}

static void forwarded(struct vsock_conn *c, size_t n)
{
	c->forwarded += (uint32_t)n;
	if (c->forwarded - c->told >= LIMIT_VSOCK_WINDOW / 2 && c->state == VSOCK_OPEN)
		c->owe |= OWE_CREDIT;
}

/* The host reads no more: the guest is told, and what it sends until it listens is dropped. */
static void host_deaf(struct vsock_conn *c)
{
	c->host_deaf = true;
	forwarded(c, c->ring_len);
	ring_free(c);
	if (c->state == VSOCK_OPEN) {
		c->shutdown |= VIRTIO_VSOCK_SHUTDOWN_RCV;
		c->owe |= OWE_SHUTDOWN;
	}
}

/* Writes once. The number taken; 0 when the socket is full or will take no more. */
static size_t host_send(struct vsock_conn *c, struct iovec *iov, size_t n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t r;

	do
		r = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno != EAGAIN) {
		host_deaf(c);
		return 0;
	}
	return r < 0 ? 0 : (size_t)r;
}

/* All bytes of the guest are with the host: passes on its end. */
static void host_drained(struct vsock_conn *c)
{
	if (c->state == VSOCK_ENDED)
		conn_close_host(c);
	else if (c->guest_eof && c->fd >= 0)
		shutdown(c->fd, SHUT_WR);
}

void conn_flush(struct vsock_conn *c)
{
	while (c->ring_len > 0) {
		uint32_t tail = MIN(c->ring_len, (uint32_t)LIMIT_VSOCK_WINDOW - c->ring_start);
		struct iovec iov[2] = {
			{ .iov_base = c->ring + c->ring_start, .iov_len = tail },
			{ .iov_base = c->ring, .iov_len = c->ring_len - tail },
		};
		size_t n = host_send(c, iov, 2);

		if (n == 0 && !c->host_deaf)
			return;
		c->ring_start = (c->ring_start + (uint32_t)n) % LIMIT_VSOCK_WINDOW;
		c->ring_len -= (uint32_t)n;
		forwarded(c, n);
	}
	ring_free(c);
	host_drained(c);
}

static int ring_new(struct vsock_conn *c)
{
	void *p;

	if (c->v->nrings == LIMIT_VSOCK_RINGS)
		return -ENOBUFS;
	p = mmap(NULL, LIMIT_VSOCK_WINDOW, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	c->ring = p;
	c->v->nrings++;
	return 0;
}

/* Copies the pieces from @off on behind the ring's end. Credit was checked: they fit. */
static int ring_put(struct vsock_conn *c, const struct iovec *iov, size_t n, size_t off, size_t len)
{
	uint32_t end = (c->ring_start + c->ring_len) % LIMIT_VSOCK_WINDOW;
	size_t first = MIN(len, LIMIT_VSOCK_WINDOW - end);
	int r = c->ring ? 0 : ring_new(c);

	if (r < 0)
		return r;
	iov_read(iov, n, off, c->ring + end, first);
	iov_read(iov, n, off + first, c->ring, len - first);
	c->ring_len += (uint32_t)len;
	return 0;
}

void conn_write(struct vsock_conn *c, const struct iovec *iov, size_t n, size_t len)
{
	size_t done = 0;

	if (len > LIMIT_VSOCK_WINDOW - (c->received - c->forwarded)) {
		conn_abort(c); /* more than the credit we gave */
		return;
	}
	c->received += (uint32_t)len;
	if (len > 0 && !c->ring_len && !c->host_deaf) {
		/* host_send does not change the array */
		done = host_send(c, (struct iovec *)(uintptr_t)iov, n);
		forwarded(c, done);
	}
	if (c->host_deaf)
		forwarded(c, len - done);
	else if (done < len && ring_put(c, iov, n, done, len - done) < 0)
		conn_abort(c);
}

void conn_guest_gone(struct vsock_conn *c)
{
	conn_no_deadline(c);
	conn_unhash(c);
	c->state = VSOCK_ENDED;
	c->owe = 0;
	conn_flush(c);
}

void conn_drop_all(struct vsock *v, bool keep_held)
{
	for (size_t i = 0; i < v->high; i++) {
		struct vsock_conn *c = &v->conns[i];

		if (c->state == VSOCK_FREE || (keep_held && c->state == VSOCK_HANDSHAKE))
			continue;
		if (keep_held && c->state == VSOCK_REQUESTED) {
			conn_no_deadline(c);
			c->owe = OWE_REQUEST;
		} else {
			conn_guest_gone(c);
		}
		conn_update(c);
	}
}
