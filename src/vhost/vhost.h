/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost - a vhost-user back-end: one virtio device served to one front-end (QEMU, Cloud Hypervisor,
 * UML) over a unix socket. The protocol is described in QEMU's docs/interop/vhost-user.rst.
 *
 * Life: listening (or connected from the start) -> talking -> closed, told once through the
 * callback. A front-end that breaks the protocol is cut off: there is no telling what it meant. The
 * guest behind it cannot do that; what it breaks is its device (virtio/device.h), which is
 * signalled on the ring's error descriptor.
 *
 * A ring runs from SET_VRING_KICK (with the address set and, if protocol features were negotiated,
 * enabled) until GET_VRING_BASE. The memory map may change at any time; rings are translated anew
 * when it does.
 *
 * Left out: migration (dirty log, in-flight descriptors, post-copy), VIRTIO_IOMMU, in-band
 * notifications. The back-end channel is accepted, because UML's driver takes interrupts from call
 * descriptors only if it is, and never written.
 */
#pragma once

#include "virtio/device.h"

struct error;
struct loop;
struct vhost;

/* The front-end is gone: @e is NULL after a disconnect between two messages, else it says what went
 * wrong. Called once; vhost_free may be called from it. */
typedef void vhost_closed_fn(void *data, const struct error *e);

/* Serves @dev on @fd, a listening or a connected stream socket, which is taken over; the listener
 * is closed when the front-end has connected. @dev stays the caller's and must outlive the result.
 * NULL and errno. */
struct vhost *vhost_new(struct loop *l, int fd, struct virtio_device *dev, vhost_closed_fn *closed,
			void *data);
/* Stops the device's queues and unmaps the guest's memory. NULL is fine. */
void vhost_free(struct vhost *v);
DEFINE_AUTOPTR(vhost, vhost_free);
