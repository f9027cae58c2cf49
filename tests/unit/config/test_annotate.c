/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define HV "io.katacontainers.config.hypervisor."
#define RUNTIME "io.katacontainers.config.runtime."
#define AGENT "io.katacontainers.config.agent."

static struct config *load(const char *text)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	if (config_load_text(text, strlen(text), "f", &c, &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

/* Every hypervisor annotation is enabled. */
static struct config *load_open(void)
{
	return load("[hypervisor.qemu]\nenable_annotations = ['.*']\n");
}

static void expect(struct config *c, const char *key, const char *value, int code,
		   const char *reason)
{
	struct error e = ERROR_INIT;
	int r = config_annotate(c, key, value, &e);

	if (r != code)
		fail_msg("%s=%s: %d, %s", key, value, r, e.text);
	if (reason)
		assert_string_equal(e.text, reason);
}

static void test_values(void **state)
{
	autoptr(config) c = load_open();
	autofree char *origin = NULL;

	expect(c, HV "default_memory", "2048", 0, NULL);
	assert_int_equal(c->hypervisor.default_memory, 2048);
	expect(c, HV "default_vcpus", "0", 0, NULL);
	assert_true(c->hypervisor.default_vcpus == 1);
	expect(c, HV "rootless", "false", 0, NULL);
	assert_false(c->hypervisor.rootless);
	expect(c, HV "machine_type", "microvm", 0, NULL);
	assert_string_equal(c->hypervisor.machine_type, "microvm");
	expect(c, AGENT "kernel_modules", "a;b x=1 y=2", 0, NULL);
	assert_int_equal(c->agent.kernel_modules.n, 2);
	assert_string_equal(c->agent.kernel_modules.v[1], "b x=1 y=2");
	expect(c, RUNTIME "disable_guest_seccomp", "true", 0, NULL);
	assert_true(c->runtime.disable_guest_seccomp);
	assert_int_equal(c->warnings.n, 0);
	origin = config_origin_text(c, config_key_find(CONFIG_HYPERVISOR, "default_memory"));
	assert_string_equal(origin, "annotation");
}

static void test_foreign(void **state)
{
	autoptr(config) c = load_open();

	expect(c, "io.kubernetes.cri.container-type", "sandbox", 0, NULL);
	expect(c, "io.katacontainers.pkg.oci.container_type", "pod_sandbox", 0, NULL);
	expect(c, "io.katacontainers.container.resource.swappiness", "1", 0, NULL);
	expect(c, "", "", 0, NULL);
	assert_int_equal(c->warnings.n, 0);
}

static void test_bad_values(void **state)
{
	autoptr(config) c = load_open();

	expect(c, HV "default_memory", "lots", -EINVAL,
	       "annotation " HV "default_memory: must be an integer, not \"lots\"");
	expect(c, HV "default_memory", "1", -ERANGE,
	       "annotation " HV "default_memory: must be from 64 to 16777216, not 1");
	expect(c, HV "kernel", "", -EINVAL, "annotation " HV "kernel: must not be empty");
	expect(c, HV "kernel", "vmlinux", -EINVAL, NULL);
	expect(c, HV "cpu_features", "pmu=off,x\"y", -EINVAL,
	       "annotation " HV "cpu_features: may hold letters, digits and _ . , = + - only");
	expect(c, HV "kernel_params", "a\nb", -EINVAL, NULL);
	assert_int_equal(c->hypervisor.default_memory, 512);
	assert_string_equal(c->hypervisor.cpu_features, "pmu=off");
	assert_null(c->hypervisor.kernel_params);
}

static void test_gate(void **state)
{
	autoptr(config) c = load("");

	expect(c, HV "kernel", "/k", -EPERM,
	       "annotation " HV "kernel is not enabled (hypervisor.qemu.enable_annotations)");
	assert_string_equal(c->hypervisor.kernel, CAISSON_DATADIR "/vmlinux");
	expect(c, HV "default_memory", "1024", 0, NULL);
	/* The gate stands before the question whether the key exists. */
	expect(c, HV "no_such_key", "1", -EPERM, NULL);
	/* Others pass. */
	expect(c, RUNTIME "create_container_timeout", "7", 0, NULL);
	expect(c, AGENT "enable_tracing", "false", 0, NULL);
	assert_int_equal(c->warnings.n, 0);
}

static void test_gate_is_unanchored(void **state)
{
	autoptr(config) c = load("[hypervisor.qemu]\nenable_annotations = ['memory']\n");
	autoptr(config) anchored = load("[hypervisor.qemu]\nenable_annotations = ['^memory$']\n");
	autoptr(config) none = load("[hypervisor.qemu]\nenable_annotations = []\n");

	expect(c, HV "default_memory", "1024", 0, NULL);
	expect(anchored, HV "default_memory", "1024", -EPERM, NULL);
	expect(none, HV "default_memory", "1024", -EPERM, NULL);
}

static void test_globs(void **state)
{
	autoptr(config) c = load("[hypervisor.qemu]\n"
				 "enable_annotations = ['.*']\n"
				 "valid_hypervisor_paths = ['/opt/*/bin/qemu*', "
				 "'/usr/bin/qemu']\n");
	static const char *const bad[] = { "/opt/a/b/bin/qemu",
					   "/opt/../bin/qemu",
					   "/opt/./bin/qemu",
					   "/opt//bin/qemu",
					   "/opt/a/bin/qemu/../../x/qemu",
					   "/usr/bin/qemu2",
					   "/usr/bin/qemu/",
					   "" };

	expect(c, HV "path", "/usr/bin/qemu", 0, NULL);
	expect(c, HV "path", "/opt/a/bin/qemu-kvm", 0, NULL);
	assert_string_equal(c->hypervisor.path, "/opt/a/bin/qemu-kvm");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect(c, HV "path", bad[i], -EPERM, NULL);
	expect(c, HV "path", "/bin/sh", -EPERM,
	       "annotation " HV "path: \"/bin/sh\" is not among "
	       "hypervisor.qemu.valid_hypervisor_paths");
	assert_string_equal(c->hypervisor.path, "/opt/a/bin/qemu-kvm");
	expect(c, HV "entropy_source", "", 0, NULL);
	assert_null(c->hypervisor.entropy_source);
	expect(c, HV "entropy_source", "/dev/zero", -EPERM, NULL);
}

static void test_empty_globs_refuse_all(void **state)
{
	autoptr(config) c = load("[hypervisor.qemu]\nenable_annotations = "
				 "['.*']\nvalid_hypervisor_paths = []\n");

	expect(c, HV "path", "/usr/bin/qemu-system-x86_64", -EPERM, NULL);
}

static void test_never_from_annotations(void **state)
{
	autoptr(config) c = load_open();

	expect(c, HV "virtio_fs_extra_args", "[\"-o\",\"source=/\"]", -EPERM,
	       "annotation " HV "virtio_fs_extra_args is never accepted: set it in "
	       "configuration.toml");
	assert_int_equal(c->hypervisor.virtio_fs_extra_args.n, 0);
}

static void test_kernel_params_are_appended(void **state)
{
	autoptr(config) c = load("[hypervisor.qemu]\nkernel_params = 'a=1'\n");
	char long_text[2048];

	expect(c, HV "kernel_params", "b=2 c", 0, NULL);
	assert_string_equal(c->hypervisor.kernel_params, "a=1 b=2 c");
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	expect(c, HV "kernel_params", long_text, -EINVAL, NULL);
	assert_string_equal(c->hypervisor.kernel_params, "a=1 b=2 c");
}

static void test_image_and_initrd_exclude_each_other(void **state)
{
	autoptr(config) c = load_open();

	expect(c, HV "image", "/img", 0, NULL);
	assert_null(c->hypervisor.initrd);
	expect(c, HV "initrd", "/rd", 0, NULL);
	assert_null(c->hypervisor.image);
	assert_string_equal(c->hypervisor.initrd, "/rd");
}

static void test_unsupported(void **state)
{
	autoptr(config) c = load_open();

	expect(c, HV "enable_iommu", "false", 0, NULL);
	assert_int_equal(c->warnings.n, 0);
	expect(c, HV "enable_iommu", "true", 0, NULL);
	assert_string_equal(c->warnings.v[0], "annotation " HV "enable_iommu (virtual IOMMU) is "
					      "not supported yet and has no "
					      "effect");
	expect(c, HV "shared_fs", "none", 0, NULL);
	assert_string_equal(c->warnings.v[1], "annotation " HV "shared_fs: this value is not "
					      "supported yet (only virtio-fs) and "
					      "has no effect");
	assert_string_equal(c->hypervisor.shared_fs, "virtio-fs");
	expect(c, HV "enable_iommu", "maybe", -EINVAL, NULL);
	expect(c, RUNTIME "shared_mounts", "[{}]", 0, NULL);
	expect(c, "io.katacontainers.enable_vcpus_pinning", "true", 0, NULL);
	expect(c, RUNTIME "sandbox_bind_mounts", "/", 0, NULL);
	assert_int_equal(c->warnings.n, 5);
}

static void test_protection_is_not_ignored(void **state)
{
	autoptr(config) c = load_open();

	expect(c, HV "kernel_hash", "00ff", -EOPNOTSUPP,
	       "annotation " HV "kernel_hash: (hash of the kernel) is not supported yet and must "
	       "not be ignored");
	expect(c, HV "cc_init_data", "AA==", -EOPNOTSUPP, NULL);
	expect(c, AGENT "policy", "cGFja2FnZQ==", 0, NULL);
	assert_string_equal(c->agent.policy, "cGFja2FnZQ==");
}

static void test_unknown(void **state)
{
	autoptr(config) c = load_open();

	expect(c, HV "no_such_key", "1", -ENOENT, "unknown annotation " HV "no_such_key");
	expect(c, RUNTIME "x", "1", -ENOENT, NULL);
	assert_int_equal(c->warnings.n, 2);
	assert_string_equal(c->warnings.v[0], "unknown annotation " HV "no_such_key has no effect");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_gate_is_unanchored),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_empty_globs_refuse_all),
		cmocka_unit_test(test_never_from_annotations),
		cmocka_unit_test(test_kernel_params_are_appended),
		cmocka_unit_test(test_image_and_initrd_exclude_each_other),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_protection_is_not_ignored),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
