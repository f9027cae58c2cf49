/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "base/limits.h"
#include "sys/cgroup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#define GROUP "caisson-unit/group"

static void name(const char *path, const char *want)
{
	struct error e = ERROR_INIT;
	autofree char *got = cgroup_name(path, "the-id", &e);

	if (!want) {
		if (got)
			fail_msg("%s became %s", path, got);
		assert_int_equal(e.code, -EINVAL);
		return;
	}
	if (!got)
		fail_msg("%s", e.text);
	assert_string_equal(got, want);
}

static void test_names(void **state)
{
	autofree char *deep = xcalloc(LIMIT_CGROUP_DEPTH + 1, 2 + 1),
		      *longest = xcalloc(1, LIMIT_ID_MAX + 3);

	name(NULL, "the-id");
	name("", "the-id");
	name("/a/b", "a/b");
	name("//a///b/", "a/b");
	name("a/b", "a/b");
	name("machine.slice:libpod:abc", "machine.slice/libpod-abc.scope");
	name(":cri:abc", "system.slice/cri-abc.scope");
	name("kube-pod-x.slice::abc", "kube.slice/kube-pod.slice/kube-pod-x.slice/abc.scope");
	name("-.slice:p:n", "p-n.scope");
	name("/a:b:c", "a:b:c");
	name("noslice:p:n", NULL);
	name("/a/../b", NULL);
	name("/./b", NULL);
	name("/", NULL);
	name("a\nb", NULL);
	name("a.slice:..:../x", "a.slice:..:../x");
	name("a.slice/..:..:x", "a.slice/..:..:x");
	name("a.slice:../x:..", "a.slice:../x:..");
	for (int i = 0; i <= LIMIT_CGROUP_DEPTH; i++)
		memcpy(deep + i * 2, "/a", 2);
	name(deep, NULL);
	memset(longest, 'x', LIMIT_ID_MAX + 1);
	name(longest, NULL);
}

static void count(const char *key, uint64_t value, void *data)
{
	uint64_t *sum = data;

	assert_true(str_eq(key, "a") || str_eq(key, "b"));
	*sum += value;
}

static void test_keys(void **state)
{
	char text[] = "a 1\nbad\nb 20\nc x\n\nd\n";
	uint64_t sum = 0;

	cgroup_each_key(text, count, &sum);
	assert_int_equal(sum, 21);
}

static pid_t sleeper(const char *group)
{
	struct error e = ERROR_INIT;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	if (cgroup_join(group, pid, &e) < 0) {
		kill(pid, SIGKILL);
		fail_msg("%s", e.text);
	}
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_life(void **state)
{
	struct error e = ERROR_INIT;
	autofree pid_t *pids = NULL;
	autofree char *path = NULL;
	uint64_t v;
	size_t n;
	pid_t a, b;

	SKIP_UNLESS(geteuid() == 0 && cgroup_mount(), "not root, or no cgroup2 is mounted");
	if (cgroup_make(GROUP, &e) < 0)
		fail_msg("%s", e.text);
	/* Processes live in leaves only, where there are controllers. */
	assert_int_equal(cgroup_make(GROUP "/below", &e), 0);
	assert_int_equal(cgroup_make(GROUP "/beside", &e), 0);
	assert_int_equal(cgroup_make(GROUP, &e), 0);
	assert_true(cgroup_exists(GROUP));
	a = sleeper(GROUP "/beside");
	b = sleeper(GROUP "/below");
	assert_int_equal(cgroup_pids(GROUP, &pids, &n), 0);
	assert_int_equal(n, 2);
	assert_true((pids[0] == a && pids[1] == b) || (pids[0] == b && pids[1] == a));
	assert_int_equal(cgroup_read_key(GROUP, "cgroup.events", "populated", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(cgroup_read_key(GROUP, "cgroup.events", "unknown", &v), -ENODATA);
	assert_int_equal(cgroup_read_u64(GROUP, "cgroup.max.descendants", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(cgroup_write(GROUP, "cgroup.max.descendants", "5", &e), 0);
	assert_int_equal(cgroup_read_u64(GROUP, "cgroup.max.descendants", &v), 0);
	assert_int_equal(v, 5);
	assert_int_equal(cgroup_write(GROUP, "no.such", "5", &e), -ENOENT);
	assert_int_equal(cgroup_freeze(GROUP, true, &e), 0);
	for (int i = 0; i < 1000 && cgroup_frozen(GROUP) == 0; i++)
		poll(NULL, 0, 5);
	assert_int_equal(cgroup_frozen(GROUP), 1);
	assert_int_equal(cgroup_remove(GROUP), -EBUSY);
	assert_int_equal(cgroup_kill(GROUP), 0);
	reap(a);
	reap(b);
	path = cgroup_path(GROUP, "cgroup.procs");
	assert_int_equal(access(path, R_OK), 0);
	assert_int_equal(cgroup_remove("caisson-unit"), 0);
	assert_false(cgroup_exists(GROUP));
	assert_int_equal(cgroup_remove(GROUP), 0);
	assert_int_equal(cgroup_kill(GROUP), -ENOENT);
}

static void test_controllers(void **state)
{
	autofree char *list = NULL;
	autodone(strv) v = STRV_INIT;
	struct error e = ERROR_INIT;

	SKIP_UNLESS(geteuid() == 0 && cgroup_mount(), "not root, or no cgroup2 is mounted");
	assert_int_equal(cgroup_read("", "cgroup.controllers", &list), 0);
	strv_split(&v, list, " \n");
	assert_int_equal(cgroup_make(GROUP, &e), 0);
	/* All of the root's arrive two levels down. */
	for (size_t i = 0; i < v.n; i++)
		assert_true(cgroup_has(GROUP, v.v[i]));
	assert_false(cgroup_has(GROUP, "made-up"));
	assert_int_equal(cgroup_remove("caisson-unit"), 0);
}

/* After a failure nothing is to stay. */
static int down(void **state)
{
	if (!cgroup_exists("caisson-unit"))
		return 0;
	cgroup_kill("caisson-unit");
	while (waitpid(-1, NULL, 0) > 0)
		;
	return cgroup_remove("caisson-unit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, down);
}
