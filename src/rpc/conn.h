/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn - ttRPC frames over one non-blocking stream socket, for the client and the server alike.
 *
 * Knows frames and protobuf messages, not calls: which stream ids are good and what a message means
 * is its user's business, and so is the event loop. Memory follows what has really arrived, never
 * what a header promises, and is given back whenever a direction is empty.
 */
#pragma once

#include "base/buf.h"
#include "wire/ttrpc_frame.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rpc_conn {
	int fd; /* owned */
	struct buf in, out;
	uint32_t skip; /* bytes of an oversize message still to be thrown away */
	bool eof;      /* nothing more will be read */
	bool deaf;     /* the peer takes nothing more: output is dropped */
};

/* Takes @fd and makes it non-blocking. 0 or -errno (@fd is taken nevertheless). */
int rpc_conn_init(struct rpc_conn *c, int fd);
void rpc_conn_done(struct rpc_conn *c);

/* Reads once. > 0: bytes; 0: end of file (c->eof); -EAGAIN; another -errno (c->eof and c->deaf). */
ssize_t rpc_conn_read(struct rpc_conn *c);

/*
 * The next frame. 1: it is complete, *ret_payload holds ret->length bytes until rpc_conn_drop,
 * which must follow. 0: more bytes are needed. -EMSGSIZE: a message over the limit begins, its body
 * will be skipped; no rpc_conn_drop.
 */
int rpc_conn_next(struct rpc_conn *c, struct ttrpc_header *ret, const uint8_t **ret_payload);
/* Done with the payload of frame @h. */
void rpc_conn_drop(struct rpc_conn *c, const struct ttrpc_header *h);

/* Queues @m as one frame and writes what the socket takes. -EMSGSIZE: longer than
 * LIMIT_TTRPC_MESSAGE, -ENOBUFS: the output would pass LIMIT_TTRPC_OUTPUT, -EPIPE: deaf; then
 * nothing was queued. */
int rpc_conn_send(struct rpc_conn *c, uint32_t stream, enum ttrpc_type type,
		  const ProtobufCMessage *m);
/* Writes what the socket takes; turns deaf if it takes nothing ever again. */
void rpc_conn_flush(struct rpc_conn *c);
void rpc_conn_set_deaf(struct rpc_conn *c);

/* True when the peer has closed both directions (after eof: is anybody there to read an
 * answer?). */
bool rpc_conn_peer_gone(const struct rpc_conn *c);

/*
 * protobuf from a peer: unpacking may allocate at most LIMIT_TTRPC_DECODED bytes altogether, which
 * bounds both memory and the work of merging. *ret_size is what it took. -EPROTO: malformed,
 * -E2BIG: over the limit. *ret is freed with protobuf_c_message_free_unpacked(m, NULL).
 */
int rpc_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t n,
	       ProtobufCMessage **ret, size_t *ret_size);
/* @m as bytes, NULL @m as none; the caller frees ret->data. -EMSGSIZE: longer than
 * LIMIT_TTRPC_MESSAGE, -ENOMEM. */
int rpc_pack(const ProtobufCMessage *m, ProtobufCBinaryData *ret);
