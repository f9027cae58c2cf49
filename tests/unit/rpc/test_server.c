/* SPDX-License-Identifier: Apache-2.0 */
/* The server against a client spoken by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "peer.h"

#include "base/fd.h"
#include "base/limits.h"
#include "health.pb-c.h"
#include "rpc/ttrpc.h"
#include "task.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEALTH "grpc.Health"
#define MAX_WAITING 5000

/* One server with Health and Task, one client of it. */
struct fixture {
	struct loop *loop;
	struct rpc_server *server;
	int fd;
	struct rpc_call *waiting[MAX_WAITING]; /* calls of Check, not answered yet */
	size_t nwaiting;
	char namespace[64];
	unsigned cancelled, idle, handled;
	bool free_server;   /* the next handler frees the server */
	size_t answer_size; /* of Version's answers */
};

static void check(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	struct fixture *f = data;

	f->handled++;
	f->waiting[f->nwaiting++] = call;
	if (f->free_server) {
		rpc_server_free(f->server);
		f->server = NULL;
	}
}

static void version(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	Grpc__VersionCheckResponse r = GRPC__VERSION_CHECK_RESPONSE__INIT;
	struct fixture *f = data;
	autofree char *text = xcalloc(1, f->answer_size + 1);

	f->handled++;
	memset(text, 'v', f->answer_size);
	r.agent_version = text;
	rpc_call_reply(call, &r.base);
}

static void connect_task(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	const Containerd__Task__V2__ConnectRequest *in =
		(const Containerd__Task__V2__ConnectRequest *)req;
	Containerd__Task__V2__ConnectResponse r = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct fixture *f = data;

	assert_string_equal(in->id, "abc");
	assert_string_equal(rpc_call_method(call), "Connect");
	assert_null(rpc_call_metadata(call, "other"));
	snprintf(f->namespace, sizeof(f->namespace), "%s",
		 rpc_call_metadata(call, "Containerd-Namespace-TTRPC"));
	r.shim_pid = 100;
	r.task_pid = 101;
	rpc_call_reply(call, &r.base);
}

static void kill_task(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	rpc_call_failf(call, ENOENT, "not found");
}

static void pause_task(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	rpc_call_reply_empty(call);
}

static rpc_handler_fn *const health_handlers[] = { check, version };
static const struct rpc_service health = { &grpc__health__descriptor, health_handlers };
static rpc_handler_fn *task_handlers[32];
static const struct rpc_service task = { &containerd__task__v2__task__descriptor, task_handlers };

static void on_idle(void *data)
{
	((struct fixture *)data)->idle++;
}

static void on_cancel(void *data)
{
	((struct fixture *)data)->cancelled++;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	int fds[2];

	task_handlers[rpc_method_index(task.desc, "Connect")] = connect_task;
	task_handlers[rpc_method_index(task.desc, "Kill")] = kill_task;
	task_handlers[rpc_method_index(task.desc, "Pause")] = pause_task;
	f->loop = loop_new();
	f->server = rpc_server_new(f->loop);
	f->answer_size = 3;
	rpc_server_add(f->server, &health, f);
	rpc_server_add(f->server, &task, f);
	rpc_server_on_idle(f->server, on_idle, f);
	peer_pair(fds);
	assert_int_equal(rpc_server_serve(f->server, fds[0]), 0);
	f->fd = fds[1];
	*state = f;
	return 0;
}

static void answer_all(struct fixture *f)
{
	Grpc__HealthCheckResponse r = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	r.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	for (size_t i = 0; i < f->nwaiting; i++)
		rpc_call_reply(f->waiting[i], &r.base);
	f->nwaiting = 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_server_free(f->server);
	answer_all(f);
	fd_close(f->fd);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void test_golden(void **state)
{
	struct fixture *f = *state;

	peer_write_hex(f->loop, f->fd,
		       "000000560000000101000a17636f6e7461696e6572642e7461736b2e76322e5461736b12074"
		       "36f6e6e656374"
		       "1a050a036162632080e497d0122a250a1a636f6e7461696e6572642d6e616d6573706163652"
		       "d747472706312"
		       "0764656661756c74");
	peer_expect_hex(f->loop, f->fd, "00000006000000010200120408641065");
	assert_string_equal(f->namespace, "default");
	peer_request(f->loop, f->fd, 3, "containerd.task.v2.Task", "Kill", NULL, 0);
	peer_expect_hex(f->loop, f->fd, "0000000f0000000302000a0d080512096e6f7420666f756e64");
	peer_request(f->loop, f->fd, 5, "containerd.task.v2.Task", "Pause", NULL, 0);
	peer_expect_hex(f->loop, f->fd, "00000000000000050200");
}

static void test_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	static const uint8_t frame[] =
		"\0\0\0\x16\0\0\0\x01\x01\0\x0a\x0bgrpc.Health\x12\x07Version";

	for (size_t i = 0; i < sizeof(frame) - 1; i++) {
		assert_int_equal(f->handled, 0);
		peer_write(f->loop, f->fd, frame + i, 1);
		peer_settle(f->loop);
	}
	assert_int_equal(f->handled, 1);
	peer_expect_status(f->loop, f->fd, 1, 0, "");
}

static void test_unknown_names(void **state)
{
	struct fixture *f = *state;

	peer_request(f->loop, f->fd, 1, "no.Such", "Check", NULL, 0);
	peer_expect_status(f->loop, f->fd, 1, RPC_UNIMPLEMENTED, "service no.Such");
	peer_request(f->loop, f->fd, 3, HEALTH, "Nothing", NULL, 0);
	peer_expect_status(f->loop, f->fd, 3, RPC_UNIMPLEMENTED, "method Nothing");
	peer_request(f->loop, f->fd, 5, "containerd.task.v2.Task", "Stats", NULL, 0);
	peer_expect_status(f->loop, f->fd, 5, RPC_UNIMPLEMENTED, "method Stats");
	/* What a peer sends comes back as one line of UTF-8. */
	peer_request(f->loop, f->fd, 7,
		     "a\nb\xff"
		     "c\xc3\xa9",
		     "", NULL, 0);
	peer_expect_status(f->loop, f->fd, 7, RPC_UNIMPLEMENTED, "service a b?c\xc3\xa9");
	assert_int_equal(f->handled, 0);
}

static void test_stream_ids(void **state)
{
	struct fixture *f = *state;

	peer_request(f->loop, f->fd, 2, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 2, RPC_INVALID_ARGUMENT,
			   "StreamID must be odd for client initiated streams");
	peer_request(f->loop, f->fd, 7, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 7, 0, "");
	peer_request(f->loop, f->fd, 7, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 7, RPC_INVALID_ARGUMENT,
			   "StreamID cannot be re-used and must increment");
	peer_request(f->loop, f->fd, 5, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 5, RPC_INVALID_ARGUMENT,
			   "StreamID cannot be re-used and must increment");
	peer_request(f->loop, f->fd, UINT32_MAX, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, UINT32_MAX, 0, "");
	assert_int_equal(f->handled, 2);
}

static void test_other_frames(void **state)
{
	struct fixture *f = *state;
	static const char request[] = "\x0a\x0bgrpc.Health\x12\x07Version";

	peer_frame(f->loop, f->fd, 1, TTRPC_TYPE_REQUEST, TTRPC_FLAG_REMOTE_OPEN, request,
		   sizeof(request) - 1);
	peer_expect_status(f->loop, f->fd, 1, RPC_UNIMPLEMENTED,
			   "streaming calls are not served here");
	peer_frame(f->loop, f->fd, 1, TTRPC_TYPE_DATA,
		   TTRPC_FLAG_REMOTE_CLOSED | TTRPC_FLAG_NO_DATA, "", 0);
	peer_expect_status(f->loop, f->fd, 1, RPC_INVALID_ARGUMENT, "StreamID is no longer active");
	peer_frame(f->loop, f->fd, 3, TTRPC_TYPE_RESPONSE, 0, "abc", 3);
	peer_frame(f->loop, f->fd, 3, 200, 0xff, "abc", 3);
	peer_frame(f->loop, f->fd, 3, TTRPC_TYPE_REQUEST, TTRPC_FLAG_REMOTE_CLOSED, request,
		   sizeof(request) - 1);
	peer_expect_status(f->loop, f->fd, 3, 0, "");
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	static const char bad_payload[] = "\x0a\x0bgrpc.Health\x12\x07Version\x1a\x02\x0a\x05";

	peer_frame(f->loop, f->fd, 1, TTRPC_TYPE_REQUEST, 0, "\x0a\xff", 2);
	peer_expect_status(f->loop, f->fd, 1, RPC_INVALID_ARGUMENT,
			   "unmarshal request error: not a ttrpc.Request");
	peer_frame(f->loop, f->fd, 3, TTRPC_TYPE_REQUEST, 0, bad_payload, sizeof(bad_payload) - 1);
	peer_expect_status(f->loop, f->fd, 3, RPC_INTERNAL, "Version: the request is malformed");
	assert_int_equal(f->handled, 0);
	peer_request(f->loop, f->fd, 5, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 5, 0, "");
}

static void test_oversize(void **state)
{
	struct fixture *f = *state;
	const size_t n = LIMIT_TTRPC_MESSAGE + 1;
	autofree char *body = xcalloc(1, n);

	peer_write_hex(f->loop, f->fd,
		       "00400001"
		       "00000001"
		       "0100");
	peer_expect_status(f->loop, f->fd, 1, RPC_RESOURCE_EXHAUSTED,
			   "message length 4194305 exceed maximum message size of 4194304");
	memset(body, 1, n);
	peer_write(f->loop, f->fd, body, n);
	peer_request(f->loop, f->fd, 1, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 1, 0, "");
}

static void test_largest(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	const size_t n = LIMIT_TTRPC_MESSAGE - 64;
	autofree char *text = xcalloc(1, n + 1);
	Ttrpc__Response *r;

	memset(text, 'x', n);
	req.service = text;
	f->answer_size = n;
	peer_request(f->loop, f->fd, 1, HEALTH, "Version", &req.base, 0);
	r = peer_response(f->loop, f->fd, 1);
	assert_null(r->status);
	assert_true(r->payload.len > n);
	ttrpc__response__free_unpacked(r, NULL);
	f->answer_size = LIMIT_TTRPC_MESSAGE + 1;
	peer_request(f->loop, f->fd, 3, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 3, RPC_RESOURCE_EXHAUSTED,
			   "Version: the answer is longer than a message may be");
	/* The message fits, the frame around it does not. */
	f->answer_size = LIMIT_TTRPC_MESSAGE - 5;
	peer_request(f->loop, f->fd, 5, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 5, RPC_RESOURCE_EXHAUSTED,
			   "the answer is longer than a message may be");
}

static void test_many_waits(void **state)
{
	struct fixture *f = *state;
	const unsigned n = 1000;

	for (unsigned i = 0; i < n; i++)
		peer_request(f->loop, f->fd, 2 * i + 1, HEALTH, "Check", NULL, 60000000000);
	peer_request(f->loop, f->fd, 2 * n + 1, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 2 * n + 1, 0, "");
	assert_int_equal(f->nwaiting, n);
	answer_all(f);
	for (unsigned i = 0; i < n; i++)
		peer_expect_status(f->loop, f->fd, 2 * i + 1, 0, "");
}

static void test_too_many_calls(void **state)
{
	struct fixture *f = *state;
	uint32_t id = 1;

	for (unsigned i = 0; i < LIMIT_TTRPC_CALLS; i++, id += 2)
		peer_request(f->loop, f->fd, id, HEALTH, "Check", NULL, 0);
	peer_request(f->loop, f->fd, id, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, id, RPC_RESOURCE_EXHAUSTED,
			   "more than 4096 requests in flight");
	rpc_call_reply_empty(f->waiting[--f->nwaiting]);
	peer_expect_status(f->loop, f->fd, id - 2, 0, "");
	peer_request(f->loop, f->fd, id + 2, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, id + 2, 0, "");
}

static void test_too_much_held(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	const size_t n = LIMIT_TTRPC_MESSAGE - 64;
	autofree char *text = xcalloc(1, n + 1);
	uint32_t id = 1;

	memset(text, 'x', n);
	req.service = text;
	for (; id / 2 + 1 < LIMIT_TTRPC_HELD / LIMIT_TTRPC_MESSAGE; id += 2)
		peer_request(f->loop, f->fd, id, HEALTH, "Check", &req.base, 0);
	/* What the allocator needs for each counts, too: one less than the sizes alone would
	 * allow. */
	peer_request(f->loop, f->fd, id, HEALTH, "Check", &req.base, 0);
	peer_expect_status(f->loop, f->fd, id, RPC_RESOURCE_EXHAUSTED,
			   "Check: the requests in flight take too much memory");
	assert_int_equal(f->nwaiting, id / 2);
	peer_request(f->loop, f->fd, id + 2, HEALTH, "Check", NULL, 0);
	rpc_call_reply_empty(f->waiting[--f->nwaiting]);
	peer_expect_status(f->loop, f->fd, id - 2, 0, "");
}

static void test_deadline(void **state)
{
	struct fixture *f = *state;

	peer_request(f->loop, f->fd, 1, HEALTH, "Check", NULL, 0);
	peer_request(f->loop, f->fd, 3, HEALTH, "Check", NULL, 60000000);
	peer_request(f->loop, f->fd, 5, HEALTH, "Check", NULL, 20000000);
	peer_settle(f->loop);
	assert_int_equal(f->nwaiting, 3);
	rpc_call_on_cancel(f->waiting[2], on_cancel, f);
	peer_expect_status(f->loop, f->fd, 5, RPC_DEADLINE_EXCEEDED,
			   "Check: not done within the time the caller gave");
	assert_int_equal(f->cancelled, 1);
	peer_expect_status(f->loop, f->fd, 3, RPC_DEADLINE_EXCEEDED,
			   "Check: not done within the time the caller gave");
	answer_all(f); /* two of them into the void */
	peer_expect_status(f->loop, f->fd, 1, 0, "");
	peer_request(f->loop, f->fd, 7, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 7, 0, "");
	peer_request(f->loop, f->fd, 9, HEALTH, "Version", NULL, -1);
	peer_expect_status(f->loop, f->fd, 9, RPC_DEADLINE_EXCEEDED,
			   "Version: the caller's time was over before it began");
	peer_request(f->loop, f->fd, 11, HEALTH, "Version", NULL, INT64_MAX);
	peer_expect_status(f->loop, f->fd, 11, 0, "");
}

static void test_client_gone(void **state)
{
	struct fixture *f = *state;

	for (uint32_t id = 1; id < 20; id += 2)
		peer_request(f->loop, f->fd, id, HEALTH, "Check", NULL, 0);
	peer_settle(f->loop);
	assert_int_equal(f->nwaiting, 10);
	assert_false(rpc_call_gone(f->waiting[9]));
	for (size_t i = 0; i < 4; i++)
		rpc_call_on_cancel(f->waiting[i], on_cancel, f);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->cancelled, 4);
	assert_int_equal(f->idle, 1);
	assert_int_equal(rpc_server_clients(f->server), 0);
	assert_true(rpc_call_gone(f->waiting[9]));
	answer_all(f);
}

static void test_last_words(void **state)
{
	struct fixture *f = *state;

	/* A client that does not wait for answers is served to the end of what it sent. */
	for (uint32_t id = 1; id < 2000; id += 2)
		peer_request(f->loop, f->fd, id, HEALTH, "Version", NULL, 0);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->handled, 1000);
	assert_int_equal(rpc_server_clients(f->server), 0);
}

static void test_half_closed(void **state)
{
	struct fixture *f = *state;

	peer_request(f->loop, f->fd, 1, HEALTH, "Check", NULL, 0);
	peer_request(f->loop, f->fd, 3, HEALTH, "Version", NULL, 0);
	shutdown(f->fd, SHUT_WR);
	peer_expect_status(f->loop, f->fd, 3, 0, "");
	peer_settle(f->loop);
	assert_int_equal(rpc_server_clients(f->server), 1);
	answer_all(f);
	peer_expect_status(f->loop, f->fd, 1, 0, "");
	peer_expect_end(f->loop, f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->idle, 1);
}

static void test_half_closed_then_gone(void **state)
{
	struct fixture *f = *state;

	peer_request(f->loop, f->fd, 1, HEALTH, "Check", NULL, 0);
	peer_settle(f->loop);
	rpc_call_on_cancel(f->waiting[0], on_cancel, f);
	shutdown(f->fd, SHUT_WR);
	peer_settle(f->loop);
	assert_int_equal(f->cancelled, 0);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->cancelled, 1);
	assert_int_equal(rpc_server_clients(f->server), 0);
}

static void test_back_pressure(void **state)
{
	struct fixture *f = *state;
	const unsigned n = 200;

	f->answer_size = KIB(16);
	for (unsigned i = 0; i < n; i++)
		peer_request(f->loop, f->fd, 2 * i + 1, HEALTH, "Version", NULL, 0);
	peer_settle(f->loop);
	/* The client reads nothing: what is handled fits in the socket and LIMIT_TTRPC_PAUSE. */
	assert_in_range(f->handled, 10, n / 2);
	for (unsigned i = 0; i < n; i++)
		peer_expect_status(f->loop, f->fd, 2 * i + 1, 0, "");
	assert_int_equal(f->handled, n);
}

static void test_deaf_client_is_cut_off(void **state)
{
	struct fixture *f = *state;
	Grpc__VersionCheckResponse r = GRPC__VERSION_CHECK_RESPONSE__INIT;
	autofree char *text = xcalloc(1, MIB(1) + 1);

	memset(text, 'v', MIB(1));
	r.agent_version = text;
	for (uint32_t id = 1; id < 64; id += 2)
		peer_request(f->loop, f->fd, id, HEALTH, "Check", NULL, 0);
	peer_settle(f->loop);
	assert_int_equal(f->nwaiting, 32);
	while (f->nwaiting)
		rpc_call_reply(f->waiting[--f->nwaiting], &r.base);
	peer_settle(f->loop);
	assert_int_equal(rpc_server_clients(f->server), 0);
}

static void test_free_in_handler(void **state)
{
	struct fixture *f = *state;

	f->free_server = true;
	peer_request(f->loop, f->fd, 1, HEALTH, "Check", NULL, 100000000);
	peer_request(f->loop, f->fd, 3, HEALTH, "Check", NULL, 0);
	peer_expect_end(f->loop, f->fd);
	assert_int_equal(f->handled, 1);
	answer_all(f);
}

static void free_on_idle(void *data)
{
	struct fixture *f = data;

	f->idle++;
	rpc_server_free(f->server);
	f->server = NULL;
}

static void test_free_on_idle(void **state)
{
	struct fixture *f = *state;

	rpc_server_on_idle(f->server, free_on_idle, f);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->idle, 1);
	assert_null(f->server);
}

/* Answers from the cancel callback, as a handler that waits should. */
static void answer_when_cancelled(void *data)
{
	struct fixture *f = data;

	f->cancelled++;
	answer_all(f);
}

static void test_answer_in_cancel(void **state)
{
	struct fixture *f = *state;

	peer_request(f->loop, f->fd, 1, HEALTH, "Check", NULL, 0);
	peer_request(f->loop, f->fd, 3, HEALTH, "Check", NULL, 0);
	peer_settle(f->loop);
	rpc_call_on_cancel(f->waiting[0], answer_when_cancelled, f);
	rpc_call_on_cancel(f->waiting[1], answer_when_cancelled, f);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->cancelled, 1); /* the other had been answered by then */
	assert_int_equal(f->nwaiting, 0);
}

static int filter(void *data, const char *service, const char *method, const ProtobufCMessage *req,
		  struct error *e)
{
	assert_string_equal(service, HEALTH);
	assert_ptr_equal(req->descriptor, &grpc__check_request__descriptor);
	if (strcmp(method, "Check") == 0)
		return error_plain(e, EPERM, "Check is not for you");
	return strcmp(((const Grpc__CheckRequest *)req)->service, "silent") == 0 ? -EACCES : 0;
}

static void test_filter(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	req.service = (char *)(uintptr_t) "silent";
	rpc_server_set_filter(f->server, filter, f);
	peer_request(f->loop, f->fd, 1, HEALTH, "Check", NULL, 0);
	peer_expect_status(f->loop, f->fd, 1, RPC_PERMISSION_DENIED, "Check is not for you");
	peer_request(f->loop, f->fd, 3, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 3, 0, "");
	peer_request(f->loop, f->fd, 5, HEALTH, "Version", &req.base, 0);
	peer_expect_status(f->loop, f->fd, 5, RPC_PERMISSION_DENIED, "refused by policy");
	assert_int_equal(f->handled, 1);
}

/* Four megabytes that would unpack to hundreds, or take hours to merge. */
static void test_hostile_payload(void **state)
{
	struct fixture *f = *state;
	const size_t n = MIB(4) - 64;
	autofree uint8_t *p = xcalloc(1, n);
	static const uint8_t head[] = "\x0a\x0bgrpc.Health\x12\x07Version";
	size_t at = sizeof(head) - 1;

	/* metadata: two million empty entries */
	memcpy(p, head, at);
	for (; at + 2 <= n; at += 2)
		memcpy(p + at, "\x2a\x00", 2);
	peer_frame(f->loop, f->fd, 1, TTRPC_TYPE_REQUEST, 0, p, at);
	peer_expect_status(f->loop, f->fd, 1, RPC_INVALID_ARGUMENT + 5,
			   "unmarshal request error: not a ttrpc.Request");
	/* unknown fields in the request of the method */
	memcpy(p, head, sizeof(head) - 1);
	at = sizeof(head) - 1;
	memcpy(p + at, "\x1a\x80\x80\x80\x01", 5); /* payload of 2 MiB */
	at += 5;
	for (size_t end = at + MIB(2); at < end; at += 2)
		memcpy(p + at, "\x78\x01", 2);
	peer_frame(f->loop, f->fd, 3, TTRPC_TYPE_REQUEST, 0, p, at);
	peer_expect_status(f->loop, f->fd, 3, RPC_RESOURCE_EXHAUSTED,
			   "Version: the request is too large when unpacked");
	assert_int_equal(f->handled, 0);
	peer_request(f->loop, f->fd, 5, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, f->fd, 5, 0, "");
}

static int connect_to(struct fixture *f, const struct sockaddr_un *sa, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)sa, len), 0);
	peer_settle(f->loop);
	return fd;
}

/* A listener with a name the kernel makes up. */
static int listen_somewhere(struct sockaddr_un *sa, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	assert_int_equal(bind(fd, (struct sockaddr *)sa, sizeof(sa->sun_family)), 0);
	*len = sizeof(*sa);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sa, len), 0);
	assert_int_equal(listen(fd, 100), 0);
	return fd;
}

static int refuse_next;

static int accept_check(int fd, void *data)
{
	return refuse_next ? -EPERM : 0;
}

static void test_listen(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa;
	socklen_t len;
	int fds[LIMIT_TTRPC_CLIENTS + 3];

	assert_int_equal(rpc_server_listen(f->server, listen_somewhere(&sa, &len), accept_check, f),
			 0);
	refuse_next = 1;
	fds[0] = connect_to(f, &sa, len);
	peer_expect_end(f->loop, fds[0]);
	fd_close(fds[0]);
	refuse_next = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_to(f, &sa, len);
	assert_int_equal(rpc_server_clients(f->server), LIMIT_TTRPC_CLIENTS);
	/* Those over the limit are served when others have gone. */
	for (size_t i = 0; i < 6; i++)
		fd_close(fds[i]);
	peer_settle(f->loop);
	assert_int_equal(rpc_server_clients(f->server), ARRAY_SIZE(fds) + 1 - 6);
	peer_request(f->loop, fds[ARRAY_SIZE(fds) - 1], 1, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, fds[ARRAY_SIZE(fds) - 1], 1, 0, "");
	for (size_t i = 6; i < ARRAY_SIZE(fds); i++)
		fd_close(fds[i]);
}

static void test_accept_without_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, none;
	struct sockaddr_un sa;
	socklen_t len;
	int fd;

	assert_int_equal(rpc_server_listen(f->server, listen_somewhere(&sa, &len), NULL, NULL), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)fd + 1; /* all numbers up to fd are taken */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	peer_settle(f->loop);
	assert_int_equal(rpc_server_clients(f->server), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	peer_request(f->loop, fd, 1, HEALTH, "Version", NULL, 0);
	peer_expect_status(f->loop, fd, 1, 0, "");
	fd_close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_golden),
		T(test_byte_by_byte),
		T(test_unknown_names),
		T(test_stream_ids),
		T(test_other_frames),
		T(test_malformed),
		T(test_oversize),
		T(test_largest),
		T(test_many_waits),
		T(test_too_many_calls),
		T(test_too_much_held),
		T(test_deadline),
		T(test_client_gone),
		T(test_last_words),
		T(test_half_closed),
		T(test_half_closed_then_gone),
		T(test_back_pressure),
		T(test_deaf_client_is_cut_off),
		T(test_free_in_handler),
		T(test_free_on_idle),
		T(test_answer_in_cancel),
		T(test_filter),
		T(test_hostile_payload),
		T(test_listen),
		T(test_accept_without_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
