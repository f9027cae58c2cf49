/* SPDX-License-Identifier: Apache-2.0 */
/* vguest - see vguest.h. */
#include "vguest.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_SPACE 0x10000 /* for the rings of one queue */

/* Where the buffers of each queue lie; the event queue has none. */
static const uint64_t buffers[VGUEST_QUEUES] = { 0x100000, 0x400000, 0 };

static void queue_init(struct vguest *g, unsigned i, uint16_t num)
{
	struct vguest_queue *q = &g->q[i];
	uint8_t *p = g->mem + (i + 1) * RING_SPACE;

	q->num = num;
	q->desc = (void *)p;
	q->avail = (void *)(p + 0x8000);
	q->used = (void *)(p + 0xc000);
	q->bytes = buffers[i];
}

void vguest_init(struct vguest *g, uint16_t num, bool event_idx)
{
	assert(num <= sizeof(g->q[0].busy));
	*g = (struct vguest){ .event_idx = event_idx, .buf_alloc = 262144 };
	g->memfd = memfd_create("vguest", MFD_CLOEXEC);
	assert(g->memfd >= 0 && ftruncate(g->memfd, VGUEST_SIZE) == 0);
	g->mem = mmap(NULL, VGUEST_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);
	assert(g->mem != MAP_FAILED);
	for (unsigned i = 0; i < VGUEST_QUEUES; i++)
		queue_init(g, i, num);
}

void vguest_done(struct vguest *g)
{
	munmap(g->mem, VGUEST_SIZE);
	close(g->memfd);
}

uint64_t vguest_gpa(const struct vguest *g, const void *p)
{
	return VGUEST_GPA + (uint64_t)((const uint8_t *)p - g->mem);
}

uint64_t vguest_user(const struct vguest *g, const void *p)
{
	return VGUEST_USER + (uint64_t)((const uint8_t *)p - g->mem);
}

static bool kick_wanted(const struct vguest *g, const struct vguest_queue *q, uint16_t before)
{
	if (!g->event_idx)
		return !(q->used->flags & VRING_USED_F_NO_NOTIFY);
	return vring_need_event(*(uint16_t *)&q->used->ring[q->num], q->next_avail, before);
}

void vguest_post(struct vguest *g, unsigned i, uint16_t head)
{
	struct vguest_queue *q = &g->q[i];
	uint16_t before = q->next_avail;

	q->avail->ring[q->next_avail++ % q->num] = head;
	__atomic_store_n(&q->avail->idx, q->next_avail, __ATOMIC_SEQ_CST);
	if (g->kick && kick_wanted(g, q, before))
		g->kick(g->data, i);
}

static uint8_t *rx_buffer(struct vguest *g, unsigned slot)
{
	return g->mem + g->q[0].bytes + (size_t)slot * VGUEST_RX_SIZE;
}

void vguest_rx_post(struct vguest *g, unsigned n)
{
	struct vguest_queue *q = &g->q[0];

	for (uint16_t i = 0; i < q->num && n > 0; i++) {
		if (q->busy[i])
			continue;
		q->desc[i] = (struct vring_desc){
			.addr = vguest_gpa(g, rx_buffer(g, i)),
			.len = VGUEST_RX_SIZE,
			.flags = VRING_DESC_F_WRITE,
		};
		q->busy[i] = true;
		n--;
		vguest_post(g, 0, i);
	}
}

static void reap_tx(struct vguest *g)
{
	struct vguest_queue *q = &g->q[1];

	while (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->next_used) {
		uint32_t id = q->used->ring[q->next_used++ % q->num].id;

		assert(g->lenient || (id < q->num && q->busy[id]));
		if (id < q->num)
			q->busy[id] = false;
	}
}

bool vguest_send(struct vguest *g, const struct virtio_vsock_hdr *h, const void *data, size_t len)
{
	struct vguest_queue *q = &g->q[1];
	uint16_t slot = 0;
	uint8_t *p;

	reap_tx(g);
	while (slot < VGUEST_TX_SLOTS && slot < q->num && q->busy[slot])
		slot++;
	if (slot == VGUEST_TX_SLOTS || slot == q->num)
		return false;
	p = g->mem + q->bytes + (size_t)slot * VGUEST_TX_SIZE;
	assert(sizeof(*h) + len <= VGUEST_TX_SIZE);
	memcpy(p, h, sizeof(*h));
	if (len > 0)
		memcpy(p + sizeof(*h), data, len);
	q->desc[slot] = (struct vring_desc){ .addr = vguest_gpa(g, p),
					     .len = (uint32_t)(sizeof(*h) + len) };
	q->busy[slot] = true;
	vguest_post(g, 1, slot);
	return true;
}

bool vguest_packet(struct vguest *g, uint16_t op, uint32_t src_port, uint32_t dst_port,
		   uint32_t flags, const void *data, size_t len)
{
	struct virtio_vsock_hdr h = {
		.src_cid = VGUEST_CID,
		.dst_cid = 2,
		.src_port = src_port,
		.dst_port = dst_port,
		.len = (uint32_t)len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = g->buf_alloc,
		.fwd_cnt = g->fwd_cnt,
	};

	return vguest_send(g, &h, data, len);
}

bool vguest_receive(struct vguest *g, struct virtio_vsock_hdr *h, uint8_t *data)
{
	struct vguest_queue *q = &g->q[0];
	struct vring_used_elem u;
	uint8_t *p;

	if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == q->next_used)
		return false;
	u = q->used->ring[q->next_used++ % q->num];
	assert(u.id < q->num && q->busy[u.id] && u.len >= sizeof(*h) && u.len <= VGUEST_RX_SIZE);
	p = rx_buffer(g, u.id);
	memcpy(h, p, sizeof(*h));
	assert(u.len == sizeof(*h) + h->len);
	memcpy(data, p + sizeof(*h), h->len);
	q->busy[u.id] = false;
	vguest_want_interrupts(g, 0);
	if (!g->keep_rx)
		vguest_rx_post(g, 1);
	return true;
}

void vguest_want_interrupts(struct vguest *g, unsigned i)
{
	struct vguest_queue *q = &g->q[i];

	if (g->event_idx)
		q->avail->ring[q->num] = q->next_used;
	else
		q->avail->flags = 0;
}
