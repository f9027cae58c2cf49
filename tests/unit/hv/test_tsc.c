/* SPDX-License-Identifier: Apache-2.0 */
/* tsc: arithmetic of marks, and two measurements of this host that agree. */
#include "base/mem.h"
#include "hv/tsc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_marks(void **state)
{
	struct tsc_mark a = { .cycles = 1000, .ns = 500 };
	struct tsc_mark b = { .cycles = 1000 + 23000150, .ns = 500 + 10000000 };
	struct tsc_mark none = { 0 };
	struct tsc_mark soon = { .cycles = 2000, .ns = 500 + TSC_INTERVAL_NS - 1 };

	assert_int_equal(tsc_khz(&a, &b), 2300015);
	assert_int_equal(tsc_khz(&b, &a), 0);
	assert_int_equal(tsc_khz(&none, &b), 0);
	assert_int_equal(tsc_khz(&a, &soon), 0);
}

static void test_host(void **state)
{
	struct tsc_mark from, other;
	uint32_t first, second;

	tsc_mark(&from);
	if (!from.cycles) {
		print_message("SKIP: no readable time stamp counter\n");
		skip();
	}
	first = tsc_khz_since(&from);
	tsc_mark(&other);
	second = tsc_khz_since(&other);
	print_message("%u and %u kHz\n", first, second);
	assert_in_range(first, 100000, 20000000);
	/* 100 parts in a million: the guest's own NTP copes with five times that. */
	assert_true(MAX(first, second) - MIN(first, second) <= first / 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
