/* SPDX-License-Identifier: Apache-2.0 */
/* code - the one table of errno and google.rpc.Code. Several numbers may share a code; the first is
 * what it becomes again. And the codes' names. */
#include "rpc/ttrpc.h"

#include <errno.h>

static const struct {
	int err;
	enum rpc_code code;
} codes[] = {
	{ 0, RPC_OK },
	{ ECANCELED, RPC_CANCELLED },
	{ EINVAL, RPC_INVALID_ARGUMENT },
	{ ETIMEDOUT, RPC_DEADLINE_EXCEEDED },
	{ ENOENT, RPC_NOT_FOUND },
	{ ESRCH, RPC_NOT_FOUND },
	{ EEXIST, RPC_ALREADY_EXISTS },
	{ EPERM, RPC_PERMISSION_DENIED },
	{ EACCES, RPC_PERMISSION_DENIED },
	{ ENOBUFS, RPC_RESOURCE_EXHAUSTED },
	{ E2BIG, RPC_RESOURCE_EXHAUSTED },
	{ EMSGSIZE, RPC_RESOURCE_EXHAUSTED },
	{ EBUSY, RPC_FAILED_PRECONDITION },
	{ EOPNOTSUPP, RPC_UNIMPLEMENTED },
	{ ENOSYS, RPC_UNIMPLEMENTED },
	{ EPROTO, RPC_INTERNAL },
	{ ECONNRESET, RPC_UNAVAILABLE },
	{ ECONNREFUSED, RPC_UNAVAILABLE },
	{ EPIPE, RPC_UNAVAILABLE },
};

enum rpc_code rpc_code_of_errno(int err)
{
	if (err < 0)
		err = -err;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].err == err)
			return codes[i].code;
	return RPC_UNKNOWN;
}

int rpc_errno_of_code(enum rpc_code code)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			return codes[i].err;
	return EIO;
}

const char *rpc_code_name(enum rpc_code code)
{
	static const char *const names[] = {
		[RPC_OK] = "OK",
		[RPC_CANCELLED] = "CANCELLED",
		[RPC_UNKNOWN] = "UNKNOWN",
		[RPC_INVALID_ARGUMENT] = "INVALID_ARGUMENT",
		[RPC_DEADLINE_EXCEEDED] = "DEADLINE_EXCEEDED",
		[RPC_NOT_FOUND] = "NOT_FOUND",
		[RPC_ALREADY_EXISTS] = "ALREADY_EXISTS",
		[RPC_PERMISSION_DENIED] = "PERMISSION_DENIED",
		[RPC_RESOURCE_EXHAUSTED] = "RESOURCE_EXHAUSTED",
		[RPC_FAILED_PRECONDITION] = "FAILED_PRECONDITION",
		[RPC_ABORTED] = "ABORTED",
		[RPC_UNIMPLEMENTED] = "UNIMPLEMENTED",
		[RPC_INTERNAL] = "INTERNAL",
		[RPC_UNAVAILABLE] = "UNAVAILABLE",
	};
	const char *name = (size_t)code < ARRAY_SIZE(names) ? names[code] : NULL;

	return name ? name : names[RPC_UNKNOWN];
}

int rpc_method_index(const ProtobufCServiceDescriptor *desc, const char *name)
{
	const ProtobufCMethodDescriptor *m =
		protobuf_c_service_descriptor_get_method_by_name(desc, name);

	return m ? (int)(m - desc->methods) : -ENOENT;
}
