/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: numbers in and out of range, vectors, signals by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/str.h"

#include <errno.h>
#include <signal.h>

static void test_compare(void **state)
{
	assert_true(str_eq("a", "a") && str_eq(NULL, NULL));
	assert_false(str_eq("a", "b") || str_eq(NULL, "a") || str_eq("a", NULL));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
	assert_string_equal(str_skip_prefix("foobar", "foo"), "bar");
	assert_string_equal(str_skip_prefix("foo", ""), "foo");
	assert_null(str_skip_prefix("fo", "foo"));
	assert_null(str_skip_prefix(NULL, "foo"));
	assert_true(str_ends_with("a.json", ".json") && str_ends_with("x", ""));
	assert_false(str_ends_with("n", "json"));
}

static void test_unsigned(void **state)
{
	static const char *const bad[] = {
		"", " 1", "+1", "-1", "1 ", "1x", "x", "0x10", "1.5", "f"
	};
	uint64_t v = 7;
	uint32_t u = 7;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_u64(bad[i], 10, &v), -EINVAL);
	assert_int_equal(str_to_u64(NULL, 10, &v), -EINVAL);
	assert_int_equal(str_to_u64("18446744073709551616", 10, &v), -ERANGE);
	assert_int_equal(v, 7); /* untouched on failure */
	assert_int_equal(str_to_u64("18446744073709551615", 10, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_to_u64("0x1f", 0, &v), 0);
	assert_int_equal(v, 31);
	assert_int_equal(str_to_u64("0755", 0, &v), 0);
	assert_int_equal(v, 0755);
	assert_int_equal(str_to_u64("ff", 16, &v), 0);
	assert_int_equal(v, 255);
	assert_int_equal(str_to_u32("4294967295", 10, &u), 0);
	assert_int_equal(u, UINT32_MAX);
	assert_int_equal(str_to_u32("4294967296", 10, &u), -ERANGE);
}

static void test_signed(void **state)
{
	int64_t v = 0;
	int i = 0;

	assert_int_equal(str_to_i64("-9223372036854775808", 10, &v), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(str_to_i64("9223372036854775807", 10, &v), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(str_to_i64("9223372036854775808", 10, &v), -ERANGE);
	assert_int_equal(str_to_i64("-9223372036854775809", 10, &v), -ERANGE);
	assert_int_equal(str_to_i64("--1", 10, &v), -EINVAL);
	assert_int_equal(str_to_i64("-", 10, &v), -EINVAL);
	assert_int_equal(str_to_i64(NULL, 10, &v), -EINVAL);
	assert_int_equal(str_to_int("-2147483648", &i), 0);
	assert_int_equal(i, INT32_MIN);
	assert_int_equal(str_to_int("2147483648", &i), -ERANGE);
}

static void test_size(void **state)
{
	uint64_t v = 0;

	assert_int_equal(str_to_size("512", &v), 0);
	assert_int_equal(v, 512);
	assert_int_equal(str_to_size("64k", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(str_to_size("2M", &v), 0);
	assert_int_equal(v, 2 << 20);
	assert_int_equal(str_to_size("1g", &v), 0);
	assert_int_equal(v, 1 << 30);
	assert_int_equal(str_to_size("7b", &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(str_to_size("16777215t", &v), 0);
	assert_int_equal(str_to_size("16777216t", &v), -ERANGE);
	assert_int_equal(str_to_size("k", &v), -EINVAL);
	assert_int_equal(str_to_size("", &v), -EINVAL);
	assert_int_equal(str_to_size(NULL, &v), -EINVAL);
	assert_int_equal(str_to_size("1kb", &v), -EINVAL);
	assert_int_equal(str_to_size("-1k", &v), -EINVAL);
}

static void test_to_duration(void **state)
{
	static const char *const bad[] = { "",    "0s",   "5",        "s",
					   "-1s", "1.5s", "1d",       "5 s",
					   "1s2", "ms1",  "1000001h", "99999999999999999999s" };
	int64_t ms = 7;

	assert_int_equal(str_to_duration_ms("500ms", &ms), 0);
	assert_int_equal(ms, 500);
	assert_int_equal(str_to_duration_ms("1m30s", &ms), 0);
	assert_int_equal(ms, 90000);
	assert_int_equal(str_to_duration_ms("1000000h", &ms), 0);
	assert_int_equal(ms, 3600000000000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_duration_ms(bad[i], &ms), -EINVAL);
	assert_int_equal(ms, 3600000000000);
}

static void test_vector(void **state)
{
	autodone(strv) v = STRV_INIT;
	autodone(strv) none = STRV_INIT;
	autofree char *joined = NULL, *empty = NULL;

	strv_split(&v, ",a,,bc;d,", ",;");
	strv_addf(&v, "%s%d", "e", 5);
	assert_int_equal(v.n, 4);
	assert_null(v.v[4]);
	assert_true(strv_contains(&v, "bc") && !strv_contains(&v, "b"));
	joined = strv_join(&v, ", ");
	assert_string_equal(joined, "a, bc, d, e5");
	strv_split(&none, NULL, ",");
	strv_split(&none, ",,", ",");
	assert_int_equal(none.n, 0);
	empty = strv_join(&none, ",");
	assert_string_equal(empty, "");
	strv_done(&v);
	assert_null(v.v);
}

static void test_printable(void **state)
{
	char text[] = "a\nb\tc\x01\x7f\xc3\xa4";

	str_make_printable(text);
	assert_string_equal(text, "a b c??\xc3\xa4");
}

static void test_signals(void **state)
{
	char tmp[16];

	assert_int_equal(str_to_signal("TERM"), SIGTERM);
	assert_int_equal(str_to_signal("sigkill"), SIGKILL);
	assert_int_equal(str_to_signal("15"), 15);
	assert_int_equal(str_to_signal("64"), 64);
	assert_int_equal(str_to_signal("SIGRTMIN+3"), SIGRTMIN + 3);
	assert_int_equal(str_to_signal("RTMAX-0"), SIGRTMAX);
	assert_int_equal(str_to_signal("SIGRTMIN+99"), -EINVAL);
	assert_int_equal(str_to_signal("RTMIN+-1"), -EINVAL);
	assert_int_equal(str_to_signal("0"), -EINVAL);
	assert_int_equal(str_to_signal("65"), -EINVAL);
	assert_int_equal(str_to_signal("-9"), -EINVAL);
	assert_int_equal(str_to_signal("SIG"), -EINVAL);
	assert_int_equal(str_to_signal(""), -EINVAL);
	assert_int_equal(str_to_signal(NULL), -EINVAL);
	assert_string_equal(signal_name(SIGHUP, tmp), "SIGHUP");
	assert_string_equal(signal_name(42, tmp), "SIG42");
	/* Every name leads back to its number. */
	for (int i = 1; i < 32; i++)
		assert_int_equal(str_to_signal(signal_name(i, tmp)), i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_duration), cmocka_unit_test(test_compare),
		cmocka_unit_test(test_unsigned),    cmocka_unit_test(test_signed),
		cmocka_unit_test(test_size),        cmocka_unit_test(test_vector),
		cmocka_unit_test(test_printable),   cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
