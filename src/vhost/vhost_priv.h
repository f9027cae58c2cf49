/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost_priv - vhost-user on the wire, and what its parts share: vhost.c (the connection: messages
 * in, replies out) and vhost_msg.c (one handler for each request).
 */
#pragma once

#include "vhost/vhost.h"

#include "base/error.h"
#include "base/fd.h"

#define VHOST_FLAG_VERSION 1U
#define VHOST_FLAG_VERSION_MASK 3U
#define VHOST_FLAG_REPLY 4U
#define VHOST_FLAG_NEED_REPLY 8U

#define VHOST_F_PROTOCOL_FEATURES VIRTIO_BIT(30)

enum {
	VHOST_GET_FEATURES = 1,
	VHOST_SET_FEATURES = 2,
	VHOST_SET_OWNER = 3,
	VHOST_RESET_OWNER = 4,
	VHOST_SET_MEM_TABLE = 5,
	VHOST_SET_VRING_NUM = 8,
	VHOST_SET_VRING_ADDR = 9,
	VHOST_SET_VRING_BASE = 10,
	VHOST_GET_VRING_BASE = 11,
	VHOST_SET_VRING_KICK = 12,
	VHOST_SET_VRING_CALL = 13,
	VHOST_SET_VRING_ERR = 14,
	VHOST_GET_PROTOCOL_FEATURES = 15,
	VHOST_SET_PROTOCOL_FEATURES = 16,
	VHOST_GET_QUEUE_NUM = 17,
	VHOST_SET_VRING_ENABLE = 18,
	VHOST_SET_BACKEND_REQ_FD = 21,
	VHOST_GET_CONFIG = 24,
	VHOST_RESET_DEVICE = 34,
	VHOST_GET_MAX_MEM_SLOTS = 36,
	VHOST_ADD_MEM_REG = 37,
	VHOST_REM_MEM_REG = 38,
};

#define VHOST_PF_MQ VIRTIO_BIT(0)
#define VHOST_PF_REPLY_ACK VIRTIO_BIT(3)
#define VHOST_PF_BACKEND_REQ VIRTIO_BIT(5)
#define VHOST_PF_CONFIG VIRTIO_BIT(9)
#define VHOST_PF_RESET_DEVICE VIRTIO_BIT(13)
#define VHOST_PF_CONFIGURE_MEM_SLOTS VIRTIO_BIT(15)
#define VHOST_PF_OFFERED                                                             \
	(VHOST_PF_MQ | VHOST_PF_REPLY_ACK | VHOST_PF_BACKEND_REQ | VHOST_PF_CONFIG | \
	 VHOST_PF_RESET_DEVICE | VHOST_PF_CONFIGURE_MEM_SLOTS)

#define VHOST_TABLE_REGIONS 8
#define VHOST_CONFIG_MAX 256
#define VHOST_RING_MASK 0xffU /* of KICK, CALL and ERR */
#define VHOST_RING_NOFD 0x100U

struct vhost_header {
	uint32_t request, flags, size;
};

struct vhost_region {
	uint64_t gpa, size, user, offset;
};

struct vhost_ring_state {
	uint32_t index, num;
};

struct vhost_ring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vhost_config {
	uint32_t offset, size, flags;
	uint8_t data[VHOST_CONFIG_MAX];
};

union vhost_payload {
	uint64_t u64;
	struct vhost_ring_state state;
	struct vhost_ring_addr addr;
	struct vhost_config config;
	struct {
		uint32_t n, pad;
		struct vhost_region region[VHOST_TABLE_REGIONS];
	} table;
	struct {
		uint64_t pad;
		struct vhost_region region;
	} one;
	uint8_t raw[LIMIT_VHOST_PAYLOAD];
};

/* A message and, once handled, the reply in its place. Descriptors not taken out of @fd are closed
 * afterwards. */
struct vhost_msg {
	uint32_t pad; /* puts the payload, which follows the 12 bytes of the header on the wire, at
			 a multiple of 8 */
	struct vhost_header hdr;
	union vhost_payload p;
	int fd[FD_PASS_MAX];
	size_t nfds;
};

_Static_assert(offsetof(struct vhost_msg, p) ==
		       offsetof(struct vhost_msg, hdr) + sizeof(struct vhost_header),
	       "as on the wire");

struct vhost_ring {
	struct vhost *v;
	unsigned index;
	uint16_t base; /* the next entry to pop while the ring is stopped */
	bool started, enabled;
	int kick, call, err; /* -1: none */
	struct loop_source *kick_io;
};

struct vhost {
	struct loop *loop;
	struct virtio_device *dev;
	struct gmem mem;
	int fd; /* the listener, then the connection */
	struct loop_source *io;
	uint64_t protocol_features;
	bool protocol;           /* VHOST_F_PROTOCOL_FEATURES was negotiated */
	struct vhost_ring *ring; /* dev->ops->nqueues */
	int backend_fd;
	struct loop_source *trim; /* takes guest memory out of our page tables */
	bool trim_armed, active;  /* work since the last tick */
	struct vhost_msg msg;     /* being received */
	size_t got;               /* bytes of it */
	vhost_closed_fn *closed;
	void *data;
};

/* vhost_msg.c: acts on v->msg. 1: v->msg is a reply to send; 0: done; -errno with a reason. */
int vhost_handle(struct vhost *v, struct error *e);

/* vhost.c */
/* Adds one to an eventfd; -1 is fine. */
void vhost_signal(int fd);
/* Starts or stops the ring according to its state. */
int vhost_ring_update(struct vhost_ring *r, struct error *e);
/* Replaces a descriptor of the ring; @fd is taken over. */
void vhost_ring_set_kick(struct vhost_ring *r, int fd);
/* After a change of the memory map. */
int vhost_memory_changed(struct vhost *v, struct error *e);
void vhost_stop_rings(struct vhost *v);
