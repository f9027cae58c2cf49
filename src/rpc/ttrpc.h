/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc - client and server of containerd's ttRPC over one stream socket, unary calls.
 *
 * Wire: containerd/ttrpc PROTOCOL.md (frames in wire/ttrpc_frame.h). Dispatch goes through
 * protobuf-c's service descriptors: method name -> index -> handler, request and response types.
 * Many calls are in flight at once on one connection; a handler may answer later. Streaming calls
 * are refused with Unimplemented.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct loop;
struct rpc_server;
struct rpc_call;
struct rpc_client;

/* google.rpc.Code */
enum rpc_code {
	RPC_OK = 0,
	RPC_CANCELLED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_ALREADY_EXISTS = 6,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_ABORTED = 10,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
};

/* One table maps errno <-> code both ways: ENOENT/ESRCH NOT_FOUND, EEXIST ALREADY_EXISTS, EINVAL,
 * EOPNOTSUPP/ENOSYS UNIMPLEMENTED, EBUSY FAILED_PRECONDITION, ETIMEDOUT, ECANCELED, EPERM/EACCES,
 * ENOBUFS/E2BIG/EMSGSIZE, EPROTO INTERNAL, ECONNRESET/ECONNREFUSED/EPIPE UNAVAILABLE, others
 * UNKNOWN (-> EIO). @err of either sign; errnos come back positive. */
enum rpc_code rpc_code_of_errno(int err);
int rpc_errno_of_code(enum rpc_code code);
/* "NOT_FOUND"; "UNKNOWN" for those not listed above. */
const char *rpc_code_name(enum rpc_code code);

/* --- server --- */

/*
 * A handler answers exactly once, now or later, with rpc_call_reply or rpc_call_fail, which free
 * the call. @req is valid until then. @data as given to rpc_server_add. It may free the server.
 */
typedef void rpc_handler_fn(struct rpc_call *call, const ProtobufCMessage *req, void *data);

struct rpc_service {
	const ProtobufCServiceDescriptor *desc;
	/* One for each method, in the descriptor's order; NULL entries answer Unimplemented. */
	rpc_handler_fn *const *handlers;
};

/* May a peer with this method be served? For policy; -errno and a reason refuse. NULL hook: all. */
typedef int rpc_filter_fn(void *data, const char *service, const char *method,
			  const ProtobufCMessage *req, struct error *e);

struct rpc_server *rpc_server_new(struct loop *l);
/* Closes all connections; calls not answered yet become dead and must still be answered. */
void rpc_server_free(struct rpc_server *s);
DEFINE_AUTOPTR(rpc_server, rpc_server_free);
/* @svc is kept by reference. */
void rpc_server_add(struct rpc_server *s, const struct rpc_service *svc, void *data);
void rpc_server_set_filter(struct rpc_server *s, rpc_filter_fn *fn, void *data);
/* Accepts from @listen_fd (owned from now on), at most LIMIT_TTRPC_CLIENTS at once. @accept_check
 * may refuse a peer by -errno (vsock CID, peer credentials); NULL: all. */
int rpc_server_listen(struct rpc_server *s, int listen_fd, int (*accept_check)(int fd, void *data),
		      void *data);
/* Serves one connected socket (owned from now on). Does not count against LIMIT_TTRPC_CLIENTS. */
int rpc_server_serve(struct rpc_server *s, int fd);
/* Called from the loop whenever the last connection has gone; NULL to unset. It may free the
 * server. */
void rpc_server_on_idle(struct rpc_server *s, void (*fn)(void *data), void *data);
unsigned rpc_server_clients(const struct rpc_server *s);

void rpc_call_reply(struct rpc_call *c, const ProtobufCMessage *resp);
void rpc_call_fail(struct rpc_call *c, const struct error *e);
void rpc_call_failf(struct rpc_call *c, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Answers with a message without fields set, as google.protobuf.Empty. */
void rpc_call_reply_empty(struct rpc_call *c);
/* The first value of @key (as "containerd-namespace-ttrpc"; case does not matter), or NULL. */
const char *rpc_call_metadata(const struct rpc_call *c, const char *key);
/* Called once, if the caller goes away or its timeout passes before the answer; the call must still
 * be answered (into the void), best at once: until then it takes memory. Handlers that wait for
 * long need this. @fn must not free the server. */
void rpc_call_on_cancel(struct rpc_call *c, void (*fn)(void *data), void *data);
/* True when nobody waits for the answer any more (rpc_call_on_cancel comes too late then). */
bool rpc_call_gone(const struct rpc_call *c);
const char *rpc_call_method(const struct rpc_call *c);

/* --- client --- */

/* Owns @fd. @l NULL: only rpc_client_call_sync may be used. Never NULL: with a bad @fd all calls
 * fail. */
struct rpc_client *rpc_client_new(struct loop *l, int fd);
/* Pending calls fail with -ECANCELED before this returns; their callbacks must not make new
 * ones. */
void rpc_client_free(struct rpc_client *c);
DEFINE_AUTOPTR(rpc_client, rpc_client_free);
/* Sent as containerd-namespace-ttrpc with every call. Copied. */
void rpc_client_set_namespace(struct rpc_client *c, const char *ns);
/* Called once when the connection breaks, after all pending calls have failed with -ECONNRESET. */
void rpc_client_on_close(struct rpc_client *c, void (*fn)(void *data), void *data);

/* Exactly one of @e and @resp is non-NULL; @resp is freed after the call. May free the client. */
typedef void rpc_reply_fn(void *data, const struct error *e, const ProtobufCMessage *resp);

/* Queues the call; @fn is called later from the loop, also for errors. @method indexes
 * @desc->methods. @timeout_ms 0: none; it also travels to the server. */
void rpc_client_call(struct rpc_client *c, const ProtobufCServiceDescriptor *desc, unsigned method,
		     const ProtobufCMessage *req, int64_t timeout_ms, rpc_reply_fn *fn, void *data);

/* Blocks; callbacks of other calls wait until the loop runs again. *ret (may be NULL) is freed by
 * the caller with protobuf_c_message_free_unpacked(m, NULL). */
int rpc_client_call_sync(struct rpc_client *c, const ProtobufCServiceDescriptor *desc,
			 unsigned method, const ProtobufCMessage *req, int64_t timeout_ms,
			 ProtobufCMessage **ret, struct error *e);

/* Index of a method by name, or -ENOENT. */
int rpc_method_index(const ProtobufCServiceDescriptor *desc, const char *name);
