/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as text, against the C library's calendar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static void check(time_t t)
{
	char got[CLOCK_SECONDS_MAX], want[32];
	struct tm tm;

	assert_non_null(gmtime_r(&t, &tm));
	strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
	assert_int_equal(clock_format_seconds(t, got), strlen(want));
	assert_string_equal(got, want);
}

static void test_dates(void **state)
{
	static const time_t odd[] = { 0,          -1,         951782399,  951782400,   951868800,
				      1709164800, 4107542399, 4107542400, 253402300799 };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		check(odd[i]);
	/* Every day of 450 years has another second. */
	for (time_t t = -2208988800; t < 11991628800; t += 86400 + 7)
		check(t);
}

static void test_range(void **state)
{
	char out[CLOCK_SECONDS_MAX] = "x";

	assert_int_equal(clock_format_seconds(253402300800, out), 0);
	assert_string_equal(out, "");
	assert_int_equal(clock_format_seconds(-62167219201, out), 0);
	assert_string_equal(out, "");
	assert_int_equal(clock_format_seconds(-62167219200, out), 19);
	assert_string_equal(out, "0000-01-01T00:00:00");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
