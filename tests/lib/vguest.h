/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vguest - a virtio-vsock driver for tests: guest memory in a memfd, three split queues, receive
 * buffers and packets. It plays the guest to a device that is attached directly or served over
 * vhost-user; who hosts it only sets @kick.
 *
 * Single-threaded: tests run the device's loop themselves between the driver's steps. Failures end
 * the test (assert).
 */
#pragma once

#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VGUEST_GPA 0x40000000ULL
#define VGUEST_USER 0x7f0000000000ULL /* what a VMM would have mapped it at */
#define VGUEST_SIZE (8U << 20)
#define VGUEST_CID 42
#define VGUEST_QUEUES 3
#define VGUEST_RX_SIZE 4096 /* of a receive buffer, header included, as Linux has them */
#define VGUEST_TX_SIZE (65536 + 64)
#define VGUEST_TX_SLOTS 32

struct vguest_queue {
	uint16_t num;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail, next_used;
	uint64_t bytes; /* offset of its buffers */
	bool busy[256]; /* slots the device has */
};

struct vguest {
	int memfd;
	uint8_t *mem; /* VGUEST_SIZE */
	struct vguest_queue q[VGUEST_QUEUES];
	bool event_idx;
	bool lenient; /* used entries may be nonsense, for rings are: nothing is asserted about them
		       */
	bool keep_rx; /* receive buffers are not posted again once used */
	void (*kick)(void *data, unsigned q);
	void *data;
	uint32_t buf_alloc, fwd_cnt;        /* the credit that packets carry */
	unsigned interrupts[VGUEST_QUEUES]; /* for the host to count */
};

void vguest_init(struct vguest *g, uint16_t num, bool event_idx);
void vguest_done(struct vguest *g);

/* Guest-physical address of something in g->mem, and the VMM's. */
uint64_t vguest_gpa(const struct vguest *g, const void *p);
uint64_t vguest_user(const struct vguest *g, const void *p);

/* Makes the chain that starts with descriptor @head available; kicks if the device asked for it. */
void vguest_post(struct vguest *g, unsigned q, uint16_t head);
/* Posts up to @n free receive buffers. */
void vguest_rx_post(struct vguest *g, unsigned n);
/* A packet from the guest. False if the device holds all slots. */
bool vguest_send(struct vguest *g, const struct virtio_vsock_hdr *h, const void *data, size_t len);
/* The same from the parts that matter; stream type, right CIDs, our credit, hdr.len = @len. */
bool vguest_packet(struct vguest *g, uint16_t op, uint32_t src_port, uint32_t dst_port,
		   uint32_t flags, const void *data, size_t len);
/* The next packet for the guest into @h and @data (at most VGUEST_RX_SIZE bytes). False if there is
 * none. */
bool vguest_receive(struct vguest *g, struct virtio_vsock_hdr *h, uint8_t *data);
/* Asks for an interrupt at the next used entry of queue @q. */
void vguest_want_interrupts(struct vguest *g, unsigned q);
