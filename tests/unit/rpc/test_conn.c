/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "peer.h"

#include "agent.pb-c.h"
#include "base/fd.h"
#include "base/limits.h"
#include "events_forward.pb-c.h"
#include "health.pb-c.h"
#include "rpc/conn.h"
#include "sandbox.pb-c.h"
#include "task.pb-c.h"
#include "task_v3.pb-c.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_pair(struct rpc_conn *c, int *peer)
{
	int fds[2];

	peer_pair(fds);
	assert_int_equal(rpc_conn_init(c, fds[0]), 0);
	*peer = fds[1];
}

static void test_frames(void **state)
{
	struct ttrpc_header h;
	const uint8_t *payload;
	struct rpc_conn c;
	int fd;

	conn_pair(&c, &fd);
	assert_int_equal(rpc_conn_read(&c), -EAGAIN);
	assert_false(c.eof);
	assert_null(c.in.data);
	peer_frame(NULL, fd, 7, TTRPC_TYPE_REQUEST, 3, "abc", 3);
	peer_frame(NULL, fd, 9, TTRPC_TYPE_DATA, 0, "", 0);
	peer_write_hex(NULL, fd, "0000000200");
	assert_int_equal(rpc_conn_read(&c), 28);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 1);
	assert_int_equal(h.stream, 7);
	assert_int_equal(h.flags, 3);
	assert_memory_equal(payload, "abc", 3);
	rpc_conn_drop(&c, &h);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 1);
	assert_int_equal(h.length, 0);
	rpc_conn_drop(&c, &h);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 0);
	peer_write_hex(NULL, fd,
		       "00000b0200"
		       "7a");
	assert_int_equal(rpc_conn_read(&c), 6);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 0);
	peer_write_hex(NULL, fd, "7a");
	assert_int_equal(rpc_conn_read(&c), 1);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 1);
	rpc_conn_drop(&c, &h);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 0);
	assert_null(c.in.data); /* an idle connection holds nothing */
	fd_close(fd);
	assert_int_equal(rpc_conn_read(&c), 0);
	assert_true(c.eof);
	rpc_conn_done(&c);
}

static void test_skips_oversize(void **state)
{
	struct ttrpc_header h;
	const uint8_t *payload;
	struct rpc_conn c;
	size_t left = LIMIT_TTRPC_MESSAGE + 1;
	char junk[KIB(64)] = { 0 };
	int fd;

	conn_pair(&c, &fd);
	peer_write_hex(NULL, fd,
		       "00400001"
		       "00000005"
		       "0100");
	rpc_conn_read(&c);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), -EMSGSIZE);
	assert_int_equal(h.stream, 5);
	while (left) {
		ssize_t n = write(fd, junk, MIN(left, sizeof(junk)));

		assert_true(n > 0 || errno == EAGAIN);
		left -= n > 0 ? (size_t)n : 0;
		rpc_conn_read(&c);
		assert_int_equal(rpc_conn_next(&c, &h, &payload), 0);
		assert_true(c.in.cap <= KIB(8));
	}
	peer_frame(NULL, fd, 7, TTRPC_TYPE_REQUEST, 0, "abc", 3);
	while (rpc_conn_next(&c, &h, &payload) == 0)
		assert_true(rpc_conn_read(&c) > 0);
	assert_int_equal(h.stream, 7);
	fd_close(fd);
	rpc_conn_done(&c);
}

/* A header that promises four megabytes must not make us allocate them. */
static void test_memory_follows_bytes(void **state)
{
	struct ttrpc_header h;
	const uint8_t *payload;
	struct rpc_conn c;
	int fd;

	conn_pair(&c, &fd);
	peer_write_hex(NULL, fd,
		       "00400000"
		       "00000005"
		       "0100"
		       "aabbcc");
	rpc_conn_read(&c);
	assert_int_equal(rpc_conn_next(&c, &h, &payload), 0);
	assert_true(c.in.cap <= KIB(8));
	fd_close(fd);
	rpc_conn_done(&c);
}

static void test_send(void **state)
{
	Grpc__CheckRequest m = GRPC__CHECK_REQUEST__INIT;
	autofree char *text = xcalloc(1, MIB(5));
	struct rpc_conn c;
	unsigned sent = 0;
	int fd, r;

	conn_pair(&c, &fd);
	assert_int_equal(rpc_conn_send(&c, 0x01020304, TTRPC_TYPE_RESPONSE, &m.base), 0);
	peer_expect_hex(NULL, fd, "00000000010203040200");
	assert_null(c.out.data);
	memset(text, 'x', MIB(5) - 1);
	m.service = text;
	assert_int_equal(rpc_conn_send(&c, 1, TTRPC_TYPE_RESPONSE, &m.base), -EMSGSIZE);
	text[MIB(3)] = '\0';
	while ((r = rpc_conn_send(&c, 1, TTRPC_TYPE_RESPONSE, &m.base)) == 0)
		assert_true(++sent < 10);
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(sent, LIMIT_TTRPC_OUTPUT / MIB(3));
	assert_false(c.deaf);
	assert_false(rpc_conn_peer_gone(&c));
	fd_close(fd);
	assert_true(rpc_conn_peer_gone(&c));
	rpc_conn_flush(&c);
	assert_true(c.deaf);
	assert_null(c.out.data);
	assert_int_equal(rpc_conn_send(&c, 1, TTRPC_TYPE_RESPONSE, &m.base), -EPIPE);
	rpc_conn_done(&c);
}

static void test_half_closed_is_not_gone(void **state)
{
	struct rpc_conn c;
	int fd;

	conn_pair(&c, &fd);
	shutdown(fd, SHUT_WR);
	assert_int_equal(rpc_conn_read(&c), 0);
	assert_true(c.eof);
	assert_false(rpc_conn_peer_gone(&c));
	fd_close(fd);
	assert_true(rpc_conn_peer_gone(&c));
	rpc_conn_done(&c);
}

static void test_pack(void **state)
{
	Grpc__CheckRequest m = GRPC__CHECK_REQUEST__INIT;
	ProtobufCBinaryData d;
	ProtobufCMessage *back;
	size_t size;

	assert_int_equal(rpc_pack(NULL, &d), 0);
	assert_int_equal(d.len, 0);
	assert_int_equal(rpc_pack(&m.base, &d), 0);
	assert_int_equal(d.len, 0);
	m.service = (char *)(uintptr_t) "abc";
	assert_int_equal(rpc_pack(&m.base, &d), 0);
	assert_memory_equal(d.data,
			    "\x0a\x03"
			    "abc",
			    5);
	assert_int_equal(rpc_unpack(m.base.descriptor, d.data, d.len, &back, &size), 0);
	assert_string_equal(((Grpc__CheckRequest *)back)->service, "abc");
	assert_in_range(size, sizeof(m) + 4, 512);
	protobuf_c_message_free_unpacked(back, NULL);
	assert_int_equal(rpc_unpack(m.base.descriptor, d.data, d.len - 1, &back, NULL), -EPROTO);
	free(d.data);
}

/* One submessage given a million times, each adding to one list: merging must not take quadratic
 * time. */
static void test_hostile_merge(void **state)
{
	const size_t n = MIB(4);
	autofree uint8_t *p = xcalloc(1, n);
	int64_t start = loop_now_ms();
	ProtobufCMessage *m;

	for (size_t i = 0; i + 4 <= n; i += 4)
		memcpy(p + i, "\x32\x02\x2a\x00", 4); /* OCI { Mounts { } } */
	assert_int_equal(rpc_unpack(&grpc__create_container_request__descriptor, p, n, &m, NULL),
			 -E2BIG);
	assert_true(loop_now_ms() - start < 5000);
	/* Few of them are just a way to write it. */
	assert_int_equal(rpc_unpack(&grpc__create_container_request__descriptor, p, 40, &m, NULL),
			 0);
	assert_int_equal(((Grpc__CreateContainerRequest *)m)->oci->n_mounts, 10);
	protobuf_c_message_free_unpacked(m, NULL);
}

/* Levels of messages in messages; fails where a message can hold itself. */
static unsigned nesting(const ProtobufCMessageDescriptor *d, unsigned depth)
{
	unsigned deepest = 1;

	assert_true(depth < 20);
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			deepest = MAX(deepest, 1 + nesting(d->fields[i].descriptor, depth + 1));
	return deepest;
}

/* protobuf-c unpacks by recursion without a limit: none of our messages may give a peer a say in
 * its depth. */
static void test_no_recursive_messages(void **state)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&grpc__agent_service__descriptor,
		&grpc__health__descriptor,
		&containerd__task__v2__task__descriptor,
		&containerd__task__v3__task__descriptor,
		&containerd__runtime__sandbox__v1__sandbox__descriptor,
		&containerd__services__events__ttrpc__v1__events__descriptor,
	};

	assert_in_range(nesting(&ttrpc__request__descriptor, 0), 2, 4);
	assert_in_range(nesting(&ttrpc__response__descriptor, 0), 2, 4);
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		for (unsigned m = 0; m < services[i]->n_methods; m++) {
			nesting(services[i]->methods[m].input, 0);
			nesting(services[i]->methods[m].output, 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_skips_oversize),
		cmocka_unit_test(test_memory_follows_bytes),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_half_closed_is_not_gone),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_hostile_merge),
		cmocka_unit_test(test_no_recursive_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
