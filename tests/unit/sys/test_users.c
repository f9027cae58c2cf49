/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "base/path.h"
#include "sys/users.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char dir[64];
static int root = -1;

static void put(const char *path, const char *text)
{
	autofree char *full = xasprintf("%s%s", dir, path);
	FILE *f = fopen(full, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int up(void **state)
{
	autofree char *etc = NULL;

	snprintf(dir, sizeof(dir), "/tmp/caisson-users-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	etc = xasprintf("%s/etc", dir);
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return mkdir(etc, 0755);
}

static int down(void **state)
{
	close(root);
	return path_remove_tree_at(AT_FDCWD, dir);
}

static void test_without_files(void **state)
{
	autodone(user) u = USER_INIT;
	struct error e = ERROR_INIT;

	assert_int_equal(user_resolve(root, "12", "13", NULL, 0, &u, &e), 0);
	assert_int_equal(u.uid, 12);
	assert_int_equal(u.gid, 13);
	assert_int_equal(u.ngroups, 0);
	assert_null(user_home(root, 0));
	assert_int_equal(user_resolve(root, "root", "", NULL, 0, &u, &e), -ENOENT);
}

static void test_resolve(void **state)
{
	char *extra[] = { (char *)"audio", (char *)"99", (char *)"audio" };
	autodone(user) u = USER_INIT;
	struct error e = ERROR_INIT;

	put("/etc/passwd", "\n#x\nroot:x:0:0:root:/root:/bin/sh\nu:x:1000:1001::/home/"
			   "u:\nshort:x:5\nneg:x:-1:0::/:\n"
			   "v:x:1001:1001::relative:\nlast:x:7:8::/l:/bin/sh");
	put("/etc/group",
	    "root:x:0:\nus:x:1001:\nwheel:x:10:root,u\naudio:x:63:uu, u,u\nbad:x:zz:u\n");
	assert_int_equal(user_resolve(root, "u", NULL, NULL, 0, &u, &e), 0);
	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 1001);
	assert_int_equal(u.ngroups, 2);
	assert_int_equal(u.groups[0], 10);
	assert_int_equal(u.groups[1], 63);
	assert_string_equal(u.home, "/home/u");
	user_done(&u);
	/* A group of one's own choice leaves the memberships out. */
	assert_int_equal(user_resolve(root, "1000", "audio", extra, 3, &u, &e), 0);
	assert_int_equal(u.gid, 63);
	assert_int_equal(u.ngroups, 2);
	assert_int_equal(u.groups[1], 99);
	user_done(&u);
	assert_int_equal(user_resolve(root, "last", "", NULL, 0, &u, &e), 0);
	assert_int_equal(u.gid, 8);
	user_done(&u);
	assert_int_equal(user_resolve(root, "short", "", NULL, 0, &u, &e), -ENOENT);
	assert_int_equal(user_resolve(root, "-1", "", NULL, 0, &u, &e), -ENOENT);
	assert_int_equal(user_resolve(root, "u", "nogroup", NULL, 0, &u, &e), -ENOENT);
	assert_string_equal(e.text, "no group \"nogroup\" in the container's /etc/group");
}

static void test_home(void **state)
{
	autofree char *home = user_home(root, 1000);

	assert_string_equal(home, "/home/u");
	assert_null(user_home(root, 1001));
	assert_null(user_home(root, 4));
}

/* The files are the container's: links stay inside, pipes do not block. */
static void test_hostile_files(void **state)
{
	autofree char *path = xasprintf("%s/etc/passwd", dir);
	autodone(user) u = USER_INIT;
	struct error e = ERROR_INIT;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("../../../../../../../../etc/passwd", path), 0);
	assert_int_equal(user_resolve(root, "0", "", NULL, 0, &u, &e), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(user_resolve(root, "0", "", NULL, 0, &u, &e), -EINVAL);
	assert_null(user_home(root, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_files),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_hostile_files),
	};

	return cmocka_run_group_tests(tests, up, down);
}
