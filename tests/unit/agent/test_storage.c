/* SPDX-License-Identifier: Apache-2.0 */
/* Storages: what is refused, what is mounted, who lets go last. Mounting needs root and happens in
 * a mount namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "storelab.h"

#include "agent.pb-c.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool is_tmpfs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static void refuse(struct storelab *f, int err, const char *words)
{
	assert_int_equal(storelab_add(f), -err);
	if (!strstr(f->e.text, words))
		fail_msg("\"%s\" does not say \"%s\"", f->e.text, words);
	assert_int_equal(f->s.n, 0);
	assert_int_equal(f->refs.n, 0);
}

static void test_mount_points_stay_inside(void **state)
{
	struct storelab *f = *state;
	static const char *const bad[] = { "",      "/",         "/etc",    "%s",           "%s/",
					   "%sx/a", "%s/../etc", "%s/a/..", "%s/a/../../b", "a" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *rest = str_skip_prefix(bad[i], "%s");

		snprintf(f->path, sizeof(f->path), "%s%s", rest ? f->dir : "",
			 rest ? rest : bad[i]);
		refuse(f, EINVAL, "is not below");
	}
}

static void test_unsupported_is_named(void **state)
{
	struct storelab *f = *state;
	char *option[] = { (char *)"encryption_key=ephemeral" };

	f->st.driver = (char *)"tape";
	refuse(f, EOPNOTSUPP, "storage driver \"tape\"");
	f->st.driver = (char *)"image_guest_pull";
	refuse(f, EOPNOTSUPP, "nothing in the guest pulls images");
	f->st.driver = (char *)"blk-ccw";
	refuse(f, EOPNOTSUPP, "s390x");
	f->st.driver = (char *)"local";
	f->st.driver_options = option;
	f->st.n_driver_options = 1;
	refuse(f, EOPNOTSUPP, "encryption_key");
	f->st.n_driver_options = 0;
	f->st.driver = (char *)"ephemeral";
	f->st.fstype = (char *)"ext4";
	refuse(f, EOPNOTSUPP, "ephemeral storage of type ext4");
	f->st.fstype = (char *)"hugetlbfs";
	refuse(f, EINVAL, "pagesize=");
	f->st.fstype = (char *)"";
	f->st.driver = (char *)"virtio-fs";
	refuse(f, EINVAL, "tag");
}

static void test_options_are_bounded(void **state)
{
	struct storelab *f = *state;
	autofree char *big = xcalloc(1, LIMIT_AGENT_STORAGE_OPTIONS + 1);
	char *options[] = { big };
	struct storages_request many = { .storages = f->list };

	memset(big, 'x', LIMIT_AGENT_STORAGE_OPTIONS);
	f->st.options = options;
	f->st.n_options = 1;
	refuse(f, E2BIG, "options");
	many.n_storages = LIMIT_AGENT_STORAGES + 1;
	assert_int_equal(storages_add(&f->s, &many, &f->refs, NULL, &f->e), -ENOBUFS);
}

static void test_local_has_its_mode(void **state)
{
	struct storelab *f = *state;
	char *options[] = { (char *)"mode=1770" };
	struct stat st;

	f->st.options = options;
	f->st.n_options = 1;
	assert_int_equal(storelab_add(f), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01770);
	storelab_release(f, &f->refs);
	assert_int_equal(stat(f->path, &st), -1);
	options[0] = (char *)"mode=9";
	refuse(f, EINVAL, "mode=9");
}

static void test_the_last_one_lets_go(void **state)
{
	struct storelab *f = *state;
	struct strv other = STRV_INIT;

	if (!storelab_can_mount())
		skip();
	f->st.driver = (char *)"ephemeral";
	assert_int_equal(storelab_add(f), 0);
	strcat(f->path, "//"); /* another way to write the same */
	assert_int_equal(storelab_add_to(f, &other), 0);
	assert_int_equal(f->s.n, 1);
	assert_true(is_tmpfs(f->path));
	storelab_release(f, &f->refs);
	assert_true(is_tmpfs(f->path));
	storelab_release(f, &other);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(f->s.n, 0);
}

static void test_shared_stays(void **state)
{
	struct storelab *f = *state;

	f->st.shared = true;
	assert_int_equal(storelab_add(f), 0);
	storelab_release(f, &f->refs);
	assert_int_equal(access(f->path, F_OK), 0);
	assert_int_equal(f->s.n, 1);
}

static void test_mount_failure_has_the_cause(void **state)
{
	struct storelab *f = *state;
	char *options[] = { (char *)"nonsense=1" };

	if (!storelab_can_mount())
		skip();
	f->st.driver = (char *)"ephemeral";
	f->st.options = options;
	f->st.n_options = 1;
	assert_true(storelab_add(f) < 0);
	assert_non_null(strstr(f->e.text, f->path));
	storelab_release(f, &f->refs);
	assert_int_equal(f->s.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, storelab_setup, storelab_teardown)
		T(test_mount_points_stay_inside),    T(test_unsupported_is_named),
		T(test_options_are_bounded),         T(test_local_has_its_mode),
		T(test_the_last_one_lets_go),        T(test_shared_stays),
		T(test_mount_failure_has_the_cause),
	};

	log_set_fd(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
