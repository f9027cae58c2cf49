/* SPDX-License-Identifier: Apache-2.0 */
/* peer - the other end of a connection under test, spoken by hand: frames in and out of one end of
 * a socket pair. */
#pragma once

#include "base/loop.h"
#include "ttrpc.pb-c.h"
#include "wire/ttrpc_frame.h"

#include <stddef.h>
#include <stdint.h>

/* Both ends non-blocking and close-on-exec. */
void peer_pair(int fds[2]);
/* Writes all of it, running the loop while the socket is full. */
void peer_write(struct loop *l, int fd, const void *p, size_t n);
void peer_write_hex(struct loop *l, int fd, const char *hex);
void peer_frame(struct loop *l, int fd, uint32_t stream, int type, int flags, const void *p,
		size_t n);
/* Runs the loop until a frame has come; the payload is the caller's. Fails the test after ten
 * seconds or at the end of file. */
void peer_read(struct loop *l, int fd, struct ttrpc_header *h, uint8_t **payload);
/* Expects exactly these bytes. */
void peer_expect_hex(struct loop *l, int fd, const char *hex);
/* Expects a response for @stream; returns it unpacked. */
Ttrpc__Response *peer_response(struct loop *l, int fd, uint32_t stream);
/* ... with this status. */
void peer_expect_status(struct loop *l, int fd, uint32_t stream, int code, const char *message);
/* Runs the loop until the other side closes; fails after ten seconds. */
void peer_expect_end(struct loop *l, int fd);
/* Runs what is ready, without waiting. */
void peer_settle(struct loop *l);

void peer_request(struct loop *l, int fd, uint32_t stream, const char *service, const char *method,
		  const ProtobufCMessage *m, int64_t timeout_nano);
