/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot: a guest that counts on is saved, and others go on from there: each with a memory of its
 * own, with devices that were not saved, also when what was saved is damaged. Needs root.
 */
#include "tiny_vm.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct answer {
	bool there;
	int code;
	char text[256];
};

static void on_done(struct hv *h, const struct error *e, void *data)
{
	struct answer *a = data;

	a->there = true;
	a->code = e ? e->code : 0;
	snprintf(a->text, sizeof(a->text), "%s", e ? e->text : "");
}

static void wait_answer(struct vm *v, struct answer *a)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;

	while (!a->there && loop_now_ms() < end)
		loop_run_once(v->loop, 50);
	assert_true(a->there);
}

static void configure(struct vm *v)
{
	vm_make(v, "tick\n", TINY_AGAIN);
	v->cfg.machine = "q35";
	v->cfg.hotplug_slots = 2;
	v->cfg.free_page_reporting = true;
	v->cfg.max_vcpus = 2;
	v->cfg.max_mem_mib = 128;
}

static bool no_mount_below(const char *dir)
{
	autofree char *mounts = NULL;

	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/mounts", 1 << 20, &mounts, NULL), 0);
	return !strstr(mounts, dir);
}

/* Saves into a new directory, which is returned; owned. */
static char *save(void)
{
	char *dir = scratch_new();
	autoclose int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct answer a = { 0 };
	struct vm v;

	configure(&v);
	v.cfg.to_save = true;
	assert_int_equal(vm_start(&v), 0);
	assert_true(no_mount_below(v.dir));
	wait_console(&v, "tick\n");
	assert_int_equal(v.hv->ops->pause(v.hv, true, &v.e), 0);
	wait_events(&v, "h");
	assert_int_equal(v.hv->ops->save(v.hv, dirfd, on_done, &a, &v.e), -EINPROGRESS);
	assert_int_equal(v.hv->ops->save(v.hv, dirfd, on_done, &a, &v.e), -EBUSY);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	vm_done(&v);
	return dir;
}

static off_t size_of(const char *dir, const char *name, bool blocks)
{
	autofree char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return blocks ? (off_t)st.st_blocks * 512 : st.st_size;
}

static void restore(struct vm *v, const char *dir)
{
	configure(v);
	v->cfg.restore = dir;
	assert_int_equal(vm_start(v), 0);
}

static void test_two_clones(void **state)
{
	char *dir = save();
	struct vm v[2];

	assert_int_equal(size_of(dir, "memory", false), 64 << 20);
	assert_true(size_of(dir, "memory", true) < 8 << 20);
	assert_true(size_of(dir, "state", false) > 1000);
	for (int i = 0; i < 2; i++) {
		restore(&v[i], dir);
		wait_events(&v[i], "h");
		assert_false(console_has(&v[i], "tick\n"));
		assert_true(no_mount_below(v[i].dir));
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(v[i].hv->ops->pause(v[i].hv, false, &v[i].e), 0);
		wait_events(&v[i], "hr");
		wait_console(&v[i], "tick\n");
	}
	for (int i = 0; i < 2; i++)
		vm_done(&v[i]);
	scratch_free(&dir);
}

/* Devices that were not there when it was saved. */
static void test_more_devices(void **state)
{
	char *dir = save();
	struct answer a = { 0 };
	struct hv_dev d = {
		.type = HV_DEV_BLK, .id = "data", .fd = -1, .done = on_done, .data = &a
	};
	autofree char *disk = NULL;
	struct vm v;

	restore(&v, dir);
	wait_events(&v, "h");
	disk = scratch_file(v.dir, "disk", "x", 1);
	assert_int_equal(truncate(disk, 1 << 20), 0);
	d.path = disk;
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	vm_done(&v);
	scratch_free(&dir);
}

static void test_damaged(void **state)
{
	char *dir = save();
	autofree char *path = xasprintf("%s/state", dir);
	struct vm v;

	assert_int_equal(truncate(path, size_of(dir, "state", false) / 2), 0);
	restore(&v, dir);
	wait_events(&v, "x");
	assert_true(strstr(v.text[HV_EVENT_EXITED], "state") ||
		    strstr(v.text[HV_EVENT_EXITED], "migration"));
	vm_done(&v);
	assert_int_equal(unlink(path), 0);
	configure(&v);
	v.cfg.restore = dir;
	assert_int_equal(vm_start(&v), -ENOENT);
	assert_non_null(strstr(v.e.text, dir));
	vm_done(&v);
	scratch_free(&dir);
}

static void test_not_to_save(void **state)
{
	struct vm v;

	configure(&v);
	assert_int_equal(vm_start(&v), 0);
	assert_int_equal(v.hv->ops->save(v.hv, AT_FDCWD, on_done, NULL, &v.e), -EINVAL);
	vm_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_clones),
		cmocka_unit_test(test_more_devices),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_not_to_save),
	};

	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0 || geteuid() != 0) {
		print_message("SKIP: needs QEMU (package qemu-system-x86) and root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
