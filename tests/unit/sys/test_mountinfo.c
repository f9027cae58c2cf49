/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo and swaps: fields, escapes, what is not understood. */
#include "systest.h"

#include "base/str.h"
#include "sys/mountinfo.h"

#include <errno.h>

static int parse(const char *line, struct mountinfo *ret)
{
	static char copy[512];

	snprintf(copy, sizeof(copy), "%s", line);
	return mountinfo_parse(copy, ret);
}

static void test_fields(void **state)
{
	struct mountinfo m;

	assert_int_equal(parse("36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 shared:2 - ext3 "
			       "/dev/root rw,errors=continue",
			       &m),
			 0);
	assert_int_equal(m.id, 36);
	assert_int_equal(m.parent, 35);
	assert_int_equal(m.major, 98);
	assert_int_equal(m.minor, 0);
	assert_string_equal(m.root, "/mnt1");
	assert_string_equal(m.point, "/mnt/a b");
	assert_string_equal(m.options, "rw,noatime");
	assert_string_equal(m.type, "ext3");
	assert_string_equal(m.source, "/dev/root");
	assert_string_equal(m.super, "rw,errors=continue");
}

static void test_no_optional_fields_and_no_source(void **state)
{
	struct mountinfo m;

	assert_int_equal(parse("1 1 0:5 / /dev rw - tmpfs  rw", &m), 0);
	assert_string_equal(m.source, "");
	assert_int_equal(parse("1 1 0:5 / /a\\011b\\134c rw - fuse.x none rw,x=\\054", &m), 0);
	assert_string_equal(m.point, "/a\tb\\c");
	assert_string_equal(m.super, "rw,x=,");
}

static void test_bad_lines(void **state)
{
	static const char *const bad[] = {
		"",
		"36",
		"36 35 98:0 / / rw",
		"36 35 98:0 / / rw -",
		"36 35 98:0 / / rw - ext4",
		"36 35 98:0 / / rw - ext4 src",
		"x 35 98:0 / / rw - ext4 src rw",
		"36 35 98 / / rw - ext4 src rw",
		"36 35 98:y / / rw - ext4 src rw",
		"36 35 98:0 / / rw shared:1 ext4 src rw",
		"36  98:0 / / rw - ext4 src rw",
		"99999999999 35 98:0 / / rw - ext4 src rw",
	};
	struct mountinfo m = { .id = 7 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &m), -EINVAL);
	assert_int_equal(m.id, 7);
}

static int find_root(const struct mountinfo *m, void *data)
{
	return str_eq(m->point, data);
}

static void test_our_own(void **state)
{
	char proc[] = "/proc", none[] = "/not/mounted";

	assert_int_equal(mountinfo_read(find_root, proc), 1);
	assert_int_equal(mountinfo_read(find_root, none), 0);
}

static void test_each_stops_at_nonsense(void **state)
{
	char text[] = "1 1 0:5 / /a rw - tmpfs x rw\nnonsense\n1 1 0:5 / /b rw - tmpfs x rw\n";
	char b[] = "/b";

	assert_int_equal(mountinfo_each(text, find_root, b), -EINVAL);
}

static bool swaps(const char *text, const char *path)
{
	autofree char *copy = xstrdup(text);

	return swaps_have(copy, path);
}

static void test_swaps(void **state)
{
	static const char text[] =
		"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
		"/dev/vdb                                partition\t1020\t0\t-2\n"
		"/a\\040b                                file\t1020\t0\t-3\n";

	assert_true(swaps(text, "/dev/vdb"));
	assert_true(swaps(text, "/a b"));
	assert_false(swaps(text, "Filename"));
	assert_false(swaps(text, "/dev/vd"));
	assert_false(swaps("", "/dev/vdb"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_no_optional_fields_and_no_source),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_our_own),
		cmocka_unit_test(test_each_stops_at_nonsense),
		cmocka_unit_test(test_swaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
