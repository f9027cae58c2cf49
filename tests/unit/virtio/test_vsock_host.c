/* SPDX-License-Identifier: Apache-2.0 */
/* The unix sockets: CONNECT lines, held requests, connections of the guest to host programs. */
#include "fixture.h"

#include "base/fd.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_a_request_is_held_until_the_driver_is_up(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f, 1024), gone = fixture_connect(f, 1025);
	char line[32];

	close(gone);
	fixture_wait(f, VSOCK_TIMEOUT_MS + 200); /* holding has no time limit */
	assert_int_equal(fixture_read(fd, line, sizeof(line)), -1);
	fixture_start(f);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(f->h.dst_port, 1024);
	assert_true(f->h.src_cid == 2);
	fixture_expect_nothing(f); /* nobody waits for 1025 any more */
	fixture_send(f, VIRTIO_VSOCK_OP_RESPONSE, 1024, f->h.src_port, 0, NULL, 0);
	assert_true(fixture_read(fd, line, sizeof(line)) > 3);
	close(fd);
}

static void test_ports_begin_where_firecrackers_do(void **state)
{
	struct fixture *f = *state;
	uint32_t first, second;
	int a, b;

	fixture_start(f);
	a = fixture_open(f, 5, &first);
	b = fixture_open(f, 5, &second);
	assert_int_equal(first, 1U << 30);
	assert_int_equal(second, first + 1);
	close(a);
	close(b);
}

static void test_a_refusal_closes_without_text(void **state)
{
	struct fixture *f = *state;
	int fd;
	char c;

	fixture_start(f);
	fd = fixture_connect(f, 5);
	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	fixture_send(f, VIRTIO_VSOCK_OP_RST, 5, f->h.src_port, 0, NULL, 0);
	assert_int_equal(fixture_read(fd, &c, 1), 0);
	fixture_expect_nothing(f);
	close(fd);
}

static int say(struct fixture *f, const char *text)
{
	int fd = unix_connect(f->path, SOCK_STREAM);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fixture_run(f);
	return fd;
}

static void test_other_lines_are_hung_up_on(void **state)
{
	static const char *const wrong[] = {
		"\n",
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT x\n",
		"CONNECT -1\n",
		"CONNECT 1 \n",
		"connect 1\n",
		"CONNECT 4294967295\n",
		"CONNECT 4294967296\n",
		"GET / HTTP/1.1\n",
		"CONNECT 00000000000000000000000000000000001\n",
	};
	struct fixture *f = *state;

	fixture_start(f);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		int fd = say(f, wrong[i]);
		char c;

		/* with bytes unread on its side the end may be a reset */
		if (recv(fd, &c, 1, MSG_DONTWAIT) > 0)
			fail_msg("\"%s\" was answered", wrong[i]);
		assert_int_not_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
		fixture_expect_nothing(f);
		close(fd);
	}
}

static void test_a_line_may_come_in_pieces_and_with_payload_behind(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = say(f, "CONN");
	assert_int_equal(write(fd, "ECT 7", 5), 5);
	fixture_run(f);
	fixture_expect_nothing(f);
	assert_int_equal(write(fd, "\nearly", 6), 6);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	fixture_send(f, VIRTIO_VSOCK_OP_RESPONSE, 7, f->h.src_port, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->h.len, 5);
	assert_memory_equal(f->data, "early", 5);
	close(fd);
}

static void test_who_says_nothing_is_hung_up_on(void **state)
{
	struct fixture *f = *state;
	int fd = say(f, ""), half = say(f, "CONNECT 1");
	char c;

	fixture_wait(f, VSOCK_TIMEOUT_MS + 100);
	assert_int_equal(fixture_read(fd, &c, 1), 0);
	assert_true(recv(half, &c, 1, MSG_DONTWAIT) <= 0);
	close(fd);
	close(half);
}

static void test_a_host_that_gives_up_takes_its_request_back(void **state)
{
	struct fixture *f = *state;
	int fd;

	fixture_start(f);
	fd = fixture_connect(f, 5);
	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	close(fd);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	fixture_send(f, VIRTIO_VSOCK_OP_RESPONSE, 5, f->h.src_port, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST); /* too late */
}

static void test_the_guest_connects_to_a_listener(void **state)
{
	struct fixture *f = *state;
	int listener = fixture_listen(f, 1234, 4), fd;
	char got[8];

	fixture_start(f);
	fd = fixture_accept(f, listener, 40000, 1234);
	assert_int_equal(f->h.src_port, 1234);
	assert_int_equal(f->h.dst_port, 40000);
	assert_true(f->h.buf_alloc > 0);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 40000, 1234, 0, "hi", 2);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 2);
	fixture_send(f, VIRTIO_VSOCK_OP_REQUEST, 40001, 1235, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST); /* nobody listens there */
	close(fd);
	close(listener);
}

/* A listener whose backlog is full is tried again, until it accepts or the time is up. */
static void test_a_busy_listener_is_tried_again(void **state)
{
	struct fixture *f = *state;
	int listener = fixture_listen(f, 9, 0), first, second;

	fixture_start(f);
	fixture_send(f, VIRTIO_VSOCK_OP_REQUEST, 1, 9, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RESPONSE);
	fixture_send(f, VIRTIO_VSOCK_OP_REQUEST, 2, 9, 0, NULL, 0);
	fixture_expect_nothing(f);
	first = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	fixture_wait(f, 3 * VSOCK_DIAL_RETRY_MS);
	fixture_expect(f, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(f->h.dst_port, 2);

	fixture_send(f, VIRTIO_VSOCK_OP_REQUEST, 3, 9, 0, NULL, 0);
	fixture_wait(f, VSOCK_TIMEOUT_MS - 100);
	fixture_expect_nothing(f);
	fixture_wait(f, 200);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(f->h.dst_port, 3);
	second = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(first);
	close(second);
	close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_request_is_held_until_the_driver_is_up),
		TEST(test_ports_begin_where_firecrackers_do),
		TEST(test_a_refusal_closes_without_text),
		TEST(test_other_lines_are_hung_up_on),
		TEST(test_a_line_may_come_in_pieces_and_with_payload_behind),
		TEST(test_who_says_nothing_is_hung_up_on),
		TEST(test_a_host_that_gives_up_takes_its_request_back),
		TEST(test_the_guest_connects_to_a_listener),
		TEST(test_a_busy_listener_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
