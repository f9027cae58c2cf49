/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_vsock - the vsock device behind rings and packets of a hostile guest.
 *
 * The input is a program of small records for the fake driver of tests/lib/vguest: well-formed
 * packets of any content, descriptors and ring indices of any content, host programs that connect,
 * write, read, half close and go away. Whatever it does, the device must neither touch memory
 * outside the guest's nor end the process.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "vguest.h"
#include "virtio/vsock_priv.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HOSTS 8
#define PORT 7 /* a host program listens there */
#define STEPS 400

struct input {
	const uint8_t *p;
	size_t left;
};

struct world {
	struct loop *loop;
	struct vguest g;
	struct gmem mem;
	struct virtio_device *d;
	int host[HOSTS];
	int listener;
};

static char dir[32], path[48];

static uint8_t byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

static uint32_t number(struct input *in)
{
	static const uint32_t special[] = {
		0, 1, 2, 7, 44, 45, 4096, 65535, 65536, 1U << 30, (1U << 30) + 1, UINT32_MAX
	};
	uint32_t v = byte(in);

	if (v < ARRAY_SIZE(special))
		return special[v];
	return v < 200 ? v
		       : v | (uint32_t)byte(in) << 8 | (uint32_t)byte(in) << 16 |
				 (uint32_t)byte(in) << 24;
}

static void on_interrupt(struct virtio_device *d, unsigned q)
{
}

static void on_broken(struct virtio_device *d)
{
}

static const struct virtio_host_ops host_ops = { .interrupt = on_interrupt, .broken = on_broken };

static void kick(void *data, unsigned q)
{
	struct world *w = data;

	virtio_kick(w->d, q);
}

static void start(struct world *w, struct input *in)
{
	uint64_t features = w->d->ops->features & ~(byte(in) & 1 ? VIRTQ_F_EVENT_IDX : 0);

	if (virtio_set_features(w->d, features) < 0)
		abort();
	w->g.event_idx = features & VIRTQ_F_EVENT_IDX;
	for (unsigned i = 0; i < VGUEST_QUEUES; i++) {
		struct virtq *q = &w->d->queue[i];

		vq_set_num(q, w->g.q[i].num);
		q->desc_addr = vguest_gpa(&w->g, w->g.q[i].desc);
		q->avail_addr = vguest_gpa(&w->g, w->g.q[i].avail);
		q->used_addr = vguest_gpa(&w->g, w->g.q[i].used);
		virtio_start_queue(w->d, i, w->g.q[i].next_avail);
	}
}

static void act_packet(struct world *w, struct input *in)
{
	static uint8_t payload[65536];
	struct virtio_vsock_hdr h = {
		.src_cid = VGUEST_CID,
		.dst_cid = 2,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = byte(in) % 10,
	};
	size_t len = number(in) % sizeof(payload);

	h.src_port = byte(in) % 4;
	h.dst_port = byte(in) & 1 ? PORT : (1U << 30) + byte(in) % 4;
	h.len = byte(in) < 200 ? (uint32_t)len : number(in);
	h.flags = byte(in);
	h.buf_alloc = number(in);
	h.fwd_cnt = number(in);
	if (byte(in) > 250)
		h.src_cid = number(in);
	if (byte(in) > 250)
		h.dst_cid = number(in);
	vguest_send(&w->g, &h, payload, len);
}

static void act_answer(struct world *w, struct input *in)
{
	struct virtio_vsock_hdr h;
	uint8_t data[VGUEST_RX_SIZE];
	uint16_t op = byte(in) % 8;

	/* The driver's checks are assertions: with rings of any content this one just looks at the
	 * last buffer. */
	memcpy(&h, w->g.mem + w->g.q[0].bytes + (size_t)(byte(in) % 64) * VGUEST_RX_SIZE,
	       sizeof(h));
	memset(data, 0, sizeof(data));
	vguest_packet(&w->g, op, h.dst_port, h.src_port, byte(in) & 3, data,
		      op == VIRTIO_VSOCK_OP_RW ? 100 : 0);
}

static void act_buffers(struct world *w, struct input *in)
{
	memset(w->g.q[0].busy, 0, sizeof(w->g.q[0].busy));
	vguest_rx_post(&w->g, byte(in) % 32);
}

/* A descriptor, an index, or any bytes of a ring. */
static void act_scribble(struct world *w, struct input *in)
{
	struct vguest_queue *q = &w->g.q[byte(in) % VGUEST_QUEUES];
	struct vring_desc *d = &q->desc[byte(in) % q->num];

	switch (byte(in) % 4) {
	case 0:
		*d = (struct vring_desc){ .addr = VGUEST_GPA + number(in),
					  .len = number(in),
					  .flags = byte(in) & 7,
					  .next = byte(in) };
		break;
	case 1:
		d->addr = (uint64_t)number(in) << 32 | number(in);
		break;
	case 2:
		q->avail->ring[byte(in) % q->num] = (uint16_t)number(in);
		break;
	default:
		q->avail->idx = (uint16_t)(q->avail->idx + byte(in));
		q->next_avail = q->avail->idx;
	}
}

static void act_post(struct world *w, struct input *in)
{
	unsigned q = byte(in) % VGUEST_QUEUES;

	vguest_post(&w->g, q, byte(in) % (w->g.q[q].num + 1));
	virtio_kick(w->d, q);
}

static void act_connect(struct world *w, struct input *in)
{
	static const char *const lines[] = { "CONNECT 1\n", "CONNECT 2\nearly", "CONNECT",
					     "what?\n" };
	unsigned i = byte(in) % HOSTS;
	const char *line = lines[byte(in) % ARRAY_SIZE(lines)];

	fd_close(w->host[i]);
	w->host[i] = unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK);
	if (w->host[i] >= 0 &&
	    send(w->host[i], line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		w->host[i] = fd_close(w->host[i]);
}

static void act_accept(struct world *w, struct input *in)
{
	unsigned i = byte(in) % HOSTS;
	int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	fd_close(w->host[i]);
	w->host[i] = fd;
}

static void act_host(struct world *w, struct input *in)
{
	static uint8_t block[100000];
	unsigned i = byte(in) % HOSTS;
	ssize_t n = 0;

	switch (byte(in) % 5) {
	case 0:
		n = send(w->host[i], block, number(in) % sizeof(block),
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 1:
		n = recv(w->host[i], block, sizeof(block), MSG_DONTWAIT);
		break;
	case 2:
		n = shutdown(w->host[i], SHUT_WR);
		break;
	case 3:
		n = shutdown(w->host[i], SHUT_RD);
		break;
	default:
		w->host[i] = fd_close(w->host[i]);
	}
	assert(n <= (ssize_t)sizeof(block));
}

static void act_reset(struct world *w, struct input *in)
{
	virtio_reset(w->d);
	memset(w->g.mem, 0, 0x40000);
	for (unsigned i = 0; i < VGUEST_QUEUES; i++) {
		w->g.q[i].next_avail = w->g.q[i].next_used = 0;
		memset(w->g.q[i].busy, 0, sizeof(w->g.q[i].busy));
	}
	start(w, in);
}

static void act_run(struct world *w, struct input *in)
{
	for (int i = byte(in) % 4; i >= 0; i--)
		loop_run_once(w->loop, 0);
}

/* Two seconds pass. */
static void act_time(struct world *w, struct input *in)
{
	struct vsock *v = container_of(w->d, struct vsock, dev);
	struct vsock_conn *c;

	list_for_each(c, &v->timed, timed)
		c->deadline = 0;
	conn_timer(v->timer, v);
}

static void (*const acts[])(struct world *w, struct input *in) = {
	act_packet, act_answer, act_buffers, act_scribble, act_post,    act_connect, act_accept,
	act_host,   act_run,    act_packet,  act_run,      act_buffers, act_time,    act_reset,
};

static void cleanup_dir(void)
{
	path_remove_tree_at(AT_FDCWD, dir);
}

static int listen_on_port(void)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%d", path, PORT);
	return unix_listen(name, SOCK_STREAM, 0600);
}

static void world_init(struct world *w)
{
	struct gmem_source s = { .gpa = VGUEST_GPA, .size = VGUEST_SIZE, .user = VGUEST_USER };
	struct vsock_options o = { .guest_cid = VGUEST_CID, .path = path };

	if (!dir[0]) {
		log_init("fuzz", -1, LOG_FORMAT_BARE, LOG_LEVEL_ERROR);
		strcpy(dir, "/tmp/caisson-fuzz-XXXXXX");
		if (!mkdtemp(dir))
			abort();
		snprintf(path, sizeof(path), "%s/vsock", dir);
		atexit(cleanup_dir);
	}
	*w = (struct world){ .loop = loop_new() };
	for (unsigned i = 0; i < HOSTS; i++)
		w->host[i] = -1;
	w->listener = listen_on_port();
	vguest_init(&w->g, 64, true);
	w->g.lenient = true;
	w->g.kick = kick;
	w->g.data = w;
	o.loop = w->loop;
	o.listen_fd = unix_listen(path, SOCK_STREAM, 0600);
	if (o.listen_fd < 0 || w->listener < 0 || gmem_add(&w->mem, &s, w->g.memfd, NULL) < 0)
		abort();
	w->d = vsock_new(&o);
	virtio_attach(w->d, &host_ops, w, &w->mem);
}

static void world_done(struct world *w)
{
	virtio_free(w->d);
	for (unsigned i = 0; i < HOSTS; i++)
		fd_close(w->host[i]);
	fd_close(w->listener);
	loop_free(w->loop);
	gmem_done(&w->mem);
	vguest_done(&w->g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world w;

	world_init(&w);
	start(&w, &in);
	for (int i = 0; i < STEPS && in.left > 0; i++)
		acts[byte(&in) % ARRAY_SIZE(acts)](&w, &in);
	loop_run_once(w.loop, 0);
	world_done(&w);
	return 0;
}
