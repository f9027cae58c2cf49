/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of the kernel's from bytes: walked, and each message read as everything it might be. */
#include "base/error.h"
#include "sys/rtnl.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ip(const struct rtnl_ip *ip)
{
	char text[RTNL_IP_TEXT];
	struct rtnl_ip back = { 0 };

	if (ip->prefix > rtnl_ip_size(ip) * 8)
		abort();
	rtnl_net_text(ip, text);
	if (ip->family && (rtnl_ip_parse(text, &back) < 0 || !rtnl_ip_eq(ip, &back)))
		abort();
}

static void one(uint16_t type, const void *p, size_t n, void *data)
{
	struct rtnl_link l = { 0 };
	struct rtnl_addr a = { 0 };
	struct rtnl_route t = { 0 };
	struct rtnl_neigh h = { 0 };
	char text[RTNL_MAC_TEXT];

	if (rtnl_link_read(type, p, n, &l)) {
		if (l.mac.len > RTNL_MAC_MAX || strlen(l.name) >= IFNAMSIZ)
			abort();
		rtnl_mac_text(&l.mac, text);
	}
	if (rtnl_addr_read(type, p, n, &a)) {
		check_ip(&a.ip);
		check_ip(&a.peer);
		check_ip(&a.broadcast);
	}
	if (rtnl_route_read(type, p, n, &t)) {
		check_ip(&t.dst);
		check_ip(&t.gateway);
	}
	if (rtnl_neigh_read(type, p, n, &h))
		check_ip(&h.ip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error e = ERROR_INIT;

	nl_walk(data, size, 0, one, NULL, &e);
	return 0;
}
