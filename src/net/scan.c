/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan - reading a network namespace, see net.h.
 *
 * A guest gets every Ethernet interface that is in use: it is up, or has addresses. Left out are
 * the loopback interface, what lies below or inside of another interface of the namespace and has
 * no addresses of its own (the port of a bridge, the parent of a VLAN), and the tunnels that a
 * kernel puts into each namespace. An interface in use that cannot be given is an error: the
 * container would be without a network that it was promised.
 */
#include "net/net.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "sys/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

static bool has_addresses(const struct rtnl_addrs *addrs, int index)
{
	for (size_t i = 0; i < addrs->n; i++)
		if (addrs->v[i].index == index && addrs->v[i].scope != RT_SCOPE_LINK)
			return true;
	return false;
}

/* Another link of the namespace stands on @l. The two ends of a pair name each other. */
static bool is_lower(const struct rtnl_links *links, const struct rtnl_link *l)
{
	for (size_t i = 0; i < links->n; i++) {
		const struct rtnl_link *o = &links->v[i];

		if (o->lower == l->index && !o->lower_elsewhere && o->index != l->index &&
		    !str_eq(o->kind, "veth"))
			return true;
	}
	return false;
}

int net_link_wanted(const struct rtnl_links *links, size_t i, const struct rtnl_addrs *addrs,
		    struct error *e)
{
	const struct rtnl_link *l = &links->v[i];
	bool addressed = has_addresses(addrs, l->index);
	bool up = l->flags & IFF_UP;

	if (l->flags & IFF_LOOPBACK)
		return 0;
	if (!addressed && (!up || l->master || is_lower(links, l)))
		return 0;
	if (l->type != ARPHRD_ETHER || l->mac.len != 6) {
		if (!addressed || !up)
			return 0;
		return error_plain(e, EOPNOTSUPP,
				   "network interface %s (%s) is not an Ethernet interface: a "
				   "virtual machine cannot be joined to it",
				   l->name, *l->kind ? l->kind : "hardware");
	}
	if (addressed && is_lower(links, l))
		return error_plain(e, EOPNOTSUPP,
				   "network interface %s has addresses and other interfaces on it: "
				   "a virtual machine cannot be joined to both",
				   l->name);
	return 1;
}

static int pick(struct net *n, const struct rtnl_links *links, struct error *e)
{
	for (size_t i = 0; i < links->n; i++) {
		const struct rtnl_link *l = &links->v[i];
		struct net_nic *nic;
		int r = net_link_wanted(links, i, &n->addrs, e);

		if (r < 0)
			return r;
		if (r == 0) {
			log_debug("network interface %s is not for the guest", l->name);
			continue;
		}
		if (n->nnics == LIMIT_NET_LINKS)
			return error_plain(e, E2BIG, "more than %d network interfaces",
					   LIMIT_NET_LINKS);
		n->nics = xrealloc(n->nics, n->nnics + 1, sizeof(*n->nics));
		nic = &n->nics[n->nnics++];
		*nic = (struct net_nic){ .link = *l };
		for (size_t k = 0; k < LIMIT_NET_QUEUES; k++)
			nic->fds[k] = nic->vhosts[k] = -1;
	}
	return 0;
}

static int open_socket(void *data, struct error *e)
{
	return nl_open(data, NETLINK_ROUTE, e);
}

static int read_all(struct net *n, struct error *e)
{
	autodone(rtnl_links) links = { 0 };
	int r = ns_call(n->netns, NS_NET, open_socket, &n->nl, e);

	if (r == 0)
		r = rtnl_links(&n->nl, &links, e);
	if (r == 0)
		r = rtnl_addrs(&n->nl, &n->addrs, e);
	if (r == 0)
		r = rtnl_routes(&n->nl, &n->routes, e);
	if (r == 0)
		r = rtnl_neighs(&n->nl, &n->neighs, e);
	return r < 0 ? r : pick(n, &links, e);
}

int net_scan(struct net *n, int netns, struct error *e)
{
	int r;

	n->netns = fcntl(netns, F_DUPFD_CLOEXEC, 3);
	if (n->netns < 0)
		return error_set(e, errno, "keep the network namespace");
	r = read_all(n, e);
	if (r < 0)
		net_done(n);
	return r;
}
