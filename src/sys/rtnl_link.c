/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl_link - links, see rtnl.h; and how every dump is read into a list. */
#include "sys/rtnl_priv.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>

/* --- lists --- */

struct collect {
	rtnl_read_fn *read;
	size_t size, max, n, cap;
	unsigned char *v;
	int result;
};

static void collect_one(uint16_t type, const void *p, size_t n, void *data)
{
	struct collect *c = data;

	if (c->result < 0)
		return;
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 16;
		c->v = xrealloc(c->v, c->cap, c->size);
	}
	memset(c->v + c->n * c->size, 0, c->size);
	if (!c->read(type, p, n, c->v + c->n * c->size))
		return;
	if (c->n == c->max)
		c->result = -E2BIG;
	else
		c->n++;
}

int rtnl_dump(struct nl *nl, struct nl_req *q, rtnl_read_fn *read, size_t size, size_t max,
	      void **ret, size_t *ret_n, struct error *e)
{
	struct collect c = { .read = read, .size = size, .max = max };
	int r = nl_dump(nl, q, collect_one, &c, e);

	if (r == 0 && c.result < 0)
		r = error_plain(e, E2BIG, "more than %zu of them", max);
	if (r < 0) {
		free(c.v);
		return r;
	}
	*ret = c.v;
	*ret_n = c.n;
	return 0;
}

/* --- MAC addresses --- */

int rtnl_mac_parse(const char *s, struct rtnl_mac *ret)
{
	struct rtnl_mac m = { 0 };

	for (;;) {
		char digits[3] = { 0 };
		uint32_t v;
		size_t n = strcspn(s, ":");

		if (n < 1 || n > 2 || m.len == RTNL_MAC_MAX)
			return -EINVAL;
		memcpy(digits, s, n);
		if (str_to_u32(digits, 16, &v) < 0)
			return -EINVAL;
		m.bytes[m.len++] = (uint8_t)v;
		if (!s[n])
			break;
		s += n + 1;
	}
	*ret = m;
	return 0;
}

const char *rtnl_mac_text(const struct rtnl_mac *m, char *buf)
{
	*buf = '\0';
	for (size_t i = 0; i < m->len; i++)
		sprintf(buf + (i ? i * 3 - 1 : 0), i ? ":%02x" : "%02x", m->bytes[i]);
	return buf;
}

bool rtnl_mac_eq(const struct rtnl_mac *a, const struct rtnl_mac *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* --- reading --- */

void rtnl_links_done(struct rtnl_links *l)
{
	free(l->v);
	*l = (struct rtnl_links){ 0 };
}

static void read_kind(const struct nl_attr *info, struct rtnl_link *ret)
{
	struct nl_attrs it = nl_attr_nested(info);
	struct nl_attr a;

	while (nl_attr_next(&it, &a))
		if (a.type == IFLA_INFO_KIND)
			nl_attr_str(&a, ret->kind, sizeof(ret->kind));
}

static void read_attr(const struct nl_attr *a, struct rtnl_link *ret)
{
	switch (a->type) {
	case IFLA_IFNAME:
		nl_attr_str(a, ret->name, sizeof(ret->name));
		break;
	case IFLA_ADDRESS:
		ret->mac.len = (uint8_t)nl_attr_bytes(a, ret->mac.bytes, RTNL_MAC_MAX);
		break;
	case IFLA_MTU:
		ret->mtu = nl_attr_u32(a);
		break;
	case IFLA_LINK:
		ret->lower = (int)nl_attr_u32(a);
		break;
	case IFLA_LINK_NETNSID:
		ret->lower_elsewhere = true;
		break;
	case IFLA_MASTER:
		ret->master = (int)nl_attr_u32(a);
		break;
	case IFLA_NUM_TX_QUEUES:
		ret->queues = nl_attr_u32(a);
		break;
	case IFLA_LINKINFO:
		read_kind(a, ret);
		break;
	default:
		break;
	}
}

bool rtnl_link_read(uint16_t type, const void *p, size_t n, struct rtnl_link *ret)
{
	struct nl_attrs it = nl_attrs_of(p, n, sizeof(struct ifinfomsg));
	struct ifinfomsg h;
	struct nl_attr a;

	if (type != RTM_NEWLINK || n < sizeof(h))
		return false;
	memcpy(&h, p, sizeof(h));
	*ret = (struct rtnl_link){ .index = h.ifi_index, .type = h.ifi_type, .flags = h.ifi_flags };
	while (nl_attr_next(&it, &a))
		read_attr(&a, ret);
	return ret->index > 0 && *ret->name;
}

static bool read_link(uint16_t type, const void *p, size_t n, void *object)
{
	return rtnl_link_read(type, p, n, object);
}

int rtnl_links(struct nl *nl, struct rtnl_links *ret, struct error *e)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	struct nl_req q;
	void *v;
	int r;

	nl_req_init(&q, RTM_GETLINK, 0, &h, sizeof(h));
	r = rtnl_dump(nl, &q, read_link, sizeof(*ret->v), LIMIT_NET_OBJECTS, &v, &ret->n, e);
	if (r < 0)
		return error_prefix(e, "list the network interfaces");
	ret->v = v;
	return 0;
}

static void found(uint16_t type, const void *p, size_t n, void *data)
{
	rtnl_link_read(type, p, n, data);
}

int rtnl_link_by_name(struct nl *nl, const char *name, struct rtnl_link *ret, struct error *e)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	struct rtnl_link l = { 0 };
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_GETLINK, 0, &h, sizeof(h));
	nl_put_str(&q, IFLA_IFNAME, name);
	r = nl_get(nl, &q, found, &l, e);
	if (r == 0 && !l.index)
		r = error_plain(e, ENODEV, "%s", strerror(ENODEV));
	if (r < 0) {
		error_prefix(e, "network interface %s", name);
		return r;
	}
	*ret = l;
	return 0;
}

/* --- changing --- */

int rtnl_link_set(struct nl *nl, int index, const struct rtnl_link_change *c, struct error *e)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC,
				     .ifi_index = index,
				     .ifi_flags = c->flags,
				     .ifi_change = c->mask };
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_NEWLINK, 0, &h, sizeof(h));
	if (c->name)
		nl_put_str(&q, IFLA_IFNAME, c->name);
	if (c->mac)
		nl_put(&q, IFLA_ADDRESS, c->mac->bytes, c->mac->len);
	if (c->mtu)
		nl_put_u32(&q, IFLA_MTU, c->mtu);
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "change network interface %d%s%s", index, c->name ? " to " : "",
			     c->name ? c->name : "");
	return r;
}

int rtnl_link_up(struct nl *nl, int index, struct error *e)
{
	const struct rtnl_link_change up = { .flags = IFF_UP, .mask = IFF_UP };

	return rtnl_link_set(nl, index, &up, e);
}

int rtnl_link_del(struct nl *nl, int index, struct error *e)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_DELLINK, 0, &h, sizeof(h));
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "remove network interface %d", index);
	return r;
}

int rtnl_veth_add(struct nl *nl, const char *name, const char *peer, struct error *e)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_put_str(&q, IFLA_IFNAME, name);
	nl_nest(&q, IFLA_LINKINFO);
	nl_put_str(&q, IFLA_INFO_KIND, "veth");
	nl_nest(&q, IFLA_INFO_DATA);
	/* The other end is described by a whole message in an attribute. */
	nl_nest(&q, VETH_INFO_PEER);
	nl_put_raw(&q, &h, sizeof(h));
	nl_put_str(&q, IFLA_IFNAME, peer);
	nl_nest_end(&q);
	nl_nest_end(&q);
	nl_nest_end(&q);
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "make the pair %s and %s", name, peer);
	return r;
}

int rtnl_macvlan_add(struct nl *nl, const char *kind, const char *name, int lower, uint32_t mode,
		     struct error *e)
{
	const struct ifinfomsg h = { .ifi_family = AF_UNSPEC };
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_put_str(&q, IFLA_IFNAME, name);
	nl_put_u32(&q, IFLA_LINK, (uint32_t)lower);
	nl_nest(&q, IFLA_LINKINFO);
	nl_put_str(&q, IFLA_INFO_KIND, kind);
	nl_nest(&q, IFLA_INFO_DATA);
	nl_put_u32(&q, IFLA_MACVLAN_MODE, mode);
	nl_nest_end(&q);
	nl_nest_end(&q);
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "make the %s %s on network interface %d", kind, name, lower);
	return r;
}
