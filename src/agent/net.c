/* SPDX-License-Identifier: Apache-2.0 */
/* net - see net.h. What the lists look like in messages is in net_list.c. */
#include "agent/net.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "sys/kmod.h"
#include "sys/rtnl.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <unistd.h>

static bool have_ipv6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

/* --- finding an interface --- */

/* How well @l is the one that is wanted; 0: not at all. */
static int fitness(const struct rtnl_link *l, const char *name, const struct rtnl_mac *mac)
{
	bool named = str_eq(l->name, name);

	if (l->flags & IFF_LOOPBACK)
		return 0;
	if (mac->len && rtnl_mac_eq(&l->mac, mac))
		return named ? 4 : l->flags & IFF_UP ? 2 : 3;
	return named ? 1 : 0;
}

static int look(struct nl *nl, const Types__Interface *want, const struct rtnl_mac *mac,
		struct rtnl_links *links, struct rtnl_link *ret, struct error *e)
{
	const char *name = str_empty(want->name) ? want->device : want->name;
	int best = 0, r;

	rtnl_links_done(links);
	r = rtnl_links(nl, links, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < links->n; i++) {
		int fit = fitness(&links->v[i], name, mac);

		if (fit > best) {
			best = fit;
			*ret = links->v[i];
		}
	}
	return best ? 0 : -ENODEV;
}

static int find(struct nl *nl, const Types__Interface *want, const struct rtnl_mac *mac,
		struct rtnl_links *links, struct rtnl_link *ret, struct error *e)
{
	static bool tried;
	struct error why = ERROR_INIT;
	int r = look(nl, want, mac, links, ret, e);

	if (r == -ENODEV && !tried) {
		autofree char *dir = kmod_dir();

		tried = true;
		if (kmod_load(dir, "virtio_net", NULL, &why) < 0)
			log_warn("%s", why.text);
		r = look(nl, want, mac, links, ret, e);
	}
	if (r == -ENODEV)
		return error_plain(e, ENOENT, "no network interface has the address %.*s",
				   RTNL_MAC_TEXT, want->hwaddr);
	return r;
}

/* --- one interface --- */

static int set_up(struct nl *nl, int index, bool up, struct error *e)
{
	const struct rtnl_link_change c = { .flags = up ? IFF_UP : 0, .mask = IFF_UP };

	return rtnl_link_set(nl, index, &c, e);
}

/* Another interface that has the name makes room. */
static int take_name(struct nl *nl, const struct rtnl_links *links, int index, const char *name,
		     struct error *e)
{
	const struct rtnl_link_change mine = { .name = name };
	char other[IFNAMSIZ];
	int r = 0;

	for (size_t i = 0; i < links->n && r == 0; i++) {
		const struct rtnl_link *l = &links->v[i];
		const struct rtnl_link_change away = { .name = other };

		if (l->index == index || !str_eq(l->name, name))
			continue;
		if (l->flags & IFF_LOOPBACK)
			return error_plain(e, EEXIST, "the name %s is taken", name);
		snprintf(other, sizeof(other), "caisson%d", l->index);
		r = set_up(nl, l->index, false, e);
		if (r == 0)
			r = rtnl_link_set(nl, l->index, &away, e);
		if (r == 0 && l->flags & IFF_UP)
			r = set_up(nl, l->index, true, e);
	}
	return r < 0 ? r : rtnl_link_set(nl, index, &mine, e);
}

/* CIDR in two fields. */
static int read_ip(const Types__IPAddress *a, struct rtnl_ip *ret, struct error *e)
{
	autofree char *text = str_empty(a->mask) ? xstrdup(a->address)
						 : xasprintf("%s/%s", a->address, a->mask);

	if (rtnl_ip_parse(text, ret) < 0)
		return error_plain(e, EINVAL, "\"%.64s\" is not an IP address", text);
	return 0;
}

static int read_optional(const char *s, struct rtnl_ip *ret, struct error *e)
{
	*ret = (struct rtnl_ip){ 0 };
	if (str_empty(s) || rtnl_ip_parse(s, ret) == 0)
		return 0;
	return error_plain(e, EINVAL, "\"%.64s\" is not an IP address", s);
}

static int read_addr(const Types__IPAddress *a, int index, struct rtnl_addr *ret, struct error *e)
{
	int r;

	*ret = (struct rtnl_addr){ .index = index, .scope = (uint8_t)a->scope };
	r = read_ip(a, &ret->ip, e);
	if (r == 0)
		r = read_optional(a->peer, &ret->peer, e);
	if (r == 0)
		r = read_optional(a->broadcast, &ret->broadcast, e);
	/* The engine has made sure that nobody else has it: it is of use at once. */
	ret->flags = a->flags & IFA_F_NOPREFIXROUTE;
	if (ret->ip.family == AF_INET6)
		ret->flags |= IFA_F_NODAD;
	return r;
}

static int remove_others(struct nl *nl, int index, const struct rtnl_addr *keep, size_t n,
			 struct error *e)
{
	autodone(rtnl_addrs) now = { 0 };
	int r = rtnl_addrs(nl, &now, e);

	for (size_t i = 0; i < now.n && r == 0; i++) {
		bool wanted = now.v[i].index != index || now.v[i].scope == RT_SCOPE_LINK;

		for (size_t k = 0; k < n && !wanted; k++)
			wanted = rtnl_ip_eq(&keep[k].ip, &now.v[i].ip);
		if (!wanted)
			r = rtnl_addr_del(nl, &now.v[i], e);
		if (r == -EADDRNOTAVAIL) /* went with the one it was secondary to */
			r = 0;
	}
	return r;
}

static int set_addrs(struct nl *nl, int index, const Types__Interface *want, struct error *e)
{
	autofree struct rtnl_addr *addrs = xcalloc(want->n_ipaddresses + 1, sizeof(*addrs));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < want->n_ipaddresses && r == 0; i++) {
		r = read_addr(want->ipaddresses[i], index, &addrs[n], e);
		if (r == 0 && (addrs[n].ip.family == AF_INET || have_ipv6()))
			n++;
	}
	if (r == 0)
		r = remove_others(nl, index, addrs, n, e);
	for (size_t i = 0; i < n && r == 0; i++)
		r = rtnl_addr_add(nl, &addrs[i], e);
	return r;
}

static int check_interface(const Types__Interface *want, struct rtnl_mac *ret_mac, struct error *e)
{
	*ret_mac = (struct rtnl_mac){ 0 };
	if (!str_empty(want->hwaddr) && rtnl_mac_parse(want->hwaddr, ret_mac) < 0)
		return error_plain(e, EINVAL, "\"%.40s\" is not a hardware address", want->hwaddr);
	if (strlen(want->name) >= IFNAMSIZ)
		return error_plain(e, EINVAL, "the interface name \"%.40s\" is too long",
				   want->name);
	if (want->mtu > UINT32_MAX)
		return error_plain(e, EINVAL, "an MTU of %llu is too large",
				   (unsigned long long)want->mtu);
	return 0;
}

static int configure(struct nl *nl, const struct rtnl_links *links, const struct rtnl_link *l,
		     const Types__Interface *want, const struct rtnl_mac *mac, struct error *e)
{
	const struct rtnl_link_change c = { .mtu = (uint32_t)want->mtu,
					    .mac = mac->len && !rtnl_mac_eq(mac, &l->mac) ? mac
											  : NULL,
					    .flags = want->raw_flags & IFF_NOARP,
					    .mask = IFF_NOARP };
	bool rename = !str_empty(want->name) && !str_eq(want->name, l->name);
	int r = 0;

	if (l->flags & IFF_UP && (rename || c.mac))
		r = set_up(nl, l->index, false, e);
	if (r == 0 && rename)
		r = take_name(nl, links, l->index, want->name, e);
	if (r == 0)
		r = rtnl_link_set(nl, l->index, &c, e);
	if (r == 0)
		r = set_up(nl, l->index, true, e);
	return r < 0 ? r : set_addrs(nl, l->index, want, e);
}

int net_update_interface(const Types__Interface *want, struct error *e)
{
	autodone(rtnl_links) links = { 0 };
	autodone(nl) nl = NL_INIT;
	struct rtnl_link l;
	struct rtnl_mac mac;
	int r = check_interface(want, &mac, e);

	if (r == 0)
		r = nl_open(&nl, NETLINK_ROUTE, e);
	if (r == 0)
		r = find(&nl, want, &mac, &links, &l, e);
	if (r == 0)
		r = configure(&nl, &links, &l, want, &mac, e);
	return r < 0 ? error_prefix(e, "interface %.*s", IFNAMSIZ, want->name) : 0;
}

/* --- routes --- */

static int find_index(struct nl *nl, const char *device, int *ret, struct error *e)
{
	struct rtnl_link l;
	int r;

	*ret = 0;
	if (str_empty(device))
		return 0;
	if (strlen(device) >= IFNAMSIZ)
		return error_plain(e, ENODEV, "network interface %.40s", device);
	r = rtnl_link_by_name(nl, device, &l, e);
	if (r == 0)
		*ret = l.index;
	return r;
}

static int read_route(struct nl *nl, const Types__Route *t, struct rtnl_route *ret, struct error *e)
{
	bool any = str_empty(t->dest) || str_eq(t->dest, "default");
	int r;

	*ret = (struct rtnl_route){
		.family = t->family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_INET,
		.scope = (uint8_t)t->scope,
		.type = t->type ? (uint8_t)t->type : RTN_UNICAST,
		.protocol = RTPROT_BOOT,
		.table = RT_TABLE_MAIN,
		.metric = t->metric,
		.mtu = t->mtu,
		.flags = t->flags,
	};
	r = read_optional(any ? NULL : t->dest, &ret->dst, e);
	if (r == 0)
		r = read_optional(t->gateway, &ret->gateway, e);
	if (r == 0)
		r = read_optional(t->source, &ret->source, e);
	if (r == 0)
		r = find_index(nl, t->device, &ret->oif, e);
	if (r < 0)
		return r;
	/* Those who do not say the family say it with an address. */
	if (ret->dst.family == AF_INET6 || ret->gateway.family == AF_INET6)
		ret->family = AF_INET6;
	if ((ret->dst.family && ret->dst.family != ret->family) ||
	    (ret->gateway.family && ret->gateway.family != ret->family) ||
	    (ret->source.family && ret->source.family != ret->family))
		return error_plain(e, EINVAL, "a route to \"%.64s\" of two address families",
				   t->dest);
	return 0;
}

static int remove_routes(struct nl *nl, struct error *e)
{
	autodone(rtnl_routes) now = { 0 };
	int r = rtnl_routes(nl, &now, e);

	for (size_t i = 0; i < now.n && r == 0; i++) {
		const struct rtnl_route *t = &now.v[i];

		if (t->table == RT_TABLE_MAIN && t->protocol != RTPROT_KERNEL)
			r = rtnl_route_del(nl, t, e);
		if (r == -ESRCH) /* went with another */
			r = 0;
	}
	return r;
}

/* Each pass sets what can be set by then. A pass that sets nothing has found what cannot be. */
static int set_routes(struct nl *nl, struct rtnl_route *routes, size_t n, struct error *e)
{
	size_t left = n;

	while (left) {
		struct error why = ERROR_INIT;
		size_t kept = 0;

		for (size_t i = 0; i < left; i++)
			if (rtnl_route_add(nl, &routes[i], &why) < 0)
				routes[kept++] = routes[i];
		if (kept == left)
			return error_copy(e, &why);
		left = kept;
	}
	return 0;
}

int net_update_routes(const Grpc__Routes *want, struct error *e)
{
	size_t n = want ? want->n_routes : 0, used = 0;
	autofree struct rtnl_route *routes = xcalloc(n + 1, sizeof(*routes));
	autodone(nl) nl = NL_INIT;
	int r = nl_open(&nl, NETLINK_ROUTE, e);

	for (size_t i = 0; i < n && r == 0; i++) {
		r = read_route(&nl, want->routes[i], &routes[used], e);
		if (r == 0 && (routes[used].family == AF_INET || have_ipv6()))
			used++;
	}
	if (r == 0)
		r = remove_routes(&nl, e);
	return r < 0 ? r : set_routes(&nl, routes, used, e);
}

/* --- neighbours --- */

static int add_neighbour(struct nl *nl, const Types__ARPNeighbor *a, struct error *e)
{
	struct rtnl_neigh h = { .state = a->state ? (uint16_t)a->state : NUD_PERMANENT,
				.flags = (uint8_t)a->flags };
	int r;

	if (!a->toipaddress)
		return error_plain(e, EINVAL, "a neighbour without an address");
	if (!str_empty(a->lladdr) && rtnl_mac_parse(a->lladdr, &h.mac) < 0)
		return error_plain(e, EINVAL, "\"%.40s\" is not a hardware address", a->lladdr);
	if (rtnl_ip_parse(a->toipaddress->address, &h.ip) < 0)
		return error_plain(e, EINVAL, "\"%.64s\" is not an IP address",
				   a->toipaddress->address);
	if (str_empty(a->device))
		return error_plain(e, EINVAL, "neighbour %.64s is on no interface",
				   a->toipaddress->address);
	if (h.ip.family == AF_INET6 && !have_ipv6())
		return 0;
	r = find_index(nl, a->device, &h.index, e);
	return r < 0 ? r : rtnl_neigh_add(nl, &h, e);
}

int net_add_neighbours(const Grpc__ARPNeighbors *want, struct error *e)
{
	size_t n = want ? want->n_arpneighbors : 0;
	autodone(nl) nl = NL_INIT;
	int r = nl_open(&nl, NETLINK_ROUTE, e);

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_neighbour(&nl, want->arpneighbors[i], e);
	return r;
}
