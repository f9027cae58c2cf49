/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_guest - packets from the guest (virtio 1.2, 5.10.6): one handler for each operation of a
 * known connection.
 *
 * Nothing in a packet is believed. An operation that does not fit the state of its connection
 * resets the connection; a packet that belongs to no connection is answered with a RST, unless it
 * is one.
 */
#include "virtio/vsock_priv.h"

#include "base/fd.h"
#include "base/loop.h"

#include <sys/socket.h>

static void refuse(struct vsock *v, const struct virtio_vsock_hdr *h)
{
	struct virtio_vsock_hdr *r;

	if (h->op == VIRTIO_VSOCK_OP_RST || v->nresets == LIMIT_VSOCK_RESETS)
		return; /* vsock_run reads no packet while the queue is full */
	r = &v->resets[(v->first_reset + v->nresets++) % LIMIT_VSOCK_RESETS];
	*r = (struct virtio_vsock_hdr){
		.src_cid = h->dst_cid,
		.dst_cid = h->src_cid,
		.src_port = h->dst_port,
		.dst_port = h->src_port,
		.type = h->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};
}

static void on_request(struct vsock *v, const struct virtio_vsock_hdr *h)
{
	struct vsock_conn *c = conn_new(v, true);

	if (!c) {
		refuse(v, h);
		return;
	}
	c->host_port = h->dst_port;
	c->guest_port = h->src_port;
	c->peer_alloc = h->buf_alloc;
	c->peer_forwarded = h->fwd_cnt;
	conn_hash(c);
	conn_dial(c);
	conn_update(c);
}

static void on_response(struct vsock_conn *c, const struct vsock_packet *p)
{
	if (c->state == VSOCK_REQUESTED && !(c->owe & OWE_REQUEST))
		conn_accepted(c);
	else
		conn_abort(c);
}

static void on_rst(struct vsock_conn *c, const struct vsock_packet *p)
{
	conn_guest_gone(c);
}

static void on_rw(struct vsock_conn *c, const struct vsock_packet *p)
{
	if (c->state == VSOCK_CLOSING)
		return; /* sent before it heard that the host is gone */
	if (c->state != VSOCK_OPEN || c->guest_eof)
		conn_abort(c);
	else
		conn_write(c, p->iov, p->n, p->hdr->len);
}

/* The guest closed both ways. It gets its RST now; what it sent goes on to the host for as long as
 * that reads. */
static void guest_closed(struct vsock_conn *c)
{
	conn_no_deadline(c);
	c->state = VSOCK_ENDED;
	c->owe = OWE_RST;
	conn_flush(c);
}

static void on_shutdown(struct vsock_conn *c, const struct vsock_packet *p)
{
	bool eof = p->hdr->flags & VIRTIO_VSOCK_SHUTDOWN_SEND;
	bool deaf = p->hdr->flags & VIRTIO_VSOCK_SHUTDOWN_RCV;

	if (c->state != VSOCK_OPEN && c->state != VSOCK_CLOSING) {
		conn_abort(c);
		return;
	}
	if (deaf && !c->guest_deaf && c->fd >= 0)
		shutdown(c->fd, SHUT_RD); /* the host's writes fail from now on */
	c->guest_eof |= eof;
	c->guest_deaf |= deaf;
	if (c->guest_eof && c->guest_deaf)
		guest_closed(c);
	else if (eof)
		conn_flush(c);
}

static void on_credit_update(struct vsock_conn *c, const struct vsock_packet *p)
{
	/* every packet carries the credit: it is taken already */
}

static void on_credit_request(struct vsock_conn *c, const struct vsock_packet *p)
{
	c->owe |= OWE_CREDIT;
}

typedef void packet_fn(struct vsock_conn *c, const struct vsock_packet *p);

static packet_fn *const handlers[] = {
	[VIRTIO_VSOCK_OP_RESPONSE] = on_response,
	[VIRTIO_VSOCK_OP_RST] = on_rst,
	[VIRTIO_VSOCK_OP_SHUTDOWN] = on_shutdown,
	[VIRTIO_VSOCK_OP_RW] = on_rw,
	[VIRTIO_VSOCK_OP_CREDIT_UPDATE] = on_credit_update,
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = on_credit_request,
};

static void take_credit(struct vsock_conn *c, const struct virtio_vsock_hdr *h)
{
	if (c->peer_alloc != h->buf_alloc || c->peer_forwarded != h->fwd_cnt)
		c->asked = false;
	c->peer_alloc = h->buf_alloc;
	c->peer_forwarded = h->fwd_cnt;
}

static void on_known(struct vsock_conn *c, const struct vsock_packet *p)
{
	packet_fn *fn = p->hdr->op < ARRAY_SIZE(handlers) ? handlers[p->hdr->op] : NULL;

	if (c->state == VSOCK_ENDED && p->hdr->op != VIRTIO_VSOCK_OP_RST)
		return; /* its RST is on the way */
	take_credit(c, p->hdr);
	if (fn)
		fn(c, p);
	else
		conn_abort(c); /* a second REQUEST, too */
	conn_update(c);
}

void vsock_from_guest(struct vsock *v, const struct vsock_packet *p)
{
	const struct virtio_vsock_hdr *h = p->hdr;
	struct vsock_conn *c;

	if (h->src_cid != v->config.guest_cid)
		return; /* not who it claims to be: there is nobody to answer */
	if (h->dst_cid != VSOCK_HOST_CID || h->type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(v, h);
		return;
	}
	c = conn_find(v, h->dst_port, h->src_port);
	if (c)
		on_known(c, p);
	else if (h->op == VIRTIO_VSOCK_OP_REQUEST)
		on_request(v, h);
	else
		refuse(v, h);
}
