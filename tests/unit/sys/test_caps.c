/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "sys/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>

static void test_names(void **state)
{
	assert_int_equal(cap_parse("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	assert_int_equal(cap_parse("cap_kill"), CAP_KILL);
	assert_int_equal(cap_parse("chown"), CAP_CHOWN);
	assert_int_equal(cap_parse("CAP_"), -EINVAL);
	assert_int_equal(cap_parse(""), -EINVAL);
	assert_int_equal(cap_parse(NULL), -EINVAL);
	for (unsigned int i = 0; i <= CAP_LAST_CAP; i++) {
		assert_non_null(cap_name(i));
		assert_int_equal(cap_parse(cap_name(i)), i);
	}
	assert_null(cap_name(CAP_LAST_CAP + 1));
}

static void test_masks(void **state)
{
	char *good[] = { (char *)"CAP_CHOWN", (char *)"CAP_BPF" },
	     *unknown[] = { (char *)"CAP_FUN", (char *)"CAP_CHOWN" };

	assert_int_equal(cap_mask_parse(good, 2), UINT64_C(1) << CAP_CHOWN | UINT64_C(1)
										     << CAP_BPF);
	assert_int_equal(cap_mask_parse(unknown, 2), UINT64_C(1) << CAP_CHOWN);
	assert_int_equal(cap_mask_parse(NULL, 0), 0);
	assert_true(cap_kernel_mask() & UINT64_C(1) << CAP_LAST_CAP);
}

static uint64_t status_mask(const char *field)
{
	autofree char *text = NULL;
	uint64_t v = 0;
	char *at;

	CHECK(file_read_at(AT_FDCWD, "/proc/self/status", 65536, &text, NULL) == 0);
	at = strstr(text, field);
	CHECK(at);
	at += strlen(field);
	at[strcspn(at, "\n")] = '\0';
	CHECK(str_to_u64(at + 2, 16, &v) == 0);
	return v;
}

static void drop(void)
{
	uint64_t kill_chown = UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_CHOWN;
	struct cap_sets c = { .set = { [CAP_SET_EFFECTIVE] = UINT64_C(1) << CAP_KILL,
				       [CAP_SET_PERMITTED] = kill_chown,
				       [CAP_SET_INHERITABLE] = UINT64_C(1) << CAP_CHOWN,
				       /* kill is not inheritable, so it cannot be ambient */
				       [CAP_SET_AMBIENT] = kill_chown } };

	CHECK(cap_set_bounding(kill_chown, NULL) == 0);
	CHECK(cap_set_rest(&c, NULL) == 0);
	CHECK(status_mask("CapBnd") == kill_chown);
	CHECK(status_mask("CapPrm") == kill_chown);
	CHECK(status_mask("CapEff") == UINT64_C(1) << CAP_KILL);
	CHECK(status_mask("CapInh") == UINT64_C(1) << CAP_CHOWN);
	CHECK(status_mask("CapAmb") == UINT64_C(1) << CAP_CHOWN);
	/* What is gone does not come back. */
	c.set[CAP_SET_PERMITTED] |= UINT64_C(1) << CAP_SYS_ADMIN;
	CHECK(cap_set_rest(&c, NULL) == -EPERM);
}

static void test_dropping(void **state)
{
	SKIP_UNLESS(geteuid() == 0, "not root");
	assert_int_equal(in_child(drop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_dropping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
