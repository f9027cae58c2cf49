/* SPDX-License-Identifier: Apache-2.0 */
/* The share: which mounts become the host's files and which stay the guest's own. In a mount
 * namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void nobody(void *data, const struct error *e)
{
}

static int setup(void **state)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("mounting needs root and a mount namespace\n");
		skip();
	}
	return fixture_setup(state);
}

static void test_mounts(void **state)
{
	struct fixture *f = *state;
	autofree char
		*rootfs = xasprintf("%s/rootfs", f->dir),
		*vol = xasprintf("%s/vol", f->dir), *file = xasprintf("%s/file", f->dir),
		*shm = xasprintf("%s/shm", f->dir),
		*shared = xasprintf("%s/run/shared/c1/mounts/4/x", f->dir),
		*json = xasprintf(
			"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},\"linux\":{},"
			"\"mounts\":["
			"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			"{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/dev/"
			"null\",\"options\":[\"bind\"]},"
			"{\"destination\":\"/b\",\"source\":\"/sys/"
			"fs\",\"options\":[\"rbind\",\"ro\"]},"
			"{\"destination\":\"/c\",\"type\":\"bind\",\"source\":\"/proc/sys\"},"
			"{\"destination\":\"/"
			"d\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\",\"bind\"]},"
			"{\"destination\":\"/e\",\"type\":\"bind\",\"source\":\"%s\"},"
			"{\"destination\":\"/dev/"
			"shm\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"rbind\",\"rw\"]}]"
			"}",
			rootfs, vol, file, shm);
	struct error e = ERROR_INIT;
	struct container *c;
	Grpc__Mount **m;

	assert_true(path_mkdir_all(rootfs, 0755) == 0 && path_mkdir_all(vol, 0755) == 0 &&
		    path_mkdir_all(shm, 0755) == 0);
	assert_int_equal(file_replace_at(AT_FDCWD, file, "text", 4, 0600), 0);
	assert_int_equal(mount("shm", shm, "tmpfs", 0, "size=1m"), 0);
	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	if (share_container(c, &e) < 0)
		fail_msg("%s", e.text);
	m = c->guest_spec->mounts;
	assert_string_equal(m[0]->source, "proc");
	assert_string_equal(m[1]->source, "/dev/null");
	assert_string_equal(m[2]->source, "/sys/fs");
	assert_string_equal(m[3]->source, "/proc/sys");
	assert_string_equal(m[4]->source, GUEST_SHARE_DIR "/c1/mounts/4");
	assert_string_equal(m[5]->source, GUEST_SHARE_DIR "/c1/mounts/5");
	/* Memory of the host becomes memory of the guest, as much of it. */
	assert_string_equal(m[6]->type, "tmpfs");
	assert_string_equal(m[6]->source, "shm");
	assert_int_equal(m[6]->n_options, 5);
	assert_string_equal(m[6]->options[4], "size=1048576");
	/* A read-only mount is so on the host already. */
	assert_int_equal(mkdir(shared, 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(c->mounts.n, 3); /* rootfs, /d, /e */
	share_container_undo(c);
	assert_int_equal(c->mounts.n, 0);
	assert_int_equal(access(file, F_OK), 0); /* what was shared is still there */
	assert_int_equal(access(vol, F_OK), 0);
	assert_int_equal(umount(shm), 0);
}

static void test_missing(void **state)
{
	struct fixture *f = *state;
	autofree char *json = xasprintf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},\"linux\":{},\"mounts\":["
		"{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"%s/none\"}]}",
		f->dir, f->dir);
	autofree char *none = xasprintf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s/none\"},\"linux\":{}}", f->dir);
	struct error e = ERROR_INIT;

	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(share_container(fixture_container(f, "c1", json, nobody, NULL, NULL), &e),
			 -ENOENT);
	assert_non_null(strstr(e.text, "mount of /a: source "));
	assert_int_equal(share_container(fixture_container(f, "c2", none, nobody, NULL, NULL), &e),
			 -ENOENT);
	assert_non_null(strstr(e.text, "root file system "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mounts, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
