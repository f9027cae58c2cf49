/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from /proc to tell whether a guest rests, and how much cache it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/idle.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"

#include <fcntl.h>

static void test_stat(void **state)
{
	uint64_t busy = 7, total = 7;

	assert_true(idle_parse_stat("cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1 1\n", &busy, &total));
	assert_int_equal(busy, 10 + 20 + 30 + 6 + 7 + 8);
	assert_int_equal(total, busy + 450);
	assert_false(idle_parse_stat("cpu  10 20 30\n", &busy, &total));
	assert_false(idle_parse_stat("cpu0 1 2 3 4 5 6 7 8\n", &busy, &total));
	assert_false(idle_parse_stat("", &busy, &total));
}

static void test_cache(void **state)
{
	uint64_t kib = 7;

	assert_true(idle_parse_cache("MemTotal: 1 kB\nBuffers:   5 kB\nSwapCached:  900 kB\n"
				     "Cached:  100 kB\nShmem:    30 kB\n",
				     &kib));
	assert_int_equal(kib, 75);
	assert_true(idle_parse_cache("Cached: 1 kB\nBuffers: 0 kB\nShmem: 30 kB\n", &kib));
	assert_int_equal(kib, 0);
	assert_false(idle_parse_cache("Cached: 1 kB\nShmem: 30 kB\n", &kib));
	assert_false(idle_parse_cache("", &kib));
}

static void test_of_this_machine(void **state)
{
	autofree char *stat = NULL;
	autofree char *meminfo = NULL;
	uint64_t busy, total, kib;

	assert_true(file_read_at(AT_FDCWD, "/proc/stat", LIMIT_PROC_FILE, &stat, NULL) >= 0);
	assert_true(idle_parse_stat(stat, &busy, &total));
	assert_true(busy <= total);
	assert_true(file_read_at(AT_FDCWD, "/proc/meminfo", LIMIT_PROC_FILE, &meminfo, NULL) >= 0);
	assert_true(idle_parse_cache(meminfo, &kib));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_of_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
