/* SPDX-License-Identifier: Apache-2.0 */
/* features: the keys of the document, and that the tables behind it say what the guest's side
 * implements. */
#include "oci/oci.h"

#include "oci/names.h"
#include "sys/caps.h"
#include "sys/filter.h"
#include "sys/mounts.h"
#include "sys/ns.h"
#include "sys/rlimit.h"
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *str_at(const struct json *v, const char *a, const char *b)
{
	return json_to_str(json_get(json_get(v, a), b));
}

static bool bool_at(const struct json *v, const char *a, const char *b)
{
	bool on = true;

	assert_int_equal(json_get_bool(json_get(json_get(v, "linux"), a), b, &on, NULL), 0);
	return on;
}

static void test_document(void **state)
{
	autofree char *text = oci_features_json();
	autoptr(json) v = NULL;
	struct error e = ERROR_INIT;
	const struct json *list;

	if (json_parse(text, strlen(text), "features", &v, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(json_to_str(json_get(v, "ociVersionMax")), OCI_VERSION);
	assert_string_equal(json_to_str(json_get(v, "ociVersionMin")), OCI_VERSION_MIN);
	assert_string_equal(str_at(v, "annotations", "io.caisson.version"), CAISSON_VERSION);
	assert_int_equal(json_get_array(v, "hooks", &list, &e), 0);
	assert_int_equal(list->count, 6);
	assert_true(bool_at(v, "seccomp", "enabled"));
	assert_true(bool_at(v, "cgroup", "v2"));
	assert_false(bool_at(v, "selinux", "enabled"));
	assert_false(bool_at(v, "apparmor", "enabled"));
	assert_false(bool_at(v, "intelRdt", "enabled"));
	assert_int_equal(
		json_get_array(json_get(json_get(v, "linux"), "seccomp"), "archs", &list, &e), 0);
	assert_true(list->count > 10);
}

static void test_sorted(void **state)
{
	static const char *const *const tables[] = {
		oci_names_namespaces,      oci_names_capabilities,      oci_names_mount_options,
		oci_names_seccomp_actions, oci_names_seccomp_operators, oci_names_seccomp_archs,
		oci_names_seccomp_flags,   oci_names_propagations,      oci_names_rlimits,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		for (size_t k = 1; tables[i][k]; k++)
			assert_true(strcmp(tables[i][k - 1], tables[i][k]) < 0);
	}
}

static size_t count(const char *const *names)
{
	size_t n = 0;

	while (names[n])
		n++;
	return n;
}

static void test_names_are_the_guests(void **state)
{
	size_t n = 0;

	for (size_t i = 0; oci_names_namespaces[i]; i++)
		assert_true(ns_parse(oci_names_namespaces[i]) >= 0);
	assert_int_equal(count(oci_names_namespaces), NS_COUNT);
	for (size_t i = 0; oci_names_capabilities[i]; i++)
		assert_true(cap_parse(oci_names_capabilities[i]) >= 0);
	while (cap_name((unsigned)n))
		n++;
	assert_int_equal(count(oci_names_capabilities), n);
	for (size_t i = 0; oci_names_rlimits[i]; i++)
		assert_true(rlimit_parse(oci_names_rlimits[i]) >= 0);
	for (size_t i = 0; oci_names_propagations[i]; i++)
		assert_true(mount_propagation_parse(oci_names_propagations[i]) != 0);
}

/* An option that the guest does not know would be handed to the file system as data. */
static void test_mount_options(void **state)
{
	for (size_t i = 0; oci_names_mount_options[i]; i++) {
		autodone(mount_opts) o = MOUNT_OPTS_INIT;
		char *option = (char *)(uintptr_t)oci_names_mount_options[i];

		assert_int_equal(mount_opts_parse(&o, &option, 1, NULL), 0);
		if (o.data.n)
			fail_msg("%s is not an option of the guest", option);
	}
}

static void test_seccomp(void **state)
{
	autoptr(filter) f = NULL;
	struct error e = ERROR_INIT;

	for (size_t i = 0; oci_names_seccomp_actions[i]; i++) {
		filter_free(f);
		f = NULL;
		if (filter_new(oci_names_seccomp_actions[i], NULL, &f, &e) < 0)
			fail_msg("%s", e.text);
	}
	for (size_t i = 0; oci_names_seccomp_flags[i]; i++)
		assert_int_equal(filter_add_flag(f, oci_names_seccomp_flags[i], &e), 0);
	for (size_t i = 0; oci_names_seccomp_operators[i]; i++) {
		struct filter_arg arg = { .op = oci_names_seccomp_operators[i], .value = 1 };

		if (filter_add(f, "read", "SCMP_ACT_LOG", NULL, &arg, 1, &e) < 0)
			fail_msg("%s", e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_names_are_the_guests),
		cmocka_unit_test(test_mount_options),
		cmocka_unit_test(test_seccomp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
