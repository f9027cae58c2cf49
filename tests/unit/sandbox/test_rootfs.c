/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts that containerd's snapshotters describe: a bind mount, an overlay of more layers than
 * mount(2) has room for, an image in a file, a mount below the root. In a mount namespace of our
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "sys/mounts_data.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYERS 60

static char dir[] = "/tmp/test-rootfs.XXXXXX";

static int setup(void **state)
{
	if (geteuid() != 0) {
		print_message("needs root\n");
		return 0;
	}
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !mkdtemp(dir) || mount("t", dir, "tmpfs", 0, NULL) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	if (geteuid() == 0) {
		umount2(dir, MNT_DETACH);
		rmdir(dir);
	}
	return 0;
}

static char *in_dir(const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(path_mkdir_all(path, 0755), 0);
	return path;
}

static void write_file(const char *in, const char *name)
{
	autofree char *path = xasprintf("%s/%s", in, name);

	assert_int_equal(file_replace_at(AT_FDCWD, path, name, strlen(name), 0644), 0);
}

static bool has_file(const char *in, const char *name)
{
	autofree char *path = xasprintf("%s/%s", in, name);

	return access(path, F_OK) == 0;
}

static void mount_it(const struct sandbox_mount *m, const char *root, const char *expect)
{
	struct error e = ERROR_INIT;
	char *target = NULL;

	if (rootfs_mount(m, root, &target, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(target, expect);
	free(target);
}

static void test_bind(void **state)
{
	static const char *const options[] = { "rbind", "ro" };
	autofree char *source = NULL, *root = NULL;

	if (geteuid() != 0)
		skip();
	source = in_dir("bind-source");
	root = in_dir("bind-root");
	write_file(source, "hello");
	mount_it(
		&(struct sandbox_mount){
			.type = "bind", .source = source, .options = options, .noptions = 2 },
		root, root);
	assert_true(has_file(root, "hello"));
	assert_int_equal(mkdir(root, 0755), -1);
	autofree char *more = xasprintf("%s/more", root);
	assert_int_equal(mkdir(more, 0755), -1);
	assert_int_equal(errno, EROFS);
}

static void test_many_layers(void **state)
{
	autofree char *root = NULL, *upper = NULL, *work = NULL, *lower = NULL;
	autofree char *o_upper = NULL, *o_work = NULL, *o_lower = NULL;
	autodone(strv) layers = STRV_INIT;
	char before[256], after[256];

	if (geteuid() != 0)
		skip();
	root = in_dir("layers-root");
	upper = in_dir("snapshots/upper/fs");
	work = in_dir("snapshots/upper/work");
	for (int i = 0; i < LAYERS; i++) {
		autofree char *name = xasprintf(
			"snapshots/a-long-name-as-some-file-systems-of-containers-have-them-%d/fs",
			i);
		autofree char *file = xasprintf("file%d", i);
		autofree char *path = in_dir(name);

		write_file(path, file);
		strv_add(&layers, path);
	}
	lower = strv_join(&layers, ":");
	assert_true(strlen(lower) > 4096);
	o_lower = xasprintf("lowerdir=%s", lower);
	o_upper = xasprintf("upperdir=%s", upper);
	o_work = xasprintf("workdir=%s", work);
	const char *const options[] = { "index=off", o_work, o_upper, o_lower };
	assert_non_null(getcwd(before, sizeof(before)));
	mount_it(
		&(struct sandbox_mount){
			.type = "overlay", .source = "overlay", .options = options, .noptions = 4 },
		root, root);
	assert_non_null(getcwd(after, sizeof(after)));
	assert_string_equal(before, after);
	assert_true(has_file(root, "file0"));
	assert_true(has_file(root, "file59"));
	write_file(root, "new");
	assert_true(has_file(upper, "new"));
}

static int run(const char *a, const char *b, const char *c, const char *d)
{
	char *argv[] = { (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)c,
			 (char *)(uintptr_t)d, NULL };
	struct proc_spec spec = PROC_SPEC_INIT;

	spec.argv = argv;
	return proc_run(&spec, NULL, 0, 60000, 0, NULL, NULL);
}

/* As containerd's snapshotters of images in files have it, and below a root that is there. */
static void test_image(void **state)
{
	static const char *const options[] = { "loop" };
	autofree char *root = NULL, *below = NULL, *image = xasprintf("%s/image", dir);
	autoclose int fd = -1;

	if (geteuid() != 0 || access("/dev/loop-control", F_OK) < 0) {
		print_message("needs root and loop devices\n");
		skip();
	}
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	if (run("mkfs.ext4", "-q", image, NULL) != 0) {
		print_message("needs mkfs.ext4\n");
		skip();
	}
	root = in_dir("image-root");
	mount_it(
		&(struct sandbox_mount){
			.type = "ext4", .source = image, .options = options, .noptions = 1 },
		root, root);
	assert_true(has_file(root, "lost+found"));
	write_file(root, "written");
	assert_int_equal(umount2(root, 0), 0);
	below = in_dir("image-root/below");
	mount_it(&(struct sandbox_mount){ .type = "ext4", .source = image, .target = "/below" },
		 root, below);
	assert_true(has_file(below, "written"));
	assert_int_equal(umount2(below, 0), 0);
}

static void test_refused(void **state)
{
	struct sandbox_mount m = { .type = "ext4", .source = "/no/such", .target = "../../etc" };
	autofree char *root = NULL;
	struct error e = ERROR_INIT;
	char *target = NULL;

	if (geteuid() != 0)
		skip();
	root = in_dir("refused-root");
	/* Never out of the root. */
	assert_int_equal(rootfs_mount(&m, root, &target, &e), -ENOENT);
	m.target = NULL;
	assert_true(rootfs_mount(&m, root, &target, &e) < 0);
	assert_null(target);
}

static void test_shorten(void **state)
{
	static const struct {
		const char *layers, *dir, *shorter; /* NULL: nothing in common */
	} cases[] = {
		{ "/d/1/fs:/d/2/fs", "/d", "1/fs:2/fs" },
		{ "/d/s/10/fs:/d/s/1/fs", "/d/s", "10/fs:1/fs" },
		{ "/d/1", "/d", "1" },
		{ "/a:/b", NULL, NULL },
		{ "/d/1\\:2:/d/3", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *common = NULL, *shorter = NULL;
		bool can = mount_shorten_layers(cases[i].layers, &common, &shorter);

		assert_int_equal(can, cases[i].dir != NULL);
		if (!can)
			continue;
		assert_string_equal(common, cases[i].dir);
		assert_string_equal(shorter, cases[i].shorter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bind),    cmocka_unit_test(test_many_layers),
		cmocka_unit_test(test_image),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_shorten),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
