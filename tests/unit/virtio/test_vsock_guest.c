/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from a guest that does not keep to the rules. */
#include "fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct virtio_vsock_hdr header(uint16_t op, uint32_t src_port, uint32_t dst_port)
{
	return (struct virtio_vsock_hdr){
		.src_cid = VGUEST_CID,
		.dst_cid = 2,
		.src_port = src_port,
		.dst_port = dst_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = 65536,
	};
}

static void send_header(struct fixture *f, struct virtio_vsock_hdr h, size_t payload)
{
	static const uint8_t zeroes[256];

	assert_true(vguest_send(&f->g, &h, zeroes, payload));
	fixture_run(f);
}

static void test_nobody_answers_a_stranger(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr h = header(VIRTIO_VSOCK_OP_REQUEST, 1, 2);

	h.src_cid = 99;
	send_header(f, h, 0);
	fixture_expect_nothing(f);
}

static void test_other_addresses_and_types_are_refused(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr h = header(VIRTIO_VSOCK_OP_REQUEST, 1, 2);

	h.dst_cid = 77;
	send_header(f, h, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	assert_true(f->h.src_cid == 77);
	assert_int_equal(f->h.src_port, 2);
	assert_int_equal(f->h.dst_port, 1);
	h = header(VIRTIO_VSOCK_OP_REQUEST, 1, 2);
	h.type = 2;
	send_header(f, h, 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(f->h.type, 2);
}

static void test_every_operation_to_nobody_is_refused_but_rst(void **state)
{
	struct fixture *f = *state;

	for (uint16_t op = 0; op < 20; op++) {
		send_header(f, header(op, 1, 2), 0);
		if (op == VIRTIO_VSOCK_OP_RST)
			fixture_expect_nothing(f);
		else
			fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	}
}

/* What does not fit the state of a connection resets it. */
static void test_wrong_operations_reset_the_connection(void **state)
{
	static const uint16_t wrong[] = { 0, VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE, 8,
					  0xffff };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint32_t port;
		int fd = fixture_open(f, 5, &port);
		char c;

		send_header(f, header(wrong[i], 5, port), 0);
		fixture_expect(f, VIRTIO_VSOCK_OP_RST);
		fixture_expect_nothing(f);
		assert_int_equal(fixture_read(fd, &c, 1), 0);
		close(fd);
	}
}

static void test_data_before_the_answer_reset_the_request(void **state)
{
	static const uint16_t wrong[] = { VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_SHUTDOWN,
					  VIRTIO_VSOCK_OP_REQUEST };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		int fd = fixture_connect(f, 5);
		char c;

		fixture_expect(f, VIRTIO_VSOCK_OP_REQUEST);
		send_header(f, header(wrong[i], 5, f->h.src_port), 0);
		fixture_expect(f, VIRTIO_VSOCK_OP_RST);
		assert_int_equal(fixture_read(fd, &c, 1), 0);
		close(fd);
	}
}

static void test_data_after_its_end_reset_the_connection(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);

	fixture_send(f, VIRTIO_VSOCK_OP_SHUTDOWN, 5, port, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	fixture_send(f, VIRTIO_VSOCK_OP_RW, 5, port, 0, "x", 1);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

/* Both packets come in one batch: the second meets a connection whose RST is still waiting. */
static void test_packets_behind_the_end_are_ignored(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);

	f->g.kick = NULL;
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_SHUTDOWN, 5, port, 3, NULL, 0));
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 5, port, 0, "x", 1));
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 5, port, 0, NULL, 0));
	virtio_kick(f->d, 1);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
	fixture_expect_nothing(f);
	close(fd);
}

static void test_lengths_that_lie_are_dropped(void **state)
{
	struct fixture *f = *state;
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	struct virtio_vsock_hdr h = header(VIRTIO_VSOCK_OP_RW, 5, port);
	char got[64];

	h.len = 17;
	send_header(f, h, 16);
	h.len = UINT32_MAX;
	send_header(f, h, 16);
	fixture_expect_nothing(f);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), -1);
	h.len = 16; /* more bytes than it says are nobody's */
	send_header(f, h, 48);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 16);
	h.len = 0;
	send_header(f, h, 0);
	fixture_expect_nothing(f);
	close(fd);
}

/* A chain without room for a header is a packet about nothing; the ring goes on. */
static void test_packets_without_a_whole_header_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct vguest_queue *q = &f->g.q[1];

	for (uint16_t len = 0; len < sizeof(struct virtio_vsock_hdr); len += 43) {
		uint16_t slot = 40 + len / 43;

		q->desc[slot] = (struct vring_desc){ .addr = VGUEST_GPA, .len = len };
		q->busy[slot] = true;
		vguest_post(&f->g, 1, slot);
		fixture_run(f);
	}
	assert_false(f->broken);
	send_header(f, header(VIRTIO_VSOCK_OP_RW, 1, 2), 0);
	fixture_expect(f, VIRTIO_VSOCK_OP_RST);
}

/* Linux up to 6.1 puts header and payload into descriptors of their own. */
static void test_a_packet_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct vguest_queue *q = &f->g.q[1];
	uint32_t port;
	int fd = fixture_open(f, 5, &port);
	uint8_t *p = f->g.mem + 0x700000;
	struct virtio_vsock_hdr h = header(VIRTIO_VSOCK_OP_RW, 5, port);
	char got[16];

	h.len = 10;
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), "0123456789", 10);
	q->desc[40] = (struct vring_desc){
		.addr = vguest_gpa(&f->g, p), .len = 20, .flags = 1, .next = 41
	};
	q->desc[41] = (struct vring_desc){
		.addr = vguest_gpa(&f->g, p + 20), .len = 30, .flags = 1, .next = 42
	};
	q->desc[42] = (struct vring_desc){ .addr = vguest_gpa(&f->g, p + 50), .len = 4 };
	q->busy[40] = true;
	vguest_post(&f->g, 1, 40);
	fixture_run(f);
	assert_int_equal(fixture_read(fd, got, sizeof(got)), 10);
	assert_memory_equal(got, "0123456789", 10);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_running, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_answers_a_stranger),
		TEST(test_other_addresses_and_types_are_refused),
		TEST(test_every_operation_to_nobody_is_refused_but_rst),
		TEST(test_wrong_operations_reset_the_connection),
		TEST(test_data_before_the_answer_reset_the_request),
		TEST(test_data_after_its_end_reset_the_connection),
		TEST(test_packets_behind_the_end_are_ignored),
		TEST(test_lengths_that_lie_are_dropped),
		TEST(test_packets_without_a_whole_header_are_dropped),
		TEST(test_a_packet_may_come_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
