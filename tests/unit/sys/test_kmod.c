/* SPDX-License-Identifier: Apache-2.0 */
/* Names and dependencies; the kernel itself must refuse what is no module, which tells that it was
 * asked in order. */
#include "systest.h"

#include "base/path.h"
#include "sys/kmod.h"

#include <errno.h>
#include <fcntl.h>

static char dir[64];

static void put(const char *name, const char *text)
{
	autofree char *full = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(full, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/caisson-kmod-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int down(void **state)
{
	return path_remove_tree_at(AT_FDCWD, dir);
}

static void test_resolution(void **state)
{
	struct error e = ERROR_INIT;

	assert_int_equal(kmod_load(dir, "any", NULL, &e), -ENOENT);
	put("modules.dep", "kernel/net/a-b.ko: kernel/net/c.ko "
			   "kernel/d.ko\nkernel/net/a.ko:\nkernel/net/c.ko: kernel/d.ko\nbroken\n");
	put("modules.builtin", "kernel/fs/fuse/fuse.ko\nkernel/fs/virtio_fs.ko\n");
	assert_int_equal(kmod_load(dir, "fuse", NULL, &e), 0);
	assert_int_equal(kmod_load(dir, "virtio-fs", NULL, &e), 0);
	assert_int_equal(kmod_load(dir, "fus", NULL, &e), -ENOENT);
	assert_non_null(strstr(e.text, "module fus is not in "));
	assert_int_equal(kmod_load(dir, "broken", NULL, &e), -ENOENT);
	assert_int_equal(kmod_load(dir, "../x", NULL, &e), -EINVAL);
	/* What it needs comes first, and that from the end of the line. */
	assert_int_equal(kmod_load(dir, "a_b", NULL, &e), -ENOENT);
	assert_non_null(strstr(e.text, "kernel/d.ko"));
}

static void test_no_module(void **state)
{
	autofree char *path = xasprintf("%s/x.ko", dir);
	struct error e = ERROR_INIT;

	put("x.ko", "not a module");
	assert_true(kmod_load_file(path, NULL, &e) < 0);
	assert_non_null(strstr(e.text, "load module "));
}

static void test_dir(void **state)
{
	autofree char *path = kmod_dir();

	assert_non_null(str_skip_prefix(path, "/lib/modules/"));
	assert_null(strchr(path + strlen("/lib/modules/"), '/'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolution),
		cmocka_unit_test(test_no_module),
		cmocka_unit_test(test_dir),
	};

	return cmocka_run_group_tests(tests, up, down);
}
