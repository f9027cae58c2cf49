/* SPDX-License-Identifier: Apache-2.0 */
/* paths: what is missing or unusable is named in one line, with the key to set. */
#include "scratch.h"

#include "base/str.h"
#include "hv/qemu/paths.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHER_UID (geteuid() + 64001)

static const char elf[0x206] = "\177ELF";

static void test_program(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *plain = scratch_file(dir, "plain", "x", 1);
	autofree char *exec = scratch_file(dir, "exec", "x", 1);
	autofree char *link = xasprintf("%s/link", dir);
	autofree char *none = xasprintf("%s/none", dir);
	autofree char *got = NULL;
	char *bad = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(chmod(exec, 0755), 0);
	assert_int_equal(symlink("exec", link), 0);
	assert_int_equal(qemu_find_program(link, &got, &e), 0);
	assert_string_equal(got, exec);
	assert_int_equal(qemu_find_program(none, &bad, &e), -ENOENT);
	assert_true(str_ends_with(
		e.text,
		"/none not found (set hypervisor.qemu.path in /etc/caisson/configuration.toml)"));
	assert_int_equal(qemu_find_program(plain, &bad, &e), -EACCES);
	assert_null(bad);
	assert_int_equal(qemu_find_program(dir, &bad, &e), -EINVAL);
	assert_null(bad);
}

static int kernel(const char *path, uid_t uid, struct error *e)
{
	struct hv_config c = { .kernel = path, .uid = uid, .gid = uid };
	autofree char *got = NULL;
	int r = qemu_find_kernel(&c, &got, e);

	assert_int_equal(r == 0, got != NULL);
	return r;
}

static void test_kernel(void **state)
{
	autoscratch dir = scratch_new();
	char bz[0x206] = { 0 };
	autofree char *vmlinux = scratch_file(dir, "vmlinux", elf, sizeof(elf));
	autofree char *none = xasprintf("%s/none", dir);
	autofree char *text = scratch_file(dir, "text", "hello\n", 6);
	autofree char *bzimage = NULL;
	struct error e = ERROR_INIT;

	memcpy(bz + 0x202, "HdrS", 4);
	bzimage = scratch_file(dir, "bz", bz, sizeof(bz));
	assert_int_equal(kernel(vmlinux, 0, &e), 0);
	assert_int_equal(kernel(bzimage, OTHER_UID, &e), 0);
	assert_int_equal(kernel(NULL, 0, &e), -ENOENT);
	assert_non_null(
		strstr(e.text, "no guest kernel is configured (set hypervisor.qemu.kernel"));
	assert_int_equal(kernel(none, 0, &e), -ENOENT);
	assert_true(strncmp(e.text, "guest kernel /tmp/", 18) == 0);
	assert_non_null(strstr(
		e.text,
		"/none not found (set hypervisor.qemu.kernel in /etc/caisson/configuration.toml)"));
	assert_int_equal(kernel(text, 0, &e), -ENOEXEC);
	assert_int_equal(kernel(dir, 0, &e), -EINVAL);
	assert_int_equal(chmod(vmlinux, 0600), 0);
	assert_int_equal(kernel(vmlinux, OTHER_UID, &e), -EACCES);
	assert_non_null(strstr(e.text, "not readable by the VMM's user (uid "));
}

static void test_initrd(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *file = scratch_file(dir, "initrd", "x", 1);
	autofree char *none = xasprintf("%s/none", dir);
	autofree char *got = NULL;
	struct hv_config c = { 0 };
	struct error e = ERROR_INIT;
	char *unset = (char *)"x";

	assert_int_equal(qemu_find_initrd(&c, &unset, &e), 0);
	assert_null(unset);
	c.initrd = none;
	assert_int_equal(qemu_find_initrd(&c, &unset, &e), -ENOENT);
	assert_non_null(strstr(e.text, "guest initrd"));
	c.initrd = file;
	assert_int_equal(qemu_find_initrd(&c, &got, &e), 0);
	assert_string_equal(got, file);
}

static void test_image(void **state)
{
	autoscratch dir = scratch_new();
	char mbr[512] = { 0 };
	autofree char *plain = scratch_file(dir, "plain", mbr, sizeof(mbr));
	autofree char *disk = NULL;
	const char *root = NULL;
	struct error e = ERROR_INIT;

	mbr[510] = 0x55;
	mbr[511] = (char)0xaa;
	disk = scratch_file(dir, "disk", mbr, sizeof(mbr));
	assert_int_equal(qemu_image_root(plain, &root, &e), 0);
	assert_string_equal(root, "/dev/vda");
	assert_int_equal(qemu_image_root(disk, &root, &e), 0);
	assert_string_equal(root, "/dev/vda1");
	assert_int_equal(qemu_image_root("/nonexistent", &root, &e), -ENOENT);
	assert_string_equal(e.text,
			    "guest image /nonexistent not found (set hypervisor.qemu.image in "
			    "/etc/caisson/configuration.toml)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_initrd),
		cmocka_unit_test(test_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
