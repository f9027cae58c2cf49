/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - what an engine built in a network namespace, and how a virtual machine is joined to it.
 *
 * net_scan reads the namespace; net_connect puts a tap in front of each of its interfaces by a
 * model (tcfilter, macvtap). Connected, whatever arrives at an interface goes to the guest, and the
 * namespace's own protocol stack hears nothing; addresses, routes and hardware addresses of the
 * namespace are left alone, for the guest to have the same. Taps vanish with their descriptors;
 * net_disconnect, or net_clean_up after a crash, removes the rest, and the namespace is as it was
 * found.
 *
 * States: done -> scanned -> connected -> done. One thread, which enters the namespace for moments
 * (sys/ns.h, ns_call); the netlink socket stays in it, so that nothing else needs it to be entered.
 */
#pragma once

#include "base/limits.h"
#include "sys/rtnl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct strv;
struct net;
struct net_nic;

struct net_model {
	const char *name;
	/* Why the link cannot be joined this way; NULL: it can. */
	const char *(*unfit)(const struct rtnl_link *l);
	/* Makes the tap and joins it; sets nic->joined when there is something to undo. In the
	 * namespace. */
	int (*join)(struct net *n, struct net_nic *nic, struct error *e);
};

/* By the value of internetworking_model. -EINVAL and the names there are. The model "none" joins
 * nothing: *ret is NULL. */
int net_model_find(const char *name, const struct net_model **ret, struct error *e);

/* An interface of the namespace, and the tap in front of it. */
struct net_nic {
	struct rtnl_link link;        /* as it was found */
	char tap[IFNAMSIZ];           /* "" while there is none */
	int fds[LIMIT_NET_QUEUES];    /* of the tap */
	int vhosts[LIMIT_NET_QUEUES]; /* of vhost-net, one a queue; -1: without */
	unsigned queues;
	bool joined; /* there is something to undo */
	bool gone;   /* the interface is no longer there */
	/* For the owner of the machine: plugged in while it ran; cannot be joined. */
	bool hot, refused;
};

struct net {
	int netns; /* the namespace; -1: none */
	struct nl nl;
	struct rtnl_addrs addrs; /* as found, of all links */
	struct rtnl_routes routes;
	struct rtnl_neighs neighs;
	struct net_nic *nics; /* the number in a tap's name is the place here */
	size_t nnics;
	const struct net_model *model;
	unsigned queues;           /* of each tap */
	bool vhost;                /* use vhost-net where the host has it */
	uint64_t rx_rate, tx_rate; /* bits a second, as seen by the guest; 0: no limit */
};
#define NET_INIT ((struct net){ .netns = -1, .nl = NL_INIT })

/* Reads the namespace @netns (kept as a copy) and picks the interfaces that a guest gets. */
int net_scan(struct net *n, int netns, struct error *e);
/* Reads it again. Interfaces that were not there come after those that were, or take the place of
 * one that is gone and not joined; those that are gone have @gone set. *ret: something is another
 * than before. */
int net_rescan(struct net *n, bool *ret, struct error *e);
/* -EBUSY: an interface is joined to another virtual machine already. */
int net_check_free(struct net *n, struct error *e);
/* Joins a tap to each. @n->model, queues, vhost and rates are set by the caller. */
int net_connect(struct net *n, struct error *e);
/* The same for one that came later. -EBUSY as above. */
int net_connect_one(struct net *n, struct net_nic *nic, struct error *e);
/* Undoes it, and closes what was not handed over. */
void net_disconnect_one(struct net *n, struct net_nic *nic);
/* Closes what was not handed over and undoes what was joined, as far as it is still there. */
void net_disconnect(struct net *n);
void net_done(struct net *n);
DEFINE_AUTODONE(net, net_done);

/* The nic of a link's index that is not gone; NULL. */
struct net_nic *net_find(struct net *n, int index);

/* Removes from the namespace at @path what a process that died had made for interfaces @names,
 * which are those of its nics in their order. A namespace that is gone needs nothing. */
int net_clean_up(const char *path, char *const *names, size_t n, struct error *e);

/* For tests: which of @links a guest gets, by the rules of scan.c. 1: it does, 0: it does not,
 * -EOPNOTSUPP and the reason: the container would lack it. */
int net_link_wanted(const struct rtnl_links *links, size_t i, const struct rtnl_addrs *addrs,
		    struct error *e);
