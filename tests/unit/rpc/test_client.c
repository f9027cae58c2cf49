/* SPDX-License-Identifier: Apache-2.0 */
/* The client, against a server spoken by hand and against ours. */
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEALTH (&grpc__health__descriptor)
#define CHECK 0
#define VERSION 1

struct fixture {
	struct loop *loop;
	struct rpc_client *client;
	int fd;
	unsigned closed;
	unsigned answers; /* callbacks run */
	int code;         /* of the last one */
	char text[256];   /* its error, or the version it brought */
	bool free_client; /* the next callback frees the client */
	bool call_again;  /* every callback calls again */
};

static const Grpc__CheckRequest request = GRPC__CHECK_REQUEST__INIT;

static void call(struct fixture *f, unsigned method, int64_t timeout_ms);

static void on_reply(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct fixture *f = data;

	assert_true(!e != !resp);
	f->answers++;
	f->code = e ? e->code : 0;
	if (e)
		snprintf(f->text, sizeof(f->text), "%s", e->text);
	else if (resp->descriptor == &grpc__version_check_response__descriptor)
		snprintf(f->text, sizeof(f->text), "%s",
			 ((const Grpc__VersionCheckResponse *)resp)->agent_version);
	if (f->free_client) {
		rpc_client_free(f->client);
		f->client = NULL;
	}
	if (f->call_again)
		call(f, VERSION, 0);
}

static void call(struct fixture *f, unsigned method, int64_t timeout_ms)
{
	rpc_client_call(f->client, HEALTH, method, &request.base, timeout_ms, on_reply, f);
}

static void on_close(void *data)
{
	((struct fixture *)data)->closed++;
}

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	int fds[2];

	f->loop = loop_new();
	peer_pair(fds);
	f->client = rpc_client_new(f->loop, fds[0]);
	rpc_client_on_close(f->client, on_close, f);
	f->fd = fds[1];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_client_free(f->client);
	fd_close(f->fd);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Takes one request; its stream. */
static uint32_t take_request(struct fixture *f, Ttrpc__Request **ret)
{
	autofree uint8_t *payload = NULL;
	struct ttrpc_header h;
	Ttrpc__Request *r;

	peer_read(f->loop, f->fd, &h, &payload);
	assert_int_equal(h.type, TTRPC_TYPE_REQUEST);
	assert_int_equal(h.flags, 0);
	r = ttrpc__request__unpack(NULL, h.length, payload);
	assert_non_null(r);
	if (ret)
		*ret = r;
	else
		ttrpc__request__free_unpacked(r, NULL);
	return h.stream;
}

static void send_response(struct fixture *f, uint32_t stream, const Ttrpc__Response *r)
{
	autofree uint8_t *p = xcalloc(1, ttrpc__response__get_packed_size(r) + 1);

	peer_frame(f->loop, f->fd, stream, TTRPC_TYPE_RESPONSE, 0, p, ttrpc__response__pack(r, p));
}

static void send_version(struct fixture *f, uint32_t stream, const char *version)
{
	Grpc__VersionCheckResponse v = GRPC__VERSION_CHECK_RESPONSE__INIT;
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	uint8_t payload[128];

	v.agent_version = (char *)(uintptr_t)version;
	r.payload.data = payload;
	r.payload.len = grpc__version_check_response__pack(&v, payload);
	send_response(f, stream, &r);
}

static void send_error(struct fixture *f, uint32_t stream, int code, const char *message)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;

	status.code = code;
	status.message = (char *)(uintptr_t)message;
	r.status = &status;
	send_response(f, stream, &r);
}

static void expect(struct fixture *f, unsigned answers, int code, const char *text)
{
	int64_t end = loop_now_ms() + 10000;

	while (f->answers < answers && loop_now_ms() < end)
		loop_run_once(f->loop, 10);
	assert_int_equal(f->answers, answers);
	assert_int_equal(f->code, code);
	assert_string_equal(f->text, text);
}

static void test_golden(void **state)
{
	struct fixture *f = *state;
	Containerd__Task__V2__ConnectRequest req = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	int method = rpc_method_index(&containerd__task__v2__task__descriptor, "Connect");

	req.id = (char *)(uintptr_t) "abc";
	rpc_client_set_namespace(f->client, "default");
	rpc_client_call(f->client, &containerd__task__v2__task__descriptor, (unsigned)method,
			&req.base, 5000, on_reply, f);
	peer_expect_hex(f->loop, f->fd,
			"000000560000000101000a17636f6e7461696e6572642e7461736b2e76322e5461736b1207"
			"436f6e6e656374"
			"1a050a036162632080e497d0122a250a1a636f6e7461696e6572642d6e616d657370616365"
			"2d747472706312"
			"0764656661756c74");
	peer_write_hex(f->loop, f->fd, "00000006000000010200120408641065");
	expect(f, 1, 0, "");
	rpc_client_set_namespace(f->client, NULL);
	call(f, CHECK, 0);
	peer_expect_hex(f->loop, f->fd,
			"000000140000000301000a0b677270632e4865616c746812054368656"
			"36b");
	peer_write_hex(f->loop, f->fd, "0000000f0000000302000a0d080512096e6f7420666f756e64");
	expect(f, 2, -ENOENT, "not found");
	call(f, CHECK, 0);
	take_request(f, NULL);
	peer_write_hex(f->loop, f->fd, "00000000000000050200");
	f->text[0] = '\0';
	expect(f, 3, 0, "");
}

static void test_any_order(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 3; i++)
		call(f, VERSION, 0);
	for (uint32_t id = 1; id < 7; id += 2)
		assert_int_equal(take_request(f, NULL), id);
	send_version(f, 3, "second");
	expect(f, 1, 0, "second");
	send_version(f, 99, "nobody's");
	send_version(f, 3, "again");
	send_version(f, 5, "third");
	expect(f, 2, 0, "third");
	send_version(f, 1, "first");
	expect(f, 3, 0, "first");
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "a", "b", "c", "d" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		call(f, VERSION, 0);
	send_error(f, 1, RPC_ALREADY_EXISTS, "the container \"a\" exists\nalready");
	expect(f, 1, -EEXIST, "the container \"a\" exists already");
	send_error(f, 3, 12345, "strange");
	expect(f, 2, -EIO, "strange");
	send_error(f, 5, RPC_NOT_FOUND, "");
	expect(f, 3, -ENOENT, "Version failed with code 5: No such file or directory");
	send_error(f, 7, -1, "\x1b[31mred");
	expect(f, 4, -EIO, "?[31mred");
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;

	for (unsigned i = 0; i < 4; i++)
		call(f, VERSION, 0);
	peer_frame(f->loop, f->fd, 1, TTRPC_TYPE_RESPONSE, 0, "\x12\x7f", 2);
	expect(f, 1, -EPROTO, "Version: the answer is malformed");
	r.payload = (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t) "\x0a\x09", .len = 2 };
	send_response(f, 3, &r);
	expect(f, 2, -EPROTO, "Version: the answer is malformed");
	/* Frames that are not responses mean nothing to a client. */
	peer_frame(f->loop, f->fd, 5, TTRPC_TYPE_REQUEST, 0, "abc", 3);
	peer_frame(f->loop, f->fd, 5, TTRPC_TYPE_DATA, 0, "abc", 3);
	send_version(f, 5, "fine");
	expect(f, 3, 0, "fine");
	assert_int_equal(f->closed, 0);
}

static void test_oversize(void **state)
{
	struct fixture *f = *state;
	autofree char *body = xcalloc(1, MIB(5));

	call(f, VERSION, 0);
	call(f, VERSION, 0);
	peer_write_hex(f->loop, f->fd,
		       "00500000"
		       "00000001"
		       "0200");
	peer_write(f->loop, f->fd, body, MIB(5));
	expect(f, 1, -EMSGSIZE,
	       "Version: the answer has 5242880 bytes, more than a message may have");
	send_version(f, 3, "fine");
	expect(f, 2, 0, "fine");
}

static void test_request_too_long(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	autofree char *text = xcalloc(1, LIMIT_TTRPC_MESSAGE + 1);

	memset(text, 'x', LIMIT_TTRPC_MESSAGE);
	req.service = text;
	rpc_client_call(f->client, HEALTH, VERSION, &req.base, 0, on_reply, f);
	assert_int_equal(f->answers, 0); /* never from inside the call */
	expect(f, 1, -EMSGSIZE, "Version: the request is longer than a message may be");
	text[LIMIT_TTRPC_MESSAGE - 100] = '\0';
	rpc_client_call(f->client, HEALTH, VERSION, &req.base, 0, on_reply, f);
	assert_int_equal(take_request(f, NULL), 3);
	send_version(f, 3, "fine");
	expect(f, 2, 0, "fine");
}

static void test_full_queue(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	const size_t n = LIMIT_TTRPC_MESSAGE - 100;
	autofree char *text = xcalloc(1, n + 1);

	memset(text, 'x', n);
	req.service = text;
	for (unsigned i = 0; i < 6; i++)
		rpc_client_call(f->client, HEALTH, VERSION, &req.base, 0, on_reply, f);
	peer_settle(f->loop);
	assert_in_range(f->answers, 1, 3);
	assert_int_equal(f->code, -ENOBUFS);
	assert_string_equal(f->text, "Version: too many requests wait to be sent");
	take_request(f, NULL);
	send_version(f, 1, "fine");
	expect(f, f->answers + 1, 0, "fine");
}

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	Ttrpc__Request *r;

	/* The first has time, the second none: whatever the load, that one ends alone. */
	call(f, CHECK, 60000);
	call(f, VERSION, 20);
	call(f, VERSION, 0);
	assert_int_equal(take_request(f, &r), 1);
	assert_int_equal(r->timeout_nano, 60000000000);
	ttrpc__request__free_unpacked(r, NULL);
	expect(f, 1, -ETIMEDOUT, "Version: no answer within 20 ms");
	call(f, CHECK, 60);
	expect(f, 2, -ETIMEDOUT, "Check: no answer within 60 ms");
	send_version(f, 3, "late");
	send_version(f, 5, "fine");
	expect(f, 3, 0, "fine");
}

static void test_peer_gone(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 1000; i++)
		call(f, VERSION, 60000);
	for (unsigned i = 0; i < 500; i++)
		take_request(f, NULL);
	send_version(f, 999, "last words");
	f->fd = fd_close(f->fd);
	expect(f, 1000, -ECONNRESET, "Version: the connection was closed by the other side");
	assert_int_equal(f->closed, 1);
	call(f, VERSION, 0);
	assert_int_equal(f->answers, 1000);
	expect(f, 1001, -ECONNRESET, "Version: the connection is closed");
	peer_settle(f->loop);
	assert_int_equal(f->closed, 1);
}

static void test_call_again_when_broken(void **state)
{
	struct fixture *f = *state;

	/* A callback that never gives up must not keep the loop to itself. */
	f->call_again = true;
	call(f, VERSION, 0);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_in_range(f->answers, 2, 60);
	f->call_again = false;
	peer_settle(f->loop);
	assert_int_equal(f->closed, 1);
}

static void test_free_with_pending(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 10; i++)
		call(f, VERSION, 60000);
	rpc_client_free(f->client);
	f->client = NULL;
	assert_int_equal(f->answers, 10);
	assert_int_equal(f->code, -ECANCELED);
	peer_settle(f->loop);
	assert_int_equal(f->closed, 0);
}

static void test_free_in_callback(void **state)
{
	struct fixture *f = *state;

	f->free_client = true;
	for (unsigned i = 0; i < 3; i++)
		call(f, VERSION, 0);
	send_version(f, 1, "one");
	send_version(f, 3, "two");
	peer_settle(f->loop);
	assert_int_equal(f->answers, 3);
	assert_null(f->client);
	peer_settle(f->loop);
}

static void free_on_close(void *data)
{
	struct fixture *f = data;

	f->closed++;
	rpc_client_free(f->client);
	f->client = NULL;
}

static void test_free_on_close(void **state)
{
	struct fixture *f = *state;

	rpc_client_on_close(f->client, free_on_close, f);
	f->fd = fd_close(f->fd);
	peer_settle(f->loop);
	assert_int_equal(f->closed, 1);
	assert_null(f->client);
}

static void test_bad_descriptor(void **state)
{
	struct fixture *f = *state;

	rpc_client_free(f->client);
	f->client = rpc_client_new(f->loop, -1);
	call(f, VERSION, 0);
	expect(f, 1, -ECONNRESET, "Version: the connection is closed");
}

/* A child that answers @n Version calls by the number of the call, except that it never answers the
 * first. With @hold, a pipe, it hangs up only when the caller has closed that. */
static pid_t start_answering(int fd, unsigned n, const int *hold)
{
	pid_t pid = fork();
	char end;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	for (unsigned i = 0; i < n; i++) {
		struct fixture f = { .fd = fd };
		uint32_t id = take_request(&f, NULL);
		char text[16];

		snprintf(text, sizeof(text), "%u", id);
		if (id > 1)
			send_version(&f, id, text);
	}
	if (hold) {
		close(hold[1]);
		_exit(read(hold[0], &end, 1) == 0 ? 0 : 1);
	}
	_exit(0);
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_sync(void **state)
{
	struct fixture *f = *state;
	ProtobufCMessage *m = NULL;
	struct error e = ERROR_INIT;
	int fds[2];
	pid_t pid;

	rpc_client_free(f->client);
	peer_pair(fds);
	f->client = rpc_client_new(NULL, fds[0]);
	pid = start_answering(fds[1], 3, NULL);
	fd_close(fds[1]);
	assert_int_equal(rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 30, &m,
					      &e),
			 -ETIMEDOUT);
	assert_string_equal(e.text, "Version: no answer within 30 ms");
	assert_null(m);
	assert_int_equal(
		rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 10000, &m, &e), 0);
	assert_string_equal(((Grpc__VersionCheckResponse *)m)->agent_version, "3");
	protobuf_c_message_free_unpacked(m, NULL);
	assert_int_equal(
		rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 0, NULL, NULL), 0);
	assert_int_equal(rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 0, &m, &e),
			 -ECONNRESET);
	assert_string_equal(e.text, "Version: the connection was closed by the other side");
	assert_int_equal(rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 0, &m,
					      NULL),
			 -ECONNRESET);
	reap(pid);
}

/* A blocking call amid others: their callbacks wait for the loop. */
static void test_sync_with_loop(void **state)
{
	struct fixture *f = *state;
	ProtobufCMessage *m = NULL;
	int hold[2];
	pid_t pid;

	assert_int_equal(pipe(hold), 0);
	call(f, VERSION, 0); /* 1: never answered */
	call(f, VERSION, 0); /* 3 */
	pid = start_answering(f->fd, 3, hold);
	f->fd = fd_close(f->fd);
	assert_int_equal(rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 10000, &m,
					      NULL),
			 0);
	assert_string_equal(((Grpc__VersionCheckResponse *)m)->agent_version, "5");
	protobuf_c_message_free_unpacked(m, NULL);
	assert_int_equal(f->answers, 0);
	/* Answer and end would otherwise come together at times. */
	expect(f, 1, 0, "3");
	close(hold[0]);
	close(hold[1]);
	reap(pid);
	assert_int_equal(rpc_client_call_sync(f->client, HEALTH, VERSION, &request.base, 10000, &m,
					      NULL),
			 -ECONNRESET);
	assert_int_equal(f->answers, 1);
	expect(f, 2, -ECONNRESET, "Version: the connection was closed by the other side");
	assert_int_equal(f->closed, 1);
}

/* A peer in the guest may answer with bytes made to exhaust the host. */
static void test_hostile_answer(void **state)
{
	struct fixture *f = *state;
	const size_t n = MIB(4);
	autofree uint8_t *p = xcalloc(1, n);

	for (size_t i = 0; i + 2 <= n; i += 2)
		memcpy(p + i, "\x7a\x00", 2); /* unknown, empty */
	call(f, VERSION, 0);
	take_request(f, NULL);
	peer_frame(f->loop, f->fd, 1, TTRPC_TYPE_RESPONSE, 0, p, n);
	expect(f, 1, -E2BIG, "Version: the answer is too large when unpacked");
}

static void echo_version(struct rpc_call *c, const ProtobufCMessage *req, void *data)
{
	Grpc__VersionCheckResponse r = GRPC__VERSION_CHECK_RESPONSE__INIT;

	r.agent_version = ((const Grpc__CheckRequest *)req)->service;
	rpc_call_reply(c, &r.base);
}

struct tally {
	unsigned answers;
	size_t want;
};

static void count_answer(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct tally *t = data;

	assert_null(e);
	assert_int_equal(strlen(((const Grpc__VersionCheckResponse *)resp)->agent_version),
			 t->want);
	t->answers++;
}

/* Ours against ours, in both directions more than sockets and queues hold at once. */
static void test_bulk(void **state)
{
	struct fixture *f = *state;
	rpc_handler_fn *const handlers[] = { NULL, echo_version };
	const struct rpc_service svc = { HEALTH, handlers };
	autoptr(rpc_server) server = rpc_server_new(f->loop);
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	autofree char *text = xcalloc(1, KIB(200) + 1);
	struct tally t = { .want = KIB(200) };

	memset(text, 'x', KIB(200));
	req.service = text;
	rpc_server_add(server, &svc, NULL);
	assert_int_equal(rpc_server_serve(server, take_fd(f->fd)), 0);
	for (unsigned i = 0; i < 70; i++)
		rpc_client_call(f->client, HEALTH, VERSION, &req.base, 60000, count_answer, &t);
	for (unsigned i = 0; i < 10000 && t.answers < 70; i++)
		loop_run_once(f->loop, 100);
	assert_int_equal(t.answers, 70);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_golden),
		T(test_any_order),
		T(test_errors),
		T(test_malformed),
		T(test_oversize),
		T(test_request_too_long),
		T(test_full_queue),
		T(test_timeout),
		T(test_peer_gone),
		T(test_call_again_when_broken),
		T(test_free_with_pending),
		T(test_free_in_callback),
		T(test_free_on_close),
		T(test_bad_descriptor),
		T(test_sync),
		T(test_sync_with_loop),
		T(test_hostile_answer),
		T(test_bulk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
