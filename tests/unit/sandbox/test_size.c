/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a machine: limits, the pod's annotations, defaults and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include <errno.h>
#include <sys/sysinfo.h>

static int size(struct fixture *f, const char *json, struct error *e)
{
	oci_spec *spec = fixture_spec(json);
	struct config_hypervisor *h = &f->sandbox->config->hypervisor;
	int r;

	h->default_vcpus = 1;
	h->default_maxvcpus = 4;
	h->default_memory = 256;
	h->overhead_vcpus = 0.25;
	h->overhead_memory = 100;
	r = sandbox_size(f->sandbox, spec, e);
	oci_spec_free(spec);
	return r;
}

static void check(struct fixture *f, const char *json, unsigned vcpus, uint64_t mem_mib)
{
	struct error e = ERROR_INIT;

	if (size(f, json, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(f->sandbox->vcpus, vcpus);
	assert_int_equal(f->sandbox->mem_mib, mem_mib);
}

#define RESOURCES(r) "{\"ociVersion\":\"1.0.2\",\"linux\":{\"resources\":{" r "}}}"
#define ANNOTATED(a, r) \
	"{\"ociVersion\":\"1.0.2\",\"annotations\":{" a "},\"linux\":{\"resources\":{" r "}}}"

static void test_defaults(void **state)
{
	check(*state, "{\"ociVersion\":\"1.0.2\"}", 1, 256);
	check(*state, RESOURCES(""), 1, 256);
	/* -1 is "no limit". */
	check(*state,
	      RESOURCES("\"cpu\":{\"quota\":-1,\"period\":100000},\"memory\":{\"limit\":-1}"), 1,
	      256);
	check(*state, RESOURCES("\"cpu\":{\"shares\":1024}"), 1, 256);
}

static void test_limits(void **state)
{
	check(*state, RESOURCES("\"cpu\":{\"quota\":100000,\"period\":100000}"), 2, 256); /* 1.25 */
	check(*state, RESOURCES("\"cpu\":{\"quota\":70000}"), 1,
	      256); /* the kernel's period; 0.95 */
	check(*state, RESOURCES("\"cpu\":{\"quota\":175000,\"period\":100000}"), 2, 256);
	check(*state, RESOURCES("\"cpu\":{\"quota\":900000000,\"period\":1}"), 4, 256);
	check(*state, RESOURCES("\"memory\":{\"limit\":134217728}"), 1, 228);
	check(*state, RESOURCES("\"memory\":{\"limit\":1}"), 1, 100);
}

static void test_annotations(void **state)
{
	check(*state,
	      ANNOTATED("\"io.kubernetes.cri.sandbox-cpu-quota\":\"200000\","
			"\"io.kubernetes.cri.sandbox-cpu-period\":\"100000\","
			"\"io.kubernetes.cri.sandbox-memory\":\"104857600\"",
			"\"cpu\":{\"quota\":10,\"period\":1000},\"memory\":{\"limit\":1048576}"),
	      3, 200);
	/* What is no number or no limit says nothing. */
	check(*state,
	      ANNOTATED("\"io.kubernetes.cri.sandbox-cpu-quota\":\"0\","
			"\"io.kubernetes.cri.sandbox-memory\":\"lots\"",
			"\"memory\":{\"limit\":1048576}"),
	      1, 101);
	check(*state, ANNOTATED("\"io.kubernetes.cri.sandbox-cpu-quota\":\"5000\"", ""), 1, 256);
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	struct sysinfo si;

	assert_int_equal(sysinfo(&si), 0);
	check(f, RESOURCES("\"memory\":{\"limit\":9223372036854775807}"), 1,
	      (uint64_t)si.totalram * si.mem_unit >> 20);
	f->sandbox->config->hypervisor.overhead_memory = 0;
	oci_spec *spec = fixture_spec(RESOURCES("\"memory\":{\"limit\":1048576}"));

	assert_int_equal(sandbox_size(f->sandbox, spec, &e), -EINVAL);
	oci_spec_free(spec);
	assert_string_equal(e.text,
			    "1 MiB of memory are too little for a virtual machine (at least 64)");
}

/* What Update may ask for once the machine runs. */
static void test_allowed(void **state)
{
	struct fixture *f = *state;
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory m = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU c = GRPC__LINUX_CPU__INIT;
	struct error e = ERROR_INIT;

	check(f, RESOURCES("\"cpu\":{\"quota\":150000,\"period\":100000}"), 2, 256);
	f->sandbox->have = (struct hv_size){ .vcpus = 2, .mem_mib = 256 };
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), 0);
	r.memory = &m;
	r.cpu = &c;
	m.limit = -1;
	c.quota = -1;
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), 0);
	m.limit = 256 << 20;
	c.quota = 200000;
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), 0);
	c.quota = 200001;
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), -EINVAL);
	c.period = 200000;
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), 0);
	m.limit = 257 << 20;
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), -EINVAL);
	assert_non_null(strstr(e.text, "257 MiB"));
	/* A machine that grows: what it can have counts. */
	f->sandbox->config->runtime.static_sandbox_resource_mgmt = false;
	f->sandbox->most = (struct hv_size){ .vcpus = 2, .mem_mib = 300 };
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), 0);
	m.limit = 301 << 20;
	assert_int_equal(sandbox_size_allows(f->sandbox, &r, &e), -EINVAL);
	assert_non_null(strstr(e.text, "can have: 300 MiB"));
}

/* Limits of a container, and what an update that names some of them leaves. */
static void test_workload(void **state)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory m = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxCPU c = GRPC__LINUX_CPU__INIT;
	struct workload w = workload_of(NULL);

	assert_true(w.cpus == 0 && !w.mem_bytes);
	c.quota = 150000;
	r.cpu = &c;
	w = workload_update(w, &r);
	assert_true(w.cpus == 1.5 && !w.mem_bytes);
	m.limit = 1 << 20;
	r.cpu = NULL;
	r.memory = &m;
	w = workload_update(w, &r);
	assert_true(w.cpus == 1.5 && w.mem_bytes == 1 << 20);
	m.limit = c.quota = -1;
	r.cpu = &c;
	w = workload_update(w, &r);
	assert_true(w.cpus == 0 && !w.mem_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_workload),
		cmocka_unit_test_setup_teardown(test_limits, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_annotations, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bounds, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_allowed, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
