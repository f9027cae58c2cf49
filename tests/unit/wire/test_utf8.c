/* SPDX-License-Identifier: Apache-2.0 */
/* utf8: every code point there and back, and the sequences RFC 3629 forbids. */
#include "wire/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_all_code_points(void **state)
{
	for (uint32_t c = 0; c <= 0x110000; c++) {
		char p[UTF8_MAX];
		size_t n = utf8_encode(c, p);
		uint32_t back;

		if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
		assert_int_equal(utf8_decode(p, n, &back), n);
		assert_int_equal(back, c);
		if (n > 1)
			assert_int_equal(utf8_decode(p, n - 1, &back), -EINVAL);
	}
}

static void test_invalid(void **state)
{
	static const char *const cases[] = {
		"\x80",
		"\xbf", /* continuation without a start */
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xed\xa0\x80",
		"\xed\xbf\xbf", /* surrogates */
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xff", /* too large */
		"\xc3(",
		"\xe2\x82(",
		"\xe2(\xa1",
		"\xf0\x9f\x98(", /* broken off */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t c = 42;

		assert_int_equal(utf8_decode(cases[i], strlen(cases[i]), &c), -EINVAL);
		assert_int_equal(c, 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_code_points),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
