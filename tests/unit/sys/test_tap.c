/* SPDX-License-Identifier: Apache-2.0 */
/* Taps: queues, names, and that they vanish. */
#include "systest.h"

#include "base/limits.h"
#include "sys/rtnl.h"
#include "sys/tap.h"

#include <errno.h>
#include <sched.h>

static void life(void)
{
	int fds[LIMIT_NET_QUEUES], more[1];
	struct error e = ERROR_INIT;
	autodone(nl) nl = NL_INIT;
	struct rtnl_link l;

	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK(nl_open(&nl, NETLINK_ROUTE, NULL) == 0);
	for (unsigned queues = 1; queues <= 3; queues += 2) {
		CHECK(tap_open("t0", queues, fds, &e) == 0);
		CHECK(rtnl_link_by_name(&nl, "t0", &l, NULL) == 0);
		CHECK(str_eq(l.kind, "tun") && !(l.flags & IFF_UP));
		CHECK(tap_open("t0", 1, more, &e) < 0);
		CHECK(strstr(e.text, "t0"));
		for (unsigned i = 0; i < queues; i++)
			fd_close(fds[i]);
		CHECK(rtnl_link_by_name(&nl, "t0", &l, NULL) == -ENODEV);
	}
	CHECK(tap_open("t0", 0, fds, &e) == -EINVAL);
	CHECK(tap_open("t0", LIMIT_NET_QUEUES + 1, fds, &e) == -EINVAL);
	CHECK(tap_open_device("/dev/null", 1, fds, &e) < 0);
	CHECK(tap_open_device("/nowhere", 1, fds, &e) == -ENOENT);
}

static void test_life(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	SKIP_UNLESS(access("/dev/net/tun", R_OK | W_OK) == 0, "no /dev/net/tun");
	assert_int_equal(in_child(life), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_life) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
