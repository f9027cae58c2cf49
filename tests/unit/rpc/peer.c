/* SPDX-License-Identifier: Apache-2.0 */
/* peer - see peer.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "peer.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000

void peer_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
}

void peer_settle(struct loop *l)
{
	if (!l)
		return;
	for (int i = 0; i < 50; i++)
		loop_run_once(l, 0);
}

/* One turn while waiting for @fd; without a loop the other side runs elsewhere. */
static void turn(struct loop *l, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (l)
		loop_run_once(l, 10);
	else
		poll(&p, 1, 10);
}

void peer_write(struct loop *l, int fd, const void *p, size_t n)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;
	const char *c = p;

	while (n) {
		ssize_t r = send(fd, c, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r > 0) {
			c += r;
			n -= (size_t)r;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		assert_true(loop_now_ms() < end);
		turn(l, fd, POLLOUT);
	}
}

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
		sscanf(hex + 2 * i, "%2hhx", &out[i]);
	return n;
}

void peer_write_hex(struct loop *l, int fd, const char *hex)
{
	uint8_t bytes[1024];

	peer_write(l, fd, bytes, from_hex(hex, bytes));
}

void peer_frame(struct loop *l, int fd, uint32_t stream, int type, int flags, const void *p,
		size_t n)
{
	struct ttrpc_header h = {
		.length = (uint32_t)n,
		.stream = stream,
		.type = (uint8_t)type,
		.flags = (uint8_t)flags,
	};
	uint8_t head[TTRPC_HEADER_SIZE];

	assert_int_equal(ttrpc_header_encode(&h, head), 0);
	peer_write(l, fd, head, sizeof(head));
	peer_write(l, fd, p, n);
}

static void read_exactly(struct loop *l, int fd, void *p, size_t n)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;
	char *c = p;

	while (n) {
		ssize_t r = read(fd, c, n);

		assert_int_not_equal(r, 0);
		if (r > 0) {
			c += r;
			n -= (size_t)r;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		assert_true(loop_now_ms() < end);
		turn(l, fd, POLLIN);
	}
}

void peer_read(struct loop *l, int fd, struct ttrpc_header *h, uint8_t **payload)
{
	uint8_t head[TTRPC_HEADER_SIZE];

	read_exactly(l, fd, head, sizeof(head));
	assert_int_equal(ttrpc_header_decode(head, h), 0);
	*payload = xcalloc(1, h->length + 1);
	read_exactly(l, fd, *payload, h->length);
}

void peer_expect_hex(struct loop *l, int fd, const char *hex)
{
	uint8_t want[1024], got[1024];
	size_t n = from_hex(hex, want);

	read_exactly(l, fd, got, n);
	assert_memory_equal(got, want, n);
}

Ttrpc__Response *peer_response(struct loop *l, int fd, uint32_t stream)
{
	autofree uint8_t *payload = NULL;
	struct ttrpc_header h;
	Ttrpc__Response *r;

	peer_read(l, fd, &h, &payload);
	assert_int_equal(h.stream, stream);
	assert_int_equal(h.type, TTRPC_TYPE_RESPONSE);
	assert_int_equal(h.flags, 0);
	r = ttrpc__response__unpack(NULL, h.length, payload);
	assert_non_null(r);
	return r;
}

void peer_expect_status(struct loop *l, int fd, uint32_t stream, int code, const char *message)
{
	Ttrpc__Response *r = peer_response(l, fd, stream);

	assert_int_equal(r->status ? r->status->code : 0, code);
	assert_string_equal(r->status ? r->status->message : "", message);
	ttrpc__response__free_unpacked(r, NULL);
}

void peer_expect_end(struct loop *l, int fd)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;
	char c[256];

	for (;;) {
		ssize_t r = read(fd, c, sizeof(c));

		if (r == 0 || (r < 0 && errno == ECONNRESET))
			return;
		assert_true(r > 0 || errno == EAGAIN);
		assert_true(loop_now_ms() < end);
		turn(l, fd, POLLIN);
	}
}

void peer_request(struct loop *l, int fd, uint32_t stream, const char *service, const char *method,
		  const ProtobufCMessage *m, int64_t timeout_nano)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	autofree uint8_t *inner = m ? xcalloc(1, protobuf_c_message_get_packed_size(m) + 1) : NULL;
	autofree uint8_t *outer = NULL;

	r.service = (char *)(uintptr_t)service;
	r.method = (char *)(uintptr_t)method;
	r.timeout_nano = timeout_nano;
	r.payload.data = inner;
	r.payload.len = m ? protobuf_c_message_pack(m, inner) : 0;
	outer = xcalloc(1, ttrpc__request__get_packed_size(&r) + 1);
	peer_frame(l, fd, stream, TTRPC_TYPE_REQUEST, 0, outer, ttrpc__request__pack(&r, outer));
}
