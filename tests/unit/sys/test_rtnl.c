/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses, routes, neighbours and traffic control, in a network namespace of the test's
 * own; and their texts. */
#include "systest.h"

#include "sys/ns.h"
#include "sys/rtnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>

static void test_texts(void **state)
{
	static const char *const nets[] = { "10.0.0.1/8", "0.0.0.0/0", "fd00::1/64", "::/0" };
	static const char *const bad[] = { "",           "10.0.0",      "10.0.0.1/33", "10.0.0.1/x",
					   "fd00::/129", "10.0.0.1/-1", "host",        "::1/ 64" };
	char text[RTNL_IP_TEXT];
	struct rtnl_ip ip;

	for (size_t i = 0; i < ARRAY_SIZE(nets); i++) {
		assert_int_equal(rtnl_ip_parse(nets[i], &ip), 0);
		assert_string_equal(rtnl_net_text(&ip, text), nets[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rtnl_ip_parse(bad[i], &ip), -EINVAL);
	assert_int_equal(rtnl_ip_parse("fd00::1", &ip), 0);
	assert_int_equal(ip.prefix, 128);
	ip = (struct rtnl_ip){ 0 };
	assert_string_equal(rtnl_net_text(&ip, text), "");
}

static void test_macs(void **state)
{
	static const char *const bad[] = {
		"", ":", "02:", "02:00:00:00:00:zz", "021:00", "02::00"
	};
	struct rtnl_mac m, other;
	char text[RTNL_MAC_TEXT];

	assert_int_equal(rtnl_mac_parse("02:0:A:0b:00:ff", &m), 0);
	assert_int_equal(m.len, 6);
	assert_string_equal(rtnl_mac_text(&m, text), "02:00:0a:0b:00:ff");
	assert_int_equal(rtnl_mac_parse("02:00:0a:0b:00:fe", &other), 0);
	assert_false(rtnl_mac_eq(&m, &other));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rtnl_mac_parse(bad[i], &m), -EINVAL);
}

/* --- in a namespace --- */

static struct nl nl;

static void enter(void)
{
	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK(nl_open(&nl, NETLINK_ROUTE, NULL) == 0);
}

static struct rtnl_link link_of(const char *name)
{
	struct rtnl_link l = { 0 };

	CHECK(rtnl_link_by_name(&nl, name, &l, NULL) == 0);
	return l;
}

static int pair(void)
{
	CHECK(rtnl_veth_add(&nl, "a0", "b0", NULL) == 0);
	CHECK(rtnl_link_up(&nl, link_of("a0").index, NULL) == 0);
	CHECK(rtnl_link_up(&nl, link_of("b0").index, NULL) == 0);
	return link_of("a0").index;
}

static void links(void)
{
	struct rtnl_mac mac = { 6, { 2, 0, 0, 0, 0, 1 } };
	struct rtnl_link_change c = { .name = "net-1", .mac = &mac, .mtu = 9000 };
	autodone(rtnl_links) all = { 0 };
	struct error e = ERROR_INIT;
	struct rtnl_link l;

	enter();
	CHECK(rtnl_veth_add(&nl, "a0", "b0", &e) == 0);
	CHECK(rtnl_veth_add(&nl, "a0", "c0", &e) == -EEXIST);
	CHECK(strstr(e.text, "make the pair a0 and c0: File exists"));
	CHECK(rtnl_links(&nl, &all, &e) == 0 && all.n >= 3);
	l = link_of("a0");
	CHECK(str_eq(l.kind, "veth") && l.mtu == 1500 && l.mac.len == 6);
	CHECK(l.lower == link_of("b0").index && !l.lower_elsewhere && !(l.flags & IFF_UP));
	CHECK(rtnl_link_set(&nl, l.index, &c, &e) == 0);
	CHECK(rtnl_link_up(&nl, l.index, &e) == 0);
	l = link_of("net-1");
	CHECK(l.mtu == 9000 && rtnl_mac_eq(&l.mac, &mac) && l.flags & IFF_UP);
	CHECK(rtnl_link_by_name(&nl, "a0", &l, &e) == -ENODEV);
	CHECK(str_eq(e.text, "network interface a0: No such device"));
	CHECK(rtnl_link_del(&nl, l.index, &e) == 0);
	CHECK(rtnl_link_by_name(&nl, "b0", &l, &e) == -ENODEV);
}

static void test_links(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(links), 0);
}

static bool has_addr(const struct rtnl_addr *want)
{
	autodone(rtnl_addrs) all = { 0 };

	CHECK(rtnl_addrs(&nl, &all, NULL) == 0);
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i].index == want->index && rtnl_ip_eq(&all.v[i].ip, &want->ip))
			return all.v[i].peer.family == want->peer.family &&
			       all.v[i].scope == want->scope;
	return false;
}

static void addrs(void)
{
	static const char *const texts[] = { "10.0.0.2/24", "fd00::2/64", "10.1.0.1/32" };
	struct error e = ERROR_INIT;
	int index;

	enter();
	index = pair();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct rtnl_addr a = { .index = index };

		CHECK(rtnl_ip_parse(texts[i], &a.ip) == 0);
		if (a.ip.family == AF_INET6)
			a.flags = IFA_F_NODAD;
		CHECK(rtnl_addr_add(&nl, &a, &e) == 0);
		CHECK(rtnl_addr_add(&nl, &a, &e) == 0); /* again: nothing happens */
		CHECK(has_addr(&a));
		CHECK(rtnl_addr_del(&nl, &a, &e) == 0);
		CHECK(!has_addr(&a));
		CHECK(rtnl_addr_del(&nl, &a, &e) == -EADDRNOTAVAIL);
		if (i < 2)
			continue;
		CHECK(rtnl_ip_parse("10.1.0.9", &a.peer) == 0);
		CHECK(rtnl_addr_add(&nl, &a, &e) == 0);
		CHECK(has_addr(&a));
	}
}

static void test_addrs(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(addrs), 0);
}

static bool has_route(const struct rtnl_route *want)
{
	autodone(rtnl_routes) all = { 0 };

	CHECK(rtnl_routes(&nl, &all, NULL) == 0);
	for (size_t i = 0; i < all.n; i++) {
		const struct rtnl_route *t = &all.v[i];

		if (t->family == want->family && rtnl_ip_eq(&t->dst, &want->dst) &&
		    rtnl_ip_eq(&t->gateway, &want->gateway) && t->table == want->table &&
		    t->type == want->type && t->mtu == want->mtu && t->metric == want->metric)
			return true;
	}
	return false;
}

static void routes(void)
{
	static const struct {
		const char *dst, *gateway;
		uint32_t metric, mtu, flags;
		uint8_t type, scope;
	} cases[] = {
		{ "10.9.0.0/16", "10.0.0.1", 0, 0, 0, RTN_UNICAST, RT_SCOPE_UNIVERSE },
		{ "10.8.0.0/16", "10.0.0.1", 50, 1300, 0, RTN_UNICAST, RT_SCOPE_UNIVERSE },
		{ NULL, "10.0.0.1", 0, 0, 0, RTN_UNICAST, RT_SCOPE_UNIVERSE },
		{ "10.7.0.0/16", "192.0.2.1", 0, 0, RTNH_F_ONLINK, RTN_UNICAST, RT_SCOPE_UNIVERSE },
		{ "10.6.0.0/16", NULL, 0, 0, 0, RTN_UNICAST, RT_SCOPE_LINK },
		{ "10.5.0.0/16", NULL, 0, 0, 0, RTN_UNREACHABLE, RT_SCOPE_UNIVERSE },
		{ "fd09::/64", "fd00::1", 70, 0, 0, RTN_UNICAST, RT_SCOPE_UNIVERSE },
	};
	struct rtnl_addr a4 = { 0 }, a6 = { .flags = IFA_F_NODAD };
	struct error e = ERROR_INIT;

	enter();
	a4.index = a6.index = pair();
	CHECK(rtnl_ip_parse("10.0.0.2/24", &a4.ip) == 0 && rtnl_addr_add(&nl, &a4, &e) == 0);
	CHECK(rtnl_ip_parse("fd00::2/64", &a6.ip) == 0 && rtnl_addr_add(&nl, &a6, &e) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rtnl_route t = { .family = AF_INET,
					.scope = cases[i].scope,
					.type = cases[i].type,
					.protocol = RTPROT_BOOT,
					.oif = cases[i].type == RTN_UNICAST ? a4.index : 0,
					.table = RT_TABLE_MAIN,
					.metric = cases[i].metric,
					.mtu = cases[i].mtu,
					.flags = cases[i].flags };

		CHECK(!cases[i].dst || rtnl_ip_parse(cases[i].dst, &t.dst) == 0);
		CHECK(!cases[i].gateway || rtnl_ip_parse(cases[i].gateway, &t.gateway) == 0);
		if (t.dst.family)
			t.family = t.dst.family;
		CHECK(rtnl_route_add(&nl, &t, &e) == 0);
		CHECK(has_route(&t));
		CHECK(rtnl_route_del(&nl, &t, &e) == 0);
		CHECK(!has_route(&t));
		CHECK(rtnl_route_del(&nl, &t, &e) == -ESRCH);
	}
}

static void test_routes(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(routes), 0);
}

static void neighs(void)
{
	struct rtnl_neigh h = { .state = NUD_PERMANENT, .mac = { 6, { 2, 0, 0, 0, 0, 9 } } };
	autodone(rtnl_neighs) all = { 0 };
	struct error e = ERROR_INIT;
	bool found = false;

	enter();
	h.index = pair();
	CHECK(rtnl_ip_parse("10.0.0.9", &h.ip) == 0);
	CHECK(rtnl_neigh_add(&nl, &h, &e) == 0);
	CHECK(rtnl_neighs(&nl, &all, &e) == 0);
	for (size_t i = 0; i < all.n; i++)
		found |= rtnl_ip_eq(&all.v[i].ip, &h.ip) && rtnl_mac_eq(&all.v[i].mac, &h.mac) &&
			 all.v[i].state & NUD_PERMANENT;
	CHECK(found);
}

static void test_neighs(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(neighs), 0);
}

static void traffic(void)
{
	struct error e = ERROR_INIT;
	int a, b;

	enter();
	a = pair();
	b = link_of("b0").index;
	CHECK(!rtnl_ingress_exists(&nl, a));
	CHECK(rtnl_redirect_add(&nl, a, b, &e) < 0);
	CHECK(rtnl_ingress_add(&nl, a, &e) == 0);
	CHECK(rtnl_ingress_exists(&nl, a) && !rtnl_ingress_exists(&nl, b));
	CHECK(rtnl_ingress_add(&nl, a, &e) == -EEXIST);
	CHECK(rtnl_redirect_add(&nl, a, b, &e) == 0);
	CHECK(rtnl_ingress_del(&nl, a, &e) == 0);
	CHECK(!rtnl_ingress_exists(&nl, a));
	CHECK(rtnl_ingress_del(&nl, a, &e) < 0);
	CHECK(rtnl_rate_del(&nl, a, &e) < 0);
	CHECK(rtnl_rate_set(&nl, a, 1000000, &e) == 0);
	CHECK(rtnl_rate_set(&nl, a, 1000000, &e) == -EEXIST);
	CHECK(rtnl_rate_del(&nl, a, &e) == 0);
	CHECK(rtnl_rate_set(&nl, a, 10000000000, &e) == 0); /* above 32 bits */
	CHECK(rtnl_rate_del(&nl, a, &e) == 0);
}

static void test_traffic(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(traffic), 0);
}

static void macvtap(void)
{
	struct error e = ERROR_INIT;
	struct rtnl_link m, a;

	enter();
	CHECK(rtnl_macvlan_add(&nl, "macvtap", "m0", pair(), MACVLAN_MODE_PASSTHRU, &e) == 0);
	m = link_of("m0");
	a = link_of("a0");
	CHECK(str_eq(m.kind, "macvtap") && m.lower == a.index && rtnl_mac_eq(&m.mac, &a.mac));
}

static void test_macvtap(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(macvtap), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),   cmocka_unit_test(test_macs),
		cmocka_unit_test(test_links),   cmocka_unit_test(test_addrs),
		cmocka_unit_test(test_routes),  cmocka_unit_test(test_neighs),
		cmocka_unit_test(test_traffic), cmocka_unit_test(test_macvtap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
