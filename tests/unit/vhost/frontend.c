/* SPDX-License-Identifier: Apache-2.0 */
/* frontend - see frontend.h. */
#include "frontend.h"

#include "base/log.h"
#include "base/path.h"
#include "virtio/vsock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLAGS 1U /* version */

static void on_closed(void *data, const struct error *e)
{
	struct frontend *f = data;

	f->closed++;
	error_clear(&f->why);
	error_copy(&f->why, e);
}

static void kick(void *data, unsigned q)
{
	struct frontend *f = data;

	assert_int_equal(eventfd_write(f->kick[q], 1), 0);
}

static void make_device(struct frontend *f)
{
	struct vsock_options o = { .loop = f->loop, .guest_cid = VGUEST_CID, .path = f->path };

	o.listen_fd = unix_listen(f->path, SOCK_STREAM, 0600);
	f->d = vsock_new(&o);
	assert_non_null(f->d);
}

void frontend_init(struct frontend *f)
{
	*f = (struct frontend){ .fd = -1, .loop = loop_new() };
	strcpy(f->dir, "/tmp/caisson-vhost-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/vsock", f->dir);
	vguest_init(&f->g, 64, true);
	f->g.kick = kick;
	f->g.data = f;
	for (unsigned i = 0; i < VGUEST_QUEUES; i++) {
		f->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		f->err[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
}

void frontend_done(struct frontend *f)
{
	vhost_free(f->v);
	virtio_free(f->d);
	loop_free(f->loop);
	vguest_done(&f->g);
	fd_close(f->fd);
	for (unsigned i = 0; i < VGUEST_QUEUES; i++) {
		close(f->kick[i]);
		close(f->call[i]);
		close(f->err[i]);
	}
	assert_int_equal(path_remove_tree_at(AT_FDCWD, f->dir), 0);
}

int frontend_setup(void **state)
{
	struct frontend *f = xnew(struct frontend);
	int pair[2];

	log_init("test", -1, LOG_FORMAT_BARE, LOG_LEVEL_ERROR);
	frontend_init(f);
	make_device(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->fd = pair[0];
	f->v = vhost_new(f->loop, pair[1], f->d, on_closed, f);
	assert_non_null(f->v);
	*state = f;
	return 0;
}

int frontend_teardown(void **state)
{
	frontend_done(*state);
	free(*state);
	return 0;
}

void frontend_run(struct frontend *f)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_run_once(f->loop, f->pace_ms), 0);
}

void frontend_send(struct frontend *f, uint32_t request, uint32_t flags, const void *payload,
		   size_t size, const int *fds, size_t nfds)
{
	struct vhost_msg m = {
		.hdr = { .request = request, .flags = FLAGS | flags, .size = (uint32_t)size }
	};
	size_t len = sizeof(m.hdr) + size;

	assert_true(size <= sizeof(m.p));
	if (size > 0)
		memcpy(&m.p, payload, size);
	assert_int_equal(fd_send(f->fd, &m.hdr, len, fds, nfds), len);
	frontend_run(f);
}

void frontend_expect_reply(struct frontend *f, uint32_t request, size_t size)
{
	size_t len = sizeof(f->reply.hdr) + size;

	assert_int_equal(recv(f->fd, &f->reply.hdr, len, MSG_DONTWAIT), len);
	assert_int_equal(f->reply.hdr.request, request);
	assert_int_equal(f->reply.hdr.flags, 5); /* version 1, reply; UML takes nothing else */
	assert_int_equal(f->reply.hdr.size, size);
}

void frontend_expect_silence(struct frontend *f)
{
	char c;

	assert_int_equal(recv(f->fd, &c, 1, MSG_DONTWAIT), -1);
}

uint64_t frontend_ask(struct frontend *f, uint32_t request)
{
	frontend_send(f, request, 0, NULL, 0, NULL, 0);
	frontend_expect_reply(f, request, 8);
	return f->reply.p.u64;
}

void frontend_tell(struct frontend *f, uint32_t request, uint64_t value)
{
	frontend_send(f, request, 0, &value, sizeof(value), NULL, 0);
	frontend_expect_silence(f);
}

uint64_t frontend_ack(struct frontend *f, uint32_t request, const void *payload, size_t size,
		      const int *fds, size_t nfds)
{
	frontend_send(f, request, VHOST_FLAG_NEED_REPLY, payload, size, fds, nfds);
	frontend_expect_reply(f, request, 8);
	return f->reply.p.u64;
}

void frontend_negotiate(struct frontend *f)
{
	uint64_t features = frontend_ask(f, VHOST_GET_FEATURES);
	uint64_t protocol = frontend_ask(f, VHOST_GET_PROTOCOL_FEATURES);

	assert_true(features & VHOST_F_PROTOCOL_FEATURES);
	frontend_tell(f, VHOST_SET_PROTOCOL_FEATURES, protocol);
	frontend_send(f, VHOST_SET_OWNER, 0, NULL, 0, NULL, 0);
	frontend_tell(f, VHOST_SET_FEATURES, features);
}

void frontend_memory(struct frontend *f)
{
	struct {
		uint32_t n, pad;
		struct vhost_region r;
	} table = { 1, 0, { VGUEST_GPA, VGUEST_SIZE, VGUEST_USER, 0 } };

	assert_true(frontend_ack(f, VHOST_SET_MEM_TABLE, &table, sizeof(table), &f->g.memfd, 1) ==
		    0);
}

static void ring_state(struct frontend *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_ring_state s = { index, num };

	assert_true(frontend_ack(f, request, &s, sizeof(s), NULL, 0) == 0);
}

void frontend_start_ring(struct frontend *f, unsigned i)
{
	struct vguest_queue *q = &f->g.q[i];
	struct vhost_ring_addr a = {
		.index = i,
		.desc = vguest_user(&f->g, q->desc),
		.used = vguest_user(&f->g, q->used),
		.avail = vguest_user(&f->g, q->avail),
	};
	uint64_t index = i;

	ring_state(f, VHOST_SET_VRING_NUM, i, q->num);
	ring_state(f, VHOST_SET_VRING_BASE, i, 0);
	assert_true(frontend_ack(f, VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0) == 0);
	assert_true(frontend_ack(f, VHOST_SET_VRING_ERR, &index, 8, &f->err[i], 1) == 0);
	assert_true(frontend_ack(f, VHOST_SET_VRING_CALL, &index, 8, &f->call[i], 1) == 0);
	assert_true(frontend_ack(f, VHOST_SET_VRING_KICK, &index, 8, &f->kick[i], 1) == 0);
	ring_state(f, VHOST_SET_VRING_ENABLE, i, 1);
}

void frontend_start(struct frontend *f)
{
	frontend_negotiate(f);
	frontend_memory(f);
	frontend_start_ring(f, 0);
	frontend_start_ring(f, 1);
	vguest_rx_post(&f->g, 64);
	frontend_run(f);
}

bool frontend_signalled(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) == 0;
}
