/* SPDX-License-Identifier: Apache-2.0 */
/* The connection and the rings, end to end: a front-end, a guest's driver in shared memory, and
 * programs of the host. */
#include "frontend.h"

#include "virtio/vsock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void test_carries_a_connection(void **state)
{
	struct frontend *f = *state;
	int fd = unix_connect(f->path, SOCK_STREAM);
	struct virtio_vsock_hdr h;
	uint8_t data[VGUEST_RX_SIZE];
	char got[64];
	uint32_t port;

	assert_int_equal(write(fd, "CONNECT 1024\n", 13), 13);
	frontend_start(f);
	assert_true(vguest_receive(&f->g, &h, data));
	assert_int_equal(h.op, VIRTIO_VSOCK_OP_REQUEST);
	assert_true(frontend_signalled(f->call[0]));
	port = h.src_port;
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RESPONSE, 1024, port, 0, NULL, 0));
	frontend_run(f);
	assert_true(frontend_signalled(f->call[1]));
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 14);
	assert_memory_equal(got, "OK 1073741824\n", 14);
	for (int i = 0; i < 500; i++) { /* many times round the rings */
		assert_int_equal(write(fd, &i, sizeof(i)), sizeof(i));
		frontend_run(f);
		assert_true(vguest_receive(&f->g, &h, data));
		assert_int_equal(h.op, VIRTIO_VSOCK_OP_RW);
		assert_memory_equal(data, &i, sizeof(i));
		assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1024, port, 0, data, h.len));
		frontend_run(f);
		assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), sizeof(i));
		assert_memory_equal(got, &i, sizeof(i));
	}
	close(fd);
}

static void test_rings_stop_and_go_on(void **state)
{
	struct frontend *f = *state;
	struct vhost_ring_state s = { 1, 0 };
	uint64_t index = 1;

	frontend_start(f);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0));
	frontend_run(f);
	frontend_send(f, VHOST_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	frontend_expect_reply(f, VHOST_GET_VRING_BASE, sizeof(s));
	assert_int_equal(f->reply.p.state.index, 1);
	assert_int_equal(f->reply.p.state.num, 1);
	/* what comes while it is stopped waits */
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 3, 4, 0, NULL, 0));
	frontend_run(f);
	assert_int_equal(f->g.q[1].used->idx, 1);
	s.num = 1;
	assert_true(frontend_ack(f, VHOST_SET_VRING_BASE, &s, sizeof(s), NULL, 0) == 0);
	assert_true(frontend_ack(f, VHOST_SET_VRING_KICK, &index, 8, &f->kick[1], 1) == 0);
	assert_int_equal(f->g.q[1].used->idx, 2);
}

static void test_a_disabled_ring_waits(void **state)
{
	struct frontend *f = *state;
	struct vhost_ring_state s = { 1, 0 };

	frontend_start(f);
	assert_true(frontend_ack(f, VHOST_SET_VRING_ENABLE, &s, sizeof(s), NULL, 0) == 0);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0));
	frontend_run(f);
	assert_int_equal(f->g.q[1].used->idx, 0);
	s.num = 1;
	assert_true(frontend_ack(f, VHOST_SET_VRING_ENABLE, &s, sizeof(s), NULL, 0) == 0);
	assert_int_equal(f->g.q[1].used->idx, 1);
}

/* A front-end without protocol features never enables: rings run when they have their kick
 * descriptor. */
static void test_rings_are_enabled_without_protocol_features(void **state)
{
	struct frontend *f = *state;
	struct vhost_ring_addr a = {
		.index = 1,
		.desc = vguest_user(&f->g, f->g.q[1].desc),
		.used = vguest_user(&f->g, f->g.q[1].used),
		.avail = vguest_user(&f->g, f->g.q[1].avail),
	};
	struct vhost_ring_state num = { 1, 64 }, base = { 1, 0 };
	struct {
		uint32_t n, pad;
		struct vhost_region r;
	} table = { 1, 0, { VGUEST_GPA, VGUEST_SIZE, VGUEST_USER, 0 } };
	uint64_t index = 1;

	frontend_tell(f, VHOST_SET_FEATURES, VIRTIO_F_VERSION_1_BIT | VIRTQ_F_EVENT_IDX);
	frontend_send(f, VHOST_SET_MEM_TABLE, 0, &table, sizeof(table), &f->g.memfd, 1);
	frontend_send(f, VHOST_SET_VRING_NUM, 0, &num, sizeof(num), NULL, 0);
	frontend_send(f, VHOST_SET_VRING_BASE, 0, &base, sizeof(base), NULL, 0);
	frontend_send(f, VHOST_SET_VRING_ADDR, 0, &a, sizeof(a), NULL, 0);
	frontend_send(f, VHOST_SET_VRING_KICK, 0, &index, 8, &f->kick[1], 1);
	assert_int_equal(f->closed, 0);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0));
	frontend_run(f);
	assert_int_equal(f->g.q[1].used->idx, 1);
}

/* Memory is plugged in while rings run, and the table may be sent again at any time. */
static void test_the_memory_map_changes_under_running_rings(void **state)
{
	struct frontend *f = *state;
	struct {
		uint64_t pad;
		struct vhost_region r;
	} one = { 0, { VGUEST_GPA + VGUEST_SIZE, 8192, VGUEST_USER + VGUEST_SIZE, 0 } };
	int more = memfd_create("more", MFD_CLOEXEC);

	assert_int_equal(ftruncate(more, 8192), 0);
	frontend_start(f);
	assert_true(frontend_ack(f, VHOST_ADD_MEM_REG, &one, sizeof(one), &more, 1) == 0);
	assert_non_null(gmem_translate(&f->v->mem, VGUEST_GPA + VGUEST_SIZE, 8192));
	assert_true(frontend_ack(f, VHOST_ADD_MEM_REG, &one, sizeof(one), &more, 1) ==
		    1); /* twice */
	assert_true(frontend_ack(f, VHOST_REM_MEM_REG, &one, sizeof(one), NULL, 0) == 0);
	assert_null(gmem_translate(&f->v->mem, VGUEST_GPA + VGUEST_SIZE, 8192));
	frontend_memory(f);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0));
	frontend_run(f);
	assert_int_equal(f->g.q[1].used->idx, 1);
	close(more);
}

static void test_a_broken_ring_is_signalled(void **state)
{
	struct frontend *f = *state;

	frontend_start(f);
	assert_false(frontend_signalled(f->err[1]));
	vguest_post(&f->g, 1, 9999);
	frontend_run(f);
	assert_true(frontend_signalled(f->err[1]));
	assert_int_equal(f->closed, 0);
	/* a reset mends it */
	frontend_send(f, VHOST_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	memset(f->g.mem, 0, VGUEST_SIZE);
	f->g.q[0].next_avail = f->g.q[0].next_used = f->g.q[1].next_avail = f->g.q[1].next_used = 0;
	memset(f->g.q[0].busy, 0, sizeof(f->g.q[0].busy));
	frontend_start(f);
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0));
	frontend_run(f);
	assert_int_equal(f->g.q[1].used->idx, 1);
}

/* Whether our page tables have the page: bit 63 of its entry (proc_pid_pagemap). */
static bool mapped(const void *p)
{
	autoclose int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	assert_int_equal(pread(fd, &entry, sizeof(entry),
			       (off_t)((uintptr_t)p / 4096 * sizeof(entry))),
			 sizeof(entry));
	return entry >> 63;
}

static void test_memory_is_taken_out_of_the_page_tables(void **state)
{
	struct frontend *f = *state;
	uint8_t *rings;

	frontend_start(f);
	rings = gmem_translate(&f->v->mem, vguest_gpa(&f->g, f->g.q[1].avail), 4096);
	assert_true(f->v->trim_armed);
	assert_true(mapped(rings));
	for (int64_t end = loop_now_ms() + 3000; f->v->trim_armed && loop_now_ms() < end;)
		assert_int_equal(loop_run_once(f->loop, 100), 0);
	assert_false(f->v->trim_armed);
	assert_false(mapped(rings));
	assert_true(vguest_packet(&f->g, VIRTIO_VSOCK_OP_RW, 1, 2, 0, NULL, 0));
	frontend_run(f);
	assert_int_equal(f->g.q[1].used->idx, 1);
	assert_true(f->v->trim_armed);
}

static void test_the_end_is_told_once(void **state)
{
	struct frontend *f = *state;

	frontend_start(f);
	f->fd = fd_close(f->fd);
	frontend_run(f);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->why.code, 0);
	frontend_run(f);
	assert_int_equal(f->closed, 1);
	assert_false(f->d->queue[1].live);
}

static void test_an_end_inside_a_message_is_an_error(void **state)
{
	struct frontend *f = *state;

	assert_int_equal(write(f->fd, "\1\0\0\0", 4), 4);
	frontend_run(f);
	assert_int_equal(f->closed, 0);
	f->fd = fd_close(f->fd);
	frontend_run(f);
	assert_int_equal(f->closed, 1);
	assert_int_not_equal(f->why.code, 0);
}

static void test_messages_may_come_byte_by_byte(void **state)
{
	struct frontend *f = *state;
	struct vhost_msg m = { .hdr = { VHOST_GET_CONFIG, 1, 20 }, .p.config = { .size = 8 } };

	for (size_t i = 0; i < sizeof(m.hdr) + 20; i++) {
		frontend_expect_silence(f);
		assert_int_equal(write(f->fd, (char *)&m.hdr + i, 1), 1);
		frontend_run(f);
	}
	frontend_expect_reply(f, VHOST_GET_CONFIG, 20);
	assert_int_equal(f->reply.p.config.data[0], VGUEST_CID);
}

static void test_listens_for_one_frontend(void **state)
{
	struct frontend *f = *state;
	char path[64];
	int listener, second;

	vhost_free(f->v);
	f->fd = fd_close(f->fd);
	snprintf(path, sizeof(path), "%s/vhost", f->dir);
	listener = unix_listen(path, SOCK_STREAM, 0600);
	f->v = vhost_new(f->loop, listener, f->d, NULL, f);
	assert_non_null(f->v);
	f->fd = unix_connect(path, SOCK_STREAM);
	frontend_run(f);
	assert_true(frontend_ask(f, VHOST_GET_QUEUE_NUM) == 3);
	second = unix_connect(path, SOCK_STREAM);
	assert_true(second < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, frontend_setup, frontend_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_carries_a_connection),
		TEST(test_rings_stop_and_go_on),
		TEST(test_a_disabled_ring_waits),
		TEST(test_rings_are_enabled_without_protocol_features),
		TEST(test_the_memory_map_changes_under_running_rings),
		TEST(test_a_broken_ring_is_signalled),
		TEST(test_memory_is_taken_out_of_the_page_tables),
		TEST(test_the_end_is_told_once),
		TEST(test_an_end_inside_a_message_is_an_error),
		TEST(test_messages_may_come_byte_by_byte),
		TEST(test_listens_for_one_frontend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
