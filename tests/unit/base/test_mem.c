/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation: sizes that overflow, empty sizes, hand-over, and the end of a process without memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/mem.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* AddressSanitizer ends a process that asks for too much, unless told. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void test_try(void **state)
{
	volatile size_t huge = SIZE_MAX / 2;
	autofree char *zero = mem_try_calloc(0, 8);
	autofree char *dup = mem_try_dup("abc", 4);
	autofree char *some = mem_try_calloc(3, 5);

	assert_null(mem_try_calloc(huge, 3)); /* the product overflows */
	assert_non_null(zero);
	assert_string_equal(dup, "abc");
	for (int i = 0; i < 15; i++)
		assert_int_equal(some[i], 0);
}

static void test_copies(void **state)
{
	autofree char *a = xstrndup("abcdef", 3), *b = xstrndup("ab", 9),
		      *c = xasprintf("%s-%d", "x", 3);
	autofree char *d = xmemdup("q", 0);
	autofree int *n = xnew_array(int, 4);

	assert_string_equal(a, "abc");
	assert_string_equal(b, "ab");
	assert_string_equal(c, "x-3");
	assert_non_null(d);
	n = xrealloc(n, 100, sizeof(*n));
	assert_int_equal(n[3], 0);
}

static void test_take(void **state)
{
	autofree char *p = xstrdup("owned");
	char *q = take_ptr(p);

	assert_null(p);
	assert_string_equal(q, "owned");
	free(q);
}

/* What cannot be had ends the process by itself, not by a signal. */
static void test_out_of_memory(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		volatile size_t huge = (size_t)1 << 48;

		close(STDERR_FILENO);
		free(xcalloc(huge, 1 << 10));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_try),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
