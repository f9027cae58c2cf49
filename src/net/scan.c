/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan - reading a network namespace, see net.h.
 *
 * A guest gets every Ethernet interface that is in use: it is up, or has addresses. Left out are
 * the loopback interface, our own taps, what lies below or inside of another interface of the
 * namespace and has no addresses of its own (the port of a bridge, the parent of a VLAN), and the
 * tunnels that a kernel puts into each namespace. An interface in use that cannot be given is an
 * error: the container would be without a network that it was promised.
 */
#include "net/model.h"

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

	if (l->flags & IFF_LOOPBACK || str_ends_with(l->name, NET_TAP_SUFFIX))
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

/* A place for a nic: of one that is gone and of which nothing is left, or a new one. */
static struct net_nic *new_nic(struct net *n)
{
	for (size_t i = 0; i < n->nnics; i++)
		if (n->nics[i].gone && !n->nics[i].joined)
			return &n->nics[i];
	if (n->nnics == LIMIT_NET_LINKS)
		return NULL;
	n->nics = xrealloc(n->nics, n->nnics + 1, sizeof(*n->nics));
	return &n->nics[n->nnics++];
}

static struct net_nic *add_nic(struct net *n, const struct rtnl_link *l)
{
	struct net_nic *nic = new_nic(n);

	if (!nic)
		return NULL;
	*nic = (struct net_nic){ .link = *l };
	for (size_t k = 0; k < LIMIT_NET_QUEUES; k++)
		nic->fds[k] = nic->vhosts[k] = -1;
	return nic;
}

/* What a guest is told of a link. */
static bool same_link(const struct rtnl_link *a, const struct rtnl_link *b)
{
	return str_eq(a->name, b->name) && a->mtu == b->mtu && rtnl_mac_eq(&a->mac, &b->mac);
}

/* Brings the nics in line with the links. *ret is set where something changed, and else left. */
static int pick(struct net *n, const struct rtnl_links *links, bool *ret, struct error *e)
{
	bool seen[LIMIT_NET_LINKS] = { false };
	int r = 0;

	for (size_t i = 0; i < links->n && r >= 0; i++) {
		const struct rtnl_link *l = &links->v[i];
		struct net_nic *nic = net_find(n, l->index);

		r = net_link_wanted(links, i, &n->addrs, e);
		if (r <= 0)
			continue;
		if (!nic) {
			nic = add_nic(n, l);
			*ret = true;
		} else if (!same_link(&nic->link, l)) {
			nic->link = *l;
			*ret = true;
		}
		if (!nic)
			r = error_plain(e, E2BIG, "more than %d network interfaces",
					LIMIT_NET_LINKS);
		else
			seen[nic - n->nics] = true;
	}
	for (size_t i = 0; i < n->nnics && r >= 0; i++) {
		*ret |= !seen[i] && !n->nics[i].gone;
		n->nics[i].gone |= !seen[i];
	}
	return r < 0 ? r : 0;
}

static int open_socket(void *data, struct error *e)
{
	return nl_open(data, NETLINK_ROUTE, e);
}

/* --- what changed --- */

static bool same_addrs(const struct rtnl_addrs *a, const struct rtnl_addrs *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = a->v[i].index == b->v[i].index && rtnl_ip_eq(&a->v[i].ip, &b->v[i].ip) &&
		       rtnl_ip_eq(&a->v[i].peer, &b->v[i].peer);
	return same;
}

static bool same_routes(const struct rtnl_routes *a, const struct rtnl_routes *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++) {
		const struct rtnl_route *x = &a->v[i], *y = &b->v[i];

		same = x->family == y->family && x->table == y->table && x->type == y->type &&
		       x->oif == y->oif && x->metric == y->metric && x->mtu == y->mtu &&
		       rtnl_ip_eq(&x->dst, &y->dst) && rtnl_ip_eq(&x->gateway, &y->gateway) &&
		       rtnl_ip_eq(&x->source, &y->source);
	}
	return same;
}

/* What a reading of the namespace gives. */
struct reading {
	struct rtnl_links links;
	struct rtnl_addrs addrs;
	struct rtnl_routes routes;
	struct rtnl_neighs neighs;
};

static void reading_done(struct reading *r)
{
	rtnl_links_done(&r->links);
	rtnl_addrs_done(&r->addrs);
	rtnl_routes_done(&r->routes);
	rtnl_neighs_done(&r->neighs);
}
DEFINE_AUTODONE(reading, reading_done);

#define SWAP(a, b)                       \
	do {                             \
		__typeof__(a) tmp = (a); \
		(a) = (b);               \
		(b) = tmp;               \
	} while (0)

int net_rescan(struct net *n, bool *ret, struct error *e)
{
	autodone(reading) now = { 0 };
	int r = rtnl_links(&n->nl, &now.links, e);

	if (r == 0)
		r = rtnl_addrs(&n->nl, &now.addrs, e);
	if (r == 0)
		r = rtnl_routes(&n->nl, &now.routes, e);
	if (r == 0)
		r = rtnl_neighs(&n->nl, &now.neighs, e);
	if (r < 0)
		return r;
	*ret = !same_addrs(&n->addrs, &now.addrs) || !same_routes(&n->routes, &now.routes);
	SWAP(n->addrs, now.addrs);
	SWAP(n->routes, now.routes);
	SWAP(n->neighs, now.neighs);
	return pick(n, &now.links, ret, e);
}

int net_scan(struct net *n, int netns, struct error *e)
{
	bool changed;
	int r;

	n->netns = fcntl(netns, F_DUPFD_CLOEXEC, 3);
	if (n->netns < 0)
		return error_set(e, errno, "keep the network namespace");
	r = ns_call(n->netns, NS_NET, open_socket, &n->nl, e);
	if (r == 0)
		r = net_rescan(n, &changed, e);
	if (r < 0)
		net_done(n);
	return r;
}
