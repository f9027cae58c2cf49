/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's parameter for dm-verity from the configuration's text, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/mem.h"
#include "hv/verity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "0f7c9bdf1a7b40083316d5573400e3fc69e0bed8897daca6d041ba5060f9a79f"
#define REST ",data_blocks=889,data_block_size=4096,hash_block_size=1024"

static void test_parameter(void **state)
{
	struct error e = ERROR_INIT;
	autofree char *p = NULL;

	assert_int_equal(verity_param("salt=aBcd,root_hash=" ROOT REST, "/dev/vda1", "/dev/vda2",
				      &p, &e),
			 0);
	assert_string_equal(p, "dm-mod.create=\"root,,,ro,0 7112 verity 1 /dev/vda1 /dev/vda2 4096 "
			       "1024 889 0 sha256 " ROOT " aBcd\"");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", "root_hash is missing" },
		{ "root_hash=" ROOT ",salt=ab", "data_blocks is missing" },
		{ "root_hash=" ROOT ",salt=ab,salt=cd" REST, "salt comes twice" },
		{ "root_hash=" ROOT ",salt=ab,panic=0" REST, "\"panic=0\" is not known" },
		{ "root_hash" REST, "\"root_hash\" is not known" },
		{ "root_hash=" ROOT "00,salt=ab" REST, "root_hash is not" },
		{ "root_hash=" ROOT ",salt=ab\" init=/x" REST, "salt is not" },
		{ "root_hash=" ROOT ",salt=abc" REST, "salt is not" },
		{ "root_hash=" ROOT ",salt=" REST, "salt is not" },
		{ "root_hash=" ROOT
		  ",salt=ab,data_blocks=0,data_block_size=4096,hash_block_size=4096",
		  "data_blocks is no" },
		{ "root_hash=" ROOT
		  ",salt=ab,data_blocks=1,data_block_size=4097,hash_block_size=4096",
		  "data_block_size is no" },
		{ "root_hash=" ROOT
		  ",salt=ab,data_blocks=1,data_block_size=4096,hash_block_size=-1",
		  "hash_block_size is no" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error e = ERROR_INIT;
		char *p = NULL;

		assert_int_equal(verity_param(bad[i].text, "/dev/vda1", "/dev/vda2", &p, &e),
				 -EINVAL);
		assert_non_null(strstr(e.text, bad[i].reason));
		assert_null(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parameter),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
