/* SPDX-License-Identifier: Apache-2.0 */
/* base64: the vectors of RFC 4648, and what is no base64. */
#include "wire/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_vectors(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xff\xef\xbe", "/+++" },
		{ "\xfb\xff", "+/8=" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i][0]);
		char text[16];
		uint8_t back[16];

		base64_encode((const uint8_t *)cases[i][0], n, text);
		assert_string_equal(text, cases[i][1]);
		assert_int_equal(strlen(text), base64_encoded_size(n));
		assert_int_equal(base64_decode(text, back), n);
		assert_memory_equal(back, cases[i][0], n);
	}
}

static void test_invalid(void **state)
{
	static const char *const cases[] = {
		"Z",        "Zg",   "Zg=",  "Zg===", "=Zg=", "Z===", "====",   "Zg==Zg==",
		"Zm8=Zm9v", "Zh==", "Zm9=", "Zm-v",  "Zm_v", "Zm v", "Zm9v\n", "Zm\377v",
	};
	uint8_t out[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(base64_decode(cases[i], out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
