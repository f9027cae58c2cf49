/* SPDX-License-Identifier: Apache-2.0 */
/* net_list - the guest's interfaces and routes as messages, see net.h. */
#include "agent/net.h"

#include "base/error.h"
#include "base/str.h"
#include "rpc/ttrpc.h"
#include "sys/rtnl.h"

#include <linux/rtnetlink.h>
#include <stdio.h>

/* Texts of messages live in one arena of short strings, freed with the list. */
static char *keep(struct strv *texts, const char *s)
{
	strv_add(texts, s);
	return texts->v[texts->n - 1];
}

static char *keep_ip(struct strv *texts, const struct rtnl_ip *ip, bool net)
{
	char text[RTNL_IP_TEXT];

	return keep(texts, net ? rtnl_net_text(ip, text) : rtnl_ip_text(ip, text));
}

static const char *name_of(const struct rtnl_links *links, int index)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->v[i].index == index)
			return links->v[i].name;
	return "";
}

static Types__IPFamily family_of(uint8_t family)
{
	return family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
}

static void fill_addr(Types__IPAddress *m, const struct rtnl_addr *a, struct strv *texts)
{
	char prefix[8];

	types__ipaddress__init(m);
	snprintf(prefix, sizeof(prefix), "%u", a->ip.prefix);
	m->family = family_of(a->ip.family);
	m->address = keep_ip(texts, &a->ip, false);
	m->mask = keep(texts, prefix);
	m->flags = a->flags;
	m->scope = a->scope;
	m->peer = keep_ip(texts, &a->peer, true);
	m->broadcast = keep_ip(texts, &a->broadcast, false);
}

static void fill_link(Types__Interface *m, const struct rtnl_link *l, struct strv *texts)
{
	char mac[RTNL_MAC_TEXT];

	types__interface__init(m);
	m->device = m->name = (char *)l->name;
	m->mtu = l->mtu;
	m->hwaddr = keep(texts, rtnl_mac_text(&l->mac, mac));
	m->type = (char *)l->kind;
	m->raw_flags = l->flags;
}

int net_list_interfaces(struct rpc_call *call, struct error *e)
{
	Grpc__Interfaces resp = GRPC__INTERFACES__INIT;
	autofree Types__Interface *links_m = NULL, **list = NULL;
	autofree Types__IPAddress *addrs_m = NULL, **addr_list = NULL;
	autodone(rtnl_links) links = { 0 };
	autodone(rtnl_addrs) addrs = { 0 };
	autodone(strv) texts = STRV_INIT;
	autodone(nl) nl = NL_INIT;
	size_t used = 0;
	int r = nl_open(&nl, NETLINK_ROUTE, e);

	if (r == 0)
		r = rtnl_links(&nl, &links, e);
	if (r == 0)
		r = rtnl_addrs(&nl, &addrs, e);
	if (r < 0)
		return r;
	links_m = xcalloc(links.n + 1, sizeof(*links_m));
	list = xcalloc(links.n + 1, sizeof(*list));
	addrs_m = xcalloc(addrs.n + 1, sizeof(*addrs_m));
	addr_list = xcalloc(addrs.n + 1, sizeof(*addr_list));
	for (size_t i = 0; i < links.n; i++) {
		fill_link(&links_m[i], &links.v[i], &texts);
		links_m[i].ipaddresses = &addr_list[used];
		for (size_t k = 0; k < addrs.n; k++) {
			if (addrs.v[k].index != links.v[i].index)
				continue;
			fill_addr(&addrs_m[used], &addrs.v[k], &texts);
			addr_list[used] = &addrs_m[used];
			used++;
			links_m[i].n_ipaddresses++;
		}
		list[i] = &links_m[i];
	}
	resp.interfaces = list;
	resp.n_interfaces = links.n;
	rpc_call_reply(call, &resp.base);
	return 0;
}

static void fill_route(Types__Route *m, const struct rtnl_route *t, const struct rtnl_links *links,
		       struct strv *texts)
{
	types__route__init(m);
	m->dest = keep_ip(texts, &t->dst, true);
	m->gateway = keep_ip(texts, &t->gateway, false);
	m->source = keep_ip(texts, &t->source, false);
	m->device = (char *)name_of(links, t->oif);
	m->scope = t->scope;
	m->family = family_of(t->family);
	m->flags = t->flags;
	m->mtu = t->mtu;
	m->metric = t->metric;
	m->type = t->type;
}

int net_list_routes(struct rpc_call *call, struct error *e)
{
	Grpc__Routes resp = GRPC__ROUTES__INIT;
	autofree Types__Route *routes_m = NULL, **list = NULL;
	autodone(rtnl_routes) routes = { 0 };
	autodone(rtnl_links) links = { 0 };
	autodone(strv) texts = STRV_INIT;
	autodone(nl) nl = NL_INIT;
	int r = nl_open(&nl, NETLINK_ROUTE, e);

	if (r == 0)
		r = rtnl_links(&nl, &links, e);
	if (r == 0)
		r = rtnl_routes(&nl, &routes, e);
	if (r < 0)
		return r;
	routes_m = xcalloc(routes.n + 1, sizeof(*routes_m));
	list = xcalloc(routes.n + 1, sizeof(*list));
	for (size_t i = 0; i < routes.n; i++) {
		if (routes.v[i].table != RT_TABLE_MAIN)
			continue;
		fill_route(&routes_m[i], &routes.v[i], &links, &texts);
		list[resp.n_routes++] = &routes_m[i];
	}
	resp.routes = list;
	rpc_call_reply(call, &resp.base);
	return 0;
}
