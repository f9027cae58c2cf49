/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device - what every virtio device is to whoever hosts it (a vhost-user back-end, or a VMM of our
 * own), and what the host is to the device.
 *
 * The host owns the guest memory map and moves queues through their states; the device owns its
 * queues and answers kicks. Both live on one event loop. A device holds no pointer into guest
 * memory and no chain when it returns to the loop, so the host may stop queues and change the map
 * between any two callbacks.
 *
 * A guest that breaks the rules of a queue makes the device *broken* (virtio 1.2, 2.1.1:
 * NEEDS_RESET): virtio_break tells the host, queues are not used any more, until virtio_reset.
 */
#pragma once

#include "virtio/virtq.h"

struct virtio_device;

struct virtio_device_ops {
	const char *name;
	uint32_t id; /* virtio 1.2, 5: the device type */
	unsigned nqueues;
	uint64_t features; /* offered, transport bits included */
	/* The guest made chains available in queue @q, or the host started it. May run at any time
	 * after attach. */
	void (*kick)(struct virtio_device *d, unsigned q);
	/* The guest's driver is gone: forget what it knew. Queues are stopped before. */
	void (*reset)(struct virtio_device *d);
	void (*free)(struct virtio_device *d);
};

struct virtio_host_ops {
	/* The guest wants an interrupt for queue @q. */
	void (*interrupt)(struct virtio_device *d, unsigned q);
	/* The device broke (once until the next reset). */
	void (*broken)(struct virtio_device *d);
};

/* Embedded first in each device. */
struct virtio_device {
	const struct virtio_device_ops *ops;
	struct virtq *queue; /* ops->nqueues of them, the device's */
	const void *config;  /* the configuration space the guest reads */
	size_t config_size;
	uint64_t features; /* negotiated */
	bool broken;
	/* set by virtio_attach */
	const struct virtio_host_ops *host_ops;
	void *host;
	struct gmem *mem;
};

void virtio_attach(struct virtio_device *d, const struct virtio_host_ops *ops, void *host,
		   struct gmem *mem);
/* The features the guest accepted. -EINVAL if it wants what was not offered. */
int virtio_set_features(struct virtio_device *d, uint64_t features);
/* Copies from the configuration space; what lies behind its end reads as 0. */
void virtio_read_config(const struct virtio_device *d, size_t off, void *to, size_t len);
/* Maps the rings of queue @q and lets the device use it, from entry @next_avail on. */
int virtio_start_queue(struct virtio_device *d, unsigned q, uint16_t next_avail);
void virtio_kick(struct virtio_device *d, unsigned q);
void virtio_reset(struct virtio_device *d);
/* NULL is fine. */
void virtio_free(struct virtio_device *d);

/* For devices: makes pushed chains visible and interrupts the guest if it wants that. */
void virtio_publish(struct virtio_device *d, unsigned q);
/* For devices: the guest broke queue @q. */
void virtio_break(struct virtio_device *d, unsigned q);
