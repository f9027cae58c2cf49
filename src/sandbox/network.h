/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - the machine's part in the network namespace that an engine built.
 *
 * The namespace is that of the first container: the one its spec names, or the one its init proxy
 * was started in, which hooks fill. It is read and joined before the machine starts (network_join),
 * so that the interfaces are there when the guest boots; the guest is told what they are when its
 * agent answers (network_tell). Later changes are followed (network_watch.c). Containers that come
 * later are in the same namespace or have none to lose.
 */
#pragma once

#include "base/error.h"
#include "hv/hv.h"

struct sandbox;
struct container;
struct net_nic;
struct op;

/* The steps of a boot, in this order. */
int network_join(struct sandbox *s, struct container *first, struct error *e);
/* Adds the interfaces to s->hv. */
int network_devices(struct sandbox *s, struct error *e);
/* Continues @op: -EINPROGRESS, or 0 if there is nothing to tell. */
int network_tell(struct sandbox *s, struct op *op, struct error *e);
/* Follows what happens in the namespace from now on, until network_unwatch. */
void network_watch(struct sandbox *s);
void network_unwatch(struct sandbox *s);
/* Leaves the namespace as it was found. */
void network_leave(struct sandbox *s);

/* Whether @c, which is not the first, is in the machine's network. -EOPNOTSUPP and the reason. */
int network_check(struct container *c, struct error *e);

/* The device of one interface; @done NULL before the machine starts. */
int network_add_device(struct sandbox *s, struct net_nic *nic, hv_done_fn *done, struct error *e);
int network_remove_device(struct sandbox *s, struct net_nic *nic, hv_done_fn *done,
			  struct error *e);
