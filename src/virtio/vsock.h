/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock - the virtio socket device (virtio 1.2, 5.10), with unix sockets as its host side.
 *
 * Host to guest: a program connects to the listening socket, writes "CONNECT <port>\n" and reads
 * "OK <host port>\n" once a listener in the guest has accepted; a refusal closes the connection
 * without text. A request made before the guest's driver is up is held and sent when the first
 * receive buffer appears. Guest to host: a connection to CID 2, port P becomes a connection to
 * "<path>_P"; nobody listening there is a refusal.
 *
 * Theory of operation. The guest's packets are written straight from its buffers to the host
 * socket; what the socket does not take waits in the connection's ring, whose size is the credit we
 * give. Host bytes are read straight into as many receive buffers as there are, one read for a
 * batch of packets, only as far as the guest's credit goes. Sockets are watched edge-triggered: one
 * without credit or without buffers to read into costs nothing until that changes. A connection
 * that has something for the guest stands in the ready list and gets one turn at a time. Nothing is
 * allocated for data but a ring, mapped when a socket first blocks and unmapped when it is empty
 * again.
 *
 * Limits: LIMIT_VSOCK_*. Left out: SOCK_SEQPACKET, sockets between guests, and the event queue
 * (TRANSPORT_RESET tells a guest that it was migrated; vhost-user vsock devices cannot be).
 */
#pragma once

#include "virtio/device.h"

struct loop;

#define VSOCK_TIMEOUT_MS \
	2000 /* for a CONNECT line, an answer to a request, an answer to a shutdown */
#define VSOCK_DIAL_RETRY_MS 20 /* while a host listener's backlog is full */

/* CIDs 0, 1 and 2 are reserved, 0xffffffff is "any". */
#define VSOCK_CID_MIN 3
#define VSOCK_CID_MAX 0xfffffffeU

struct vsock_options {
	struct loop *loop;
	uint32_t guest_cid;
	int listen_fd;    /* listening and non-blocking; taken over */
	const char *path; /* guest connections go to "<path>_<port>"; copied */
};

/* NULL and errno; @o->listen_fd is then still the caller's. Attach it before the loop runs. */
struct virtio_device *vsock_new(const struct vsock_options *o);
