/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend - a vhost-user front-end for tests, at one end of a socketpair. The other end is served
 * by a back-end on the same thread, whose loop every exchange runs; or (devd's tests) by a process
 * of its own, to which every exchange gives time.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/loop.h"
#include "vguest.h"
#include "vhost/vhost_priv.h"

struct frontend {
	struct loop *loop;
	int pace_ms; /* how long each of a few turns of the loop waits: 0 where everything is on it
		      */
	int fd;
	struct vhost *v;
	struct virtio_device *d;
	struct vguest g;
	int kick[VGUEST_QUEUES], call[VGUEST_QUEUES], err[VGUEST_QUEUES];
	char dir[32], path[48]; /* of the host's sockets */
	unsigned closed;
	struct error why; /* code 0: an orderly end */
	struct vhost_msg reply;
};

/* Without a back-end: f->fd is the caller's to set. */
void frontend_init(struct frontend *f);
void frontend_done(struct frontend *f);
/* cmocka fixtures: served in the process. */
int frontend_setup(void **state);
int frontend_teardown(void **state);
void frontend_run(struct frontend *f);

/* Sends a message of @size payload bytes with @nfds descriptors, which stay the caller's; the
 * back-end acts on it. */
void frontend_send(struct frontend *f, uint32_t request, uint32_t flags, const void *payload,
		   size_t size, const int *fds, size_t nfds);
/* A reply, with @size payload bytes, is there. */
void frontend_expect_reply(struct frontend *f, uint32_t request, size_t size);
void frontend_expect_silence(struct frontend *f);
/* Sends a request and returns the number in its reply. */
uint64_t frontend_ask(struct frontend *f, uint32_t request);
void frontend_tell(struct frontend *f, uint32_t request, uint64_t value);
/* The result of a request that is acknowledged (REPLY_ACK must be negotiated). */
uint64_t frontend_ack(struct frontend *f, uint32_t request, const void *payload, size_t size,
		      const int *fds, size_t nfds);

/* What a VMM does: features, memory, rings; then the driver fills its receive queue. */
void frontend_negotiate(struct frontend *f);
void frontend_memory(struct frontend *f);
void frontend_start_ring(struct frontend *f, unsigned i);
void frontend_start(struct frontend *f);
/* True if the eventfd was signalled since it was last asked. */
bool frontend_signalled(int fd);
