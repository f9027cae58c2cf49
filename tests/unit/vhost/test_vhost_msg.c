/* SPDX-License-Identifier: Apache-2.0 */
/* The requests: what each is answered, and what is refused. */
#include "frontend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_offers_what_the_front_ends_need(void **state)
{
	struct frontend *f = *state;
	uint64_t features = frontend_ask(f, VHOST_GET_FEATURES);
	uint64_t protocol = frontend_ask(f, VHOST_GET_PROTOCOL_FEATURES);

	assert_true(features & VIRTIO_F_VERSION_1_BIT);
	assert_true(protocol & VHOST_PF_CONFIG);      /* QEMU and UML read the CID through it */
	assert_true(protocol & VHOST_PF_BACKEND_REQ); /* UML has no interrupts without it */
	assert_true(frontend_ask(f, VHOST_GET_QUEUE_NUM) == 3);
	assert_true(frontend_ask(f, VHOST_GET_MAX_MEM_SLOTS) == LIMIT_GMEM_REGIONS);
}

static void test_reads_configuration(void **state)
{
	struct frontend *f = *state;
	struct vhost_config c = { .offset = 0, .size = 8 };
	uint64_t cid;

	memset(c.data, 0xff, 8);
	frontend_send(f, VHOST_GET_CONFIG, 0, &c, 12 + 8, NULL, 0);
	frontend_expect_reply(f, VHOST_GET_CONFIG, 12 + 8);
	memcpy(&cid, f->reply.p.config.data, 8);
	assert_true(cid == VGUEST_CID);
	c.offset = UINT32_MAX;
	c.size = 256;
	frontend_send(f, VHOST_GET_CONFIG, 0, &c, sizeof(c), NULL, 0);
	frontend_expect_reply(f, VHOST_GET_CONFIG, sizeof(c));
	assert_int_equal(f->reply.p.config.data[0], 0);
}

static void test_acknowledges_only_when_asked_and_negotiated(void **state)
{
	uint64_t features = VHOST_PF_REPLY_ACK;
	struct frontend *f = *state;

	frontend_send(f, VHOST_SET_OWNER, VHOST_FLAG_NEED_REPLY, NULL, 0, NULL, 0);
	frontend_expect_silence(f);
	/* UML waits for an answer to the message that negotiates answers */
	assert_true(frontend_ack(f, VHOST_SET_PROTOCOL_FEATURES, &features, sizeof(features), NULL,
				 0) == 0);
	frontend_send(f, VHOST_SET_OWNER, 0, NULL, 0, NULL, 0);
	frontend_expect_silence(f);
	assert_true(frontend_ack(f, VHOST_SET_OWNER, NULL, 0, NULL, 0) == 0);
}

static void test_refuses_unknown_requests(void **state)
{
	struct frontend *f = *state;

	frontend_negotiate(f);
	assert_true(frontend_ack(f, 0, NULL, 0, NULL, 0) == 1);
	assert_true(frontend_ack(f, 6, NULL, 0, NULL, 0) == 1);
	assert_true(frontend_ack(f, UINT32_MAX, NULL, 0, NULL, 0) == 1);
	assert_int_equal(f->closed, 0);
	/* without the wish for an answer it would go unnoticed */
	frontend_send(f, 6, 0, NULL, 0, NULL, 0);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->why.code, -EOPNOTSUPP);
}

static void test_refuses_wrong_messages(void **state)
{
	static const struct {
		uint32_t request;
		size_t size, nfds;
		uint8_t payload[64];
	} wrong[] = {
		{ VHOST_SET_FEATURES, 7, 0, { 0 } },
		{ VHOST_SET_FEATURES, 8, 1, { 0 } },
		{ VHOST_SET_FEATURES, 8, 0, { 2 } }, /* not offered */
		{ VHOST_SET_PROTOCOL_FEATURES, 8, 0, { 2 } },
		{ VHOST_SET_MEM_TABLE, 8, 0, { 9 } },
		{ VHOST_SET_MEM_TABLE, 8, 1, { 1 } }, /* the region is missing */
		{ VHOST_SET_MEM_TABLE, 40, 0, { 1 } },
		{ VHOST_SET_MEM_TABLE, 40, 2, { 1 } },
		{ VHOST_SET_MEM_TABLE, 40, 1, { 1 } }, /* empty region */
		{ VHOST_ADD_MEM_REG, 40, 0, { 0 } },
		{ VHOST_ADD_MEM_REG, 40, 1, { 0 } },
		{ VHOST_REM_MEM_REG, 40, 0, { 0 } },
		{ VHOST_SET_VRING_NUM, 4, 0, { 0 } },
		{ VHOST_SET_VRING_NUM, 8, 0, { 0, 0, 0, 0, 3 } },
		{ VHOST_SET_VRING_NUM, 8, 0, { 3, 0, 0, 0, 8 } },
		{ VHOST_SET_VRING_NUM, 8, 0, { 255, 255, 255, 255, 8 } },
		{ VHOST_SET_VRING_BASE, 8, 0, { 0, 0, 0, 0, 0, 0, 1 } },
		{ VHOST_SET_VRING_BASE, 8, 0, { 3 } },
		{ VHOST_SET_VRING_ADDR, 39, 0, { 0 } },
		{ VHOST_SET_VRING_ADDR, 40, 0, { 3 } },
		{ VHOST_GET_VRING_BASE, 8, 0, { 3 } },
		{ VHOST_SET_VRING_KICK, 8, 0, { 0 } },    /* says that it brings a descriptor */
		{ VHOST_SET_VRING_KICK, 8, 1, { 0, 1 } }, /* says that it brings none */
		{ VHOST_SET_VRING_KICK, 8, 1, { 3 } },
		{ VHOST_SET_VRING_KICK, 8, 2, { 0 } },
		{ VHOST_SET_VRING_CALL, 8, 1, { 3 } },
		{ VHOST_SET_VRING_ERR, 8, 0, { 0 } },
		{ VHOST_SET_VRING_ENABLE, 8, 0, { 3 } },
		{ VHOST_SET_BACKEND_REQ_FD, 0, 0, { 0 } },
		{ VHOST_GET_CONFIG, 12, 0, { 0 } },
		{ VHOST_GET_CONFIG, 12, 0, { 0, 0, 0, 0, 8 } },
		{ VHOST_GET_CONFIG, 12, 0, { 0, 0, 0, 0, 1, 1 } },
	};
	struct frontend *f = *state;
	int fds[2] = { memfd_create("a", MFD_CLOEXEC), memfd_create("b", MFD_CLOEXEC) };

	frontend_negotiate(f);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct vhost_ring_state off = { 0, 0 };

		if (frontend_ack(f, wrong[i].request, wrong[i].payload, wrong[i].size, fds,
				 wrong[i].nfds) == 0)
			fail_msg("wrong message %zu (request %u) was accepted", i,
				 wrong[i].request);
		assert_int_equal(f->closed, 0);
		assert_true(frontend_ack(f, VHOST_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0) ==
			    0);
	}
	close(fds[0]);
	close(fds[1]);
}

static void test_refuses_too_long_a_message(void **state)
{
	struct frontend *f = *state;
	struct vhost_header h = { VHOST_SET_OWNER, 1, LIMIT_VHOST_PAYLOAD + 1 };

	assert_int_equal(write(f->fd, &h, sizeof(h)), sizeof(h));
	frontend_run(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->why.code, -EMSGSIZE);
}

static void test_refuses_another_version(void **state)
{
	struct frontend *f = *state;
	struct vhost_header h = { VHOST_SET_OWNER, 2, 0 };

	assert_int_equal(write(f->fd, &h, sizeof(h)), sizeof(h));
	frontend_run(f);
	assert_int_equal(f->closed, 1);
}

static void test_a_ring_without_addresses_does_not_start(void **state)
{
	struct frontend *f = *state;
	struct vhost_ring_state on = { 0, 1 };
	uint64_t index = 0;

	frontend_negotiate(f);
	frontend_memory(f);
	assert_true(frontend_ack(f, VHOST_SET_VRING_KICK, &index, 8, &f->kick[0], 1) ==
		    0); /* not enabled yet */
	assert_true(frontend_ack(f, VHOST_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0) == 1);
	assert_false(f->d->queue[0].live);
}

static void test_running_rings_do_not_move(void **state)
{
	struct frontend *f = *state;
	struct vhost_ring_state s = { 1, 32 };
	struct vhost_ring_addr a = {
		.index = 1,
		.desc = vguest_user(&f->g, f->g.q[1].desc),
		.used = vguest_user(&f->g, f->g.q[1].used),
		.avail = vguest_user(&f->g, f->g.q[1].avail),
	};

	frontend_start(f);
	assert_true(frontend_ack(f, VHOST_SET_VRING_NUM, &s, sizeof(s), NULL, 0) == 1);
	assert_true(frontend_ack(f, VHOST_SET_VRING_BASE, &s, sizeof(s), NULL, 0) == 1);
	assert_true(frontend_ack(f, VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0) ==
		    0); /* where it is */
	a.desc += 16;
	assert_true(frontend_ack(f, VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0) == 1);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_no_descriptor_is_left(void **state)
{
	struct frontend *f = *state;
	int fds[16], before;

	for (int i = 0; i < 16; i++)
		fds[i] = memfd_create("x", MFD_CLOEXEC);
	frontend_start(f);
	before = count_fds();
	for (int i = 0; i < 20; i++) {
		uint64_t ring = i % 3;

		frontend_ack(f, VHOST_SET_OWNER, NULL, 0, fds, 16);
		frontend_ack(f, VHOST_SET_VRING_CALL, &ring, 8, fds, 2);
		frontend_ack(f, VHOST_SET_MEM_TABLE, &ring, 8, fds, 8);
	}
	assert_int_equal(count_fds(), before);
	for (int i = 0; i < 16; i++)
		close(fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, frontend_setup, frontend_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_offers_what_the_front_ends_need),
		TEST(test_reads_configuration),
		TEST(test_acknowledges_only_when_asked_and_negotiated),
		TEST(test_refuses_unknown_requests),
		TEST(test_refuses_wrong_messages),
		TEST(test_refuses_too_long_a_message),
		TEST(test_refuses_another_version),
		TEST(test_a_ring_without_addresses_does_not_start),
		TEST(test_running_rings_do_not_move),
		TEST(test_no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
