/* SPDX-License-Identifier: Apache-2.0 */
/* fixture - a vsock device on a loop, attached to a fake guest (tests/lib/vguest), with a directory
 * for its sockets. */
#pragma once

#include "check.h"

#include "base/loop.h"
#include "vguest.h"
#include "virtio/vsock.h"

struct fixture {
	struct loop *loop;
	struct vguest g;
	struct gmem mem;
	struct virtio_device *d;
	char dir[32], path[48];
	bool broken;
	struct virtio_vsock_hdr h; /* of the last packet received */
	uint8_t data[VGUEST_RX_SIZE];
};

/* cmocka fixtures: the device with its driver not up yet; then with running queues. Of 64 entries,
 * with event index. */
int fixture_setup(void **state);
int fixture_setup_running(void **state);
int fixture_teardown(void **state);

/* The driver comes up. */
void fixture_start(struct fixture *f);
/* Runs the loop until nothing more happens. */
void fixture_run(struct fixture *f);
/* Runs the loop for @ms. */
void fixture_wait(struct fixture *f, int ms);

/* The next packet must be @op. */
void fixture_expect(struct fixture *f, uint16_t op);
void fixture_expect_nothing(struct fixture *f);
/* A packet from the guest's @guest_port to @host_port, then the loop runs. */
void fixture_send(struct fixture *f, uint16_t op, uint32_t guest_port, uint32_t host_port,
		  uint32_t flags, const void *data, size_t len);

/* A host program that has written "CONNECT <port>\n". Non-blocking. */
int fixture_connect(struct fixture *f, uint32_t port);
/* A connection from the host to the guest's @port, accepted, "OK" read. */
int fixture_open(struct fixture *f, uint32_t port, uint32_t *ret_host_port);
/* A host program that listens for the guest. */
int fixture_listen(struct fixture *f, uint32_t port, int backlog);
/* A connection of the guest's @guest_port to the listener, accepted on both sides. */
int fixture_accept(struct fixture *f, int listener, uint32_t guest_port, uint32_t host_port);

/* What can be read now, at most @max; -1: nothing yet. 0: the end. */
long fixture_read(int fd, void *p, size_t max);
