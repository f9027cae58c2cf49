/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl_addr - IP addresses as text and those of links, see rtnl.h. */
#include "sys/rtnl_priv.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

size_t rtnl_ip_size(const struct rtnl_ip *ip)
{
	return ip->family == AF_INET ? 4 : ip->family == AF_INET6 ? 16 : 0;
}

int rtnl_ip_parse(const char *s, struct rtnl_ip *ret)
{
	struct rtnl_ip ip = { .family = strchr(s, ':') ? AF_INET6 : AF_INET };
	size_t n = strcspn(s, "/");
	char text[INET6_ADDRSTRLEN] = { 0 };
	uint32_t prefix = (uint32_t)rtnl_ip_size(&ip) * 8;

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return -EINVAL;
	ip.prefix = (uint8_t)prefix;
	if (s[n] == '/' && (str_to_u32(s + n + 1, 10, &prefix) < 0 || prefix > ip.prefix))
		return -EINVAL;
	ip.prefix = (uint8_t)prefix;
	*ret = ip;
	return 0;
}

const char *rtnl_ip_text(const struct rtnl_ip *ip, char *buf)
{
	*buf = '\0';
	if (ip->family)
		inet_ntop(ip->family, ip->bytes, buf, RTNL_IP_TEXT);
	return buf;
}

const char *rtnl_net_text(const struct rtnl_ip *ip, char *buf)
{
	size_t n;

	rtnl_ip_text(ip, buf);
	n = strlen(buf);
	if (n)
		snprintf(buf + n, RTNL_IP_TEXT - n, "/%u", ip->prefix);
	return buf;
}

bool rtnl_ip_eq(const struct rtnl_ip *a, const struct rtnl_ip *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, rtnl_ip_size(a)) == 0;
}

struct rtnl_ip rtnl_ip_attr(const struct nl_attr *a, uint8_t family)
{
	struct rtnl_ip ip = { .family = family };

	if (!a->n || a->n != rtnl_ip_size(&ip))
		return (struct rtnl_ip){ 0 };
	memcpy(ip.bytes, a->p, a->n);
	ip.prefix = (uint8_t)(a->n * 8);
	return ip;
}

void rtnl_put_ip(struct nl_req *q, uint16_t type, const struct rtnl_ip *ip)
{
	nl_put(q, type, ip->bytes, rtnl_ip_size(ip));
}

/* --- addresses of links --- */

void rtnl_addrs_done(struct rtnl_addrs *l)
{
	free(l->v);
	*l = (struct rtnl_addrs){ 0 };
}

/* IFA_LOCAL is the address itself; IFA_ADDRESS the other end's, or the same; IPv6 has the latter
 * alone unless it is point-to-point. */
bool rtnl_addr_read(uint16_t type, const void *p, size_t n, struct rtnl_addr *ret)
{
	struct nl_attrs it = nl_attrs_of(p, n, sizeof(struct ifaddrmsg));
	struct rtnl_ip address = { 0 }, local = { 0 };
	struct ifaddrmsg h;
	struct nl_attr a;

	if (type != RTM_NEWADDR || n < sizeof(h))
		return false;
	memcpy(&h, p, sizeof(h));
	*ret = (struct rtnl_addr){ .index = (int)h.ifa_index,
				   .scope = h.ifa_scope,
				   .flags = h.ifa_flags };
	while (nl_attr_next(&it, &a)) {
		if (a.type == IFA_ADDRESS)
			address = rtnl_ip_attr(&a, h.ifa_family);
		else if (a.type == IFA_LOCAL)
			local = rtnl_ip_attr(&a, h.ifa_family);
		else if (a.type == IFA_BROADCAST)
			ret->broadcast = rtnl_ip_attr(&a, h.ifa_family);
		else if (a.type == IFA_FLAGS)
			ret->flags = nl_attr_u32(&a);
	}
	if (local.family && address.family && !rtnl_ip_eq(&local, &address)) {
		ret->peer = address;
		ret->peer.prefix = MIN(h.ifa_prefixlen, address.prefix);
	}
	ret->ip = local.family ? local : address;
	ret->ip.prefix = MIN(h.ifa_prefixlen, ret->ip.prefix);
	return ret->index > 0 && ret->ip.family;
}

static bool read_addr(uint16_t type, const void *p, size_t n, void *object)
{
	return rtnl_addr_read(type, p, n, object);
}

int rtnl_addrs(struct nl *nl, struct rtnl_addrs *ret, struct error *e)
{
	const struct ifaddrmsg h = { .ifa_family = AF_UNSPEC };
	struct nl_req q;
	void *v;
	int r;

	nl_req_init(&q, RTM_GETADDR, 0, &h, sizeof(h));
	r = rtnl_dump(nl, &q, read_addr, sizeof(*ret->v), LIMIT_NET_OBJECTS, &v, &ret->n, e);
	if (r < 0)
		return error_prefix(e, "list the addresses");
	ret->v = v;
	return 0;
}

static int change(struct nl *nl, uint16_t type, uint16_t flags, const struct rtnl_addr *a,
		  struct error *e)
{
	const struct ifaddrmsg h = { .ifa_family = a->ip.family,
				     .ifa_prefixlen = a->ip.prefix,
				     .ifa_scope = a->scope,
				     .ifa_index = (unsigned)a->index };
	char text[RTNL_IP_TEXT];
	struct nl_req q;
	int r;

	nl_req_init(&q, type, flags, &h, sizeof(h));
	rtnl_put_ip(&q, IFA_LOCAL, &a->ip);
	rtnl_put_ip(&q, IFA_ADDRESS, a->peer.family ? &a->peer : &a->ip);
	if (a->broadcast.family)
		rtnl_put_ip(&q, IFA_BROADCAST, &a->broadcast);
	nl_put_u32(&q, IFA_FLAGS, a->flags);
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "%s address %s", type == RTM_NEWADDR ? "set" : "remove",
			     rtnl_net_text(&a->ip, text));
	return r;
}

int rtnl_addr_add(struct nl *nl, const struct rtnl_addr *a, struct error *e)
{
	return change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, a, e);
}

int rtnl_addr_del(struct nl *nl, const struct rtnl_addr *a, struct error *e)
{
	return change(nl, RTM_DELADDR, 0, a, e);
}
