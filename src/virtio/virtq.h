/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtq - the device's side of a split virtqueue (virtio 1.2, 2.7), with indirect descriptors and
 * event index.
 *
 * Life: vq_init; then the host of the device says where the rings are (size, base, addresses) and
 * maps them; the device pops chains, fills or reads them, pushes them as used and publishes. A
 * queue whose rings lie is broken: every call on it then answers "nothing there" until vq_init.
 *
 * The guest may change its memory at any time. Every index and descriptor is therefore loaded
 * exactly once into a local, checked there, and used from there. A chain never holds more
 * descriptors than the queue has entries, so that loops end.
 *
 * Left out: packed queues, IN_ORDER, NOTIFICATION_DATA: never offered. Hosts are little-endian, as
 * are modern guests.
 */
#pragma once

#include "virtio/gmem.h"

#include <stdbool.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "virtio structures are used as they are in memory: little-endian hosts only"
#endif

/* Transport feature bits that queues need to know (virtio 1.2, 6). */
#define VIRTIO_BIT(n) (1ULL << (n))
#define VIRTQ_F_INDIRECT VIRTIO_BIT(28)
#define VIRTQ_F_EVENT_IDX VIRTIO_BIT(29)
#define VIRTIO_F_VERSION_1_BIT VIRTIO_BIT(32)

struct virtq {
	uint16_t num; /* entries: a power of two, 0: not set */
	bool user;    /* the addresses are the VMM's, not guest-physical */
	uint64_t desc_addr, avail_addr, used_addr;
	/* our pointers; NULL while not mapped */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail; /* the next entry to pop */
	uint16_t next_used;  /* the next used entry to fill */
	uint16_t published;  /* used index that the guest can see */
	uint16_t signalled;  /* used index at the last decision about an interrupt */
	bool signalled_valid;
	bool event_idx, indirect; /* what was negotiated */
	bool armed;               /* the guest was told to kick */
	bool live;                /* the host lets the device use it */
	bool broken;
};

/* One popped chain: @nout pieces to read, then @nin pieces to write, all translated. */
struct virtq_chain {
	uint16_t head;
	uint16_t descs; /* how many descriptors it had */
	struct iovec *iov;
	uint16_t nout, nin;
	size_t out_len, in_len; /* bytes, sums of the pieces */
};

void vq_init(struct virtq *q);
/* -EINVAL unless a power of two up to LIMIT_VIRTQ_SIZE. */
int vq_set_num(struct virtq *q, uint32_t num);
/* Translates the three ring addresses, also after a change of the memory map. -EFAULT: outside;
 * -EINVAL: unset or not aligned. On failure the queue is unmapped. */
int vq_map(struct virtq *q, const struct gmem *m);
/* Takes up work where the rings in memory stand: the next entry to pop is @next_avail. The queue
 * must be mapped. */
void vq_start(struct virtq *q, uint16_t next_avail, uint64_t features);
void vq_stop(struct virtq *q);

static inline bool vq_usable(const struct virtq *q)
{
	return q->live && q->used && !q->broken;
}

/* Chains that wait; 0 if the queue is not usable; -EBADMSG if the guest's index is impossible. */
int vq_available(const struct virtq *q);

/*
 * Takes the next chain, with its pieces in @iov, at most @max of them. 1 and *c; 0: none. -ENOBUFS:
 * it needs more pieces than @max, nothing was taken. -EBADMSG: the chain or the ring is malformed;
 * the caller declares the queue broken.
 */
int vq_pop(struct virtq *q, const struct gmem *m, struct iovec *iov, size_t max,
	   struct virtq_chain *c);
/* Puts the last @n popped chains back; valid only while nothing popped after them was pushed. */
void vq_unpop(struct virtq *q, uint16_t n);
/* Returns a chain to the guest with @len bytes written; it becomes visible by vq_publish. */
void vq_push(struct virtq *q, uint16_t head, uint32_t len);
/* Makes pushed chains visible. True if the guest wants an interrupt for them. */
bool vq_publish(struct virtq *q);
/* Asks for a kick when the next chain arrives. True if one is there already, which no kick will
 * announce. */
bool vq_arm(struct virtq *q);
/* Says that kicks are not needed for now. */
void vq_disarm(struct virtq *q);

/* Copies between flat memory and @n pieces, starting @off bytes into them. The number of bytes
 * copied. */
size_t iov_read(const struct iovec *iov, size_t n, size_t off, void *to, size_t len);
size_t iov_write(const struct iovec *iov, size_t n, size_t off, const void *from, size_t len);
/* The pieces of @from between @off and @off + @len, into @to with room for @max. The number of
 * pieces. */
size_t iov_slice(const struct iovec *from, size_t n, size_t off, size_t len, struct iovec *to,
		 size_t max);
