/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: the order of prefixes, what is cut when the text is too long, and who may be NULL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/error.h"

#include <errno.h>
#include <string.h>

static void test_set(void **state)
{
	struct error e = ERROR_INIT;

	assert_int_equal(error_set(&e, ENOENT, "open %s", "/x"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.text, "open /x: No such file or directory");
	assert_int_equal(error_set(&e, -EACCES, "again"), -EACCES);
	assert_string_equal(e.text, "again: Permission denied");
	assert_int_equal(error_plain(&e, EINVAL, "just text"), -EINVAL);
	assert_string_equal(e.text, "just text");
}

static void test_prefix(void **state)
{
	struct error e = ERROR_INIT;

	error_set(&e, ENOENT, "open kernel");
	assert_int_equal(error_prefix(&e, "start %s", "qemu"), -ENOENT);
	assert_int_equal(error_prefix(&e, "sandbox x"), -ENOENT);
	assert_string_equal(e.text,
			    "sandbox x: start qemu: open kernel: No such file or directory");
	/* A code alone has a meaning. */
	e = (struct error){ .code = -EPERM };
	assert_string_equal(error_text(&e), "Operation not permitted");
	assert_int_equal(error_prefix(&e, "mount"), -EPERM);
	assert_string_equal(e.text, "mount: Operation not permitted");
	error_clear(&e);
	assert_int_equal(error_prefix(&e, "nothing"), -EIO);
	assert_int_equal(e.code, -EIO);
}

static void test_cut(void **state)
{
	char long_text[3 * ERROR_TEXT_MAX];
	struct error e = ERROR_INIT;

	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	assert_int_equal(error_set(&e, ENOENT, "start %s", long_text), -ENOENT);
	assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "start aaa", 9);
	/* A prefix pushes out the end. */
	assert_int_equal(error_prefix(&e, "front"), -ENOENT);
	assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "front: start aaa", 16);
	assert_int_equal(error_prefix(&e, "%s", long_text), -ENOENT);
	assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
}

static void test_one_line(void **state)
{
	struct error e = ERROR_INIT;

	error_plain(&e, EIO, "two\nlines\tand \x1b[0m");
	assert_string_equal(e.text, "two lines and ?[0m");
	error_prefix(&e, "a\nb");
	assert_string_equal(e.text, "a b: two lines and ?[0m");
}

static void test_copy(void **state)
{
	struct error a = ERROR_INIT, b = ERROR_INIT;

	error_plain(&a, ENOMEM, "none");
	assert_int_equal(error_copy(&b, &a), -ENOMEM);
	assert_string_equal(b.text, "none");
	assert_int_equal(error_copy(NULL, &a), -ENOMEM);
	assert_int_equal(error_copy(&b, NULL), 0);
	assert_string_equal(b.text, "none");
	error_clear(&b);
	assert_int_equal(b.code, 0);
	assert_string_equal(b.text, "");
}

static void test_nobody_cares(void **state)
{
	assert_int_equal(error_set(NULL, ENOENT, "x"), -ENOENT);
	assert_int_equal(error_plain(NULL, -EPERM, "x"), -EPERM);
	assert_int_equal(error_prefix(NULL, "x"), -EIO);
	assert_string_equal(error_text(NULL), "");
	error_clear(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),  cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_cut),  cmocka_unit_test(test_one_line),
		cmocka_unit_test(test_copy), cmocka_unit_test(test_nobody_cares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
