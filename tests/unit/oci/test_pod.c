/* SPDX-License-Identifier: Apache-2.0 */
/* A container's place in a pod, by the annotations of containerd and CRI-O. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "oci/oci.h"

#include <errno.h>
#include <string.h>

static int role(const char *annotations, enum oci_pod_role *ret, char *sandbox, struct error *e)
{
	autofree char *json =
		xasprintf("{\"ociVersion\":\"1.0.2\",\"annotations\":{%s}}", annotations);
	const char *id = NULL;
	oci_spec *s = NULL;
	int r;

	if (oci_spec_parse(json, strlen(json), "test", &s, e) < 0)
		fail_msg("%s", e->text);
	r = oci_pod_role(s, ret, &id, e);
	snprintf(sandbox, 64, "%s", r == 0 && id ? id : "");
	oci_spec_free(s);
	return r;
}

static void test_roles(void **state)
{
	static const struct {
		const char *annotations, *sandbox;
		enum oci_pod_role role;
	} cases[] = {
		{ "", "", OCI_POD_NONE },
		{ "\"io.kubernetes.cri.sandbox-id\":\"p1\"", "", OCI_POD_NONE },
		{ "\"io.kubernetes.cri.container-type\":\"sandbox\","
		  "\"io.kubernetes.cri.sandbox-id\":\"p1\"",
		  "p1", OCI_POD_SANDBOX },
		{ "\"io.kubernetes.cri.container-type\":\"container\","
		  "\"io.kubernetes.cri.sandbox-id\":\"p1\"",
		  "p1", OCI_POD_CONTAINER },
		{ "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\","
		  "\"io.kubernetes.cri-o.SandboxID\":\"p2\"",
		  "p2", OCI_POD_SANDBOX },
		{ "\"io.kubernetes.cri-o.ContainerType\":\"container\","
		  "\"io.kubernetes.cri-o.SandboxID\":\"p2\"",
		  "p2", OCI_POD_CONTAINER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;
		enum oci_pod_role r;
		char sandbox[64];

		assert_int_equal(role(cases[i].annotations, &r, sandbox, &e), 0);
		assert_int_equal(r, cases[i].role);
		assert_string_equal(sandbox, cases[i].sandbox);
	}
}

static void test_nonsense(void **state)
{
	static const char *const cases[] = {
		"\"io.kubernetes.cri.container-type\":\"pod\"",
		"\"io.kubernetes.cri.container-type\":\"container\"",
		"\"io.kubernetes.cri.container-type\":\"container\","
		"\"io.kubernetes.cri.sandbox-id\":\"../x\"",
		"\"io.kubernetes.cri-o.ContainerType\":\"sandbox\","
		"\"io.kubernetes.cri-o.SandboxID\":\"a/b\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;
		enum oci_pod_role r;
		char sandbox[64];

		assert_int_equal(role(cases[i], &r, sandbox, &e), -EINVAL);
		assert_non_null(strstr(e.text, "io.kubernetes.cri"));
	}
}

static void test_namespace_pid(void **state)
{
	static const char *const others[] = {
		"",
		"/run/netns/x",
		"/proc/self/ns/net",
		"/proc//ns/net",
		"/proc/1",
		"/proc/1/root",
		"/proc/0/ns/net",
		"/proc/-1/ns/net",
		"/proc/1x/ns/net",
		"/proc/4294967296/ns/net",
		"/proc/4294967295/ns/net",
	};
	pid_t pid = 0;

	assert_true(oci_namespace_pid("/proc/4711/ns/ipc", &pid));
	assert_int_equal(pid, 4711);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(oci_namespace_pid(others[i], &pid));
	assert_int_equal(pid, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_namespace_pid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
