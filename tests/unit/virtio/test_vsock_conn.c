/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: credit, slow readers on both sides, ends, limits, deadlines. */
#include "fixture.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_the_guests_credit_is_kept(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd;
	char many[300] = "";

	f->g.buf_alloc = 100;
	fd = fixture_open(f, 5, &port);
	assert_int_equal(write(fd, many, sizeof(many)), sizeof(many));
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->h.len, 100);
	fixture_expect(f, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	fixture_expect_nothing(f);
	/* the guest has read 30 of them */
	f->g.fwd_cnt = 30;
	fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5, port, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->h.len, 30);
	fixture_expect(f, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	/* it says that it read what was never sent: no credit comes of that, and no more questions
	 * without news */
	f->g.fwd_cnt = 1000000;
	fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5, port, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5, port, 0, NULL, 0);
	fixture_expect_nothing(f);
	f->g.fwd_cnt = 130;
	f->g.buf_alloc = 1000;
	fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5, port, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->h.len, 170);
	close(fd);
}

/* Sends until the device's window is used up. The number of bytes sent. */
static size_t fill_window(struct fixture *f, uint32_t port, uint32_t window)
{
	static uint8_t block[65536];
	size_t total = 0, forwarded = 0;

	while (total - forwarded < window) {
		size_t n = MIN(sizeof(block), window - (total - forwarded));

		memset(block, (int)(total >> 16), n);
		fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, block, n);
		total += n;
		while (vguest_receive(&f->g, &f->h, f->data)) {
			assert_int_equal(f->h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			forwarded = f->h.fwd_cnt;
		}
	}
	return total;
}

/* A host program that does not read: the guest may send as much as it was promised; then nothing is
 * lost. */
static void test_a_slow_host_reader_gets_everything(void **state)
{
	static uint8_t got[1 << 20];
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	size_t sent = fill_window(f, port, LIMIT_VSOCK_WINDOW), in = 0;
	long n;

	assert_true(sent > LIMIT_VSOCK_WINDOW &&
		    sent < sizeof(got)); /* the socket's own buffer took some */
	/* the guest closes, is told that it is over, and still nothing is lost */
	fixture_send(f, VIRTIO_VSOCK_OP_SHUTDOWN, 5, port, 3, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	while ((n = fixture_read(fd, got + in, sizeof(got) - in)) != 0) {
		in += n > 0 ? (size_t)n : 0;
		fixture_run(f);
	}
	assert_int_equal(in, sent);
	for (size_t i = 0; i < in; i += 65536)
		assert_int_equal(got[i], (uint8_t)(i >> 16));
	fixture_expect_nothing(f);
	close(fd);
}

/* A guest may know of less room than there is by now, but it never gets more than that. */
static void test_more_than_the_window_ends_the_connection(void **state)
{
	static const uint8_t block[4096];
	struct fixture *f = *state;
	size_t extra = 0;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);

	fill_window(f, port, LIMIT_VSOCK_WINDOW);
	while (!vguest_receive(&f->g, &f->h, f->data)) {
		assert_true(extra < LIMIT_VSOCK_WINDOW);
		fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, block, sizeof(block));
		extra += sizeof(block);
	}
	assert_int_equal(f->h.op, VIRTIO_VSOCK_OP_RST);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "x", 1);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST); /* nobody's by now */
	close(fd);
}

static void test_reading_gives_credit_back(void **state)
{
	static uint8_t got[LIMIT_VSOCK_WINDOW];
	struct fixture *f = *state;
	uint32_t port, before;
	int fd = fixture_open(f, 5, &port);

	fill_window(f, port, LIMIT_VSOCK_WINDOW);
	before = f->h.fwd_cnt;
	while (fixture_read(fd, got, sizeof(got)) > 0)
		fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_true(f->h.fwd_cnt - before >= LIMIT_VSOCK_WINDOW / 2);
	assert_int_equal(f->h.buf_alloc, LIMIT_VSOCK_WINDOW);
	close(fd);
}

static void test_the_guest_closes_half(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	char got[8];

	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "end", 3);
	fixture_send(f, VIRTIO_VSOCK_OP_SHUTDOWN, 5, port, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 3);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 0);
	/* the other half is open */
	assert_int_equal(write(fd, "answer", 6), 6);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->h.len, 6);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(f->h.flags, 3);
	/* sending after the end is against the rules */
	close(fd);
}

static void test_the_host_closes_half(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	char got[8];

	assert_int_equal(write(fd, "end", 3), 3);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(f->h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "answer", 6);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 6);
	fixture_send(f, VIRTIO_VSOCK_OP_SHUTDOWN, 5, port, 3, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 0);
	close(fd);
}

static void test_the_guest_reads_no_more(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	char got[8];

	fixture_send(f, VIRTIO_VSOCK_OP_SHUTDOWN, 5, port, VIRTIO_VSOCK_SHUTDOWN_RCV, NULL, 0);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "still", 5);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 5);
	fixture_expect_nothing(f);
	/* nobody will look for the host's end, but it must be noticed */
	close(fd);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(f->h.flags, 3);
}

static void test_the_host_reads_no_more(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);

	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	fixture_run(f);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "x", 1);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(f->h.flags, VIRTIO_VSOCK_SHUTDOWN_RCV);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "dropped", 7);
	fixture_expect_nothing(f);
	assert_int_equal(write(fd, "said", 4), 4);
	close(fd);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(f->h.flags, 3);
}

/* What the host wrote before it closed arrives first; then the guest has VSOCK_TIMEOUT_MS to
 * answer. */
static void test_the_host_closes(void **state)
{
	struct fixture *f = *state;
	uint32_t port, second;
	int fd = fixture_open(f, 5, &port);

	assert_int_equal(write(fd, "bye", 3), 3);
	close(fd);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(f->h.flags, 3);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "crossed", 7);
	fixture_expect_nothing(f);
	fixture_send(f, VIRTIO_VSOCK_OP_RST, 5, port, 0, NULL, 0);
	fixture_expect_nothing(f);

	close(fixture_open(f, 5, &second));
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	fixture_wait(f, VSOCK_TIMEOUT_MS - 200);
	fixture_expect_nothing(f);
	fixture_wait(f, 400);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(f->h.src_port, second);
}

static void test_the_host_closes_with_bytes_unread(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);

	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "unread", 6);
	close(fd);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	fixture_expect_nothing(f);
}

static void test_an_unanswered_request_times_out(void **state)
{
	struct fixture *f = *state;
	int fd = fixture_connect(f, 5);
	char c;

	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	fixture_wait(f, VSOCK_TIMEOUT_MS + 100);
	assert_int_equal(fixture_read(fd, &c, 1), 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

/* The guest can take LIMIT_VSOCK_GUEST_CONNS; the host finds a place even then, and all places come
 * back. */
static void test_the_table_is_bounded(void **state)
{
	struct rlimit files = { 2 * LIMIT_VSOCK_CONNS + 100, 2 * LIMIT_VSOCK_CONNS + 100 };
	static int fds[LIMIT_VSOCK_GUEST_CONNS];
	struct fixture *f = *state;
	int listener = fixture_listen(f, 7, 16);
	uint32_t port;
	char c;

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		skip();
	for (uint32_t i = 0; i < LIMIT_VSOCK_GUEST_CONNS; i++)
		fds[i] = fixture_accept(f, listener, i, 7);
	fixture_send(f, VIRTIO_VSOCK_OP_REQUEST, 100000, 7, 0, NULL, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(f->h.dst_port, 100000);
	close(fixture_open(f, 5, &port));
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_SHUTDOWN);
	for (uint32_t i = 0; i < LIMIT_VSOCK_GUEST_CONNS; i++) {
		fixture_send(f, VIRTIO_VSOCK_OP_RST, i, 7, 0, NULL, 0);
		assert_int_equal(fixture_read(fds[i], &c, 1), 0);
		close(fds[i]);
	}
	close(fixture_accept(f, listener, 1, 7));
	close(listener);
}

/* LIMIT_VSOCK_RINGS connections may have a slow reader; one more is reset, the others are not. */
static void test_slow_readers_are_bounded(void **state)
{
	static const uint8_t block[65536];
	static int fds[LIMIT_VSOCK_RINGS + 1];
	struct rlimit files = { 4000, 4000 };
	struct fixture *f = *state;
	int listener = fixture_listen(f, 7, 16);
	uint32_t i, resets = 0;

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		skip();
	for (i = 0; i <= LIMIT_VSOCK_RINGS; i++) {
		fds[i] = fixture_accept(f, listener, i, 7);
		for (int n = 0; n < 4 && resets == 0; n++) {
			fixture_send(f, VIRTIO_VSOCK_OP_RW, i, 7, 0, block, sizeof(block));
			while (vguest_receive(&f->g, &f->h, f->data))
				resets += f->h.op == VIRTIO_VSOCK_OP_RST;
		}
		assert_int_equal(resets, i == LIMIT_VSOCK_RINGS);
	}
	assert_int_equal(f->h.dst_port, LIMIT_VSOCK_RINGS);
	for (i = 0; i <= LIMIT_VSOCK_RINGS; i++)
		close(fds[i]);
	close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_running, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_guests_credit_is_kept),
		TEST(test_a_slow_host_reader_gets_everything),
		TEST(test_more_than_the_window_ends_the_connection),
		TEST(test_reading_gives_credit_back),
		TEST(test_the_guest_closes_half),
		TEST(test_the_host_closes_half),
		TEST(test_the_guest_reads_no_more),
		TEST(test_the_host_reads_no_more),
		TEST(test_the_host_closes),
		TEST(test_the_host_closes_with_bytes_unread),
		TEST(test_an_unanswered_request_times_out),
		TEST(test_the_table_is_bounded),
		TEST(test_slow_readers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
