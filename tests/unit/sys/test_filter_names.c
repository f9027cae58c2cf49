/* SPDX-License-Identifier: Apache-2.0 */
/* The table made at build time against the library that it was made from. */
#include "systest.h"

#include "sys/filter_names.h"

#include <seccomp.h>

#define NUMBERS 1024
#define X32_BIT 0x40000000

static void test_numbers(void **state)
{
	unsigned known = 0;

	for (int a = 0; a < FILTER_NAMES_ARCHS && filter_name_archs[a]; a++) {
		uint32_t arch = filter_name_archs[a];

		for (int nr = 0; nr < NUMBERS; nr++) {
			int number = arch == SCMP_ARCH_X32 ? nr | X32_BIT : nr;
			char *name = seccomp_syscall_resolve_num_arch(arch, number);
			int want = name ? seccomp_syscall_resolve_name_arch(arch, name) : -1;

			if (name)
				assert_int_equal(filter_syscall(arch, name), want < 0 ? -1 : want);
			known += name && want >= 0;
			free(name);
		}
	}
	assert_true(known > 300);
}

static void test_others(void **state)
{
	assert_int_equal(filter_arch_native(), seccomp_arch_native());
	assert_true(filter_arch_runs(seccomp_arch_native()));
	assert_false(filter_arch_runs(0));
	assert_false(filter_arch_runs(SCMP_ARCH_MIPS));
	assert_int_equal(filter_syscall(SCMP_ARCH_MIPS, "read"), -1);
	assert_int_equal(filter_syscall(seccomp_arch_native(), "no_such_call"), -1);
	assert_int_equal(filter_syscall(seccomp_arch_native(), ""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
