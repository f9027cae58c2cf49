/* SPDX-License-Identifier: Apache-2.0 */
/* json_writer: layout with and without indentation, escapes, numbers, failures that stick. */
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "wire/json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void write_sample(struct json_writer *w)
{
	static char *const args[] = { (char *)"sh", (char *)"-c" };

	json_open_object(w, NULL);
	json_add_str(w, "id", "a\"b");
	json_add_strv(w, "args", args, 2);
	json_open_object(w, "empty");
	json_close(w);
	json_open_array(w, "none");
	json_close(w);
	json_open_array(w, "list");
	json_add_u64(w, NULL, UINT64_MAX);
	json_add_i64(w, NULL, INT64_MIN);
	json_add_null(w, NULL);
	json_open_object(w, NULL);
	json_add_bool(w, "yes", true);
	json_close(w);
	json_close(w);
	json_add_str(w, "nil", NULL);
	json_close(w);
}

static void test_compact(void **state)
{
	autodone(buf) b = BUF_INIT(4096);
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	write_sample(&w);
	assert_int_equal(json_writer_end(&w), 0);
	assert_string_equal(buf_str(&b),
			    "{\"id\":\"a\\\"b\",\"args\":[\"sh\",\"-c\"],\"empty\":{},\"none\":[],"
			    "\"list\":[18446744073709551615,-9223372036854775808,null,{\"yes\":"
			    "true}],\"nil\":null}");
}

static void test_indented(void **state)
{
	autodone(buf) b = BUF_INIT(4096);
	struct json_writer w;

	json_writer_init(&w, &b, "  ");
	write_sample(&w);
	assert_int_equal(json_writer_end(&w), 0);
	assert_string_equal(
		buf_str(&b),
		"{\n  \"id\": \"a\\\"b\",\n  \"args\": [\n    \"sh\",\n    \"-c\"\n  ],\n"
		"  \"empty\": {},\n  \"none\": [],\n  \"list\": [\n    18446744073709551615,\n"
		"    -9223372036854775808,\n    null,\n    {\n      \"yes\": true\n    }\n  ],\n"
		"  \"nil\": null\n}");
}

static const char *quoted(struct buf *b, const char *s)
{
	struct json_writer w;

	buf_clear(b);
	json_writer_init(&w, b, NULL);
	json_add_str(&w, NULL, s);
	assert_int_equal(json_writer_end(&w), 0);
	return buf_str(b);
}

static void test_escapes(void **state)
{
	autodone(buf) b = BUF_INIT(4096);

	assert_string_equal(quoted(&b, ""), "\"\"");
	assert_string_equal(quoted(&b, "\"\\\n\r\t\x01\x1f\x7f"),
			    "\"\\\"\\\\\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_string_equal(quoted(&b, "<a>&b"), "\"\\u003ca\\u003e\\u0026b\"");
	assert_string_equal(quoted(&b, "\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
	assert_string_equal(quoted(&b, "\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\"");
	assert_string_equal(quoted(&b, "a\xff"
				       "b\xc3"),
			    "\"a\\ufffdb\\ufffd\"");
}

static const char *number(struct buf *b, double v)
{
	struct json_writer w;

	buf_clear(b);
	json_writer_init(&w, b, NULL);
	json_add_double(&w, NULL, v);
	assert_int_equal(json_writer_end(&w), 0);
	return buf_str(b);
}

static void test_doubles(void **state)
{
	autodone(buf) b = BUF_INIT(4096);

	assert_string_equal(number(&b, 0), "0");
	assert_string_equal(number(&b, -0.0), "-0.0");
	assert_string_equal(number(&b, 0.1), "0.1");
	assert_string_equal(number(&b, 1e6), "1000000");
	assert_string_equal(number(&b, 1.0 / 3), "0.3333333333333333");
	assert_string_equal(number(&b, 5e-324), "4.94065645841247e-324");
	assert_string_equal(number(&b, 0.1 + 0.2), "0.30000000000000004");
	assert_string_equal(number(&b, INFINITY), "null");
	assert_string_equal(number(&b, NAN), "null");
}

static void test_value_there_and_back(void **state)
{
	static const char text[] = "{\"a\":[1,-2,18446744073709551615,2.5,true,null,\"x\\u003c\",{}"
				   "],\"b\":{\"c\":[]}}";
	autodone(buf) b = BUF_INIT(4096);
	autoptr(json) v = NULL;
	struct json_writer w;

	assert_int_equal(json_parse(text, strlen(text), "t", &v, NULL), 0);
	json_writer_init(&w, &b, NULL);
	json_add_value(&w, NULL, v);
	assert_int_equal(json_writer_end(&w), 0);
	assert_string_equal(buf_str(&b), text);
}

static void test_misuse_sticks(void **state)
{
	autodone(buf) b = BUF_INIT(4096);
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	assert_int_equal(json_writer_end(&w), -EINVAL); /* nothing written */
	json_open_object(&w, NULL);
	assert_int_equal(json_writer_end(&w), -EINVAL); /* still open */
	json_add_null(&w, NULL);                        /* no key */
	json_close(&w);
	assert_int_equal(json_writer_end(&w), -EINVAL);
	json_writer_init(&w, &b, NULL);
	json_open_array(&w, NULL);
	json_add_null(&w, "key");
	assert_int_equal(w.err, -EINVAL);
	json_writer_init(&w, &b, NULL);
	json_add_null(&w, NULL);
	assert_int_equal(json_writer_end(&w), 0);
	json_add_null(&w, NULL); /* a second outermost value */
	assert_int_equal(json_writer_end(&w), -EINVAL);
	json_writer_init(&w, &b, NULL);
	json_close(&w);
	assert_int_equal(json_writer_end(&w), -EINVAL);
}

static void test_limits(void **state)
{
	autodone(buf) small = BUF_INIT(8);
	autodone(buf) b = BUF_INIT(4096);
	struct json_writer w;

	json_writer_init(&w, &small, NULL);
	json_add_str(&w, NULL, "123456789");
	assert_int_equal(json_writer_end(&w), -ENOBUFS);
	json_writer_init(&w, &b, NULL);
	for (int i = 0; i < LIMIT_JSON_DEPTH; i++)
		json_open_array(&w, NULL);
	assert_int_equal(w.err, 0);
	json_open_array(&w, NULL);
	assert_int_equal(w.err, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_indented),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_value_there_and_back),
		cmocka_unit_test(test_misuse_sticks),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
