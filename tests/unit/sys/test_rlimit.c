/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "sys/rlimit.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>

static void limits(void)
{
	struct rlimit l;

	CHECK(rlimit_set(0, "RLIMIT_CORE", 0, 0, NULL) == 0);
	CHECK(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_cur == 0 && l.rlim_max == 0);
	CHECK(rlimit_set(0, "RLIMIT_NOFILE", 20, 10, NULL) == -EINVAL);
}

static void test_limits(void **state)
{
	struct error e = ERROR_INIT;

	assert_int_equal(rlimit_parse("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	assert_int_equal(rlimit_parse("NOFILE"), -EINVAL);
	assert_int_equal(rlimit_set(0, "RLIMIT_X", 1, 1, &e), -EINVAL);
	assert_string_equal(e.text, "unknown rlimit \"RLIMIT_X\"");
	assert_int_equal(in_child(limits), 0);
}

static void schedule(void)
{
	char *flags[] = { (char *)"SCHED_FLAG_RESET_ON_FORK" };
	struct sched_request s = {
		.policy = "SCHED_BATCH", .nice = 3, .flags = flags, .nflags = 1
	};
	struct error e = ERROR_INIT;

	CHECK(sched_set(&s, NULL) == 0);
	CHECK(sched_getscheduler(0) == (SCHED_BATCH | SCHED_RESET_ON_FORK));
	s.policy = "SCHED_LUCK";
	CHECK(sched_set(&s, &e) == -EINVAL);
	s.policy = "SCHED_OTHER";
	flags[0] = (char *)"SCHED_FLAG_FUN";
	CHECK(sched_set(&s, &e) == -EINVAL && strstr(e.text, "SCHED_FLAG_FUN"));
	CHECK(ioprio_set_class("IOPRIO_CLASS_BE", 8, &e) == -EINVAL);
	CHECK(ioprio_set_class("IOPRIO_CLASS_X", 1, &e) == -EINVAL);
	CHECK(ioprio_set_class("IOPRIO_CLASS_BE", 7, &e) == 0);
	CHECK(personality_set("LINUX64", &e) == -EINVAL);
	CHECK(personality_set("LINUX32", &e) == 0);
	CHECK((personality(0xffffffff) & PER_MASK) == PER_LINUX32);
}

static void test_scheduling(void **state)
{
	assert_int_equal(in_child(schedule), 0);
}

static void affinity(void)
{
	struct error e = ERROR_INIT;
	cpu_set_t set;

	CHECK(affinity_set("0", &e) == 0);
	CPU_ZERO(&set);
	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 &&
	      CPU_ISSET(0, &set));
	CHECK(affinity_set("0-3,5", &e) == 0);
	CHECK(affinity_set("3-1", &e) == -EINVAL);
	CHECK(affinity_set("a", &e) == -EINVAL);
	CHECK(affinity_set("99999", &e) == -EINVAL);
	CHECK(affinity_set("", &e) == -EINVAL);
}

static void test_affinity(void **state)
{
	assert_int_equal(in_child(affinity), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_scheduling),
		cmocka_unit_test(test_affinity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
