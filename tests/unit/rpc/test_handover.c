/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
}

static void test_attach(void **state)
{
	struct handover_msg m = { .type = HANDOVER_ATTACH, .pid = 42, .id = "ctr", .exec_id = "" },
			    got;
	int s[2], p[2], fds[3];
	size_t nfds = ARRAY_SIZE(fds);

	pair(s);
	pair(p);
	assert_int_equal(handover_recv(s[1], &got, fds, &nfds), -EAGAIN);
	assert_int_equal(handover_send(s[0], &m, &p[0], 1), 0);
	nfds = ARRAY_SIZE(fds);
	assert_int_equal(handover_recv(s[1], &got, fds, &nfds), 1);
	assert_int_equal(nfds, 1);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_memory_equal(&m, &got, sizeof(m));
	fd_close(fds[0]);
	fd_close(s[0]);
	nfds = ARRAY_SIZE(fds);
	assert_int_equal(handover_recv(s[1], &got, fds, &nfds), 0);
	assert_int_equal(nfds, 0);
	fd_close(s[1]);
	fd_close(p[0]);
	fd_close(p[1]);
}

static void test_streams(void **state)
{
	struct handover_msg m = { .type = HANDOVER_STREAMS,
				  .value = HANDOVER_STDIN | HANDOVER_STDERR },
			    got;
	int s[2], fds[3] = { 0, 1, 2 };
	size_t nfds = ARRAY_SIZE(fds);

	pair(s);
	assert_int_equal(handover_send(s[0], &m, fds, 3), -EINVAL);
	assert_int_equal(handover_send(s[0], &m, fds, 2), 0);
	assert_int_equal(handover_recv(s[1], &got, fds, &nfds), 1);
	assert_int_equal(got.value, 5);
	assert_int_equal(nfds, 2);
	fd_close(fds[0]);
	fd_close(fds[1]);
	fd_close(s[0]);
	fd_close(s[1]);
}

/* Messages that handover_send refuses, and that handover_recv must refuse when sent all the
 * same. */
static void test_bad_messages(void **state)
{
	static const struct {
		struct handover_msg m;
		size_t nfds;
	} bad[] = {
		{ { .type = 0 } },
		{ { .type = HANDOVER_WINSIZE + 1 } },
		{ { .type = UINT32_MAX } },
		{ { .type = HANDOVER_ATTACH, .pid = 1, .id = "a" }, 0 },
		{ { .type = HANDOVER_ATTACH, .pid = 1, .id = "a" }, 2 },
		{ { .type = HANDOVER_ATTACH, .pid = 0, .id = "a" }, 1 },
		{ { .type = HANDOVER_ATTACH, .pid = -1, .id = "a" }, 1 },
		{ { .type = HANDOVER_ATTACH, .pid = 1, .id = "" }, 1 },
		{ { .type = HANDOVER_ATTACH, .pid = 1, .id = "../a" }, 1 },
		{ { .type = HANDOVER_ATTACH, .pid = 1, .id = "a", .exec_id = "b/c" }, 1 },
		{ { .type = HANDOVER_ATTACH, .pid = 1, .id = "a", .text = "t" }, 1 },
		{ { .type = HANDOVER_OK, .value = 1 } },
		{ { .type = HANDOVER_OK, .id = "a" } },
		{ { .type = HANDOVER_OK }, 1 },
		{ { .type = HANDOVER_STREAMS, .value = 8 }, 1 },
		{ { .type = HANDOVER_STREAMS, .value = 3 }, 1 },
		{ { .type = HANDOVER_EXIT, .value = 256 } },
		{ { .type = HANDOVER_SIGNAL, .value = 0 } },
		{ { .type = HANDOVER_SIGNAL, .value = 65 } },
	};
	int s[2], fds[3] = { 0, 1, 2 };

	pair(s);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct handover_msg got = { .type = 77 };
		int in[3];
		size_t n = ARRAY_SIZE(in);

		assert_int_equal(handover_send(s[0], &bad[i].m, fds, bad[i].nfds), -EINVAL);
		assert_int_equal(fd_send(s[0], &bad[i].m, sizeof(bad[i].m), fds, bad[i].nfds),
				 sizeof(bad[i].m));
		assert_int_equal(handover_recv(s[1], &got, in, &n), -EPROTO);
		assert_int_equal(n, 0);
		assert_int_equal(got.type, 77);
	}
	fd_close(s[0]);
	fd_close(s[1]);
}

static void send_raw(int sock, const void *p, size_t n)
{
	int fds[2] = { 0, 1 };

	assert_int_equal(fd_send(sock, p, n, fds, 2), n);
}

static void test_bad_sizes(void **state)
{
	struct handover_msg m[2] = { { .type = HANDOVER_EXIT, .value = 3 } }, got;
	struct handover_msg open_text = { .type = HANDOVER_ERROR };
	int s[2], fds[3];
	static const size_t sizes[] = { 1, sizeof(m[0]) - 1, sizeof(m[0]) + 1, sizeof(m) };

	pair(s);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = ARRAY_SIZE(fds);

		send_raw(s[0], m, sizes[i]);
		assert_int_equal(handover_recv(s[1], &got, fds, &n), -EPROTO);
		assert_int_equal(n, 0);
	}
	memset(open_text.text, 'x', sizeof(open_text.text));
	assert_int_equal(fd_send(s[0], &open_text, sizeof(open_text), NULL, 0), sizeof(open_text));
	size_t n = ARRAY_SIZE(fds);
	assert_int_equal(handover_recv(s[1], &got, fds, &n), -EPROTO);
	fd_close(s[0]);
	fd_close(s[1]);
	/* Not one of the descriptors sent has stayed open. */
	pair(s);
	assert_true(s[0] < 10 && s[1] < 10);
	fd_close(s[0]);
	fd_close(s[1]);
}

static void test_text_and_limits(void **state)
{
	struct handover_msg m = { .type = HANDOVER_ERROR, .text = "no\nsuch \x1b[0m file" }, got;
	int s[2];
	size_t n = 0;

	pair(s);
	assert_int_equal(handover_send(s[0], &m, NULL, 0), 0);
	assert_int_equal(handover_recv(s[1], &got, NULL, &n), 1);
	assert_string_equal(got.text, "no such ?[0m file");
	m = (struct handover_msg){ .type = HANDOVER_WINSIZE, .value = UINT32_MAX };
	assert_int_equal(handover_send(s[0], &m, NULL, 0), 0);
	assert_int_equal(handover_recv(s[1], &got, NULL, &n), 1);
	assert_true(got.value == UINT32_MAX);
	fd_close(s[1]);
	assert_int_equal(handover_send(s[0], &m, NULL, 0), -EPIPE);
	fd_close(s[0]);
}

/* The exit status must not be lost because a signal crossed it. */
static void test_crossing(void **state)
{
	struct handover_msg m = { .type = HANDOVER_SIGNAL, .value = 15 }, got;
	int s[2];
	size_t n = 0;

	pair(s);
	assert_int_equal(handover_send(s[1], &m, NULL, 0), 0);
	m = (struct handover_msg){ .type = HANDOVER_EXIT, .value = 143 };
	assert_int_equal(handover_send(s[0], &m, NULL, 0), 0);
	fd_close(s[0]);
	assert_int_equal(handover_recv(s[1], &got, NULL, &n), 1);
	assert_int_equal(got.type, HANDOVER_EXIT);
	assert_int_equal(got.value, 143);
	assert_int_equal(handover_recv(s[1], &got, NULL, &n), 0);
	fd_close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),    cmocka_unit_test(test_crossing),
		cmocka_unit_test(test_streams),   cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_bad_sizes), cmocka_unit_test(test_text_and_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
