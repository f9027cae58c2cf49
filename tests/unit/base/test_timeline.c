/* SPDX-License-Identifier: Apache-2.0 */
/* Marks of the timeline: written, read back, and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/timeline.h"

#include <string.h>

static void test_round_trip(void **state)
{
	struct timeline_mark m = { .at_us = 123456,
				   .took_us = 789,
				   .what = "boot: make the share" };
	struct timeline_mark back;
	char line[200];

	int n = timeline_format(&m, line, sizeof(line));

	assert_int_equal(n, strlen(line));
	assert_string_equal(line, "timeline 123456 789 boot: make the share");
	assert_true(timeline_parse(line, &back));
	assert_int_equal(back.at_us, m.at_us);
	assert_int_equal(back.took_us, m.took_us);
	assert_string_equal(back.what, m.what);
}

static void test_now(void **state)
{
	struct timeline_mark point, span;
	int64_t began = timeline_now();

	timeline_mark_init(&point, 0, "x");
	assert_true(point.at_us >= began);
	assert_int_equal(point.took_us, 0);
	timeline_mark_init(&span, began - 5, "x");
	assert_int_equal(span.at_us, began - 5);
	assert_true(span.took_us >= 5);
}

static void test_in_a_log(void **state)
{
	struct timeline_mark m;

	assert_true(timeline_parse("2026-01-01T00:00:00Z info agent: timeline 5 0 a\033b\n", &m));
	assert_int_equal(m.at_us, 5);
	assert_string_equal(m.what, "a?b");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"timeline",
		"timeline 1 2",
		"timeline 1 2 ",
		"timeline 1  x",
		"timeline -1 2 x",
		"timeline 1 -2 x",
		"timeline 99999999999999999999 2 x",
		"timeline 9999999999999999 2 x",
		"timeline 1x 2 x",
		"atimeline 1 2 x",
		"timeline 1 2 \n",
	};
	char longest[64 + TIMELINE_WHAT_MAX] = "timeline 1 2 ";
	size_t n = strlen(longest);
	struct timeline_mark m = { .at_us = 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(timeline_parse(bad[i], &m));
	memset(longest + n, 'x', TIMELINE_WHAT_MAX);
	assert_false(timeline_parse(longest, &m));
	assert_int_equal(m.at_us, 77);
	longest[n + TIMELINE_WHAT_MAX - 1] = '\0';
	assert_true(timeline_parse(longest, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_in_a_log),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
