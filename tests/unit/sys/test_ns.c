/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "sys/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>

static void test_names(void **state)
{
	for (int i = 0; i < NS_COUNT; i++)
		assert_int_equal(ns_parse(ns_name((enum ns_type)i)), i);
	assert_int_equal(ns_parse("net"), -1);
	assert_int_equal(ns_parse(""), -1);
	assert_int_equal(ns_flag(NS_NET), CLONE_NEWNET);
	assert_int_equal(ns_flag(NS_MOUNT), CLONE_NEWNS);
}

static void test_open(void **state)
{
	autoclose int uts = ns_open(0, NS_UTS), again = ns_open(getpid(), NS_UTS),
		      ipc = ns_open(0, NS_IPC);
	struct error e = ERROR_INIT;
	autoclose int by_path = ns_open_path("/proc/self/ns/uts", NS_UTS, &e);

	assert_true(uts >= 0 && again >= 0 && ipc >= 0 && by_path >= 0);
	assert_true(ns_same(uts, again));
	assert_true(ns_same(uts, by_path));
	assert_false(ns_same(uts, ipc));
	assert_int_equal(ns_open(0x7fffffff, NS_UTS), -ENOENT);
	assert_int_equal(ns_open_path("/proc/self/ns/uts", NS_IPC, &e), -EINVAL);
	assert_string_equal(e.text, "/proc/self/ns/uts is not a ipc namespace");
	assert_int_equal(ns_open_path("/dev/null", NS_IPC, &e), -EINVAL);
	assert_int_equal(ns_open_path("/nowhere", NS_IPC, &e), -ENOENT);
}

static void join(void)
{
	autoclose int old = ns_open(0, NS_UTS);
	struct utsname before, after;

	CHECK(uname(&before) == 0);
	CHECK(unshare(CLONE_NEWUTS) == 0);
	CHECK(sethostname("elsewhere", 9) == 0);
	CHECK(ns_join(old, NS_UTS, NULL) == 0);
	CHECK(uname(&after) == 0 && str_eq(before.nodename, after.nodename));
	/* Again, where we are already: nothing happens, also for the user namespace. */
	CHECK(ns_join(old, NS_UTS, NULL) == 0);
	old = ns_open(0, NS_USER);
	CHECK(ns_join(old, NS_USER, NULL) == 0);
}

static void test_join(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(join), 0);
}

static void user(void)
{
	struct ns_idmap uids[] = { { 0, 100000, 10 }, { 10, 5, 1 } },
			gids[] = { { 0, 200000, 10 } };
	autoclose int fd = ns_new_user(uids, 2, gids, 1, NULL), bad = -1;
	struct error e = ERROR_INIT;
	autofree char *text = NULL;

	CHECK(fd >= 0);
	CHECK(ns_join(fd, NS_USER, &e) == 0);
	/* From inside, the outer ids of one's own map are those of the parent. */
	CHECK(file_read_at(AT_FDCWD, "/proc/self/uid_map", 4096, &text, NULL) == 0);
	CHECK(strstr(text, "100000") && strstr(text, " 5 "));
	bad = ns_new_user(uids, 2, gids, 0, &e);
	CHECK(bad == -EINVAL || bad == -EPERM);
}

static void test_user(void **state)
{
	struct ns_idmap overlapping[] = { { 0, 1, 5 }, { 3, 100, 5 } };
	struct error e = ERROR_INIT;

	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(user), 0);
	assert_int_equal(ns_new_user(overlapping, 2, overlapping, 1, &e), -EINVAL);
	assert_string_equal(e.text, "write uid_map: Invalid argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
