/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces of a namespace a guest gets. */
#include "net/net.h"

#include "base/error.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct rtnl_mac mac = { 6, { 2, 0, 0, 0, 0, 1 } };

#define LINK(i, n, k, ...)                                                                      \
	{                                                                                       \
		.index = i, .name = n, .kind = k, .type = ARPHRD_ETHER, .mac = mac, __VA_ARGS__ \
	}

static struct rtnl_link all[] = {
	{ .index = 1, .name = "lo", .type = ARPHRD_LOOPBACK, .flags = IFF_UP | IFF_LOOPBACK },
	LINK(2, "eth0", "veth", .flags = IFF_UP),
	LINK(3, "down", "veth", .flags = 0),
	LINK(4, "down-with", "veth", .flags = 0),
	LINK(5, "port", "veth", .flags = IFF_UP, .master = 6),
	LINK(6, "br0", "bridge", .flags = IFF_UP),
	LINK(7, "parent", "", .flags = IFF_UP),
	LINK(8, "vlan1", "vlan", .flags = IFF_UP, .lower = 7),
	LINK(9, "both", "", .flags = IFF_UP),
	LINK(10, "vlan2", "vlan", .flags = IFF_UP, .lower = 9),
	{ .index = 11, .name = "tunl0", .kind = "ipip", .type = ARPHRD_TUNNEL },
	{ .index = 12, .name = "tun0", .kind = "tun", .type = ARPHRD_NONE, .flags = IFF_UP },
	LINK(13, "far", "macvlan", .flags = IFF_UP, .lower = 2, .lower_elsewhere = true),
	LINK(14, "pair", "veth", .flags = IFF_UP, .lower = 2),
};

/* Of interfaces 4, 9 and 12; of 5 only one of the link. */
static struct rtnl_addr addresses[] = {
	{ .index = 4, .scope = RT_SCOPE_UNIVERSE },
	{ .index = 9, .scope = RT_SCOPE_UNIVERSE },
	{ .index = 12, .scope = RT_SCOPE_UNIVERSE },
	{ .index = 5, .scope = RT_SCOPE_LINK },
};

static int wanted(const char *name, struct error *e)
{
	const struct rtnl_links links = { all, sizeof(all) / sizeof(all[0]) };
	const struct rtnl_addrs addrs = { addresses, sizeof(addresses) / sizeof(addresses[0]) };

	for (size_t i = 0; i < links.n; i++)
		if (strcmp(all[i].name, name) == 0)
			return net_link_wanted(&links, i, &addrs, e);
	fail_msg("no %s", name);
	return -1;
}

static void test_wanted(void **state)
{
	static const struct {
		const char *name;
		int want;
	} cases[] = {
		{ "lo", 0 },        { "eth0", 1 },  { "down", 0 },
		{ "down-with", 1 }, { "port", 0 },  { "br0", 1 },
		{ "parent", 0 },    { "vlan1", 1 }, { "both", -EOPNOTSUPP },
		{ "vlan2", 1 },     { "tunl0", 0 }, { "tun0", -EOPNOTSUPP },
		{ "far", 1 },       { "pair", 1 },
	};
	struct error e = ERROR_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (wanted(cases[i].name, &e) != cases[i].want)
			fail_msg("%s: not %d", cases[i].name, cases[i].want);
	wanted("tun0", &e);
	assert_string_equal(e.text, "network interface tun0 (tun) is not an Ethernet interface: a "
				    "virtual machine cannot be joined to it");
	wanted("both", &e);
	assert_non_null(
		strstr(e.text, "network interface both has addresses and other interfaces"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_wanted) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
