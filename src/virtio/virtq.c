/* SPDX-License-Identifier: Apache-2.0 */
/* virtq - see virtq.h. */
#include "virtio/virtq.h"

#include <errno.h>
#include <linux/virtio_ring.h>

/* One load, of a word the guest may be writing. */
#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)

static uint16_t *avail_event(const struct virtq *q)
{
	return (uint16_t *)&q->used->ring[q->num];
}

static const uint16_t *used_event(const struct virtq *q)
{
	return &q->avail->ring[q->num];
}

void vq_init(struct virtq *q)
{
	*q = (struct virtq){ 0 };
}

int vq_set_num(struct virtq *q, uint32_t num)
{
	if (num == 0 || num > LIMIT_VIRTQ_SIZE || (num & (num - 1)))
		return -EINVAL;
	q->num = (uint16_t)num;
	return 0;
}

static void *ring_at(const struct virtq *q, const struct gmem *m, uint64_t addr, size_t len)
{
	return q->user ? gmem_translate_user(m, addr, len) : gmem_translate(m, addr, len);
}

int vq_map(struct virtq *q, const struct gmem *m)
{
	size_t num = q->num;
	void *desc, *avail, *used;

	q->desc = NULL;
	q->avail = NULL;
	q->used = NULL;
	/* virtio 1.2, 2.7: alignments of 16, 2 and 4 */
	if (num == 0 || q->desc_addr % 16 || q->avail_addr % 2 || q->used_addr % 4)
		return -EINVAL;
	desc = ring_at(q, m, q->desc_addr, num * sizeof(struct vring_desc));
	avail = ring_at(q, m, q->avail_addr, sizeof(struct vring_avail) + (num + 1) * 2);
	used = ring_at(q, m, q->used_addr,
		       sizeof(struct vring_used) + num * sizeof(struct vring_used_elem) + 2);
	if (!desc || !avail || !used)
		return -EFAULT;
	/* The region may be mapped at an address less aligned than the guest's. */
	if ((uintptr_t)desc % 16 || (uintptr_t)avail % 2 || (uintptr_t)used % 4)
		return -EINVAL;
	q->desc = desc;
	q->avail = avail;
	q->used = used;
	return 0;
}

void vq_start(struct virtq *q, uint16_t next_avail, uint64_t features)
{
	q->next_avail = next_avail;
	q->next_used = q->published = load_relaxed(&q->used->idx);
	q->signalled_valid = false;
	q->event_idx = features & VIRTQ_F_EVENT_IDX;
	q->indirect = features & VIRTQ_F_INDIRECT;
	q->broken = false;
	q->live = true;
	vq_arm(q);
}

void vq_stop(struct virtq *q)
{
	q->live = false;
}

int vq_available(const struct virtq *q)
{
	uint16_t n;

	if (!vq_usable(q))
		return 0;
	n = (uint16_t)(__atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) - q->next_avail);
	return n > q->num ? -EBADMSG : n;
}

/* The table a chain is walked in: the queue's own, or an indirect one. */
struct desc_table {
	const struct vring_desc *desc;
	uint32_t n;
	bool indirect;
};

static struct vring_desc load_desc(const struct vring_desc *p)
{
	return (struct vring_desc){
		.addr = load_relaxed(&p->addr),
		.len = load_relaxed(&p->len),
		.flags = load_relaxed(&p->flags),
		.next = load_relaxed(&p->next),
	};
}

/* virtio 1.2, 2.7.5.3: not nested, not chained on, a whole number of descriptors. */
static int enter_indirect(const struct virtq *q, const struct gmem *m, const struct vring_desc *d,
			  struct desc_table *t)
{
	if (!q->indirect || t->indirect || (d->flags & VRING_DESC_F_NEXT) || d->len == 0 ||
	    d->len % sizeof(struct vring_desc) || d->len / sizeof(struct vring_desc) > q->num)
		return -EBADMSG;
	t->desc = gmem_translate(m, d->addr, d->len);
	t->n = d->len / (uint32_t)sizeof(struct vring_desc);
	t->indirect = true;
	return t->desc && (uintptr_t)t->desc % _Alignof(struct vring_desc) == 0 ? 0 : -EBADMSG;
}

/* Adds the buffer of @d to the chain. Readable ones come first (2.7.4.2); an empty one adds
 * nothing, wherever it points. */
static int chain_add(struct virtq_chain *c, const struct gmem *m, const struct vring_desc *d,
		     size_t max)
{
	bool in = d->flags & VRING_DESC_F_WRITE;
	size_t have = (size_t)c->nout + c->nin;
	int n;

	if ((!in && c->nin > 0) || c->out_len + c->in_len + d->len > UINT32_MAX)
		return -EBADMSG;
	n = gmem_iov(m, d->addr, d->len, c->iov + have, max - have);
	if (n < 0)
		return n == -ENOBUFS ? n : -EBADMSG;
	if (in) {
		c->nin = (uint16_t)(c->nin + n);
		c->in_len += d->len;
	} else {
		c->nout = (uint16_t)(c->nout + n);
		c->out_len += d->len;
	}
	return 0;
}

static int chain_walk(const struct virtq *q, const struct gmem *m, size_t max,
		      struct virtq_chain *c)
{
	struct desc_table t = { .desc = q->desc, .n = q->num };
	uint32_t i = c->head;

	for (c->descs = 0; c->descs < q->num;) {
		struct vring_desc d = load_desc(&t.desc[i]);
		int r;

		if (d.flags & VRING_DESC_F_INDIRECT) {
			r = enter_indirect(q, m, &d, &t);
			i = 0;
			if (r < 0)
				return r;
			continue;
		}
		r = chain_add(c, m, &d, max);
		if (r < 0)
			return r;
		c->descs++;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
		if (i >= t.n)
			return -EBADMSG;
	}
	return -EBADMSG; /* longer than the queue: a loop */
}

int vq_pop(struct virtq *q, const struct gmem *m, struct iovec *iov, size_t max,
	   struct virtq_chain *c)
{
	struct virtq_chain got = { .iov = iov };
	int r = vq_available(q);

	if (r <= 0)
		return r;
	got.head = load_relaxed(&q->avail->ring[q->next_avail & (q->num - 1)]);
	if (got.head >= q->num)
		return -EBADMSG;
	r = chain_walk(q, m, max, &got);
	if (r < 0)
		return r;
	q->next_avail++;
	*c = got;
	return 1;
}

void vq_unpop(struct virtq *q, uint16_t n)
{
	q->next_avail = (uint16_t)(q->next_avail - n);
}

void vq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	struct vring_used_elem *u = &q->used->ring[q->next_used++ & (q->num - 1)];

	__atomic_store_n(&u->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&u->len, len, __ATOMIC_RELAXED);
}

bool vq_publish(struct virtq *q)
{
	uint16_t old = q->signalled, now = q->next_used;
	bool first = !q->signalled_valid;

	if (!vq_usable(q) || now == q->published)
		return false;
	__atomic_store_n(&q->used->idx, now, __ATOMIC_RELEASE);
	q->published = now;
	/* The guest writes its wish, then looks at the index; we the other way round (2.7.10.1). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(load_relaxed(&q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	q->signalled = now;
	q->signalled_valid = true;
	return first || vring_need_event(load_relaxed(used_event(q)), now, old);
}

bool vq_arm(struct virtq *q)
{
	if (!vq_usable(q))
		return false;
	if (q->event_idx)
		__atomic_store_n(avail_event(q), q->next_avail, __ATOMIC_RELAXED);
	else if (!q->armed)
		__atomic_store_n(&q->used->flags, 0, __ATOMIC_RELAXED);
	q->armed = true;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vq_available(q) != 0;
}

void vq_disarm(struct virtq *q)
{
	/* With an event index nothing needs doing: it stays behind, and one old index asks for one
	 * kick. */
	if (vq_usable(q) && q->armed && !q->event_idx)
		__atomic_store_n(&q->used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	q->armed = false;
}

size_t iov_slice(const struct iovec *from, size_t n, size_t off, size_t len, struct iovec *to,
		 size_t max)
{
	size_t got = 0;

	for (size_t i = 0; i < n && len > 0 && got < max; i++) {
		size_t piece;

		if (off >= from[i].iov_len) {
			off -= from[i].iov_len;
			continue;
		}
		piece = MIN(len, from[i].iov_len - off);
		to[got++] = (struct iovec){ .iov_base = (char *)from[i].iov_base + off,
					    .iov_len = piece };
		len -= piece;
		off = 0;
	}
	return got;
}

size_t iov_read(const struct iovec *iov, size_t n, size_t off, void *to, size_t len)
{
	size_t done = 0;
	struct iovec piece;

	while (done < len && iov_slice(iov, n, off + done, len - done, &piece, 1) == 1) {
		memcpy((char *)to + done, piece.iov_base, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}

size_t iov_write(const struct iovec *iov, size_t n, size_t off, const void *from, size_t len)
{
	size_t done = 0;
	struct iovec piece;

	while (done < len && iov_slice(iov, n, off + done, len - done, &piece, 1) == 1) {
		memcpy(piece.iov_base, (const char *)from + done, piece.iov_len);
		done += piece.iov_len;
	}
	return done;
}
