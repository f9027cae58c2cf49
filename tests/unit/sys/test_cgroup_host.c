/* SPDX-License-Identifier: Apache-2.0 */
/* On whatever hierarchies the machine has: version 1, 2, or both. */
#include "systest.h"

#include "sys/cgroup_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#define GROUP "caisson-unit-host/pod"

static void need(void)
{
	struct error e = ERROR_INIT;

	SKIP_UNLESS(geteuid() == 0, "not root");
	if (cgroup_host_create(GROUP, &e) == 0)
		return;
	print_message("SKIPPED: %s\n", e.text);
	skip();
}

static void cleanup_all(void)
{
	assert_int_equal(cgroup_host_remove(GROUP), 0);
	assert_int_equal(cgroup_host_remove("caisson-unit-host"), 0);
	assert_false(cgroup_host_exists("caisson-unit-host"));
}

static pid_t sleeper(const char *group)
{
	struct error e = ERROR_INIT;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	if (cgroup_host_join(group, pid, &e) < 0) {
		kill(pid, SIGKILL);
		fail_msg("%s", e.text);
	}
	return pid;
}

static void test_life(void **state)
{
	struct error e = ERROR_INIT;
	autofree pid_t *pids = NULL;
	int status;
	size_t n;
	pid_t a, b;

	need();
	assert_true(cgroup_host_exists(GROUP));
	/* Version 2 wants processes in leaves only. */
	assert_int_equal(cgroup_host_create(GROUP "/nested", &e), 0);
	assert_int_equal(cgroup_host_create(GROUP "/other", &e), 0);
	a = sleeper(GROUP "/other");
	b = sleeper(GROUP "/nested");
	/* Each once, though it is in many hierarchies. */
	assert_int_equal(cgroup_host_pids(GROUP, &pids, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(pids[0], MIN(a, b));
	assert_int_equal(cgroup_host_remove(GROUP), -EBUSY);
	assert_int_equal(cgroup_host_freeze(GROUP, true, &e), 0);
	/* Also frozen ones die. */
	assert_int_equal(cgroup_host_kill(GROUP), 0);
	assert_int_equal(waitpid(a, &status, 0), a);
	assert_int_equal(waitpid(b, &status, 0), b);
	cleanup_all();
	assert_int_equal(cgroup_host_kill(GROUP), 0);
	assert_int_equal(cgroup_host_remove(GROUP), 0);
	free(pids);
	pids = NULL;
	assert_int_equal(cgroup_host_pids(GROUP, &pids, &n), 0);
	assert_int_equal(n, 0);
}

static void test_dirs(void **state)
{
	static const char *const controllers[] = { "memory", "pids", "cpuacct", "" };
	size_t found = 0;

	need();
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		autofree char *dir = cgroup_host_dir(GROUP, controllers[i]);
		struct stat st;

		if (!dir)
			continue;
		found++;
		assert_int_equal(stat(dir, &st), 0);
		assert_true(str_ends_with(dir, "/" GROUP));
	}
	assert_true(found > 0);
	assert_null(cgroup_host_dir(GROUP, "made-up"));
	cleanup_all();
}

/* After a failure nothing is to stay. */
static int down(void **state)
{
	cgroup_host_kill("caisson-unit-host");
	while (waitpid(-1, NULL, 0) > 0)
		;
	return cgroup_host_remove("caisson-unit-host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_dirs),
	};

	return cmocka_run_group_tests(tests, NULL, down);
}
