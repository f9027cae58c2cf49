/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "base/path.h"
#include "sys/mounts.h"
#include "sys/mounts_data.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static char dir[64];

static void parse(struct mount_opts *o, const char *options)
{
	char *v[] = { (char *)options };
	struct error e = ERROR_INIT;

	if (mount_opts_parse(o, v, 1, &e) < 0)
		fail_msg("%s", e.text);
}

static void test_options(void **state)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	char *words[] = { (char *)"rbind", (char *)"ro,nosuid", (char *)"rprivate",
			  (char *)"size=1k", (char *)"weird" };

	assert_int_equal(mount_opts_parse(&o, words, ARRAY_SIZE(words), NULL), 0);
	assert_true(o.bind && o.recursive && !o.remount && !o.copy_up);
	assert_int_equal(o.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(o.clear, 0);
	assert_int_equal(o.rec_propagation, MS_PRIVATE);
	assert_int_equal(o.data.n, 2);
	assert_string_equal(o.data.v[1], "weird");
}

static void test_later_options_win(void **state)
{
	static const struct {
		const char *options;
		uint64_t set, clear, rec_set, rec_clear;
	} cases[] = {
		{ "ro,rw", 0, MOUNT_ATTR_RDONLY, 0, 0 },
		{ "rw,ro", MOUNT_ATTR_RDONLY, 0, 0, 0 },
		{ "defaults", 0, 0, 0, 0 },
		{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0, 0 },
		{ "noatime,relatime", 0, MOUNT_ATTR__ATIME, 0, 0 },
		{ "relatime,strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0, 0 },
		{ "rro,rnoatime", 0, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
		{ "rro,rrw,ro", MOUNT_ATTR_RDONLY, 0, 0, MOUNT_ATTR_RDONLY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autodone(mount_opts) o = MOUNT_OPTS_INIT;

		parse(&o, cases[i].options);
		if (o.set != cases[i].set || o.clear != cases[i].clear ||
		    o.rec_set != cases[i].rec_set || o.rec_clear != cases[i].rec_clear || o.data.n)
			fail_msg("%s", cases[i].options);
	}
}

/* One that fsconfig(2) does not take: a file system made by descriptor refuses it, one made on a
 * path takes another way. */
static void test_long_option(void **state)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autofree char *longest = xcalloc(1, 600);
	char *v[] = { longest };
	struct error e = ERROR_INIT;

	memcpy(longest, "size=", 5);
	memset(longest + 5, 'x', 300);
	assert_int_equal(mount_opts_parse(&o, v, 1, &e), 0);
	assert_int_equal(o.data.n, 1);
	assert_true(mount_needs_data(&o));
	SKIP_UNLESS(geteuid() == 0, "needs root");
	assert_int_equal(mount_new("tmpfs", "t", &o, &e), -EINVAL);
	assert_non_null(strstr(e.text, "longer than 255 characters"));
}

static void test_propagation_names(void **state)
{
	assert_int_equal(mount_propagation_parse("rslave"), MS_SLAVE | MS_REC);
	assert_int_equal(mount_propagation_parse("shared"), MS_SHARED);
	assert_int_equal(mount_propagation_parse("ro"), 0);
	assert_int_equal(mount_propagation_parse("fun"), 0);
}

/* In a mount namespace of its own, on a tmpfs at @dir. */
static void enter(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("t", dir, "tmpfs", 0, NULL) == 0);
	CHECK(chdir(dir) == 0);
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
}

static bool has_option(const char *path, const char *option)
{
	autofree char *text = NULL, *real = realpath(path, NULL);
	bool found = false;
	char *save = NULL;

	CHECK(real && file_read_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL) == 0);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		autodone(strv) w = STRV_INIT, opts = STRV_INIT;

		strv_split(&w, l, " ");
		if (w.n < 7 || !str_eq(w.v[4], real))
			continue;
		strv_split(&opts, w.v[5], ",");
		found = strv_contains(&opts, option) || str_skip_prefix(w.v[6], option);
	}
	return found;
}

static void mounts(void)
{
	char *tmpfs[] = { (char *)"size=64k", (char *)"noexec", (char *)"nodev" };
	char *bind[] = { (char *)"bind", (char *)"ro" }, *wrong[] = { (char *)"size=huge" };
	char *rec[] = { (char *)"rbind", (char *)"rro", (char *)"shared" };
	struct error e = ERROR_INIT;

	enter();
	CHECK(mount_path("x", "a", "tmpfs", tmpfs, 3, &e) == 0);
	CHECK(has_option("a", "noexec") && has_option("a", "nodev") && !has_option("a", "ro"));
	CHECK(mkdir("a/sub", 0755) == 0);
	CHECK(mount_path("x", "a/sub", "tmpfs", NULL, 0, &e) == 0);
	CHECK(mount_path("a", "b", NULL, bind, 2, &e) == 0);
	CHECK(has_option("b", "ro") && has_option("b", "noexec"));
	CHECK(mkdir("b/x", 0755) < 0 && errno == EROFS);
	CHECK(umount("b") == 0);
	CHECK(mount_path("a", "b", NULL, rec, 3, &e) == 0);
	CHECK(has_option("b/sub", "ro") && has_option("b", "shared:") &&
	      !has_option("b/sub", "shared:"));
	CHECK(mkdir("a/sub/fine", 0755) == 0);
	/* The kernel says what was wrong. */
	CHECK(mount_path("x", "a", "tmpfs", wrong, 1, &e) == -EINVAL);
	CHECK(strstr(e.text, "size"));
	CHECK(mount_path("x", "a", "nofs", NULL, 0, &e) == -ENODEV);
	CHECK(mount_path("x", "nowhere", "tmpfs", NULL, 0, &e) == -ENOENT);
}

static void test_mounts(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(mounts), 0);
}

static void copy(void)
{
	autoclose int from = -1, to = -1;
	struct error e = ERROR_INIT;
	struct stat st;

	enter();
	CHECK(chmod("a", 0711) == 0 && chown("a", 3, 4) == 0);
	CHECK(mkdir("a/d", 0750) == 0);
	CHECK(mknod("a/d/pipe", S_IFIFO | 0600, 0) == 0 &&
	      mknod("a/null", S_IFCHR | 0600, makedev(1, 3)) == 0);
	CHECK(symlink("/nowhere", "a/link") == 0);
	CHECK(file_replace_at(AT_FDCWD, "a/f", "text", 4, 0640) == 0 && chown("a/f", 5, 6) == 0 &&
	      chmod("a/f", 04755) == 0);
	from = open("a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open("b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(mount_copy_tree(from, to, &e) == 0);
	CHECK(stat("b", &st) == 0 && (st.st_mode & 07777) == 0711 && st.st_uid == 3 &&
	      st.st_gid == 4);
	CHECK(stat("b/f", &st) == 0 && (st.st_mode & 07777) == 04755 && st.st_uid == 5 &&
	      st.st_size == 4);
	CHECK(stat("b/d/pipe", &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK(stat("b/null", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	CHECK(lstat("b/link", &st) == 0 && S_ISLNK(st.st_mode));
	/* Twice is once too often: nothing is overwritten. */
	CHECK(mount_copy_tree(from, to, &e) == -EEXIST);
}

static void test_copy(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(copy), 0);
}

static void pivot(void)
{
	autoclose int root = -1;
	struct error e = ERROR_INIT;

	enter();
	CHECK(mkdir("a/proc", 0755) == 0);
	root = mount_clone(AT_FDCWD, "a", true, &e);
	CHECK(root >= 0);
	{
		autoclose int at = open("a", O_PATH | O_CLOEXEC);

		CHECK(mount_attach(root, at, &e) == 0);
	}
	CHECK(mount("proc", "a/proc", "proc", 0, NULL) == 0);
	CHECK(mount_pivot(root, &e) == 0);
	CHECK(access("/bin", F_OK) < 0 && access("/proc/self", F_OK) == 0);
	/* Of the old root nothing is left. */
	{
		autofree char *text = NULL;
		size_t lines = 0;

		CHECK(file_read_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL) == 0);
		for (char *p = text; *p; p++)
			lines += *p == '\n';
		CHECK(lines == 2);
	}
}

static void test_pivot(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(pivot), 0);
}

/* What boot does; here the root has a parent already, which shows that doing it does no harm. */
static void leave_rootfs(void)
{
	struct error e = ERROR_INIT;
	autoclose int old = -1, root = -1, at = -1;
	struct statvfs st;

	enter();
	old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(mount_leave_rootfs(&e) == 0);
	/* The mount that was the root cannot be written any more, the same files through the new
	 * root can. */
	CHECK(fstatvfs(old, &st) == 0 && (st.f_flag & ST_RDONLY));
	CHECK(statvfs("/", &st) == 0 && !(st.f_flag & ST_RDONLY));
	CHECK(mount("t", "/tmp", "tmpfs", 0, NULL) == 0);
	root = mount_clone(AT_FDCWD, "/tmp", false, &e);
	at = open("/tmp", O_PATH | O_CLOEXEC);
	CHECK(mount_attach(root, at, &e) == 0);
	CHECK(mount_pivot(root, &e) == 0);
}

static void test_leave_rootfs(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(leave_rootfs), 0);
}

static int up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/caisson-mounts-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int down(void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),     cmocka_unit_test(test_later_options_win),
		cmocka_unit_test(test_long_option), cmocka_unit_test(test_propagation_names),
		cmocka_unit_test(test_mounts),      cmocka_unit_test(test_copy),
		cmocka_unit_test(test_pivot),       cmocka_unit_test(test_leave_rootfs),
	};

	return cmocka_run_group_tests(tests, up, down);
}
