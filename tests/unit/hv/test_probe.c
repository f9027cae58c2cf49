/* SPDX-License-Identifier: Apache-2.0 */
/* probe: CPU flags as /proc/cpuinfo shows them, and this host's answer within its time. */
#include "base/loop.h"
#include "base/str.h"
#include "hv/hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_flags(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} cases[] = {
		{ "processor\t: 0\nflags\t\t: fpu vme de pse vmx smx est\nbugs\t\t: spectre_v1\n",
		  true },
		{ "flags\t\t: fpu vme svm", true },
		{ "flags\t\t: svm fpu\n", true },
		{ "flags\t\t: fpu\nflags\t\t: fpu vmx\n", true },
		{ "flags\t\t: fpu svm_lock xvmx vmxx\n", false },
		{ "vmx flags\t: vnmi preemption_timer\nflags\t\t: fpu\n", false },
		{ "bugs\t\t: vmx svm\nmodel name\t: vmx svm\n", false },
		{ "flags", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(hv_cpuinfo_has_virt(cases[i].text), cases[i].want);
}

static void test_host(void **state)
{
	int64_t start = loop_now_ms();
	struct hv_probe p;

	hv_probe_host(&p);
	assert_true(loop_now_ms() - start < 5000);
	assert_int_equal(p.accel == HV_ACCEL_KVM, p.kvm_usable);
	assert_true(!p.kvm_usable || (p.kvm_flags && p.kvm_device));
	assert_non_null(strstr(p.why, p.kvm_usable ? "KVM works" : "no KVM: "));
	assert_null(strchr(p.why, '\n'));
	print_message("%s\n", p.why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
