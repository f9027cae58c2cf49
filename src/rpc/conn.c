/* SPDX-License-Identifier: Apache-2.0 */
/* conn - see conn.h. */
#include "rpc/conn.h"

#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <sys/socket.h>

#define READ_SIZE KIB(4)
#define CHUNK_OVERHEAD                                                            \
	16 /* what malloc adds to an allocation, so that many tiny ones count too \
	    */

int rpc_conn_init(struct rpc_conn *c, int fd)
{
	*c = (struct rpc_conn){
		.fd = fd,
		.in = BUF_INIT(TTRPC_HEADER_SIZE + LIMIT_TTRPC_MESSAGE + READ_SIZE),
		.out = BUF_INIT(LIMIT_TTRPC_OUTPUT),
	};
	return fd_set_nonblock(fd, true);
}

void rpc_conn_done(struct rpc_conn *c)
{
	c->fd = fd_close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
}

void rpc_conn_set_deaf(struct rpc_conn *c)
{
	c->deaf = true;
	buf_done(&c->out);
}

ssize_t rpc_conn_read(struct rpc_conn *c)
{
	/* Doubling keeps long messages cheap without trusting their headers. */
	ssize_t n = buf_read(&c->in, c->fd, MAX(READ_SIZE, buf_len(&c->in)));

	if (n <= 0 && n != -EAGAIN)
		c->eof = true;
	if (c->eof && n < 0)
		rpc_conn_set_deaf(c);
	if (!buf_len(&c->in))
		buf_done(&c->in);
	return n;
}

static bool skip_body(struct rpc_conn *c)
{
	size_t n = MIN(c->skip, buf_len(&c->in));

	buf_consume(&c->in, n);
	c->skip -= (uint32_t)n;
	return c->skip == 0;
}

int rpc_conn_next(struct rpc_conn *c, struct ttrpc_header *ret, const uint8_t **ret_payload)
{
	if (!skip_body(c) || buf_len(&c->in) < TTRPC_HEADER_SIZE) {
		if (!buf_len(&c->in))
			buf_done(&c->in);
		return 0;
	}
	if (ttrpc_header_decode((const uint8_t *)buf_ptr(&c->in), ret) < 0) {
		buf_consume(&c->in, TTRPC_HEADER_SIZE);
		c->skip = ret->length;
		return -EMSGSIZE;
	}
	if (buf_len(&c->in) - TTRPC_HEADER_SIZE < ret->length)
		return 0;
	*ret_payload = (const uint8_t *)buf_ptr(&c->in) + TTRPC_HEADER_SIZE;
	return 1;
}

void rpc_conn_drop(struct rpc_conn *c, const struct ttrpc_header *h)
{
	buf_consume(&c->in, TTRPC_HEADER_SIZE + h->length);
}

void rpc_conn_flush(struct rpc_conn *c)
{
	ssize_t n = 1;

	while (n > 0 && buf_len(&c->out))
		n = buf_write(&c->out, c->fd);
	if (n < 0 && n != -EAGAIN)
		rpc_conn_set_deaf(c);
	else if (!buf_len(&c->out))
		buf_done(&c->out);
}

int rpc_conn_send(struct rpc_conn *c, uint32_t stream, enum ttrpc_type type,
		  const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	struct ttrpc_header h = { .length = (uint32_t)n, .stream = stream, .type = (uint8_t)type };
	uint8_t *p;

	if (c->deaf)
		return -EPIPE;
	if (n > LIMIT_TTRPC_MESSAGE)
		return -EMSGSIZE;
	p = buf_reserve(&c->out, TTRPC_HEADER_SIZE + n);
	if (!p)
		return -ENOBUFS;
	ttrpc_header_encode(&h, p);
	protobuf_c_message_pack(m, p + TTRPC_HEADER_SIZE);
	buf_commit(&c->out, TTRPC_HEADER_SIZE + n);
	rpc_conn_flush(c);
	return 0;
}

bool rpc_conn_peer_gone(const struct rpc_conn *c)
{
	/* An empty message is never sent, but it is refused when nobody could receive one (unix and
	 * vsock sockets). */
	return c->deaf || (send(c->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN);
}

struct budget {
	size_t used;
	bool exceeded;
};

static void *budget_alloc(void *data, size_t n)
{
	struct budget *b = data;

	if (n > LIMIT_TTRPC_DECODED - b->used ||
	    n + CHUNK_OVERHEAD > LIMIT_TTRPC_DECODED - b->used) {
		b->exceeded = true;
		return NULL;
	}
	b->used += n + CHUNK_OVERHEAD;
	return malloc(n);
}

/* What is freed does not return to the budget: merging one long list again and again must end,
 * too. */
static void budget_free(void *data, void *p)
{
	free(p);
}

int rpc_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t n,
	       ProtobufCMessage **ret, size_t *ret_size)
{
	struct budget b = { 0 };
	ProtobufCAllocator a = { .alloc = budget_alloc, .free = budget_free, .allocator_data = &b };
	ProtobufCMessage *m = protobuf_c_message_unpack(desc, &a, n, p);

	if (!m)
		return b.exceeded ? -E2BIG : -EPROTO;
	if (ret_size)
		*ret_size = b.used;
	*ret = m;
	return 0;
}

int rpc_pack(const ProtobufCMessage *m, ProtobufCBinaryData *ret)
{
	size_t n = m ? protobuf_c_message_get_packed_size(m) : 0;
	uint8_t *p;

	*ret = (ProtobufCBinaryData){ 0 };
	if (n > LIMIT_TTRPC_MESSAGE)
		return -EMSGSIZE;
	if (!n)
		return 0;
	p = mem_try_calloc(1, n);
	if (!p)
		return -ENOMEM;
	ret->len = protobuf_c_message_pack(m, p);
	ret->data = p;
	return 0;
}
