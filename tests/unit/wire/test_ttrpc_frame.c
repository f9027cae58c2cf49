/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc_frame: the bytes of the protocol document, both ways, and the limit. */
#include "base/limits.h"
#include "wire/ttrpc_frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_golden(void **state)
{
	static const struct {
		uint8_t bytes[TTRPC_HEADER_SIZE];
		struct ttrpc_header h;
	} cases[] = {
		{ { 0, 0, 0, 0x56, 0, 0, 0, 1, 1, 0 }, { 0x56, 1, TTRPC_TYPE_REQUEST, 0 } },
		{ { 0, 0, 0, 0, 0, 0, 0, 5, 2, 0 }, { 0, 5, TTRPC_TYPE_RESPONSE, 0 } },
		{ { 0, 0x40, 0, 0, 0x12, 0x34, 0x56, 0x78, 3, 5 },
		  { 4 << 20, 0x12345678, TTRPC_TYPE_DATA,
		    TTRPC_FLAG_REMOTE_CLOSED | TTRPC_FLAG_NO_DATA } },
		{ { 0, 0, 1, 2, 0xff, 0xff, 0xff, 0xff, 77, 0xff }, { 258, 0xffffffff, 77, 0xff } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ttrpc_header h;
		uint8_t p[TTRPC_HEADER_SIZE];

		assert_int_equal(ttrpc_header_decode(cases[i].bytes, &h), 0);
		assert_int_equal(h.length, cases[i].h.length);
		assert_int_equal(h.stream, cases[i].h.stream);
		assert_int_equal(h.type, cases[i].h.type);
		assert_int_equal(h.flags, cases[i].h.flags);
		assert_int_equal(ttrpc_header_encode(&h, p), 0);
		assert_memory_equal(p, cases[i].bytes, sizeof(p));
	}
}

static void test_oversize_is_described(void **state)
{
	static const uint8_t bytes[TTRPC_HEADER_SIZE] = { 0, 0x40, 0, 1, 0, 0, 0, 7, 1, 0 };
	struct ttrpc_header h;

	assert_int_equal(ttrpc_header_decode(bytes, &h), -EMSGSIZE);
	assert_int_equal(h.length, LIMIT_TTRPC_MESSAGE + 1);
	assert_int_equal(h.stream, 7);
}

static void test_oversize_is_not_written(void **state)
{
	struct ttrpc_header h = { .length = LIMIT_TTRPC_MESSAGE + 1, .stream = 1, .type = 1 };
	uint8_t p[TTRPC_HEADER_SIZE] = { 9 };

	assert_int_equal(ttrpc_header_encode(&h, p), -EMSGSIZE);
	assert_int_equal(p[0], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_oversize_is_described),
		cmocka_unit_test(test_oversize_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
