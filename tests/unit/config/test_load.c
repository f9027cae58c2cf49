/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *load_ok(const char *text)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	if (config_load_text(text, strlen(text), "f", &c, &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

static void expect_error(const char *text, int code, const char *reason)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(config_load_text(text, strlen(text), "f", &c, &e), code);
	assert_null(c);
	assert_string_equal(e.text, reason);
}

static void expect_warnings(const char *text, const char *first, size_t n)
{
	autoptr(config) c = load_ok(text);

	assert_int_equal(c->warnings.n, n);
	if (n)
		assert_string_equal(c->warnings.v[0], first);
}

static void test_empty(void **state)
{
	expect_warnings("", NULL, 0);
	expect_warnings("[hypervisor]\n[agent]\n[runtime]\n[factory]\n", NULL, 0);
}

static void test_values(void **state)
{
	autoptr(config) c = load_ok("[hypervisor.qemu]\n"
				    "kernel = '/k'\n"
				    "initrd = '/i'\n"
				    "default_memory = 1_024\n"
				    "default_vcpus = 0.5\n"
				    "rootless = false\n"
				    "machine_type = 'q35'\n"
				    "enable_annotations = []\n"
				    "[agent.kata]\n"
				    "kernel_modules = ['a', 'b x=1']\n"
				    "[runtime]\n"
				    "create_container_timeout = 5\n");

	assert_string_equal(c->hypervisor.kernel, "/k");
	assert_string_equal(c->hypervisor.initrd, "/i");
	assert_int_equal(c->hypervisor.default_memory, 1024);
	assert_true(c->hypervisor.default_vcpus == 0.5);
	assert_false(c->hypervisor.rootless);
	assert_string_equal(c->hypervisor.machine_type, "q35");
	assert_int_equal(c->hypervisor.enable_annotations.n, 0);
	assert_int_equal(c->agent.kernel_modules.n, 2);
	assert_string_equal(c->agent.kernel_modules.v[1], "b x=1");
	assert_int_equal(c->runtime.create_container_timeout, 5);
	assert_int_equal(c->warnings.n, 0);
	assert_int_equal(c->files.n, 1);
}

static void test_errors(void **state)
{
	expect_error("[hypervisor.qemu]\ndefault_memory = \"1G\"\n", -EINVAL,
		     "f:2:18: hypervisor.qemu.default_memory: must be an integer, not a string");
	expect_error("[runtime]\n\n  create_container_timeout = 0", -ERANGE,
		     "f:3:30: runtime.create_container_timeout: must be from 1 to 86400, not 0");
	/* Keys that are not supported have types too. */
	expect_error("[hypervisor.qemu]\nenable_iommu = 1\n", -EINVAL,
		     "f:2:16: hypervisor.qemu.enable_iommu: must be true or false, not an integer");
	expect_error("hypervisor = 1\n", -EINVAL,
		     "f:1:14: hypervisor must be a table, not an integer");
	expect_error("[agent]\nkata = []\n", -EINVAL, "f:2:8: kata must be a table, not an array");
	expect_error("[hypervisor.qemu]\nfactory = true\n", -EINVAL,
		     "f:2:11: factory must be a table, not a boolean");
	expect_error("[hypervisor.qemu]\nimage = '/a'\ninitrd = '/b'\n", -EINVAL,
		     "hypervisor.qemu: set only one of initrd and image");
}

static void test_malformed(void **state)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(config_load_text("[runtime]\nx = = 1\n", 18, "f", &c, &e), -EINVAL);
	assert_ptr_equal(strstr(e.text, "f:2:5: "), e.text);
}

static void test_protection_is_not_ignored(void **state)
{
	expect_error("[hypervisor.qemu]\nconfidential_guest = true\n", -EOPNOTSUPP,
		     "f:2:22: hypervisor.qemu.confidential_guest (memory hidden from the host) is "
		     "not supported yet and "
		     "must not be ignored");
	expect_warnings("[hypervisor.qemu]\nconfidential_guest = false\n", NULL, 0);
}

static void test_unknown(void **state)
{
	expect_warnings("[hypervisor.qemu]\nkernal = '/k'\n",
			"f:2:10: unknown key hypervisor.qemu.kernal has no effect", 1);
	expect_warnings("[hypervisor.qemu]\nkernel_hash = ''\n",
			"f:2:15: unknown key hypervisor.qemu.kernel_hash has no effect", 1);
	expect_warnings("[netmon]\nenable = true\n", "f:1:1: unknown section netmon has no effect",
			1);
	expect_warnings("debug = true\n", "f:1:9: unknown key debug has no effect", 1);
	expect_warnings("[agent.hyperstart]\n", "f:1:1: unknown key agent.hyperstart has no effect",
			1);
	expect_warnings("[agent.kata.mem_agent]\nx = 1",
			"f:2:5: unknown key agent.kata.mem_agent.x has no effect", 1);
	expect_warnings("[runtime]\n\"a\\nb\" = 1", "f:2:10: unknown key runtime.a b has no effect",
			1);
	expect_warnings("[hypervisor.xen]\n", "f:1:1: unknown engine hypervisor.xen has no effect",
			1);
}

static void test_unsupported(void **state)
{
	expect_warnings("[hypervisor.qemu]\nenable_iommu = true\n",
			"f:2:16: hypervisor.qemu.enable_iommu (virtual IOMMU) is not supported yet "
			"and has no effect",
			1);
	expect_warnings("[hypervisor.qemu]\nenable_iommu = false\n", NULL, 0);
	expect_warnings("[factory]\nvm_cache_number = 2\n",
			"f:2:19: factory.vm_cache_number (guests started in advance) is "
			"not supported yet and has "
			"no effect",
			1);
	expect_warnings("[hypervisor.qemu.factory]\nvm_cache_number = 2\n",
			"f:2:19: factory.vm_cache_number (guests started in advance) is "
			"not supported yet and has "
			"no effect",
			1);
	expect_warnings("[factory]\nenable_template = true\n", NULL, 0);
	expect_warnings("[hypervisor.qemu]\n[[hypervisor.qemu.guest_extension_images]]\nname = "
			"'a'\n",
			"f:2:1: hypervisor.qemu.guest_extension_images (further images) is not "
			"supported yet and has no "
			"effect",
			1);
}

static void test_unsupported_value(void **state)
{
	autoptr(config) c = load_ok("[hypervisor.qemu]\nshared_fs = 'none'\n");

	assert_string_equal(c->hypervisor.shared_fs, "virtio-fs");
	assert_int_equal(c->warnings.n, 1);
	assert_string_equal(c->warnings.v[0], "f:2:13: this value of hypervisor.qemu.shared_fs is "
					      "not supported yet (only "
					      "virtio-fs) and has no effect");
}

static void test_engines(void **state)
{
	autoptr(config) c = load_ok("[hypervisor.clh]\ndefault_memory = "
				    "100\n[hypervisor.qemu]\ndefault_memory = 200\n");

	assert_string_equal(c->hypervisor.name, "qemu");
	assert_int_equal(c->hypervisor.default_memory, 200);
	assert_int_equal(c->warnings.n, 1);
	assert_string_equal(c->warnings.v[0], "f:1:1: [hypervisor.clh] has no effect: this engine "
					      "is not supported yet");
}

static void test_engine_by_name(void **state)
{
	autoptr(config) c = load_ok("[runtime]\nhypervisor_name = "
				    "'dragonball'\n[hypervisor.dragonball]\npath = ''\n");

	assert_string_equal(c->hypervisor.name, "qemu");
	assert_string_equal(c->hypervisor.path, "/usr/bin/qemu-system-x86_64");
	assert_int_equal(c->warnings.n, 2);
	assert_string_equal(c->warnings.v[1], "f:2:19: this value of runtime.hypervisor_name is "
					      "not supported yet (only "
					      "qemu) and has no effect");
	expect_warnings("[runtime]\nhypervisor_name = 'qemu'\n", NULL, 0);
	expect_error("[runtime]\nhypervisor_name = ''\n", -EINVAL,
		     "f:2:19: runtime.hypervisor_name: must be one of qemu, clh, cloud-hypervisor, "
		     "firecracker, stratovirt, dragonball, openvmm, remote, not \"\"");
}

static void test_aliases(void **state)
{
	autoptr(config) c = load_ok("[hypervisor.qemu]\nseccomp_sandbox = 'off'\n"
				    "[agent.kata]\ndial_timeout = 30\ncreate_container_timeout = "
				    "9\n");

	assert_string_equal(c->hypervisor.seccompsandbox, "off");
	assert_int_equal(c->agent.reconnect_timeout_ms, 30000);
	assert_int_equal(c->runtime.create_container_timeout, 9);
	assert_int_equal(c->warnings.n, 0);
}

static void test_image_replaces_initrd(void **state)
{
	autoptr(config) c = load_ok("[hypervisor.qemu]\nkernel = '/opt/vmlinux'\nimage = "
				    "'/opt/kata.img'\n");

	assert_string_equal(c->hypervisor.image, "/opt/kata.img");
	assert_null(c->hypervisor.initrd);
}

/* ---- files ---- */

static int make_dir(void **state)
{
	char *dir = xstrdup("/tmp/caisson-test-config-XXXXXX");

	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	int r = path_remove_tree_at(AT_FDCWD, *state);

	free(*state);
	return r;
}

static char *write_file(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(file_replace_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
	return path;
}

static const char *const nowhere[] = { NULL };

static int load_named(const char *path, struct config **ret, struct error *e)
{
	const char *const named[3] = { path, NULL, NULL };

	return config_load_from(named, nowhere, ret, e);
}

static void test_search_order(void **state)
{
	autofree char *a =
		write_file(*state, "a.toml", "[hypervisor.qemu]\ndefault_memory = 101\n");
	autofree char *b =
		write_file(*state, "b.toml", "[hypervisor.qemu]\ndefault_memory = 102\n");
	autofree char *d =
		write_file(*state, "d.toml", "[hypervisor.qemu]\ndefault_memory = 103\n");
	const char *const places[] = { "/nonexistent/x.toml", a, b, NULL };
	const struct {
		const char *named[3];
		const char *want;
	} cases[] = {
		{ { d, a, b }, d },
		{ { NULL, b, a }, b },
		{ { "", "", b }, b },
		{ { NULL, NULL, NULL }, a },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoptr(config) c = NULL;

		assert_int_equal(config_load_from(cases[i].named, places, &c, NULL), 0);
		assert_string_equal(c->path, cases[i].want);
		assert_string_equal(c->files.v[0], cases[i].want);
	}
}

static void test_no_file(void **state)
{
	const char *const named[3] = { NULL };
	autoptr(config) c = NULL;

	assert_int_equal(config_load_from(named, nowhere, &c, NULL), 0);
	assert_null(c->path);
	assert_int_equal(c->files.n, 0);
	assert_int_equal(c->hypervisor.default_memory, 512);
}

static void test_named_must_exist(void **state)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(load_named("/nonexistent/c.toml", &c, &e), -ENOENT);
	assert_string_equal(e.text, "configuration /nonexistent/c.toml: No such file or directory");
	assert_null(c);
}

/* A file of the usual places that exists and cannot be read is not passed over. */
static void test_place_must_be_readable(void **state)
{
	const char *const named[3] = { NULL };
	const char *const places[] = { *state, NULL };
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(config_load_from(named, places, &c, &e), -EISDIR);
	assert_null(c);
}

static void test_too_large(void **state)
{
	autofree char *text = xcalloc(1, LIMIT_CONFIG_TOML + 2);
	autofree char *path = NULL;
	struct config *c = NULL;

	memset(text, '\n', LIMIT_CONFIG_TOML + 1);
	path = write_file(*state, "big.toml", text);
	assert_int_equal(load_named(path, &c, NULL), -EFBIG);
}

static void make_drop_ins(const char *dir)
{
	autofree char *d = xasprintf("%s/config.d", dir);

	assert_int_equal(mkdir(d, 0755), 0);
	free(write_file(dir, "config.d/20-b.toml",
			"[hypervisor.qemu]\ndefault_memory = 300\nenable_iommu = false\n"));
	free(write_file(dir, "config.d/10-a.toml",
			"[hypervisor.qemu]\ndefault_memory = 200\nkernel_params = "
			"'a'\nenable_annotations = ['x']\n"));
	free(write_file(dir, "config.d/.hidden.toml", "x"));
	free(write_file(dir, "config.d/30-c.conf", "x"));
}

static void test_drop_ins(void **state)
{
	autofree char *main_file = write_file(*state, "configuration.toml",
					      "[hypervisor.qemu]\ndefault_memory = 100\nkernel = "
					      "'/k'\nkernel_params = 'm'\n"
					      "enable_iommu = true\n");
	autoptr(config) c = NULL;
	autofree char *origin = NULL;
	autofree char *want = xasprintf("%s/config.d/20-b.toml:2", (char *)*state);
	struct error e = ERROR_INIT;

	make_drop_ins(*state);
	if (load_named(main_file, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(c->files.n, 3);
	assert_int_equal(c->hypervisor.default_memory, 300);
	assert_string_equal(c->hypervisor.kernel, "/k");
	assert_string_equal(c->hypervisor.kernel_params, "a");
	assert_int_equal(c->hypervisor.enable_annotations.n, 1);
	assert_int_equal(c->warnings.n, 0); /* enable_iommu was set right */
	origin = config_origin_text(c, config_key_find(CONFIG_HYPERVISOR, "default_memory"));
	assert_string_equal(origin, want);
}

static void test_drop_in_errors_name_the_file(void **state)
{
	autofree char *main_file = write_file(*state, "configuration.toml", "");
	autofree char *dir = xasprintf("%s/config.d", (char *)*state);
	autofree char *want = xasprintf("%s/a.toml:1:1: ", dir);
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(mkdir(dir, 0755), 0);
	free(write_file(dir, "a.toml", "="));
	assert_int_equal(load_named(main_file, &c, &e), -EINVAL);
	assert_ptr_equal(strstr(e.text, want), e.text);
}

static void test_too_many_drop_ins(void **state)
{
	autofree char *main_file = write_file(*state, "configuration.toml", "");
	autofree char *dir = xasprintf("%s/config.d", (char *)*state);
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(mkdir(dir, 0755), 0);
	for (int i = 0; i < LIMIT_CONFIG_FILES; i++) {
		autofree char *path = xasprintf("%s/%03d.toml", dir, i);
		autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
	}
	assert_int_equal(load_named(main_file, &c, &e), -E2BIG);
	assert_null(c);
}

static void test_environment(void **state)
{
	autofree char *a = write_file(*state, "a.toml", "");
	autofree char *b = write_file(*state, "b.toml", "");
	autoptr(config) c = NULL;

	assert_int_equal(setenv("CAISSON_CONF_FILE", a, 1), 0);
	assert_int_equal(config_load(NULL, NULL, &c, NULL), 0);
	assert_string_equal(c->path, a);
	config_free(take_ptr(c));
	assert_int_equal(config_load(NULL, b, &c, NULL), 0);
	assert_string_equal(c->path, b);
	unsetenv("CAISSON_CONF_FILE");
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_protection_is_not_ignored),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_unsupported_value),
		cmocka_unit_test(test_engines),
		cmocka_unit_test(test_engine_by_name),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_image_replaces_initrd),
		WITH_DIR(test_search_order),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_named_must_exist),
		WITH_DIR(test_place_must_be_readable),
		WITH_DIR(test_too_large),
		WITH_DIR(test_drop_ins),
		WITH_DIR(test_drop_in_errors_name_the_file),
		WITH_DIR(test_too_many_drop_ins),
		WITH_DIR(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
