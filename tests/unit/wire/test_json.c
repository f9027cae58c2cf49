/* SPDX-License-Identifier: Apache-2.0 */
/* json, the reader: what is read, what is refused and where, the limits, and the typed getters. */
#include "base/error.h"
#include "base/limits.h"
#include "wire/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
	struct json *v = NULL;
	struct error e = ERROR_INIT;

	if (json_parse(text, strlen(text), "t", &v, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return v;
}

static void test_scalars(void **state)
{
	autoptr(json) v = parse(" [null, true, false, 0, -1, 1.5, -2e3, 1E-2, \"\", \"x\"] \r\n");
	const struct json *m = v->child;
	static const enum json_type types[] = { JSON_NULL,   JSON_BOOL,   JSON_BOOL,   JSON_INT,
						JSON_INT,    JSON_DOUBLE, JSON_DOUBLE, JSON_DOUBLE,
						JSON_STRING, JSON_STRING };
	double d;

	assert_int_equal(v->type, JSON_ARRAY);
	assert_int_equal(v->count, 10);
	for (size_t i = 0; i < 10; i++, m = m->next)
		assert_int_equal(m->type, types[i]);
	assert_null(m);
	m = v->child->next->next->next->next; /* -1 */
	assert_int_equal(json_to_double(m, &d), 0);
	assert_true(d == -1);
	assert_int_equal(json_to_double(m->next, &d), 0);
	assert_true(d == 1.5);
	assert_int_equal(json_to_double(m->next->next, &d), 0);
	assert_true(d == -2000);
	assert_int_equal(m->line, 1);
	assert_int_equal(m->column, 25);
}

static void test_integers_are_exact(void **state)
{
	static const struct {
		const char *text;
		int ru, ri;
		uint64_t u;
		int64_t i;
	} cases[] = {
		{ "0", 0, 0, 0, 0 },
		{ "-0", 0, 0, 0, 0 },
		{ "18446744073709551615", 0, -ERANGE, UINT64_MAX, 0 },
		{ "9223372036854775808", 0, -ERANGE, (uint64_t)1 << 63, 0 },
		{ "9223372036854775807", 0, 0, INT64_MAX, INT64_MAX },
		{ "-1", -ERANGE, 0, 0, -1 },
		{ "-9223372036854775808", -ERANGE, 0, 0, INT64_MIN },
		{ "1.0", -EINVAL, -EINVAL, 0, 0 },
		{ "1e3", -EINVAL, -EINVAL, 0, 0 },
		{ "\"1\"", -EINVAL, -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoptr(json) v = parse(cases[i].text);
		uint64_t u = 0;
		int64_t n = 0;

		assert_int_equal(json_to_u64(v, &u), cases[i].ru);
		assert_int_equal(json_to_i64(v, &n), cases[i].ri);
		assert_true(u == cases[i].u);
		assert_true(n == cases[i].i);
	}
}

static void test_strings(void **state)
{
	static const char *const cases[][2] = {
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
		  "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"", "\xc3\xa9\xf0\x9f\x98\x80\x7f" },
		{ "\"\\uABCD\\uabcd\"", "\xea\xaf\x8d\xea\xaf\x8d" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoptr(json) v = parse(cases[i][0]);

		assert_string_equal(json_to_str(v), cases[i][1]);
	}
}

static void test_refused_with_place(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *message;
	} cases[] = {
		{ "", -EINVAL, "t:1:1: unexpected end, expected a value" },
		{ "{", -EINVAL, "t:1:2: unexpected end, expected a key" },
		{ "[1,]", -EINVAL, "t:1:4: unexpected ']', expected a value" },
		{ "{\"a\":1,}", -EINVAL, "t:1:8: unexpected '}', expected a key" },
		{ "{\"a\" 1}", -EINVAL, "t:1:6: unexpected '1', expected ':'" },
		{ "{a:1}", -EINVAL, "t:1:2: unexpected 'a', expected a key" },
		{ "[1 2]", -EINVAL, "t:1:4: unexpected '2', expected ',' or ']'" },
		{ "{} x", -EINVAL, "t:1:4: unexpected 'x', expected the end" },
		{ "{}{}", -EINVAL, "t:1:3: unexpected '{', expected the end" },
		{ "tru", -EINVAL, "t:1:1: unexpected 't', expected a value" },
		{ "truex", -EINVAL, "t:1:5: unexpected 'x', expected the end" },
		{ "NaN", -EINVAL, "t:1:1: unexpected 'N', expected a value" },
		{ "'a'", -EINVAL, "t:1:1: unexpected ''', expected a value" },
		{ "// x\n1", -EINVAL, "t:1:1: unexpected '/', expected a value" },
		{ "\xef\xbb\xbf{}", -EINVAL, "t:1:1: unexpected byte 0xef, expected a value" },
		{ "01", -EINVAL, "t:1:1: a number with a leading zero" },
		{ "-", -EINVAL, "t:1:2: unexpected end, expected a digit" },
		{ "+1", -EINVAL, "t:1:1: unexpected '+', expected a value" },
		{ "1.", -EINVAL, "t:1:3: unexpected end, expected a digit behind the point" },
		{ ".5", -EINVAL, "t:1:1: unexpected '.', expected a value" },
		{ "1e", -EINVAL, "t:1:3: unexpected end, expected a digit in the exponent" },
		{ "0x10", -EINVAL, "t:1:2: unexpected 'x', expected the end" },
		{ "18446744073709551616", -ERANGE,
		  "t:1:1: the number 18446744073709551616 is out of range" },
		{ "-9223372036854775809", -ERANGE,
		  "t:1:1: the number -9223372036854775809 is out of range" },
		{ "[1e999]", -ERANGE, "t:1:2: the number 1e999 is out of range" },
		{ "\"a", -EINVAL, "t:1:1: a string without its end" },
		{ "\"\\", -EINVAL, "t:1:3: unexpected end, expected an escape" },
		{ "\"\\x\"", -EINVAL,
		  "t:1:3: unexpected 'x', expected one of \"\\/bfnrtu behind a backslash" },
		{ "\"\\u12g4\"", -EINVAL, "t:1:4: \\u needs four hexadecimal digits" },
		{ "\"\\u12", -EINVAL, "t:1:4: \\u needs four hexadecimal digits" },
		{ "\"a\\u0000\"", -EINVAL, "t:1:3: U+0000 in a string" },
		{ "\"\\ud800\"", -EINVAL, "t:1:2: half of a surrogate pair" },
		{ "\"\\ud800\\u0041\"", -EINVAL, "t:1:2: half of a surrogate pair" },
		{ "\"\\udc00\"", -EINVAL, "t:1:2: half of a surrogate pair" },
		{ "\"a\nb\"", -EINVAL, "t:1:3: control character 0x0a in a string" },
		{ "\"\xff\"", -EINVAL, "t:1:2: a string is not valid UTF-8" },
		{ "{\n \"a\": 1,\n \"b\": 2, \"a\": 3}", -EINVAL,
		  "t:3:15: key \"a\" is given twice" },
		{ "{\"a\":1,\"\\u0061\":2}", -EINVAL, "t:1:17: key \"a\" is given twice" },
		{ "[\n\n  {\"x\": tru}]", -EINVAL, "t:3:9: unexpected 't', expected a value" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json *v = NULL;
		struct error e = ERROR_INIT;
		int r = json_parse(cases[i].text, strlen(cases[i].text), "t", &v, &e);

		assert_string_equal(e.text, cases[i].message);
		assert_int_equal(r, cases[i].code);
		assert_int_equal(e.code, cases[i].code);
		assert_null(v);
		assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), "t", &v, NULL),
				 r);
	}
}

static void test_nul_bytes(void **state)
{
	struct json *v = NULL;

	assert_int_equal(json_parse("1\0", 2, "t", &v, NULL), -EINVAL);
	assert_int_equal(json_parse("\"\0\"", 3, "t", &v, NULL), -EINVAL);
	assert_int_equal(json_parse("\"\\\0\"", 4, "t", &v, NULL), -EINVAL);
}

static void test_depth_limit(void **state)
{
	char text[2 * (LIMIT_JSON_DEPTH + 1) + 1] = "";
	struct json *v = NULL;

	memset(text, '[', LIMIT_JSON_DEPTH);
	memset(text + LIMIT_JSON_DEPTH, ']', LIMIT_JSON_DEPTH);
	assert_int_equal(json_parse(text, strlen(text), "t", &v, NULL), 0);
	json_free(v);
	v = NULL;
	memset(text, '[', LIMIT_JSON_DEPTH + 1);
	memset(text + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH + 1);
	assert_int_equal(json_parse(text, strlen(text), "t", &v, NULL), -E2BIG);
	assert_null(v);
}

static void test_value_limit(void **state)
{
	size_t len = 2 * (LIMIT_JSON_VALUES - 1) + 1;
	autofree char *text = xcalloc(len + 2, 1);
	struct json *v = NULL;

	memset(text, '1', len + 2);
	for (size_t i = 2; i < len; i += 2)
		text[i] = ',';
	text[0] = '[';
	text[len - 1] = ']';
	assert_int_equal(json_parse(text, len, "t", &v, NULL), 0);
	assert_int_equal(v->count, LIMIT_JSON_VALUES - 1);
	json_free(v);
	v = NULL;
	memcpy(text + len - 1, ",1]", 3);
	assert_int_equal(json_parse(text, len + 2, "t", &v, NULL), -E2BIG);
	assert_null(v);
}

static void test_getters(void **state)
{
	autoptr(json) v = parse(
		"{\"s\":\"x\",\"u\":4294967295,\"big\":4294967296,\"i\":-2147483648,\"d\":2.5,"
		"\"b\":true,\"a\":[1],\"o\":{\"k\":1},\"n\":null}");
	const struct json *node;
	const char *s = "old";
	struct error e = ERROR_INIT;
	uint64_t u64;
	uint32_t u32;
	int64_t i64;
	int i;
	double d;
	bool b;

	assert_int_equal(json_get_str(v, "s", &s, &e), 0);
	assert_string_equal(s, "x");
	assert_int_equal(json_get_u32(v, "u", &u32, &e), 0);
	assert_int_equal(u32, UINT32_MAX);
	assert_int_equal(json_get_u64(v, "big", &u64, &e), 0);
	assert_int_equal(u64, (uint64_t)1 << 32);
	assert_int_equal(json_get_int(v, "i", &i, &e), 0);
	assert_int_equal(i, INT32_MIN);
	assert_int_equal(json_get_i64(v, "i", &i64, &e), 0);
	assert_true(i64 == INT32_MIN);
	assert_int_equal(json_get_double(v, "d", &d, &e), 0);
	assert_true(d == 2.5);
	assert_int_equal(json_get_bool(v, "b", &b, &e), 0);
	assert_true(b);
	assert_int_equal(json_get_array(v, "a", &node, &e), 0);
	assert_int_equal(node->count, 1);
	assert_int_equal(json_get_object(v, "o", &node, &e), 0);
	assert_non_null(json_get(node, "k"));
	assert_string_equal(json_type_name(node), "an object");
	assert_int_equal(e.code, 0);
}

static void test_getters_refuse(void **state)
{
	autoptr(json) v = parse("{\"s\":\"x\",\"big\":4294967296,\"m\":-1,\"n\":null}");
	const struct json *node;
	const char *s = "old";
	struct error e = ERROR_INIT;
	uint64_t u64;
	uint32_t u32;
	int i;
	bool b;

	assert_int_equal(json_get_str(v, "absent", &s, &e), -ENOENT);
	assert_string_equal(e.text, "absent: missing");
	assert_int_equal(json_get_str(v, "n", &s, NULL), -ENOENT);
	assert_int_equal(json_get_str(v, "big", &s, &e), -EINVAL);
	assert_string_equal(e.text, "big: not a string");
	assert_string_equal(s, "old");
	assert_int_equal(json_get_u32(v, "big", &u32, &e), -ERANGE);
	assert_string_equal(e.text, "big: out of range");
	assert_int_equal(json_get_int(v, "big", &i, NULL), -ERANGE);
	assert_int_equal(json_get_u64(v, "m", &u64, NULL), -ERANGE);
	assert_int_equal(json_get_u64(v, "s", &u64, &e), -EINVAL);
	assert_string_equal(e.text, "s: not an integer");
	assert_int_equal(json_get_bool(v, "s", &b, NULL), -EINVAL);
	assert_int_equal(json_get_array(v, "s", &node, NULL), -EINVAL);
	assert_int_equal(json_get_object(v, "s", &node, NULL), -EINVAL);
	assert_null(json_get(NULL, "s"));
	assert_null(json_get(json_get(v, "s"), "s"));
	assert_null(json_to_str(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),        cmocka_unit_test(test_integers_are_exact),
		cmocka_unit_test(test_strings),        cmocka_unit_test(test_refused_with_place),
		cmocka_unit_test(test_nul_bytes),      cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_value_limit),    cmocka_unit_test(test_getters),
		cmocka_unit_test(test_getters_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
