/* SPDX-License-Identifier: Apache-2.0 */
/* state: the text of both forms, byte for byte, and Go's way to print a time. */
#include "oci/oci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct oci_state sample = {
	.id = "web",
	.status = "running",
	.bundle = "/b",
	.annotations_json = "{\"a\":\"1<\",\"b\":\"2\"}",
	.pid = 42,
	.rootfs = "/b/rootfs",
	.created = "2026-01-02T03:04:05.6Z",
};

static void test_printed(void **state)
{
	autofree char *text = oci_state_print_json(&sample);

	assert_string_equal(text, "{\n"
				  "  \"ociVersion\": \"" OCI_VERSION "\",\n"
				  "  \"id\": \"web\",\n"
				  "  \"pid\": 42,\n"
				  "  \"status\": \"running\",\n"
				  "  \"bundle\": \"/b\",\n"
				  "  \"rootfs\": \"/b/rootfs\",\n"
				  "  \"created\": \"2026-01-02T03:04:05.6Z\",\n"
				  "  \"annotations\": {\n"
				  "    \"a\": \"1\\u003c\",\n"
				  "    \"b\": \"2\"\n"
				  "  },\n"
				  "  \"owner\": \"\"\n"
				  "}");
}

static void test_for_hooks(void **state)
{
	struct oci_state stopped = sample;
	autofree char *running = oci_state_json(&sample);
	autofree char *text = NULL;

	assert_string_equal(running,
			    "{\"ociVersion\":\"" OCI_VERSION
			    "\",\"id\":\"web\",\"status\":\"running\",\"pid\":42,"
			    "\"bundle\":\"/b\",\"annotations\":{\"a\":\"1\\u003c\",\"b\":\"2\"}}");
	stopped.status = "stopped";
	stopped.pid = 0;
	stopped.annotations_json = "{}";
	text = oci_state_json(&stopped);
	assert_string_equal(text, "{\"ociVersion\":\"" OCI_VERSION
				  "\",\"id\":\"web\",\"status\":\"stopped\",\"bundle\":\"/b\"}");
}

static void test_bad_annotations(void **state)
{
	struct oci_state st = sample;

	st.annotations_json = "[]";
	assert_null(oci_state_json(&st));
	st.annotations_json = "{";
	assert_null(oci_state_print_json(&st));
}

static void test_time(void **state)
{
	static const struct {
		struct timespec t;
		const char *text;
	} cases[] = {
		{ { 0, 0 }, "1970-01-01T00:00:00Z" },
		{ { 1795326851, 347770051 }, "2026-11-22T05:54:11.347770051Z" },
		{ { 1795326851, 340000000 }, "2026-11-22T05:54:11.34Z" },
		{ { 1795326851, 1 }, "2026-11-22T05:54:11.000000001Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[OCI_TIME_MAX];

		assert_string_equal(oci_format_time(&cases[i].t, text), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printed),
		cmocka_unit_test(test_for_hooks),
		cmocka_unit_test(test_bad_annotations),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
