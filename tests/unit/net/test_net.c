/* SPDX-License-Identifier: Apache-2.0 */
/* Joining interfaces and leaving them, in network namespaces of the test's own: what goes through,
 * and that nothing is left. */
#include "../sys/systest.h"

#include "net/net.h"
#include "sys/ns.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <sched.h>

static void test_models(void **state)
{
	const struct net_model *m = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(net_model_find("tcfilter", &m, &e), 0);
	assert_string_equal(m->name, "tcfilter");
	assert_int_equal(net_model_find("macvtap", &m, &e), 0);
	assert_string_equal(m->name, "macvtap");
	assert_int_equal(net_model_find("none", &m, &e), 0);
	assert_null(m);
	assert_int_equal(net_model_find("bridge", &m, &e), -EINVAL);
	assert_string_equal(e.text, "internetworking_model \"bridge\" is not supported: tcfilter, "
				    "macvtap and none are");
	assert_int_equal(net_model_find(NULL, &m, &e), -EINVAL);
}

/* --- in namespaces --- */

static struct nl nl;
static int host, pod;
static struct net n;

static int open_nl(void *data, struct error *e)
{
	return nl_open(&nl, NETLINK_ROUTE, e);
}

/* A pair "a0" and "b0" in a namespace that is not ours. */
static void enter(const char *model)
{
	struct rtnl_link l;

	n = NET_INIT;
	CHECK(unshare(CLONE_NEWNET) == 0);
	pod = ns_open(0, NS_NET);
	CHECK(nl_open(&nl, NETLINK_ROUTE, NULL) == 0);
	CHECK(rtnl_veth_add(&nl, "a0", "b0", NULL) == 0);
	CHECK(rtnl_link_by_name(&nl, "a0", &l, NULL) == 0);
	CHECK(rtnl_link_up(&nl, l.index, NULL) == 0);
	CHECK(rtnl_link_by_name(&nl, "b0", &l, NULL) == 0);
	CHECK(rtnl_link_up(&nl, l.index, NULL) == 0);
	CHECK(unshare(CLONE_NEWNET) == 0);
	host = ns_open(0, NS_NET);
	CHECK(net_model_find(model, &n.model, NULL) == 0);
	n.queues = 2;
}

static bool same_as_before(void)
{
	autodone(rtnl_links) links = { 0 };

	CHECK(rtnl_links(&nl, &links, NULL) == 0);
	for (size_t i = 0; i < links.n; i++)
		if (rtnl_ingress_exists(&nl, links.v[i].index) || strstr(links.v[i].name, "tap"))
			return false;
	return true;
}

/* A frame written to the first tap leaves by "b0", which is where the second tap is, and the other
 * way. */
static void check_traffic(void)
{
	unsigned char frame[12 + 64] = { 0 }, got[2048];
	struct pollfd p = { .fd = n.nics[1].fds[0], .events = POLLIN };

	memset(frame + 12, 0xff, ETH_ALEN);
	memcpy(frame + 12 + ETH_ALEN, n.nics[0].link.mac.bytes, ETH_ALEN);
	frame[12 + 12] = 0x88;
	frame[12 + 13] = 0xb5; /* for experiments */
	frame[12 + 14] = 42;
	/* The header's size is the tap's default. */
	CHECK(write(n.nics[0].fds[0], frame + 2, sizeof(frame) - 2) == sizeof(frame) - 2);
	for (int i = 0; i < 100; i++) {
		ssize_t len;

		p.fd = n.nics[1].fds[i & 1];
		if (poll(&p, 1, 50) <= 0)
			continue;
		len = read(p.fd, got, sizeof(got));
		if (len > 10 + 14 && got[10 + 12] == 0x88 && got[10 + 13] == 0xb5) {
			CHECK(got[10 + 14] == 42);
			return;
		}
	}
	CHECK(!"the frame arrived");
}

static void joined(const char *model)
{
	struct error e = ERROR_INIT;
	autoclose int where = -1;

	enter(model);
	CHECK(net_scan(&n, pod, &e) == 0);
	CHECK(ns_call(pod, NS_NET, open_nl, NULL, &e) == 0);
	CHECK(n.nnics == 2 && same_as_before());
	CHECK(net_check_free(&n, &e) == 0);
	if (net_connect(&n, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		_exit(1);
	}
	where = ns_open(0, NS_NET);
	CHECK(ns_same(where, host));
	CHECK(!same_as_before());
	CHECK(str_eq(n.nics[0].tap, "tap0_caisson") && n.nics[1].queues == 2);
	CHECK(net_find(&n, n.nics[1].link.index) == &n.nics[1] && !net_find(&n, 4711));
}

static void tcfilter(void)
{
	struct net other = NET_INIT;
	struct error e = ERROR_INIT;

	joined("tcfilter");
	check_traffic();
	/* Somebody else finds it taken, and does no harm when he tries all the same. */
	CHECK(net_scan(&other, pod, &e) == 0);
	CHECK(net_check_free(&other, &e) == -EBUSY);
	other.model = n.model;
	other.queues = 1;
	CHECK(net_connect(&other, &e) == -EEXIST);
	CHECK(rtnl_ingress_exists(&nl, n.nics[0].link.index));
	net_done(&other);
	check_traffic();
	net_disconnect(&n);
	CHECK(same_as_before());
	CHECK(net_connect(&n, &e) == 0); /* and again */
	net_done(&n);
	CHECK(same_as_before());
}

static void test_tcfilter(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	SKIP_UNLESS(access("/dev/net/tun", R_OK | W_OK) == 0, "no /dev/net/tun");
	assert_int_equal(in_child(tcfilter), 0);
}

static void macvtap(void)
{
	joined("macvtap");
	check_traffic();
	net_done(&n);
	CHECK(same_as_before());
}

static int in_pod_add(void *data, struct error *e)
{
	autodone(nl) own = NL_INIT;
	struct rtnl_link l;

	CHECK(nl_open(&own, NETLINK_ROUTE, NULL) == 0);
	CHECK(rtnl_veth_add(&own, "c0", "d0", NULL) == 0);
	CHECK(rtnl_link_by_name(&own, "c0", &l, NULL) == 0);
	return rtnl_link_up(&own, l.index, NULL);
}

static int in_pod_del(void *data, struct error *e)
{
	autodone(nl) own = NL_INIT;
	struct rtnl_link l;

	CHECK(nl_open(&own, NETLINK_ROUTE, NULL) == 0);
	CHECK(rtnl_link_by_name(&own, "c0", &l, NULL) == 0);
	return rtnl_link_del(&own, l.index, NULL);
}

static void changes(void)
{
	struct rtnl_link_change mtu = { .mtu = 1300 };
	struct error e = ERROR_INIT;
	bool changed;

	joined("tcfilter");
	/* The kernel's own addresses may still come. */
	CHECK(net_rescan(&n, &changed, &e) == 0);
	CHECK(n.nnics == 2 && !n.nics[0].gone);
	for (int i = 0; i < 2; i++) {
		CHECK(ns_call(pod, NS_NET, in_pod_add, NULL, &e) == 0);
		CHECK(net_rescan(&n, &changed, &e) == 0 && changed);
		CHECK(n.nnics == 3 && str_eq(n.nics[2].link.name, "c0"));
		CHECK(!n.nics[2].joined && !n.nics[2].gone);
		CHECK(net_connect_one(&n, &n.nics[2], &e) == 0);
		CHECK(n.nics[2].joined && str_eq(n.nics[2].tap, "tap2_caisson"));
		CHECK(ns_call(pod, NS_NET, in_pod_del, NULL, &e) == 0);
		CHECK(net_rescan(&n, &changed, &e) == 0 && changed);
		CHECK(n.nics[2].gone && !n.nics[0].gone);
		net_disconnect_one(&n, &n.nics[2]);
	}
	CHECK(rtnl_link_set(&nl, n.nics[0].link.index, &mtu, &e) == 0);
	CHECK(net_rescan(&n, &changed, &e) == 0 && changed && n.nics[0].link.mtu == 1300);
	net_done(&n);
	CHECK(same_as_before());
}

static void test_changes(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	SKIP_UNLESS(access("/dev/net/tun", R_OK | W_OK) == 0, "no /dev/net/tun");
	assert_int_equal(in_child(changes), 0);
}

static void test_macvtap(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(macvtap), 0);
}

/* The process that joined is gone without a word: its descriptors are closed, the rest is there. */
static void clean(const char *model)
{
	autofree char *path = NULL;
	static char a0[] = "a0", b0[] = "b0", gone[] = "gone";
	char *names[] = { a0, b0, gone };
	struct error e = ERROR_INIT;

	joined(model);
	path = xasprintf("/proc/self/fd/%d", pod);
	for (size_t i = 0; i < n.nnics; i++)
		for (unsigned k = 0; k < n.nics[i].queues; k++)
			n.nics[i].fds[k] = fd_close(n.nics[i].fds[k]);
	CHECK(!same_as_before());
	CHECK(net_clean_up(path, names, ARRAY_SIZE(names), &e) == 0);
	CHECK(same_as_before());
	CHECK(net_clean_up(path, names, ARRAY_SIZE(names), &e) == 0);
	CHECK(net_clean_up("/run/netns/nowhere", names, ARRAY_SIZE(names), &e) == 0);
	CHECK(net_clean_up("/dev/null", names, ARRAY_SIZE(names), &e) == 0);
}

static void clean_tcfilter(void)
{
	clean("tcfilter");
}

static void clean_macvtap(void)
{
	clean("macvtap");
}

static void test_clean_up(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(clean_tcfilter), 0);
	assert_int_equal(in_child(clean_macvtap), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_models),   cmocka_unit_test(test_tcfilter),
		cmocka_unit_test(test_changes),  cmocka_unit_test(test_macvtap),
		cmocka_unit_test(test_clean_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
