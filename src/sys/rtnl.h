/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl - what rtnetlink(7) knows: links, addresses, routes, neighbours, traffic control.
 *
 * Lists are owned arrays, bounded by base/limits.h (-E2BIG above); addresses are in network byte
 * order, 4 or 16 bytes by family. The verbs map one to one onto requests; their errors say what was
 * asked for and then the kernel's reason. Of traffic control there is what connecting two
 * interfaces and limiting a rate needs.
 */
#pragma once

#include "sys/nl.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define RTNL_MAC_MAX 32
#define RTNL_KIND_MAX 16

struct rtnl_mac {
	uint8_t len, bytes[RTNL_MAC_MAX];
};
/* "02:00:..", of any length up to RTNL_MAC_MAX; -EINVAL. */
int rtnl_mac_parse(const char *s, struct rtnl_mac *ret);
#define RTNL_MAC_TEXT (RTNL_MAC_MAX * 3)
const char *rtnl_mac_text(const struct rtnl_mac *m, char *buf); /* RTNL_MAC_TEXT; returned */
bool rtnl_mac_eq(const struct rtnl_mac *a, const struct rtnl_mac *b);

struct rtnl_link {
	int index;
	char name[IFNAMSIZ];
	char kind[RTNL_KIND_MAX]; /* "veth", "macvlan", "tun" ...; "" for hardware */
	unsigned type;            /* ARPHRD_* */
	unsigned flags;           /* IFF_* */
	uint32_t mtu, queues;     /* queues: for transmission */
	struct rtnl_mac mac;
	int lower, master;    /* indices of other links; 0: none */
	bool lower_elsewhere; /* the lower link is in another network namespace */
};

struct rtnl_links {
	struct rtnl_link *v;
	size_t n;
};
void rtnl_links_done(struct rtnl_links *l);
DEFINE_AUTODONE(rtnl_links, rtnl_links_done);

int rtnl_links(struct nl *nl, struct rtnl_links *ret, struct error *e);
int rtnl_link_by_name(struct nl *nl, const char *name, struct rtnl_link *ret, struct error *e);

/* What is to change; zero or NULL: nothing. */
struct rtnl_link_change {
	const char *name;
	const struct rtnl_mac *mac;
	uint32_t mtu;
	unsigned flags, mask; /* IFF_* */
};
int rtnl_link_set(struct nl *nl, int index, const struct rtnl_link_change *c, struct error *e);
int rtnl_link_up(struct nl *nl, int index, struct error *e);
int rtnl_link_del(struct nl *nl, int index, struct error *e);
int rtnl_veth_add(struct nl *nl, const char *name, const char *peer, struct error *e);
/* A new link of @kind ("macvtap", "macvlan") on @lower; @mode: MACVLAN_MODE_* of linux/if_link.h.
 */
int rtnl_macvlan_add(struct nl *nl, const char *kind, const char *name, int lower, uint32_t mode,
		     struct error *e);

struct rtnl_ip {
	uint8_t family; /* AF_INET, AF_INET6; 0: none */
	uint8_t prefix; /* bits */
	uint8_t bytes[16];
};
size_t rtnl_ip_size(const struct rtnl_ip *ip); /* bytes of the family: 4, 16, 0 */
/* "10.0.0.1", "10.0.0.0/8", "fd00::1/64": without a prefix, all bits. -EINVAL. */
int rtnl_ip_parse(const char *s, struct rtnl_ip *ret);
#define RTNL_IP_TEXT 64
const char *rtnl_ip_text(const struct rtnl_ip *ip, char *buf);     /* without prefix */
const char *rtnl_net_text(const struct rtnl_ip *ip, char *buf);    /* with it */
bool rtnl_ip_eq(const struct rtnl_ip *a, const struct rtnl_ip *b); /* prefix included */

struct rtnl_addr {
	int index;
	struct rtnl_ip ip, peer, broadcast; /* peer: of point-to-point links */
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
};

struct rtnl_addrs {
	struct rtnl_addr *v;
	size_t n;
};
void rtnl_addrs_done(struct rtnl_addrs *l);
DEFINE_AUTODONE(rtnl_addrs, rtnl_addrs_done);

int rtnl_addrs(struct nl *nl, struct rtnl_addrs *ret, struct error *e);
int rtnl_addr_add(struct nl *nl, const struct rtnl_addr *a, struct error *e); /* or replaces */
int rtnl_addr_del(struct nl *nl, const struct rtnl_addr *a, struct error *e);

struct rtnl_route {
	uint8_t family, scope, type, protocol; /* type: RTN_*; protocol: RTPROT_* */
	struct rtnl_ip dst, gateway, source;   /* family 0: none; dst none: default route */
	int oif;
	uint32_t table, metric, mtu, flags; /* flags: RTNH_F_* */
	unsigned hops;                      /* of a multipath route; only its first is here */
};

struct rtnl_routes {
	struct rtnl_route *v;
	size_t n;
};
void rtnl_routes_done(struct rtnl_routes *l);
DEFINE_AUTODONE(rtnl_routes, rtnl_routes_done);

/* Of all tables, without clones of the cache. */
int rtnl_routes(struct nl *nl, struct rtnl_routes *ret, struct error *e);
int rtnl_route_add(struct nl *nl, const struct rtnl_route *r, struct error *e); /* or replaces */
int rtnl_route_del(struct nl *nl, const struct rtnl_route *r, struct error *e);

struct rtnl_neigh {
	int index;
	struct rtnl_ip ip;
	struct rtnl_mac mac;
	uint16_t state; /* NUD_* */
	uint8_t flags;  /* NTF_* */
};

struct rtnl_neighs {
	struct rtnl_neigh *v;
	size_t n;
};
void rtnl_neighs_done(struct rtnl_neighs *l);
DEFINE_AUTODONE(rtnl_neighs, rtnl_neighs_done);

int rtnl_neighs(struct nl *nl, struct rtnl_neighs *ret, struct error *e);
int rtnl_neigh_add(struct nl *nl, const struct rtnl_neigh *h, struct error *e); /* or replaces */

/* The queueing discipline "ingress" of a link; -EEXIST if it has one. */
int rtnl_ingress_add(struct nl *nl, int index, struct error *e);
int rtnl_ingress_del(struct nl *nl, int index, struct error *e);
bool rtnl_ingress_exists(struct nl *nl, int index);
/* Everything that comes in on @from goes out on @to. @from has an ingress discipline. */
int rtnl_redirect_add(struct nl *nl, int from, int to, struct error *e);
/* At most @rate bytes a second out of @index. -EEXIST: somebody gave it a root discipline. */
int rtnl_rate_set(struct nl *nl, int index, uint64_t rate, struct error *e);
int rtnl_rate_del(struct nl *nl, int index, struct error *e);

/* For tests and fuzzing: one message of each kind into @ret. False: not one, or malformed. */
bool rtnl_link_read(uint16_t type, const void *p, size_t n, struct rtnl_link *ret);
bool rtnl_addr_read(uint16_t type, const void *p, size_t n, struct rtnl_addr *ret);
bool rtnl_route_read(uint16_t type, const void *p, size_t n, struct rtnl_route *ret);
bool rtnl_neigh_read(uint16_t type, const void *p, size_t n, struct rtnl_neigh *ret);
