/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "health.pb-c.h"
#include "rpc/ttrpc.h"

#include <errno.h>

static void test_errno_to_code(void **state)
{
	static const struct {
		int err;
		enum rpc_code code;
	} want[] = {
		{ 0, RPC_OK },
		{ ENOENT, RPC_NOT_FOUND },
		{ ESRCH, RPC_NOT_FOUND },
		{ EEXIST, RPC_ALREADY_EXISTS },
		{ EINVAL, RPC_INVALID_ARGUMENT },
		{ EOPNOTSUPP, RPC_UNIMPLEMENTED },
		{ ENOSYS, RPC_UNIMPLEMENTED },
		{ EBUSY, RPC_FAILED_PRECONDITION },
		{ ETIMEDOUT, RPC_DEADLINE_EXCEEDED },
		{ EPERM, RPC_PERMISSION_DENIED },
		{ EACCES, RPC_PERMISSION_DENIED },
		{ ENOBUFS, RPC_RESOURCE_EXHAUSTED },
		{ E2BIG, RPC_RESOURCE_EXHAUSTED },
		{ ECONNRESET, RPC_UNAVAILABLE },
		{ EPIPE, RPC_UNAVAILABLE },
		{ ECANCELED, RPC_CANCELLED },
		{ EPROTO, RPC_INTERNAL },
		{ EXDEV, RPC_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(rpc_code_of_errno(want[i].err), want[i].code);
		assert_int_equal(rpc_code_of_errno(-want[i].err), want[i].code);
	}
}

static void test_code_to_errno(void **state)
{
	assert_int_equal(rpc_errno_of_code(RPC_OK), 0);
	assert_int_equal(rpc_errno_of_code(RPC_NOT_FOUND), ENOENT);
	assert_int_equal(rpc_errno_of_code(RPC_PERMISSION_DENIED), EPERM);
	assert_int_equal(rpc_errno_of_code(RPC_UNAVAILABLE), ECONNRESET);
	assert_int_equal(rpc_errno_of_code(RPC_UNKNOWN), EIO);
	assert_int_equal(rpc_errno_of_code((enum rpc_code) - 7), EIO);
	assert_int_equal(rpc_errno_of_code((enum rpc_code)1000), EIO);
}

static void test_names(void **state)
{
	assert_string_equal(rpc_code_name(RPC_OK), "OK");
	assert_string_equal(rpc_code_name(RPC_NOT_FOUND), "NOT_FOUND");
	assert_string_equal(rpc_code_name(RPC_UNAVAILABLE), "UNAVAILABLE");
	assert_string_equal(rpc_code_name((enum rpc_code)11), "UNKNOWN");
	assert_string_equal(rpc_code_name((enum rpc_code)1000), "UNKNOWN");
	assert_string_equal(rpc_code_name((enum rpc_code) - 7), "UNKNOWN");
}

static void test_method_index(void **state)
{
	assert_int_equal(rpc_method_index(&grpc__health__descriptor, "Check"), 0);
	assert_int_equal(rpc_method_index(&grpc__health__descriptor, "Version"), 1);
	assert_int_equal(rpc_method_index(&grpc__health__descriptor, "version"), -ENOENT);
	assert_int_equal(rpc_method_index(&grpc__health__descriptor, ""), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errno_to_code),
		cmocka_unit_test(test_code_to_errno),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_method_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
