/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml: each kind of value, the rules of tables, and every refusal with its place. toml_compare.py
 * holds the parser against Python's over many more documents.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "wire/toml.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct toml *parse(const char *text)
{
	struct error e = ERROR_INIT;
	struct toml *t = NULL;

	if (toml_parse(text, strlen(text), "t", &t, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

static const struct toml *at(const struct toml *t, const char *path)
{
	autodone(strv) keys = STRV_INIT;

	strv_split(&keys, path, "/");
	for (size_t i = 0; i < keys.n; i++)
		t = toml_get(t, keys.v[i]);
	assert_non_null(t);
	return t;
}

static void test_strings(void **state)
{
	static const char *const cases[][2] = {
		{ "\"\"", "" },
		{ "''", "" },
		{ "\"a\\tb\\n\\\"\\\\ \\u00e9\\U0001F600\"",
		  "a\tb\n\"\\ \xc3\xa9\xf0\x9f\x98\x80" },
		{ "'C:\\x\\\"'", "C:\\x\\\"" },
		{ "\"\"\"\nfirst\r\nsecond\"\"\"", "first\nsecond" },
		{ "\"\"\"a \\\n   \t\r\n  b\"\"\"", "a b" },
		{ "\"\"\"\"two\"\"\"\"\"", "\"two\"\"" },
		{ "'''\n'a' \\\nb'''''", "'a' \\\nb''" },
		{ "\"\"\"\"\"\"", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = xasprintf("k = %s", cases[i][0]);
		autoptr(toml) t = parse(text);

		assert_int_equal(at(t, "k")->type, TOML_STRING);
		assert_string_equal(at(t, "k")->string, cases[i][1]);
	}
}

static void test_integers(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = {
		{ "0", 0 },
		{ "+0", 0 },
		{ "-0", 0 },
		{ "-17", -17 },
		{ "1_000_0", 10000 },
		{ "0xDEAD_beef", 0xdeadbeef },
		{ "0o755", 0755 },
		{ "0b1101", 13 },
		{ "0x00", 0 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
		{ "0x7fffffffffffffff", INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *text = xasprintf("k=%s#c", cases[i].text);
		autoptr(toml) t = parse(text);

		assert_int_equal(at(t, "k")->type, TOML_INT);
		assert_true(at(t, "k")->integer == cases[i].value);
	}
}

static void test_floats_and_booleans(void **state)
{
	autoptr(toml) t = parse(
		"a=1.5\nb=-0.0\nc=1e06\nd=6.626_1e-3_4\ne=+inf\nf=-nan\ng=0e0\nh=true\ni=false\n");

	assert_true(at(t, "a")->real == 1.5);
	assert_true(signbit(at(t, "b")->real));
	assert_true(at(t, "c")->real == 1e6);
	assert_int_equal(at(t, "c")->type, TOML_FLOAT);
	assert_true(at(t, "d")->real == 6.6261e-34);
	assert_true(isinf(at(t, "e")->real));
	assert_true(isnan(at(t, "f")->real));
	assert_int_equal(at(t, "g")->type, TOML_FLOAT);
	assert_int_equal(at(t, "h")->type, TOML_BOOL);
	assert_true(at(t, "h")->boolean);
	assert_false(at(t, "i")->boolean);
}

static void test_times(void **state)
{
	autoptr(toml) t = parse(
		"a=1979-05-27T07:32:00.123456789123-07:30\nb=1979-05-27 07:32:00\nc=2000-02-29\n"
		"d=23:59:60.5\ne=1979-05-27t00:00:00z\n");
	const struct toml_time *a = &at(t, "a")->time, *b = &at(t, "b")->time,
			       *c = &at(t, "c")->time, *d = &at(t, "d")->time,
			       *e = &at(t, "e")->time;

	assert_int_equal(at(t, "a")->type, TOML_TIME);
	assert_true(a->has_date && a->has_time && a->has_offset);
	assert_int_equal(a->year, 1979);
	assert_int_equal(a->month, 5);
	assert_int_equal(a->day, 27);
	assert_int_equal(a->hour, 7);
	assert_int_equal(a->minute, 32);
	assert_int_equal(a->nanosecond, 123456789);
	assert_int_equal(a->offset, -450);
	assert_true(b->has_date && b->has_time && !b->has_offset);
	assert_true(c->has_date && !c->has_time);
	assert_true(!d->has_date && d->has_time);
	assert_int_equal(d->second, 60);
	assert_int_equal(d->nanosecond, 500000000);
	assert_true(e->has_offset && e->offset == 0);
}

static void test_tables(void **state)
{
	autoptr(toml) t = parse("\xef\xbb\xbf# config\r\n"
				"top = 1\r\n"
				"[a.b.\"c d\"] # comment\n"
				"x.y = 2\nx.z = 3\n"
				"[a]\nk = 4\n"
				"[[list]]\nn = 1\n[list.sub]\nm = 2\n[[list]]\nn = 3\n"
				"[[list.inner]]\n[[list.inner]]\n"
				"[inline]\nt = { p.q = 1, 'r' = [ 1, # one\n 2,\n ], s = {} }\n");
	const struct toml *list;

	assert_int_equal(at(t, "top")->integer, 1);
	assert_int_equal(at(t, "a/b/c d/x/z")->integer, 3);
	assert_int_equal(at(t, "a/k")->integer, 4);
	list = at(t, "list");
	assert_int_equal(list->type, TOML_ARRAY);
	assert_int_equal(list->count, 2);
	assert_int_equal(at(list->child, "sub/m")->integer, 2);
	assert_int_equal(at(list->child->next, "n")->integer, 3);
	assert_int_equal(at(list->child->next, "inner")->count, 2);
	assert_int_equal(at(t, "inline/t/p/q")->integer, 1);
	assert_int_equal(at(t, "inline/t/r")->count, 2);
	assert_int_equal(at(t, "inline/t/s")->count, 0);
	assert_null(toml_get(t, "absent"));
	assert_null(toml_get(at(t, "top"), "x"));
	assert_null(toml_get(NULL, "x"));
	assert_string_equal(toml_type_name(list->type), "an array");
}

static void test_places(void **state)
{
	autoptr(toml) t = parse("a = 1\n[b]\n  c = \"x\"\n[d.e]\n[d]\n");

	assert_int_equal(at(t, "a")->line, 1);
	assert_int_equal(at(t, "a")->column, 5);
	assert_int_equal(at(t, "b")->line, 2);
	assert_int_equal(at(t, "b/c")->line, 3);
	assert_int_equal(at(t, "b/c")->column, 7);
	assert_int_equal(at(t, "d")->line, 5); /* where it is defined, not where it was mentioned */
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "a", "t:1:2: unexpected end, expected '='" },
		{ "= 1", "t:1:1: unexpected '=', expected a key" },
		{ "a = \nb = 1", "t:1:5: unexpected end of the line, expected a value" },
		{ "a = 1 b = 2", "t:1:7: unexpected 'b', expected the end of the line" },
		{ "a = yes", "t:1:5: yes is not a value (strings need quotes)" },
		{ "\n\na = /bin/sh", "t:3:5: unexpected '/', expected a value" },
		{ "a.b = 1\na.b = 2", "t:2:1: \"b\" is defined twice (first on line 1)" },
		{ "[a]\n[b]\n[a]", "t:3:1: \"a\" is defined twice (first on line 1)" },
		{ "a = 1\n[a]", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "a = 1\na.b = 2", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "[a]\nb.c = 1\n[a.b]", "t:3:1: \"b\" is defined twice (first on line 2)" },
		{ "[a.b.c]\nz=9\n[a]\nb.c.t = 1",
		  "t:4:1: \"c\" is defined twice (first on line 1)" },
		{ "a = {b = 1}\n[a.c]", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "a = {b.c = 1}\na.b.d = 2", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "a = {b = {c = 1}, b.d = 2}",
		  "t:1:19: \"b\" is defined twice (first on line 1)" },
		{ "a = [1]\n[[a]]", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "[[a]]\n[a]", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "[[a]]\n[[a.b]]\n[a.b]", "t:3:1: \"b\" is defined twice (first on line 2)" },
		{ "[a]\n[[a]]", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "[a.b]\n[[a]]", "t:2:1: \"a\" is defined twice (first on line 1)" },
		{ "[a", "t:1:3: unexpected end, expected ']'" },
		{ "[[a]", "t:1:5: unexpected end, expected ']]'" },
		{ "[]", "t:1:2: unexpected ']', expected a key" },
		{ "[a.]", "t:1:4: unexpected ']', expected a key" },
		{ "[ [a]]", "t:1:3: unexpected '[', expected a key" },
		{ "\"\"\"a\"\"\" = 1", "t:1:3: unexpected '\"', expected '='" },
		{ "a = [1 2]", "t:1:8: unexpected '2', expected ',' or ']'" },
		{ "a = [1,,2]", "t:1:8: unexpected ',', expected a value" },
		{ "a = {b = 1,}", "t:1:12: unexpected '}', expected a key" },
		{ "a = {b = 1\n}", "t:1:11: unexpected end of the line, expected ',' or '}'" },
		{ "a = \"x", "t:1:5: a string without its end" },
		{ "a = \"x\ny\"", "t:1:7: control character 0x0a in a string" },
		{ "a = '''x\n\n", "t:1:5: a string without its end" },
		{ "a = \"\\q\"",
		  "t:1:7: unexpected 'q', expected one of btnfruU\"\\ behind a backslash" },
		{ "a = \"\\u12\"", "t:1:10: unexpected '\"', expected a hexadecimal digit" },
		{ "a = \"\\uD800\"", "t:1:8: not a Unicode scalar value" },
		{ "a = \"\\U00110000\"", "t:1:8: not a Unicode scalar value" },
		{ "a = \"\\u0000\"", "t:1:8: U+0000 in a string" },
		{ "a = \"\"\"x \\ y\"\"\"",
		  "t:1:11: unexpected byte 0x20, expected one of btnfruU\"\\ behind a backslash" },
		{ "a = 1 # \x01", "t:1:9: control character 0x01 in a comment" },
		{ "a = 1\rb = 2",
		  "t:1:6: unexpected end of the line, expected the end of the line" },
		{ "a = 1\nb = \"\xff\"", "t:2:6: not valid UTF-8" },
		{ "a = 01", "t:1:5: 01 is not a value (strings need quotes)" },
		{ "a = 1__0", "t:1:5: 1__0 is not a value (strings need quotes)" },
		{ "a = _1", "t:1:5: _1 is not a value (strings need quotes)" },
		{ "a = 1_", "t:1:5: 1_ is not a value (strings need quotes)" },
		{ "a = 1_e5", "t:1:5: 1_e5 is not a value (strings need quotes)" },
		{ "a = 1e_5", "t:1:5: 1e_5 is not a value (strings need quotes)" },
		{ "a = 1.", "t:1:5: 1. is not a value (strings need quotes)" },
		{ "a = .5", "t:1:5: .5 is not a value (strings need quotes)" },
		{ "a = 1.e5", "t:1:5: 1.e5 is not a value (strings need quotes)" },
		{ "a = +0x1", "t:1:5: +0x1 is not a value (strings need quotes)" },
		{ "a = 0x", "t:1:5: 0x is not a value (strings need quotes)" },
		{ "a = 0x0x1", "t:1:5: 0x0x1 is not a value (strings need quotes)" },
		{ "a = 0b12", "t:1:5: 0b12 is not a value (strings need quotes)" },
		{ "a = 0x_1", "t:1:5: 0x_1 is not a value (strings need quotes)" },
		{ "a = infinity", "t:1:5: infinity is not a value (strings need quotes)" },
		{ "a = 2001-02-29", "t:1:5: 2001-02-29 is not a value (strings need quotes)" },
		{ "a = 2001-13-01", "t:1:5: 2001-13-01 is not a value (strings need quotes)" },
		{ "a = 24:00:00", "t:1:5: 24:00:00 is not a value (strings need quotes)" },
		{ "a = 12:00", "t:1:5: 12:00 is not a value (strings need quotes)" },
		{ "a = 12:00:00Z", "t:1:5: 12:00:00Z is not a value (strings need quotes)" },
		{ "a = 2001-01-01T12:00:00+1:00",
		  "t:1:5: 2001-01-01T12:00:00+1:00 is not a value (strings need quotes)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;
		struct toml *t = NULL;

		assert_int_equal(toml_parse(cases[i].text, strlen(cases[i].text), "t", &t, &e),
				 -EINVAL);
		assert_string_equal(e.text, cases[i].message);
		assert_null(t);
		assert_int_equal(toml_parse(cases[i].text, strlen(cases[i].text), "t", &t, NULL),
				 -EINVAL);
	}
}

static void check_code(const char *text, int code)
{
	struct error e = ERROR_INIT;
	struct toml *t = NULL;

	assert_int_equal(toml_parse(text, strlen(text), "t", &t, &e), code);
	toml_free(t);
}

static void test_ranges(void **state)
{
	check_code("a = 9223372036854775808", -ERANGE);
	check_code("a = -9223372036854775809", -ERANGE);
	check_code("a = 0x8000000000000000", -ERANGE);
	check_code("a = 1e999", -ERANGE);
}

/* @n times @open, "1", @n times @close, as the value of a. */
static char *nest(const char *before, const char *open, const char *close, const char *after,
		  size_t n)
{
	autodone(buf) b = BUF_INIT(65536);

	buf_add_str(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_add_str(&b, open);
	buf_add_str(&b, "1");
	for (size_t i = 0; i < n; i++)
		buf_add_str(&b, close);
	buf_add_str(&b, after);
	return xstrdup(buf_str(&b));
}

static void test_depth_limit(void **state)
{
	/* the key itself is one level */
	autofree char *arrays = nest("a=", "[", "]", "", LIMIT_TOML_DEPTH - 1);
	autofree char *more_arrays = nest("a=", "[", "]", "", LIMIT_TOML_DEPTH);
	autofree char *keys = nest("", "a.", "", "=1", LIMIT_TOML_DEPTH - 1);
	autofree char *more_keys = nest("", "a.", "", "=1", LIMIT_TOML_DEPTH);
	autofree char *headers = nest("[", "a.", "", "]", LIMIT_TOML_DEPTH - 1);
	autofree char *more_headers = nest("[", "a.", "", "]", LIMIT_TOML_DEPTH);
	autofree char *tables = nest("a=", "{b.c=", "}", "", LIMIT_TOML_DEPTH / 2);

	check_code(arrays, 0);
	check_code(more_arrays, -E2BIG);
	check_code(keys, 0);
	check_code(more_keys, -E2BIG);
	check_code(headers, 0);
	check_code(more_headers, -E2BIG);
	check_code(tables, -E2BIG);
}

static void test_size_limits(void **state)
{
	autodone(buf) b = BUF_INIT((size_t)LIMIT_TOML_VALUES * 2 + 16);
	autofree char *big = xcalloc(LIMIT_CONFIG_TOML + 2, 1);
	autofree char *word = nest("a=1", "1", "", "", 200);

	buf_add_str(&b, "a=[");
	for (int i = 0; i < LIMIT_TOML_VALUES - 2; i++)
		buf_add_str(&b, "1,");
	buf_add_str(&b, "]");
	check_code(buf_str(&b), 0); /* with the root and the array itself */
	buf_add_str(&b, "\nb=1");
	check_code(buf_str(&b), -E2BIG);
	memset(big, '#', LIMIT_CONFIG_TOML + 1);
	check_code(big + 1, 0);
	check_code(big, -E2BIG);
	check_code(word, -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_floats_and_booleans),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_depth_limit),
		cmocka_unit_test(test_size_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
