/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_guest - what was found in a network namespace, told to the guest: interfaces one after
 * another, then routes, then neighbours. See network.h.
 *
 * Of the routes the main table's are told, save those that the kernel makes of addresses by itself;
 * of the neighbours those that somebody set for good. What a guest could not have is logged.
 */
#include "sandbox/internal.h"
#include "sandbox/network.h"

#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

/* How long a guest may take to find a device, and how often it is asked. */
#define APPEARS_MS 10000
#define APPEARS_RETRY_MS 100

static void replied(void *data, const struct error *e, const ProtobufCMessage *resp);

static Types__IPFamily family_of(uint8_t family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static char *keep_ip(struct strv *texts, const struct rtnl_ip *ip, bool net)
{
	char text[RTNL_IP_TEXT];

	strv_add(texts, net ? rtnl_net_text(ip, text) : rtnl_ip_text(ip, text));
	return texts->v[texts->n - 1];
}

/* --- interfaces --- */

/* An address that somebody else has, or that will change by itself, is not for the guest. */
static bool addr_wanted(const struct rtnl_addr *a)
{
	return !(a->flags & IFA_F_DADFAILED) &&
	       !(a->ip.family == AF_INET6 && a->flags & IFA_F_TEMPORARY);
}

static void fill_addr(Types__IPAddress *m, const struct rtnl_addr *a, struct strv *texts)
{
	types__ipaddress__init(m);
	m->family = family_of(a->ip.family);
	m->address = keep_ip(texts, &a->ip, false);
	strv_addf(texts, "%u", a->ip.prefix);
	m->mask = texts->v[texts->n - 1];
	m->flags = a->flags;
	m->scope = a->scope;
	m->peer = keep_ip(texts, &a->peer, true);
	m->broadcast = keep_ip(texts, &a->broadcast, false);
}

/* Of one that is gone, that it has no addresses any more. */
static void tell_interface(struct sandbox *s, const struct net_nic *nic)
{
	const struct rtnl_link *l = &nic->link;
	Grpc__UpdateInterfaceRequest rq = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__Interface m = TYPES__INTERFACE__INIT;
	const struct rtnl_addrs *addrs = &s->net.addrs;
	autofree Types__IPAddress *ips = xcalloc(addrs->n + 1, sizeof(*ips));
	autofree Types__IPAddress **list = xcalloc(addrs->n + 1, sizeof(*list));
	autodone(strv) texts = STRV_INIT;
	char mac[RTNL_MAC_TEXT];

	for (size_t i = 0; i < addrs->n; i++) {
		if (nic->gone || addrs->v[i].index != l->index || !addr_wanted(&addrs->v[i]))
			continue;
		fill_addr(&ips[m.n_ipaddresses], &addrs->v[i], &texts);
		list[m.n_ipaddresses] = &ips[m.n_ipaddresses];
		m.n_ipaddresses++;
	}
	m.device = m.name = (char *)l->name;
	m.ipaddresses = list;
	m.mtu = l->mtu;
	m.hwaddr = (char *)rtnl_mac_text(&l->mac, mac);
	m.type = (char *)l->kind;
	m.raw_flags = l->flags & IFF_NOARP;
	rq.interface = &m;
	guest_call(s, "UpdateInterface", &rq.base, SANDBOX_REQUEST_MS, replied, s);
}

/* --- routes --- */

static bool route_wanted(struct sandbox *s, const struct rtnl_route *t)
{
	static const uint8_t types[] = { RTN_UNICAST, RTN_BLACKHOLE, RTN_UNREACHABLE,
					 RTN_PROHIBIT };
	char text[RTNL_IP_TEXT];

	if (t->table != RT_TABLE_MAIN || t->protocol == RTPROT_KERNEL)
		return false;
	if (!memchr(types, t->type, sizeof(types)))
		return false;
	if (t->type == RTN_UNICAST && !net_find(&s->net, t->oif))
		return false; /* of an interface that is not the guest's */
	if (t->hops > 1)
		log_warn("the route to %s has %u ways: the guest gets the first",
			 t->dst.family ? rtnl_net_text(&t->dst, text) : "default", t->hops);
	return true;
}

static void fill_route(struct sandbox *s, Types__Route *m, const struct rtnl_route *t,
		       struct strv *texts)
{
	types__route__init(m);
	m->dest = keep_ip(texts, &t->dst, true);
	m->gateway = keep_ip(texts, &t->gateway, false);
	m->source = keep_ip(texts, &t->source, false);
	if (t->type == RTN_UNICAST)
		m->device = net_find(&s->net, t->oif)->link.name;
	m->scope = t->scope;
	m->family = family_of(t->family);
	m->flags = t->flags & RTNH_F_ONLINK;
	m->mtu = t->mtu;
	m->metric = t->metric;
	m->type = t->type;
}

static void tell_routes(struct sandbox *s)
{
	Grpc__UpdateRoutesRequest rq = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	size_t n = s->net.routes.n;
	autofree Types__Route *m = xcalloc(n + 1, sizeof(*m));
	autofree Types__Route **list = xcalloc(n + 1, sizeof(*list));
	autodone(strv) texts = STRV_INIT;

	for (size_t i = 0; i < n; i++) {
		if (!route_wanted(s, &s->net.routes.v[i]))
			continue;
		fill_route(s, &m[routes.n_routes], &s->net.routes.v[i], &texts);
		list[routes.n_routes] = &m[routes.n_routes];
		routes.n_routes++;
	}
	routes.routes = list;
	rq.routes = &routes;
	guest_call(s, "UpdateRoutes", &rq.base, SANDBOX_REQUEST_MS, replied, s);
}

/* --- neighbours --- */

struct neighbour {
	Types__ARPNeighbor m;
	Types__IPAddress ip;
	char mac[RTNL_MAC_TEXT], text[RTNL_IP_TEXT];
};

static void fill_neighbour(struct sandbox *s, struct neighbour *b, const struct rtnl_neigh *h)
{
	types__arpneighbor__init(&b->m);
	types__ipaddress__init(&b->ip);
	b->ip.family = family_of(h->ip.family);
	b->ip.address = (char *)rtnl_ip_text(&h->ip, b->text);
	b->m.toipaddress = &b->ip;
	b->m.device = net_find(&s->net, h->index)->link.name;
	b->m.lladdr = (char *)rtnl_mac_text(&h->mac, b->mac);
	b->m.state = h->state;
	b->m.flags = h->flags;
}

/* False: there is nothing to tell. */
static bool tell_neighbours(struct sandbox *s)
{
	Grpc__AddARPNeighborsRequest rq = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors all = GRPC__ARPNEIGHBORS__INIT;
	size_t n = s->net.neighs.n;
	autofree struct neighbour *m = xcalloc(n + 1, sizeof(*m));
	autofree Types__ARPNeighbor **list = xcalloc(n + 1, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		const struct rtnl_neigh *h = &s->net.neighs.v[i];

		if (!(h->state & NUD_PERMANENT) || !net_find(&s->net, h->index))
			continue;
		fill_neighbour(s, &m[all.n_arpneighbors], h);
		list[all.n_arpneighbors] = &m[all.n_arpneighbors].m;
		all.n_arpneighbors++;
	}
	if (!all.n_arpneighbors)
		return false;
	all.arpneighbors = list;
	rq.neighbors = &all;
	guest_call(s, "AddARPNeighbors", &rq.base, SANDBOX_REQUEST_MS, replied, s);
	return true;
}

/* Interfaces that the guest has: those that were plugged in and are gone are on their way out. */
static bool told_of(const struct net_nic *nic)
{
	return nic->joined && !(nic->gone && nic->hot);
}

/* The request for s->net_told; false: all is told. */
static bool tell(struct sandbox *s)
{
	size_t n = s->net.nnics;

	while (s->net_told < n && !told_of(&s->net.nics[s->net_told]))
		s->net_told++;
	if (s->net_told > n)
		return s->net_told == n + 1 && tell_neighbours(s);
	if (s->net_told < n)
		tell_interface(s, &s->net.nics[s->net_told]);
	else
		tell_routes(s);
	return true;
}

static void tell_again(struct loop_source *src, void *data)
{
	struct sandbox *s = data;

	s->net_retry = loop_source_free(s->net_retry);
	tell(s);
}

/* A device that was plugged in takes the guest a moment to find. */
static bool may_come(const struct sandbox *s, const struct error *e)
{
	return e->code == -ENOENT && s->net_told < s->net.nnics && s->net.nics[s->net_told].hot &&
	       loop_now_ms() < s->net_deadline;
}

static void replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct sandbox *s = data;

	if (e && may_come(s, e)) {
		s->net_retry = loop_add_timer(s->loop, APPEARS_RETRY_MS, tell_again, s);
		return;
	}
	s->net_told++;
	if (e || !tell(s))
		op_continue(s->net_op, e);
}

int network_tell(struct sandbox *s, struct op *op, struct error *e)
{
	s->net_told = 0;
	s->net_op = op;
	s->net_deadline = loop_now_ms() + APPEARS_MS;
	return s->net.nnics && tell(s) ? -EINPROGRESS : 0;
}
