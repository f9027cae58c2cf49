/* SPDX-License-Identifier: Apache-2.0 */
/* jail: what a process in it sees, has and cannot do. The inside is a function that runs where the
 * VMM would be executed. */
#include "scratch.h"

#include "base/proc.h"
#include "base/str.h"
#include "hv/jail.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

/* Enters the jail in a child and runs @inside under nobody's identity; its result is the exit
 * status. */
static int run_inside(const struct jail *j, int (*inside)(void), struct error *e)
{
	int status, r, p[2];
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		r = jail_enter(j, e);
		if (r == 0 && j->uid && setresuid(j->uid, j->uid, j->uid) < 0)
			r = -errno;
		if (r < 0 && write(p[1], e, sizeof(*e)) < 0)
			_exit(254);
		_exit(r < 0 ? 255 : inside());
	}
	close(p[1]);
	fd_read_full(p[0], e, sizeof(*e));
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool need_root(void)
{
	if (geteuid() == 0)
		return true;
	print_message("SKIP: only root can make namespaces\n");
	return false;
}

static char data_path[256];

static int looks_right(void)
{
	struct if_nameindex *ifs = if_nameindex();
	struct rlimit core;
	struct stat st;

	if (access("/proc/self", F_OK) == 0 || access("/sys/class", F_OK) == 0 ||
	    access("/root", F_OK) == 0)
		return 1;
	if (access("/etc/passwd", F_OK) == 0 || access("/usr/bin/env", X_OK) < 0)
		return 2;
	if (access(data_path, R_OK) < 0)
		return 3;
	if (open("/usr/bin/env", O_WRONLY) >= 0 || open(data_path, O_WRONLY) >= 0 ||
	    mkdir("/x", 0700) == 0)
		return 4;
	if (stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode) || st.st_uid != NOBODY ||
	    open("/dev/null", O_RDWR) < 0)
		return 5;
	if (!ifs || !ifs[0].if_name || strcmp(ifs[0].if_name, "lo") != 0 || ifs[1].if_name)
		return 6;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 7;
	return getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max ? 8 : 0;
}

static void test_inside(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *root = xasprintf("%s/vmm-root", dir);
	autofree char *data = scratch_file(dir, "data", "x", 1);
	autodone(jail) j = JAIL_INIT;
	struct error e = ERROR_INIT;

	if (!need_root())
		skip();
	snprintf(data_path, sizeof(data_path), "%s", data);
	assert_int_equal(jail_init(&j, root, &e), 0);
	j.uid = j.gid = NOBODY;
	jail_add_system(&j);
	jail_add_file(&j, data);
	assert_int_equal(jail_add_node(&j, "/dev/null", &e), 0);
	assert_int_equal(run_inside(&j, looks_right, &e), 0);
	/* Nothing of it is left here. */
	assert_int_equal(rmdir(root), 0);
}

static int root_cannot_write(void)
{
	return mkdir("/x", 0700) < 0 && errno == EROFS &&
			       open("/usr/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS
		       ? 0
		       : 1;
}

static void test_root_inside_is_read_only(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *root = xasprintf("%s/vmm-root", dir);
	autodone(jail) j = JAIL_INIT;
	struct error e = ERROR_INIT;

	if (!need_root())
		skip();
	assert_int_equal(jail_init(&j, root, &e), 0);
	jail_add_system(&j);
	assert_int_equal(run_inside(&j, root_cannot_write, &e), 0);
}

static int never(void)
{
	return 99;
}

static void test_vanished_file(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *root = xasprintf("%s/vmm-root", dir);
	autodone(jail) j = JAIL_INIT;
	struct error e = ERROR_INIT;

	if (!need_root())
		skip();
	assert_int_equal(jail_init(&j, root, &e), 0);
	jail_add_file(&j, "/nonexistent/kernel");
	assert_int_equal(run_inside(&j, never, &e), 255);
	assert_string_equal(
		e.text, "put /nonexistent/kernel into the VMM's root: No such file or directory");
}

static void test_cgroup_refuses(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *root = xasprintf("%s/vmm-root", dir);
	autoclose int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autodone(jail) j = JAIL_INIT;
	struct error e = ERROR_INIT;

	assert_int_equal(jail_init(&j, root, &e), 0);
	j.cgroup_fd = fd;
	assert_int_equal(run_inside(&j, never, &e), 255);
	assert_non_null(strstr(e.text, "enter the VMM's cgroup"));
}

/* A file stands in for cgroup.procs. */
static int zero(void)
{
	return 0;
}

static void test_cgroup_is_entered(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *root = xasprintf("%s/vmm-root", dir);
	autofree char *procs = scratch_file(dir, "cgroup.procs", "", 0);
	autoclose int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofree char *text = NULL;
	autodone(jail) j = JAIL_INIT;
	struct error e = ERROR_INIT;

	assert_int_equal(jail_init(&j, root, &e), 0);
	j.confine = false;
	j.cgroup_fd = fd;
	assert_int_equal(run_inside(&j, zero, &e), 0);
	text = scratch_read(dir, "cgroup.procs");
	assert_string_equal(text, "0");
}

static void test_plan(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *root = xasprintf("%s/vmm-root", dir);
	autodone(jail) j = JAIL_INIT;
	struct error e = ERROR_INIT;
	size_t n;

	assert_int_equal(jail_init(&j, root, &e), 0);
	jail_add_system(&j);
	n = j.n;
	assert_true(n >= 1);
	/* What is there already is not mounted twice. */
	jail_add_file(&j, "/usr/bin/env");
	assert_int_equal(j.n, n);
	jail_add_file(&j, "/usrlocal/bin/env");
	assert_int_equal(j.n, n + 1);
	assert_int_equal(jail_add_node(&j, "/nonexistent", &e), -ENOENT);
	assert_int_equal(jail_add_node(&j, "/usr", &e), -ENODEV);
	assert_int_equal(j.n, n + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_root_inside_is_read_only),
		cmocka_unit_test(test_vanished_file),
		cmocka_unit_test(test_cgroup_refuses),
		cmocka_unit_test(test_cgroup_is_entered),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
