/* SPDX-License-Identifier: Apache-2.0 */
/* What each driver mounts: disks (loop devices), overlays, binds, memory; groups; and what a
 * container may have left in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "storelab.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NEED(x)                 \
	do {                    \
		if (!(x))       \
			skip(); \
	} while (0)

static void ok(struct storelab *f)
{
	if (storelab_add(f) < 0)
		fail_msg("%s", f->e.text);
}

static void refused(struct storelab *f, int err, const char *words)
{
	assert_int_equal(storelab_add(f), -err);
	if (!strstr(f->e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", f->e.text, words);
	storelab_release(f, &f->refs);
	assert_int_equal(f->s.n, 0);
}

static void set(struct storelab *f, const char *driver, const char *source, const char *type)
{
	f->st.driver = (char *)driver;
	f->st.source = (char *)source;
	f->st.fstype = (char *)type;
}

static bool exists(struct storelab *f, const char *name)
{
	autofree char *path = xasprintf("%s/%s", f->dir, name);

	return access(path, F_OK) == 0;
}

static long type_of(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 ? -1 : (long)fs.f_type;
}

/* --- disks --- */

static void test_a_disk(void **state)
{
	struct storelab *f = *state;
	const char *disk;

	NEED(storelab_can_mount() && (disk = storelab_disk(f, "ext4", 8)));
	set(f, "blk", disk, "ext4");
	ok(f);
	assert_int_equal(type_of(f->path), EXT4_SUPER_MAGIC);
	storelab_put(f, "a/b/file", "kept");
	storelab_release(f, &f->refs);
	assert_false(exists(f, "a/b"));
	ok(f);
	assert_true(storelab_has(f, "a/b/file", "kept"));
	storelab_release(f, &f->refs);
}

static void test_a_read_only_disk(void **state)
{
	struct storelab *f = *state;
	char *options[] = { (char *)"ro", (char *)"noatime" };
	autofree char *path = xasprintf("%s/x", f->path);
	const char *disk;

	NEED(storelab_can_mount() && (disk = storelab_disk(f, "ext4", 8)));
	set(f, "mmioblk", disk, "ext4");
	f->st.options = options;
	f->st.n_options = 2;
	ok(f);
	assert_int_equal(mkdir(path, 0700), -1);
	assert_int_equal(errno, EROFS);
	storelab_release(f, &f->refs);
}

static void test_disks_that_are_not_right(void **state)
{
	struct storelab *f = *state;
	char *encrypted[] = { (char *)"encryption_key=ephemeral" };
	const char *disk;

	NEED(storelab_can_mount() && (disk = storelab_disk(f, NULL, 1)));
	set(f, "blk", disk, "");
	refused(f, EINVAL, "file system type is missing");
	set(f, "blk", "/dev/no-such-disk", "ext4");
	refused(f, ENODEV, "device blk /dev/no-such-disk did not appear");
	set(f, "blk", "1f/1f", "ext4");
	refused(f, ENODEV, "device blk 1f/1f did not appear");
	set(f, "blk", disk, "ext4");
	assert_true(storelab_add(f) < 0); /* nothing is on it */
	assert_non_null(strstr(f->e.text, f->path));
	storelab_release(f, &f->refs);
	f->st.driver_options = encrypted;
	f->st.n_driver_options = 1;
	refused(f, EOPNOTSUPP, "encryption_key=ephemeral");
}

static void test_a_new_file_system(void **state)
{
	struct storelab *f = *state;
	char *create[] = { (char *)"create_filesystem" };
	const char *disk;

	NEED(storelab_can_mount() && storelab_disk(f, "ext4", 8) &&
	     (disk = storelab_disk(f, NULL, 8)));
	set(f, "blk", disk, "ext4");
	f->st.driver_options = create;
	f->st.n_driver_options = 1;
	ok(f);
	assert_int_equal(type_of(f->path), EXT4_SUPER_MAGIC);
	storelab_release(f, &f->refs);
	set(f, "blk", disk, "xfs");
	refused(f, EOPNOTSUPP, "only ext4");
}

/* --- links in the way --- */

static void test_links_are_not_followed(void **state)
{
	struct storelab *f = *state;
	autofree char *real = storelab_dir(f, "real"), *link = xasprintf("%s/a", f->dir);

	NEED(storelab_can_mount());
	assert_int_equal(symlink(real, link), 0);
	set(f, "ephemeral", "tmpfs", "tmpfs");
	refused(f, ELOOP, f->path);
	assert_false(exists(f, "real/b"));
	unlink(link);
	assert_int_equal(symlink("/etc", link), 0);
	set(f, "bind", link, "");
	snprintf(f->path, sizeof(f->path), "%s/c", f->dir);
	refused(f, ELOOP, link);
	set(f, "bind", "/etc", "");
	refused(f, EINVAL, "is not below");
	f->st.source = (char *)"";
	refused(f, EINVAL, "no source");
}

/* --- binds --- */

static void test_binds(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from"), *file = xasprintf("%s/from/file", f->dir);

	NEED(storelab_can_mount());
	storelab_put(f, "from/file", "here");
	set(f, "bind", from, "");
	ok(f);
	assert_true(storelab_has(f, "a/b/file", "here"));
	storelab_release(f, &f->refs);
	assert_false(exists(f, "a/b"));
	set(f, "bind", file, "bind");
	ok(f);
	assert_true(storelab_has(f, "a/b", "here"));
	storelab_release(f, &f->refs);
	assert_false(exists(f, "a/b"));
	assert_true(storelab_has(f, "from/file", "here"));
}

/* --- overlays --- */

static void test_an_overlay(void **state)
{
	struct storelab *f = *state;
	autofree char *one = storelab_dir(f, "one"), *two = storelab_dir(f, "two");
	autofree char *lower = xasprintf("lowerdir=%s:%s", one, two);
	char *options[] = { lower, (char *)"io.katacontainers.fs-opt.overlay-rw",
			    (char *)"io.katacontainers.fs-opt.is-file" };

	NEED(storelab_can_mount());
	storelab_put(f, "one/file", "upper one");
	storelab_put(f, "two/file", "lower one");
	storelab_put(f, "two/other", "only here");
	set(f, "overlayfs", "none", "overlay");
	f->st.options = options;
	f->st.n_options = 3;
	ok(f);
	assert_true(storelab_has(f, "a/b/file", "upper one"));
	assert_true(storelab_has(f, "a/b/other", "only here"));
	storelab_put(f, "a/b/new", "written");
	assert_true(storelab_has(f, "c1/upper/new", "written"));
	storelab_release(f, &f->refs);
	/* Read-only without an upper directory. */
	f->st.n_options = 1;
	ok(f);
	assert_true(storelab_has(f, "a/b/other", "only here"));
	storelab_release(f, &f->refs);
}

static void test_an_overlay_of_many(void **state)
{
	struct storelab *f = *state;
	autofree char *lower = NULL;
	autodone(strv) names = STRV_INIT;
	char *options[1];

	NEED(storelab_can_mount());
	for (int i = 0; i < LIMIT_AGENT_LAYERS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "l%d", i);
		strv_take(&names, storelab_dir(f, name));
		snprintf(name, sizeof(name), "l%d/f%d", i, i);
		storelab_put(f, name, "x");
	}
	lower = strv_join(&names, ":");
	options[0] = xasprintf("lowerdir=%s", lower);
	set(f, "overlayfs", "none", "overlay");
	f->st.options = options;
	f->st.n_options = 1;
	ok(f);
	assert_true(storelab_has(f, "a/b/f0", "x"));
	assert_true(storelab_has(f, "a/b/f127", "x"));
	storelab_release(f, &f->refs);
	free(options[0]);
}

static void test_overlays_that_are_not_right(void **state)
{
	struct storelab *f = *state;
	autofree char *one = storelab_dir(f, "one"), *lower = xasprintf("lowerdir=%s", one);
	char *options[] = { lower, (char *)"upperdir=/x" };
	char *create[] = { (char *)"io.katacontainers.volume.overlayfs.create_directory=/etc/x" };

	set(f, "overlayfs", "none", "overlay");
	refused(f, EINVAL, "without lowerdir=");
	f->st.options = options;
	f->st.n_options = 2;
	refused(f, EINVAL, "one of upperdir= and workdir=");
	options[0] = (char *)"lowerdir=/etc";
	f->st.n_options = 1;
	refused(f, EINVAL, "\"/etc\" is not below");
	options[0] = lower;
	f->st.driver_options = create;
	f->st.n_driver_options = 1;
	refused(f, EINVAL, "\"/etc/x\" is not below");
}

/* --- layers on disks --- */

/* One of several storages that make a root file system. */
static void layer(struct storelab *f, size_t i, const char *disk, char **options, size_t n)
{
	static Grpc__Storage more[3];
	Grpc__Storage *st = i ? &more[i - 1] : &f->st;

	if (i)
		grpc__storage__init(st);
	st->driver = (char *)"blk";
	st->source = (char *)disk;
	st->fstype = (char *)"ext4";
	st->options = options;
	st->n_options = n;
	f->list[i] = st;
	f->n = MAX(f->n, i + 1);
}

static void fill(struct storelab *f, const char *disk, const char *name, const char *text)
{
	autofree char *path = xasprintf("a/b/%s", name);

	set(f, "blk", disk, "ext4");
	f->n = 1;
	f->st.n_options = 0;
	ok(f);
	storelab_put(f, path, text);
	storelab_release(f, &f->refs);
}

static void test_layers(void **state)
{
	struct storelab *f = *state;
	char *upper[] = { (char *)"X-kata.multi-layer=true", (char *)"X-kata.overlay-upper",
			  (char *)"X-kata.mkdir.path={{ mount 0 }}/upper/etc:0711",
			  (char *)"noatime" };
	char *lower[] = { (char *)"X-kata.multi-layer=true", (char *)"X-kata.overlay-lower" };
	autofree char *made = xasprintf("%s/a/b/etc", f->dir);
	const char *disks[3];
	struct stat st;

	NEED(storelab_can_mount());
	for (int i = 0; i < 3; i++)
		NEED((disks[i] = storelab_disk(f, "ext4", 8)));
	fill(f, disks[1], "file", "top");
	fill(f, disks[2], "file", "bottom");
	fill(f, disks[2], "only", "bottom");
	layer(f, 0, disks[0], upper, 4);
	layer(f, 1, disks[1], lower, 2);
	layer(f, 2, disks[2], lower, 2);
	ok(f);
	assert_int_equal(type_of(f->path), OVERLAYFS_SUPER_MAGIC);
	assert_true(storelab_has(f, "a/b/file", "top"));
	assert_true(storelab_has(f, "a/b/only", "bottom"));
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0711);
	assert_false(exists(f, "c1/layers"));
	storelab_put(f, "a/b/new", "written");
	storelab_release(f, &f->refs);
	fill(f, disks[1], "unused", "the disk is free");
	layer(f, 0, disks[0], upper, 4);
	layer(f, 1, disks[1], lower, 2);
	ok(f);
	assert_true(storelab_has(f, "a/b/new", "written"));
	assert_false(exists(f, "a/b/only"));
	storelab_release(f, &f->refs);
}

static void test_layers_that_are_not_right(void **state)
{
	struct storelab *f = *state;
	char *options[] = { (char *)"X-kata.multi-layer=true", (char *)"X-kata.overlay-upper",
			    (char *)"X-kata.dmverity.root-hash=00" };
	const char *disk;

	layer(f, 0, "/dev/vda", options, 3);
	refused(f, EOPNOTSUPP, "dm-verity");
	options[2] = (char *)"X-kata.other";
	refused(f, EOPNOTSUPP, "X-kata.other");
	options[2] = (char *)"X-kata.partition-number=0";
	refused(f, EINVAL, "partition's number");
	NEED(storelab_can_mount() && (disk = storelab_disk(f, "ext4", 8)));
	layer(f, 0, disk, options, 2);
	refused(f, EINVAL, "no layers below");
	options[2] = (char *)"X-kata.mkdir.path={{ mount 0 }}/../../x";
	layer(f, 0, disk, options, 3);
	refused(f, EXDEV, "upper layer");
	assert_false(exists(f, "c1/layers"));
}

/* --- memory --- */

static void test_a_group_s_tmpfs(void **state)
{
	struct storelab *f = *state;
	char *options[] = { (char *)"fsgid=1234", (char *)"mode=0770", (char *)"size=1m" };
	struct stat st;

	NEED(storelab_can_mount());
	set(f, "ephemeral", "tmpfs", "tmpfs");
	f->st.options = options;
	f->st.n_options = 3;
	ok(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_gid, 1234);
	assert_int_equal(st.st_mode & 07777, 02770);
	storelab_release(f, &f->refs);
	options[0] = (char *)"fsgid=x";
	refused(f, EINVAL, "fsgid=x is not a group");
}

/* The pool is a file of the test's, the file system is real. */
static void test_huge_pages(void **state)
{
	struct storelab *f = *state;
	autofree char *sys = storelab_dir(f, "sys");
	autofree char *pool = storelab_dir(f, "sys/kernel/mm/hugepages/hugepages-2048kB");
	char *options[] = { (char *)"pagesize=2Mi,size=6291456" };

	NEED(storelab_can_mount());
	if (access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) < 0)
		skip();
	f->s.env.sys = sys;
	storelab_put(f, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "7");
	set(f, "ephemeral", "nodev", "hugetlbfs");
	f->st.options = options;
	f->st.n_options = 1;
	ok(f);
	assert_int_equal(type_of(f->path), HUGETLBFS_MAGIC);
	assert_true(
		storelab_has(f, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10\n"));
	/* Files do not become shorter by what the kernel's would be told. */
	storelab_put(f, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10");
	storelab_release(f, &f->refs);
	assert_true(
		storelab_has(f, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "7\n"));
	options[0] = (char *)"pagesize=1Gi,size=1Gi";
	refused(f, EINVAL, "there are no huge pages of 1048576 KiB");
	options[0] = (char *)"pagesize=2Mi,size=1Mi";
	refused(f, EINVAL, "the size of one page at least");
	options[0] = (char *)"pagesize=3Mi,size=6Mi";
	refused(f, EINVAL, "pagesize=");
}

/* --- groups --- */

static void test_a_volume_of_a_group(void **state)
{
	struct storelab *f = *state;
	Grpc__FSGroup group = GRPC__FSGROUP__INIT;
	autofree char *from = storelab_dir(f, "from/sub"), *dir = xasprintf("%s/from", f->dir);
	autofree char *file = xasprintf("%s/from/sub/file", f->dir);
	autofree char *link = xasprintf("%s/from/link", f->dir);
	struct stat st;

	NEED(storelab_can_mount());
	storelab_put(f, "from/sub/file", "x");
	storelab_put(f, "outside", "x");
	chmod(file, 0600);
	assert_int_equal(symlink("../outside", link), 0);
	group.group_id = 4321;
	group.group_change_policy = TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch;
	f->st.fs_group = &group;
	set(f, "bind", dir, "");
	ok(f);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(from, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 02775);
	assert_int_equal(lstat(link, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(stat(link, &st), 0); /* what it points to is nobody else's */
	assert_int_equal(st.st_gid, 0);
	storelab_release(f, &f->refs);
	/* The root matches: the rest is taken to. */
	assert_int_equal(chmod(file, 0600), 0);
	ok(f);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	storelab_release(f, &f->refs);
	group.group_change_policy = TYPES__FSGROUP_CHANGE_POLICY__Always;
	ok(f);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	storelab_release(f, &f->refs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, storelab_setup, storelab_teardown)
		T(test_a_disk),
		T(test_a_read_only_disk),
		T(test_disks_that_are_not_right),
		T(test_a_new_file_system),
		T(test_links_are_not_followed),
		T(test_binds),
		T(test_an_overlay),
		T(test_an_overlay_of_many),
		T(test_overlays_that_are_not_right),
		T(test_layers),
		T(test_layers_that_are_not_right),
		T(test_a_group_s_tmpfs),
		T(test_huge_pages),
		T(test_a_volume_of_a_group),
	};

	log_set_fd(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
