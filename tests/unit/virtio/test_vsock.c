/* SPDX-License-Identifier: Apache-2.0 */
/* The device as a whole: what goes through its queues, and how it behaves when one of them stands
 * still. */
#include "fixture.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	uint64_t cid = 0;

	assert_int_equal(f->d->ops->id, 19);
	assert_true(f->d->ops->features & VIRTIO_F_VERSION_1_BIT);
	virtio_read_config(f->d, 0, &cid, sizeof(cid));
	assert_true(cid == VGUEST_CID);
}

static void test_bytes_pass_both_ways(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 1024, &port);
	char got[16];

	assert_int_equal(write(fd, "hello", 5), 5);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(f->h.len, 5);
	assert_int_equal(f->h.src_port, port);
	assert_int_equal(f->h.dst_port, 1024);
	assert_memory_equal(f->data, "hello", 5);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 1024, port, 0, "world!", 6);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 6);
	assert_memory_equal(got, "world!", 6);
	fixture_expect_nothing(f);
	close(fd);
}

/* One read fills many buffers: nothing is lost, doubled or reordered, and each packet but the last
 * is full. */
static void test_much_data_arrives_in_order(void **state)
{
	static uint32_t sent[50000], got[50000];
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	size_t in = 0, out = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
		sent[i] = (uint32_t)i;
	while (in < sizeof(got)) {
		ssize_t n = out < sizeof(sent)
				    ? send(fd, (char *)sent + out, sizeof(sent) - out, MSG_DONTWAIT)
				    : 0;

		out += n > 0 ? (size_t)n : 0;
		fixture_run(f);
		while (vguest_receive(&f->g, &f->h, f->data)) {
			assert_int_equal(f->h.op, VIRTIO_VSOCK_OP_RW);
			assert_true(in + f->h.len <= sizeof(got));
			memcpy((char *)got + in, f->data, f->h.len);
			in += f->h.len;
			f->g.fwd_cnt += f->h.len;
		}
		fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 5, port, 0, NULL, 0);
	}
	assert_memory_equal(got, sent, sizeof(sent));
	close(fd);
}

/* The driver may cut its receive buffers as it likes. */
static void test_fills_buffers_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct vguest_queue *q = &f->g.q[0];
	uint8_t *p = f->g.mem + 0x700000;
	static const uint32_t len[4] = { 10, 40, 3, 5 }; /* 58 bytes: a header and 14 */
	char flat[58];
	size_t at = 0;
	uint32_t port;
	int fd;

	f->g.keep_rx = true;
	fd = fixture_open(f, 5, &port);
	/* take away all others: they hold the packets of a connection to nobody */
	assert_int_equal(write(fd, "0123456789abcdef", 16), 16);
	while (vq_available(&f->d->queue[0]) > 0)
		fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 5, port, 0, NULL, 0);
	while (vguest_receive(&f->g, &f->h, f->data))
		;
	assert_int_equal(write(fd, "0123456789abcdef", 16), 16);
	fixture_run(f);
	for (uint16_t i = 0; i < 4; i++) {
		q->desc[i] = (struct vring_desc){
			.addr = vguest_gpa(&f->g, p + i * 100),
			.len = len[i],
			.next = (uint16_t)(i + 1),
			.flags = VRING_DESC_F_WRITE | (i < 3 ? VRING_DESC_F_NEXT : 0),
		};
	}
	q->busy[0] = true;
	vguest_post(&f->g, 0, 0);
	fixture_run(f);
	for (unsigned i = 0; i < 4; at += len[i++])
		memcpy(flat + at, p + i * 100, len[i]);
	assert_int_equal(((struct virtio_vsock_hdr *)flat)->len, 14);
	assert_memory_equal(flat + 44, "0123456789abcd", 14);
	close(fd);
}

static void test_refusals_wait_for_buffers_in_bounds(void **state)
{
	struct fixture *f = *state;
	unsigned sent = 0, got = 0;

	f->g.keep_rx = true;
	/* Every packet to nobody is answered; 64 buffers, then LIMIT_VSOCK_RESETS wait, then the
	 * queue is not read. */
	while (vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0)) {
		fixture_run(f);
		sent++;
		assert_true(sent < 1000);
	}
	assert_true(sent > 64 + LIMIT_VSOCK_RESETS);
	while (got < sent) {
		fixture_expect(f, VIRTIO_VSOCK_OP_RST);
		got++;
		vguest_rx_post(&f->g, 1);
		fixture_run(f);
	}
	fixture_expect_nothing(f);
	assert_false(f->broken);
}

static void test_a_host_without_buffers_to_fill_costs_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd;

	f->g.keep_rx = true;
	fd = fixture_open(f, 5, &port);
	while (vq_available(&f->d->queue[0]) > 0)
		fixture_send(f, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 5, port, 0, NULL, 0);
	assert_int_equal(write(fd, "x", 1), 1);
	fixture_run(f);
	/* The socket has a byte that has nowhere to go: the loop must sleep. */
	for (int i = 0; i < 3; i++) {
		int64_t before = loop_now_ms();

		assert_int_equal(loop_run_once(f->loop, 30), 0);
		assert_true(loop_now_ms() - before >= 29);
	}
	close(fd);
}

static void test_a_connection_reset_forgets_the_guest_but_not_who_waits(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int open = fixture_open(f, 5, &port), asked = fixture_connect(f, 6);
	char c;

	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	virtio_reset(f->d);
	fixture_run(f);
	assert_int_equal(fixture_read(open, &c, 1), 0);
	assert_int_equal(fixture_read(asked, &c, 1), -1);
	close(open);

	vguest_done(&f->g);
	vguest_init(&f->g, 64, true);
	gmem_done(&f->mem);
	assert_int_equal(gmem_add(&f->mem,
				  &(struct gmem_source){ .gpa = VGUEST_GPA, .size = VGUEST_SIZE },
				  f->g.memfd, NULL),
			 0);
	fixture_start(f);
	fixture_run(f);
	fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(f->h.dst_port, 6);
	close(asked);
}

static void test_a_broken_ring_ends_the_device_and_not_the_process(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port), later;
	char c;

	vguest_post(&f->g, 1, 9999);
	fixture_run(f);
	assert_true(f->broken);
	assert_int_equal(fixture_read(fd, &c, 1), 0);
	later = fixture_connect(f, 5);
	assert_int_equal(recv(later, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET); /* its line was not even read */
	close(fd);
	close(later);
}

static void test_useless_receive_buffers_break_it(void **state)
{
	struct fixture *f = *state;
	struct vguest_queue *q = &f->g.q[0];
	int fd;

	for (uint16_t i = 0; i < q->num; i++)
		q->desc[i].len = sizeof(struct virtio_vsock_hdr);
	fd = fixture_connect(f, 5);
	assert_true(f->broken);
	close(fd);
}

static void test_interrupts_are_not_repeated(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	unsigned before;

	fixture_run(f);
	vguest_want_interrupts(&f->g, 0);
	before = f->g.interrupts[0];
	for (int i = 0; i < 10; i++) {
		assert_int_equal(write(fd, "x", 1), 1);
		fixture_run(f);
	}
	assert_int_equal(f->g.interrupts[0], before + 1); /* the driver has not looked yet */
	close(fd);
}

/* After so many packets the loop gets its turn; the rest follows without another kick. */
static void test_a_flood_does_not_starve_the_loop(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr h = {
		.src_cid = VGUEST_CID, .dst_cid = 2, .type = 1, .op = VIRTIO_VSOCK_OP_RW
	};
	struct vguest_queue *q = &f->g.q[1];

	vguest_done(&f->g);
	vguest_init(&f->g, 256, true);
	gmem_done(&f->mem);
	assert_int_equal(gmem_add(&f->mem,
				  &(struct gmem_source){ .gpa = VGUEST_GPA, .size = VGUEST_SIZE },
				  f->g.memfd, NULL),
			 0);
	fixture_start(f);
	f->g.kick = NULL;
	memcpy(f->g.mem + q->bytes, &h, sizeof(h));
	for (uint16_t i = 0; i < 256; i++) {
		q->desc[i] = (struct vring_desc){ .addr = vguest_gpa(&f->g, f->g.mem + q->bytes),
						  .len = sizeof(h) };
		vguest_post(&f->g, 1, i);
	}
	virtio_kick(f->d, 1);
	assert_true(q->used->idx > 0 && q->used->idx < 256);
	fixture_run(f);
	assert_int_equal(q->used->idx, 256);
	f->g.keep_rx = true;
	for (int i = 0; i < 256; i++)
		fixture_expect(f, VIRTIO_VSOCK_OP_RST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_running, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_says_what_it_is),
		TEST(test_bytes_pass_both_ways),
		TEST(test_much_data_arrives_in_order),
		TEST(test_fills_buffers_in_pieces),
		TEST(test_refusals_wait_for_buffers_in_bounds),
		TEST(test_a_host_without_buffers_to_fill_costs_nothing),
		TEST(test_a_connection_reset_forgets_the_guest_but_not_who_waits),
		TEST(test_a_broken_ring_ends_the_device_and_not_the_process),
		TEST(test_useless_receive_buffers_break_it),
		TEST(test_interrupts_are_not_repeated),
		cmocka_unit_test_setup_teardown(test_a_flood_does_not_starve_the_loop,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
