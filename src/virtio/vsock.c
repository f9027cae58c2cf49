/* SPDX-License-Identifier: Apache-2.0 */
/* vsock - see vsock.h: the device and the work on its two queues. */
#include "virtio/vsock_priv.h"

#include "base/fd.h"
#include "base/loop.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define VSOCK_READ_MAX KIB(64) /* bytes of one turn */
#define VSOCK_BUDGET 256       /* packets or turns before other sources of the loop are looked at */

_Static_assert(sizeof(struct virtio_vsock_hdr) == 44, "virtio 1.2, 5.10.6");

/* ---- to the guest ---- */

/* Pops one receive buffer. A buffer that could not hold a header and a byte breaks the device. */
static int rx_pop(struct vsock *v, size_t used_iov, struct virtq_chain *c)
{
	struct virtq *q = &v->queue[VSOCK_RX];
	int r = vq_pop(q, v->dev.mem, v->iov + used_iov, ARRAY_SIZE(v->iov) - used_iov, c);

	if (r == -ENOBUFS && used_iov > 0)
		return 0; /* the next turn has room */
	if (r < 0 || (r > 0 && c->in_len <= VSOCK_HDR)) {
		virtio_break(&v->dev, VSOCK_RX);
		return -EBADMSG;
	}
	return r;
}

static void rx_push(struct vsock *v, const struct virtq_chain *c, const struct virtio_vsock_hdr *h)
{
	iov_write(c->iov + c->nout, c->nin, 0, h, sizeof(*h));
	vq_push(&v->queue[VSOCK_RX], c->head, (uint32_t)(sizeof(*h) + h->len));
}

/* A header that tells the guest our credit of @c. */
static struct virtio_vsock_hdr conn_header(struct vsock_conn *c, uint16_t op)
{
	c->told = c->forwarded;
	c->owe &= (uint8_t)~OWE_CREDIT;
	return (struct virtio_vsock_hdr){
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = c->v->config.guest_cid,
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = LIMIT_VSOCK_WINDOW,
		.fwd_cnt = c->forwarded,
	};
}

/* What is owed, in the order of sending; data come between RESPONSE and SHUTDOWN. */
static const struct {
	uint8_t owe;
	uint16_t op;
	bool after_data;
} packets[] = {
	{ OWE_RST, VIRTIO_VSOCK_OP_RST, false },
	{ OWE_REQUEST, VIRTIO_VSOCK_OP_REQUEST, false },
	{ OWE_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE, false },
	{ OWE_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN, true },
	{ OWE_ASK, VIRTIO_VSOCK_OP_CREDIT_REQUEST, true },
	{ OWE_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE, true },
};

/* What follows from having said it. */
static void owed_sent(struct vsock_conn *c, uint16_t op)
{
	switch (op) {
	case VIRTIO_VSOCK_OP_RST:
		conn_unhash(c);
		break;
	case VIRTIO_VSOCK_OP_REQUEST:
		conn_deadline(c);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		if (c->shutdown == VSOCK_SHUTDOWN_BOTH) {
			conn_close_host(c);
			c->state = VSOCK_CLOSING;
			conn_deadline(c);
		}
		break;
	default:
		break;
	}
}

/* Sends the first packet owed that stands @after_data. 1: sent; 0: none owed, or no buffer. */
static int send_owed(struct vsock *v, struct vsock_conn *c, bool after_data)
{
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		struct virtio_vsock_hdr h;
		int r;

		if (!(c->owe & packets[i].owe) || packets[i].after_data != after_data)
			continue;
		r = rx_pop(v, 0, &v->batch[0]);
		if (r <= 0)
			return r;
		c->owe &= (uint8_t)~packets[i].owe;
		h = conn_header(c, packets[i].op);
		if (packets[i].op == VIRTIO_VSOCK_OP_SHUTDOWN)
			h.flags = c->shutdown;
		rx_push(v, &v->batch[0], &h);
		owed_sent(c, packets[i].op);
		return 1;
	}
	return 0;
}

/* Pops buffers for up to @want payload bytes; v->payload becomes the places for them. The number of
 * buffers. */
static int gather(struct vsock *v, size_t want, size_t *ret_pieces)
{
	size_t iovs = 0, pieces = 0;
	int n = 0;

	while (n < VSOCK_BATCH && want > 0) {
		struct virtq_chain *c = &v->batch[n];
		size_t room;
		int r = rx_pop(v, iovs, c);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		room = MIN(want, c->in_len - VSOCK_HDR);
		/* cannot run out: both arrays are equally long, and one chain's payload has no more
		 * pieces than it */
		pieces += iov_slice(c->iov + c->nout, c->nin, VSOCK_HDR, room, v->payload + pieces,
				    ARRAY_SIZE(v->payload) - pieces);
		iovs += (size_t)c->nout + c->nin;
		want -= room;
		n++;
	}
	*ret_pieces = pieces;
	return n;
}

/* Makes packets of @len bytes that lie in the first buffers of the batch. The number of buffers
 * used. */
static int make_packets(struct vsock *v, struct vsock_conn *c, size_t len)
{
	int n = 0;

	while (len > 0) {
		struct virtio_vsock_hdr h = conn_header(c, VIRTIO_VSOCK_OP_RW);

		h.len = (uint32_t)MIN(len, v->batch[n].in_len - VSOCK_HDR);
		rx_push(v, &v->batch[n++], &h);
		c->sent += h.len;
		len -= h.len;
	}
	return n;
}

/* The host's end was read. The other direction goes on unless it is closed as well. */
static void host_end(struct vsock_conn *c)
{
	c->host_eof = true;
	c->shutdown |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (c->hup)
		c->shutdown = VSOCK_SHUTDOWN_BOTH;
	c->owe |= OWE_SHUTDOWN;
}

/* One read from the host socket into as many buffers as it takes. 1: sent; 0: nothing to send;
 * -errno. */
static int send_data(struct vsock *v, struct vsock_conn *c)
{
	size_t pieces = 0;
	ssize_t len;
	int n = gather(v, MIN(conn_credit(c), VSOCK_READ_MAX), &pieces);

	if (n <= 0)
		return n;
	do
		len = readv(c->fd, v->payload, (int)pieces);
	while (len < 0 && errno == EINTR);
	if (len > 0) {
		vq_unpop(&v->queue[VSOCK_RX], (uint16_t)(n - make_packets(v, c, (size_t)len)));
		return 1;
	}
	vq_unpop(&v->queue[VSOCK_RX], (uint16_t)n);
	c->readable = false;
	if (len == 0)
		host_end(c);
	else if (errno != EAGAIN)
		conn_abort(c);
	return 0;
}

/* One turn of a connection. False if the guest has no buffer for it. */
static bool conn_turn(struct vsock *v, struct vsock_conn *c)
{
	int r = send_owed(v, c, false);

	if (r == 0 && conn_can_read(c) && conn_credit(c) > 0)
		r = send_data(v, c);
	if (r == 0)
		send_owed(v, c, true);
	conn_update(c);
	return r >= 0;
}

static void send_reset(struct vsock *v)
{
	if (rx_pop(v, 0, &v->batch[0]) <= 0)
		return;
	rx_push(v, &v->batch[0], &v->resets[v->first_reset]);
	v->first_reset = (v->first_reset + 1) % LIMIT_VSOCK_RESETS;
	v->nresets--;
}

/* True if there is a buffer; else the guest was asked to say when. */
static bool rx_has_buffer(struct vsock *v)
{
	int n = vq_available(&v->queue[VSOCK_RX]);

	if (n == 0 && vq_arm(&v->queue[VSOCK_RX]))
		n = vq_available(&v->queue[VSOCK_RX]);
	if (n < 0)
		virtio_break(&v->dev, VSOCK_RX);
	return n > 0;
}

static void rx_run(struct vsock *v, int *budget)
{
	while (*budget > 0 && (v->nresets || !list_empty(&v->ready)) && rx_has_buffer(v)) {
		struct vsock_conn *c;

		--*budget;
		if (v->nresets) {
			send_reset(v);
			continue;
		}
		c = list_entry(v->ready.next, struct vsock_conn, ready);
		list_del(&c->ready);
		if (!conn_turn(v, c))
			break;
	}
	virtio_publish(&v->dev, VSOCK_RX);
}

/* ---- from the guest ---- */

/* A packet that is shorter than it says is dropped: there is no telling what it was about. */
static void tx_packet(struct vsock *v, const struct virtq_chain *c)
{
	struct virtio_vsock_hdr h;
	struct vsock_packet p = { .hdr = &h, .iov = v->payload };

	if (iov_read(c->iov, c->nout, 0, &h, sizeof(h)) != sizeof(h) ||
	    h.len > c->out_len - sizeof(h))
		return;
	p.n = iov_slice(c->iov, c->nout, sizeof(h), h.len, v->payload, ARRAY_SIZE(v->payload));
	vsock_from_guest(v, &p);
}

/* Pops one packet. 1; 0: none, and the guest will say when. */
static int tx_pop(struct vsock *v, struct virtq_chain *c)
{
	struct virtq *q = &v->queue[VSOCK_TX];
	int r = vq_pop(q, v->dev.mem, v->iov, ARRAY_SIZE(v->iov), c);

	if (r == 0 && vq_arm(q))
		r = vq_pop(q, v->dev.mem, v->iov, ARRAY_SIZE(v->iov), c);
	if (r < 0)
		virtio_break(&v->dev, VSOCK_TX);
	return MAX(r, 0);
}

/* Handles packets while refusals have room to wait. True if it stopped only because they have none.
 */
static bool tx_run(struct vsock *v, int *budget)
{
	struct virtq_chain c;

	vq_disarm(&v->queue[VSOCK_TX]);
	while (*budget > 0 && v->nresets < LIMIT_VSOCK_RESETS && tx_pop(v, &c)) {
		--*budget;
		tx_packet(v, &c);
		vq_push(&v->queue[VSOCK_TX], c.head, 0);
	}
	virtio_publish(&v->dev, VSOCK_TX);
	return v->nresets == LIMIT_VSOCK_RESETS;
}

void vsock_run(struct vsock *v)
{
	int budget = VSOCK_BUDGET;
	bool stalled;

	vq_disarm(&v->queue[VSOCK_RX]); /* buffers matter only when something waits for one:
					   rx_has_buffer asks then */
	do {
		stalled = tx_run(v, &budget);
		rx_run(v, &budget);
	} while (stalled && v->nresets < LIMIT_VSOCK_RESETS && budget > 0);
	if (v->dev.broken) {
		v->nresets = 0;
		conn_drop_all(v, false);
	} else if (budget <= 0) {
		loop_timer_set(v->again, 0);
	}
}

static void run_again(struct loop_source *s, void *data)
{
	vsock_run(data);
}

/* ---- the device ---- */

static struct vsock *of(struct virtio_device *d)
{
	return container_of(d, struct vsock, dev);
}

static void vsock_kick(struct virtio_device *d, unsigned q)
{
	vsock_run(of(d));
}

static void vsock_reset(struct virtio_device *d)
{
	struct vsock *v = of(d);

	v->nresets = 0;
	conn_drop_all(v, true);
}

static void vsock_free(struct virtio_device *d)
{
	struct vsock *v = of(d);

	for (size_t i = 0; i < v->high; i++) {
		if (v->conns[i].state != VSOCK_FREE)
			conn_close_host(&v->conns[i]);
	}
	loop_source_free(v->listener);
	loop_source_free(v->timer);
	loop_source_free(v->again);
	fd_close(v->listen_fd);
	if (v->conns)
		munmap(v->conns, LIMIT_VSOCK_CONNS * sizeof(*v->conns));
	free(v->path);
	free(v);
}

static const struct virtio_device_ops vsock_ops = {
	.name = "vsock",
	.id = 19,
	.nqueues = VSOCK_QUEUES,
	.features = VIRTIO_F_VERSION_1_BIT | VIRTQ_F_EVENT_IDX | VIRTQ_F_INDIRECT,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.free = vsock_free,
};

/* The sources and the table; -errno leaves what was made to vsock_free. */
static int vsock_setup(struct vsock *v, int listen_fd)
{
	/* mapped, so that slots which were never used cost nothing */
	void *p = mmap(NULL, LIMIT_VSOCK_CONNS * sizeof(*v->conns), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	v->conns = p;
	v->timer = loop_add_timer(v->loop, -1, conn_timer, v);
	v->again = v->timer ? loop_add_timer(v->loop, -1, run_again, v) : NULL;
	v->listener = v->again ? loop_add_io(v->loop, listen_fd, EPOLLIN, vsock_accept, v) : NULL;
	return v->listener ? 0 : -errno;
}

struct virtio_device *vsock_new(const struct vsock_options *o)
{
	struct vsock *v = xnew(struct vsock);
	int r;

	v->dev = (struct virtio_device){
		.ops = &vsock_ops,
		.queue = v->queue,
		.config = &v->config,
		.config_size = sizeof(v->config),
	};
	v->loop = o->loop;
	v->config.guest_cid = o->guest_cid;
	v->path = xstrdup(o->path);
	v->next_port = 1U << 30;
	v->listen_fd = -1;
	list_init(&v->ready);
	list_init(&v->timed);
	r = vsock_setup(v, o->listen_fd);
	if (r < 0) {
		vsock_free(&v->dev);
		errno = -r;
		return NULL;
	}
	v->listen_fd = o->listen_fd;
	return &v->dev;
}
