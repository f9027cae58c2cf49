/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - the guest's network as the host wants it: interfaces, routes, neighbours.
 *
 * Interfaces are known by their hardware address, and by name where none has it; of several with
 * one address, the one with the name, then one that is not up yet. The driver (virtio_net) is
 * loaded when the first is asked for. Routes are those of the main table; the kernel's own are left
 * alone. Netlink requests are answered at once: nothing here waits.
 */
#pragma once

#include "agent.pb-c.h"

struct error;
struct rpc_call;

int net_update_interface(const Types__Interface *want, struct error *e);
/* Replaces all routes that are not the kernel's. Those that others go through come first, whatever
 * the order they are in. */
int net_update_routes(const Grpc__Routes *want, struct error *e);
int net_add_neighbours(const Grpc__ARPNeighbors *want, struct error *e);
/* Answer the call on success. */
int net_list_interfaces(struct rpc_call *call, struct error *e);
int net_list_routes(struct rpc_call *call, struct error *e);
