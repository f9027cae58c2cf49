/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl_route - routes and neighbours, see rtnl.h. */
#include "sys/rtnl_priv.h"

#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

/* --- routes --- */

void rtnl_routes_done(struct rtnl_routes *l)
{
	free(l->v);
	*l = (struct rtnl_routes){ 0 };
}

static void read_metrics(const struct nl_attr *metrics, struct rtnl_route *ret)
{
	struct nl_attrs it = nl_attr_nested(metrics);
	struct nl_attr a;

	while (nl_attr_next(&it, &a))
		if (a.type == RTAX_MTU)
			ret->mtu = nl_attr_u32(&a);
}

/* Counts the hops; the first becomes the route's own. */
static void read_hops(const struct nl_attr *list, struct rtnl_route *ret)
{
	const unsigned char *p = list->p;
	struct rtnexthop hop;
	struct nl_attr a;

	for (size_t n = list->n, space; n >= sizeof(hop); p += space, n -= space) {
		struct nl_attrs it;

		memcpy(&hop, p, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > n)
			return;
		space = MIN((size_t)RTNH_ALIGN(hop.rtnh_len), n);
		if (ret->hops++)
			continue;
		ret->oif = hop.rtnh_ifindex;
		ret->flags |= hop.rtnh_flags;
		it = nl_attrs_of(p, hop.rtnh_len, sizeof(hop));
		while (nl_attr_next(&it, &a))
			if (a.type == RTA_GATEWAY)
				ret->gateway = rtnl_ip_attr(&a, ret->family);
	}
}

static void read_attr(const struct nl_attr *a, uint8_t bits, struct rtnl_route *ret)
{
	switch (a->type) {
	case RTA_DST:
		ret->dst = rtnl_ip_attr(a, ret->family);
		ret->dst.prefix = MIN(bits, ret->dst.prefix);
		break;
	case RTA_GATEWAY:
		ret->gateway = rtnl_ip_attr(a, ret->family);
		break;
	case RTA_PREFSRC:
		ret->source = rtnl_ip_attr(a, ret->family);
		break;
	case RTA_OIF:
		ret->oif = (int)nl_attr_u32(a);
		break;
	case RTA_TABLE:
		ret->table = nl_attr_u32(a);
		break;
	case RTA_PRIORITY:
		ret->metric = nl_attr_u32(a);
		break;
	case RTA_METRICS:
		read_metrics(a, ret);
		break;
	case RTA_MULTIPATH:
		read_hops(a, ret);
		break;
	default:
		break;
	}
}

bool rtnl_route_read(uint16_t type, const void *p, size_t n, struct rtnl_route *ret)
{
	struct nl_attrs it = nl_attrs_of(p, n, sizeof(struct rtmsg));
	struct nl_attr a;
	struct rtmsg h;

	if (type != RTM_NEWROUTE || n < sizeof(h))
		return false;
	memcpy(&h, p, sizeof(h));
	if ((h.rtm_family != AF_INET && h.rtm_family != AF_INET6) || h.rtm_flags & RTM_F_CLONED)
		return false;
	*ret = (struct rtnl_route){ .family = h.rtm_family,
				    .scope = h.rtm_scope,
				    .type = h.rtm_type,
				    .protocol = h.rtm_protocol,
				    .table = h.rtm_table,
				    .flags = h.rtm_flags };
	while (nl_attr_next(&it, &a))
		read_attr(&a, h.rtm_dst_len, ret);
	return true;
}

static bool read_route(uint16_t type, const void *p, size_t n, void *object)
{
	return rtnl_route_read(type, p, n, object);
}

int rtnl_routes(struct nl *nl, struct rtnl_routes *ret, struct error *e)
{
	const struct rtmsg h = { .rtm_family = AF_UNSPEC };
	struct nl_req q;
	void *v;
	int r;

	nl_req_init(&q, RTM_GETROUTE, 0, &h, sizeof(h));
	r = rtnl_dump(nl, &q, read_route, sizeof(*ret->v), LIMIT_NET_OBJECTS, &v, &ret->n, e);
	if (r < 0)
		return error_prefix(e, "list the routes");
	ret->v = v;
	return 0;
}

static void put_mtu(struct nl_req *q, uint32_t mtu)
{
	if (!mtu)
		return;
	nl_nest(q, RTA_METRICS);
	nl_put_u32(q, RTAX_MTU, mtu);
	nl_nest_end(q);
}

static int change_route(struct nl *nl, uint16_t type, uint16_t flags, const struct rtnl_route *t,
			struct error *e)
{
	const struct rtmsg h = { .rtm_family = t->family,
				 .rtm_dst_len = t->dst.prefix,
				 .rtm_table = t->table < 256 ? (uint8_t)t->table : RT_TABLE_UNSPEC,
				 .rtm_protocol = t->protocol,
				 .rtm_scope = t->scope,
				 .rtm_type = t->type,
				 .rtm_flags = t->flags & RTNH_F_ONLINK };
	char text[RTNL_IP_TEXT];
	struct nl_req q;
	int r;

	nl_req_init(&q, type, flags, &h, sizeof(h));
	nl_put_u32(&q, RTA_TABLE, t->table);
	if (t->dst.family)
		rtnl_put_ip(&q, RTA_DST, &t->dst);
	if (t->gateway.family)
		rtnl_put_ip(&q, RTA_GATEWAY, &t->gateway);
	if (t->source.family)
		rtnl_put_ip(&q, RTA_PREFSRC, &t->source);
	if (t->oif)
		nl_put_u32(&q, RTA_OIF, (uint32_t)t->oif);
	if (t->metric)
		nl_put_u32(&q, RTA_PRIORITY, t->metric);
	put_mtu(&q, t->mtu);
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "%s route to %s", type == RTM_NEWROUTE ? "set" : "remove",
			     t->dst.family ? rtnl_net_text(&t->dst, text) : "default");
	return r;
}

int rtnl_route_add(struct nl *nl, const struct rtnl_route *t, struct error *e)
{
	return change_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, t, e);
}

int rtnl_route_del(struct nl *nl, const struct rtnl_route *t, struct error *e)
{
	return change_route(nl, RTM_DELROUTE, 0, t, e);
}

/* --- neighbours --- */

void rtnl_neighs_done(struct rtnl_neighs *l)
{
	free(l->v);
	*l = (struct rtnl_neighs){ 0 };
}

bool rtnl_neigh_read(uint16_t type, const void *p, size_t n, struct rtnl_neigh *ret)
{
	struct nl_attrs it = nl_attrs_of(p, n, sizeof(struct ndmsg));
	struct nl_attr a;
	struct ndmsg h;

	if (type != RTM_NEWNEIGH || n < sizeof(h))
		return false;
	memcpy(&h, p, sizeof(h));
	*ret = (struct rtnl_neigh){ .index = h.ndm_ifindex,
				    .state = h.ndm_state,
				    .flags = h.ndm_flags };
	while (nl_attr_next(&it, &a)) {
		if (a.type == NDA_DST)
			ret->ip = rtnl_ip_attr(&a, h.ndm_family);
		else if (a.type == NDA_LLADDR)
			ret->mac.len = (uint8_t)nl_attr_bytes(&a, ret->mac.bytes, RTNL_MAC_MAX);
	}
	return ret->index > 0 && ret->ip.family;
}

static bool read_neigh(uint16_t type, const void *p, size_t n, void *object)
{
	return rtnl_neigh_read(type, p, n, object);
}

int rtnl_neighs(struct nl *nl, struct rtnl_neighs *ret, struct error *e)
{
	const struct ndmsg h = { .ndm_family = AF_UNSPEC };
	struct nl_req q;
	void *v;
	int r;

	nl_req_init(&q, RTM_GETNEIGH, 0, &h, sizeof(h));
	r = rtnl_dump(nl, &q, read_neigh, sizeof(*ret->v), LIMIT_NET_OBJECTS, &v, &ret->n, e);
	if (r < 0)
		return error_prefix(e, "list the neighbours");
	ret->v = v;
	return 0;
}

int rtnl_neigh_add(struct nl *nl, const struct rtnl_neigh *h, struct error *e)
{
	const struct ndmsg m = { .ndm_family = h->ip.family,
				 .ndm_ifindex = h->index,
				 .ndm_state = h->state,
				 .ndm_flags = h->flags };
	char text[RTNL_IP_TEXT];
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	rtnl_put_ip(&q, NDA_DST, &h->ip);
	if (h->mac.len)
		nl_put(&q, NDA_LLADDR, h->mac.bytes, h->mac.len);
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "set neighbour %s", rtnl_ip_text(&h->ip, text));
	return r;
}
