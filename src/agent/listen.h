/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - the agent's listening sockets, and who may connect.
 *
 * On vsock only the host (CID 2) is served: any program of the guest can open a vsock connection.
 * On a unix socket, which serves tests, the file's mode decides; other ports than the address's own
 * are then the sockets <path>_<port>.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct rpc_address;

/* Listens on @port of the kind of @base (0: its own). The descriptor or -errno; -EAFNOSUPPORT while
 * the kernel has no vsock. */
int agent_listen(const struct rpc_address *base, uint32_t port, struct error *e);

/* 0 if the peer of the accepted socket @fd may talk to the agent, else -errno. @data is not used.
 */
int agent_peer_check(int fd, void *data);

/* The port of the peer: of a vsock connection, or for unix sockets the number that the peer has
 * bound its end to as an abstract name ("\0<number>"). 0 if there is none. */
uint32_t agent_peer_port(int fd);
