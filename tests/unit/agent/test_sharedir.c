/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of the share, held by several. In a mount namespace of its own: a mount on the
 * directory stands for the one that the guest's kernel makes at the first look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/sharedir.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char dir[64];
	char *volume, *file;
	struct sharedirs shared;
};

static int setup(void **state)
{
	struct place *p = xnew(struct place);

	*state = p;
	strcpy(p->dir, "/tmp/test-sharedir-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	p->volume = xasprintf("%s/volume", p->dir);
	p->file = xasprintf("%s/file", p->dir);
	sharedirs_init(&p->shared);
	if (mkdir(p->volume, 0755) < 0)
		return -1;
	return file_replace_at(AT_FDCWD, p->file, "x", 1, 0600);
}

static int teardown(void **state)
{
	struct place *p = *state;
	int r;

	sharedirs_done(&p->shared);
	r = path_remove_tree_at(AT_FDCWD, p->dir);
	free(p->volume);
	free(p->file);
	free(p);
	return r;
}

static bool is_mount(const char *path)
{
	autofree char *parent = xasprintf("%s/..", path);
	struct stat a, b;

	return stat(path, &a) == 0 && stat(parent, &b) == 0 && a.st_dev != b.st_dev;
}

static void test_counted(void **state)
{
	struct place *p = *state;
	autodone(strv) one = STRV_INIT;
	autodone(strv) two = STRV_INIT;
	struct error e = ERROR_INIT;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("mounting needs root and a mount namespace\n");
		skip();
	}
	assert_int_equal(mount("v", p->volume, "tmpfs", 0, NULL), 0);
	assert_int_equal(sharedir_hold(&p->shared, p->volume, &one, &e), 0);
	assert_int_equal(sharedir_hold(&p->shared, p->volume, &two, &e), 0);
	assert_int_equal(p->shared.n, 1);
	sharedirs_release(&p->shared, &one);
	assert_int_equal(one.n, 0);
	assert_true(is_mount(p->volume));
	sharedirs_release(&p->shared, &two);
	assert_false(is_mount(p->volume));
	assert_int_equal(p->shared.n, 0);
	assert_int_equal(access(p->volume, F_OK), 0); /* what is the host's stays */
}

static void test_others(void **state)
{
	struct place *p = *state;
	autofree char *none = xasprintf("%s/none", p->dir);
	autodone(strv) refs = STRV_INIT;
	struct error e = ERROR_INIT;

	/* A single file is no file system; a directory need not be one either. */
	assert_int_equal(sharedir_hold(&p->shared, p->file, &refs, &e), 0);
	assert_int_equal(refs.n, 0);
	assert_int_equal(sharedir_hold(&p->shared, p->volume, &refs, &e), 0);
	assert_int_equal(refs.n, 1);
	assert_int_equal(sharedir_hold(&p->shared, none, &refs, &e), -ENOENT);
	assert_non_null(strstr(e.text, none));
	sharedirs_release(&p->shared, &refs);
	assert_int_equal(p->shared.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
