/* SPDX-License-Identifier: Apache-2.0 */
#include "config/internal.h"

#include "base/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void test_defaults(void **state)
{
	autoptr(config) c = NULL;
	struct error e = ERROR_INIT;

	if (config_new(&c, &e) < 0 || config_settle(c, &e) < 0)
		fail_msg("%s", e.text);
	assert_null(c->path);
	assert_string_equal(c->hypervisor.name, "qemu");
	assert_string_equal(c->hypervisor.kernel, CAISSON_DATADIR "/vmlinux");
	assert_string_equal(c->hypervisor.initrd, CAISSON_DATADIR "/initrd.cpio");
	assert_null(c->hypervisor.image);
	assert_null(c->hypervisor.machine_type);
	assert_int_equal(c->hypervisor.default_memory, 512);
	assert_true(c->hypervisor.default_vcpus == 1);
	assert_int_equal(c->hypervisor.default_maxvcpus, sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(c->hypervisor.rootless);
	assert_true(c->hypervisor.reclaim_guest_freed_memory);
	assert_false(c->runtime.disable_guest_seccomp);
	assert_true(c->runtime.static_sandbox_resource_mgmt);
	assert_true(c->runtime.sandbox_cgroup_only);
	assert_int_equal(c->runtime.create_container_timeout, 60);
	assert_int_equal(c->agent.reconnect_timeout_ms, 45000);
	assert_int_equal(c->hypervisor.enable_annotations.n, 5);
	assert_int_equal(c->warnings.n, 0);
}

static void test_cpus(void **state)
{
	double host = (double)sysconf(_SC_NPROCESSORS_ONLN);
	const struct {
		double in, out;
	} cases[] = { { 0, 1 },     { -1, host }, { -0.5, host }, { 65000, host },
		      { 0.5, 0.5 }, { 1, 1 },     { host, host } };
	autoptr(config) c = NULL;

	assert_int_equal(config_new(&c, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		c->hypervisor.default_vcpus = cases[i].in;
		assert_int_equal(config_settle(c, NULL), 0);
		assert_true(c->hypervisor.default_vcpus == cases[i].out);
	}
	assert_non_null(c->hypervisor.virtio_fs_daemon);
	c->hypervisor.default_maxvcpus = 65000;
	assert_int_equal(config_settle(c, NULL), 0);
	assert_true(c->hypervisor.default_maxvcpus == host);
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = value ? xstrdup(value) : NULL;
}

static void test_settle_refuses(void **state)
{
	autoptr(config) c = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(config_new(&c, NULL), 0);
	set(&c->hypervisor.image, "/image");
	assert_int_equal(config_settle(c, &e), -EINVAL);
	assert_string_equal(e.text, "hypervisor.qemu: set only one of initrd and image");
	set(&c->hypervisor.image, NULL);
	set(&c->hypervisor.initrd, NULL);
	assert_int_equal(config_settle(c, &e), -EINVAL);
	assert_string_equal(e.text, "hypervisor.qemu: set one of initrd and image");
	set(&c->hypervisor.image, "/image");
	assert_int_equal(config_settle(c, &e), 0);
	set(&c->hypervisor.kernel, NULL);
	assert_int_equal(config_settle(c, &e), -EINVAL);
}

static void test_warnings(void **state)
{
	autoptr(config) c = NULL;

	assert_int_equal(config_new(&c, NULL), 0);
	config_warn(c, "a\nb\x1b[31m %d", 1);
	assert_string_equal(c->warnings.v[0], "a b?[31m 1");
	for (int i = 0; i < 2 * LIMIT_CONFIG_WARNINGS; i++)
		config_warn(c, "%d", i);
	assert_int_equal(c->warnings.n, LIMIT_CONFIG_WARNINGS + 1);
	assert_string_equal(c->warnings.v[LIMIT_CONFIG_WARNINGS], "more warnings about the "
								  "configuration are left out");
}

static void test_free_nothing(void **state)
{
	config_free(NULL);
	config_free(xnew(struct config));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_settle_refuses), cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
