/* SPDX-License-Identifier: Apache-2.0 */
/* default: what `spec` writes reads back, passes the check and has runc's layout. */
#include "oci/oci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static oci_spec *parse_default(bool rootless)
{
	autofree char *text = oci_default_config(rootless);
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	assert_non_null(text);
	if (oci_spec_parse(text, strlen(text), "default", &s, &e) < 0)
		fail_msg("%s", e.text);
	free(s->root->path);
	s->root->path = xstrdup("/");
	if (oci_spec_check(s, "/", &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static void test_root(void **state)
{
	oci_spec *s = parse_default(false);

	assert_true(s->process->terminal);
	assert_string_equal(s->process->args[0], "sh");
	assert_int_equal(s->n_mounts, 7);
	assert_string_equal(s->mounts[2]->options[5], "gid=5");
	assert_true(s->process->nonewprivileges);
	assert_false(oci_has_namespace(s, "user", NULL));
	assert_true(oci_has_namespace(s, "network", NULL));
	oci_spec_free(s);
}

static void test_rootless(void **state)
{
	oci_spec *s = parse_default(true);

	assert_true(oci_has_namespace(s, "user", NULL));
	assert_int_equal(s->linux->uidmappings[0]->hostid, geteuid());
	assert_int_equal(s->linux->gidmappings[0]->hostid, getegid());
	assert_int_equal(s->mounts[2]->n_options, 5);
	oci_spec_free(s);
}

static void test_layout(void **state)
{
	static const char start[] =
		"{\n\t\"ociVersion\": \"" OCI_VERSION
		"\",\n\t\"process\": {\n\t\t\"terminal\": true,\n"
		"\t\t\"user\": {\n\t\t\t\"uid\": 0,\n\t\t\t\"gid\": 0\n\t\t},\n";
	static const char end[] = "\t\t\t\"/proc/sysrq-trigger\"\n\t\t]\n\t}\n}";
	autofree char *text = oci_default_config(false);

	assert_memory_equal(text, start, strlen(start));
	assert_true(str_ends_with(text, end));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_rootless),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
