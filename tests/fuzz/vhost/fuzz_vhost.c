/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_vhost - a vhost-user front-end that sends anything, descriptors included.
 *
 * The first half of the input is a sequence of messages: {request, flags, descriptors, length, that
 * many payload bytes}; some requests are completed to something that gets past the first checks, so
 * that rings do start. The second half is the guest's memory, rings included. The device behind
 * gives every chain back.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "vhost/vhost_priv.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEM_SIZE 0x20000
#define QUEUES 3

struct echo {
	struct virtio_device dev;
	struct virtq queue[QUEUES];
};

/* Takes every chain and gives it back. */
static void echo_kick(struct virtio_device *d, unsigned i)
{
	struct virtq *q = &d->queue[i];
	struct iovec iov[16];
	struct virtq_chain c;
	int r;

	for (int n = 0; n < 64; n++) {
		r = vq_pop(q, d->mem, iov, ARRAY_SIZE(iov), &c);
		if (r < 0)
			virtio_break(d, i);
		if (r <= 0)
			break;
		vq_push(q, c.head, (uint32_t)iov_write(c.iov + c.nout, c.nin, 0, "answer", 6));
	}
	vq_arm(q);
	virtio_publish(d, i);
}

static void echo_reset(struct virtio_device *d)
{
}

static const struct virtio_device_ops echo_ops = {
	.name = "echo",
	.id = 1,
	.nqueues = QUEUES,
	.kick = echo_kick,
	.reset = echo_reset,
	.free = echo_reset,
	.features = VIRTIO_F_VERSION_1_BIT | VIRTQ_F_INDIRECT | VIRTQ_F_EVENT_IDX,
};

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

static void on_closed(void *data, const struct error *e)
{
	*(bool *)data = true;
}

/* Fills in a payload that makes sense, where the request is one that needs it. */
static size_t sensible(struct vhost_msg *m, uint8_t ring)
{
	switch (m->hdr.request) {
	case VHOST_SET_MEM_TABLE:
		m->p.table.n = 1;
		m->p.table.region[0] =
			(struct vhost_region){ .gpa = 0, .size = MEM_SIZE, .user = 0x10000 };
		return 40;
	case VHOST_SET_FEATURES:
		m->p.u64 = VIRTIO_F_VERSION_1_BIT | VIRTQ_F_INDIRECT;
		return 8;
	case VHOST_SET_VRING_ADDR:
		m->p.addr = (struct vhost_ring_addr){
			.index = ring,
			.desc = 0x10000 + ring * 0x400U,
			.avail = 0x10100 + ring * 0x400U,
			.used = 0x10200 + ring * 0x400U,
		};
		return 40;
	case VHOST_SET_VRING_NUM:
		m->p.state = (struct vhost_ring_state){ ring, 16 };
		return 8;
	default:
		m->p.state = (struct vhost_ring_state){ ring, 0 };
		return 8;
	}
}

static void send_message(int sock, struct input *in, const int *mem, const int *event)
{
	struct vhost_msg m = { .hdr = { .request = byte(in) % 48, .flags = 1 } };
	uint8_t how = byte(in), nfds = byte(in) % 10, ring = byte(in) % (QUEUES + 1);
	int fds[10];

	m.hdr.flags = how & 1 ? 9 : how & 2 ? how : 1;
	if (how & 4) {
		m.hdr.size = (uint32_t)sensible(&m, ring);
	} else {
		m.hdr.size = byte(in);
		for (uint32_t i = 0; i < m.hdr.size; i++)
			m.p.raw[i] = byte(in);
	}
	if (how >= 0xf8)
		m.hdr.size +=
			byte(in); /* longer than what follows, so the next message is part of it */
	for (unsigned i = 0; i < nfds; i++)
		fds[i] = m.hdr.request == VHOST_SET_MEM_TABLE || m.hdr.request == VHOST_ADD_MEM_REG
				 ? *mem
				 : *event;
	if (fd_send(sock, &m.hdr, sizeof(m.hdr) + MIN(m.hdr.size, 256), fds, nfds) < 0)
		return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size / 2 };
	struct echo echo = { .dev = { .ops = &echo_ops, .queue = echo.queue } };
	autoptr(loop) l = loop_new();
	autoclose int mem = memfd_create("fuzz", MFD_CLOEXEC), event = eventfd(0, EFD_CLOEXEC);
	bool closed = false;
	struct vhost *v;
	int pair[2];
	char drain[4096];

	log_init("fuzz", -1, LOG_FORMAT_BARE, LOG_LEVEL_ERROR);
	if (ftruncate(mem, MEM_SIZE) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	if (pwrite(mem, data + size / 2, MIN(size - size / 2, MEM_SIZE), 0) < 0)
		abort();
	v = vhost_new(l, pair[1], &echo.dev, on_closed, &closed);
	while (in.left > 0 && !closed) {
		send_message(pair[0], &in, &mem, &event);
		if (byte(&in) & 1)
			eventfd_write(event, 1);
		for (int i = 0; i < 3; i++)
			loop_run_once(l, 0);
		while (recv(pair[0], drain, sizeof(drain), MSG_DONTWAIT) > 0)
			;
	}
	vhost_free(v);
	close(pair[0]);
	return 0;
}
