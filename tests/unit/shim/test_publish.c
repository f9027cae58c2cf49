/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way: in order and each once, through an outage, by ttRPC and by a program; what
 * is refused again and again, and what there is no room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "shim/publish.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "rpc/ttrpc.h"

#include "events.pb-c.h"
#include "events_forward.pb-c.h"
#include "google/protobuf/any.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct setting {
	char dir[64];
	char *socket;
	struct loop *loop;
	struct rpc_server *server;
	struct publisher *publisher;
	int refuse; /* so many times */
	unsigned calls;
	struct strv got; /* ids of containers, in order */
	bool flushed;
};

static void forward(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *rq =
		(const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *)m;
	Containerd__Events__TaskOOM *oom;
	struct setting *s = data;

	s->calls++;
	assert_string_equal(rpc_call_metadata(call, "containerd-namespace-ttrpc"), "ns");
	assert_string_equal(rq->envelope->namespace_, "ns");
	assert_string_equal(rq->envelope->topic, "/tasks/oom");
	assert_string_equal(rq->envelope->event->type_url, "containerd.events.TaskOOM");
	assert_true(rq->envelope->timestamp != NULL);
	if (s->refuse > 0) {
		s->refuse--;
		rpc_call_failf(call, EINVAL, "not today");
		return;
	}
	oom = containerd__events__task_oom__unpack(NULL, rq->envelope->event->value.len,
						   rq->envelope->event->value.data);
	assert_non_null(oom);
	strv_add(&s->got, oom->container_id);
	containerd__events__task_oom__free_unpacked(oom, NULL);
	rpc_call_reply_empty(call);
}

static rpc_handler_fn *const handlers[] = { forward };
static const struct rpc_service service = {
	&containerd__services__events__ttrpc__v1__events__descriptor, handlers
};

static void listen_now(struct setting *s)
{
	s->server = rpc_server_new(s->loop);
	rpc_server_add(s->server, &service, s);
	assert_int_equal(rpc_server_listen(s->server, unix_listen(s->socket, SOCK_STREAM, 0600),
					   NULL, NULL),
			 0);
}

static int setup(void **state)
{
	struct setting *s = xnew(struct setting);

	strcpy(s->dir, "/tmp/test-publish.XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	s->socket = xasprintf("%s/s", s->dir);
	s->loop = loop_new();
	*state = s;
	return s->loop ? 0 : -1;
}

static void make(struct setting *s)
{
	const struct publisher_params p = { .ns = "ns", .ttrpc_address = s->socket };

	s->publisher = publisher_new(s->loop, &p);
	assert_non_null(s->publisher);
}

static int teardown(void **state)
{
	struct setting *s = *state;

	publisher_free(s->publisher);
	rpc_server_free(s->server);
	loop_free(s->loop);
	strv_done(&s->got);
	path_remove_tree_at(AT_FDCWD, s->dir);
	free(s->socket);
	free(s);
	return 0;
}

static void send_id(struct setting *s, const char *id)
{
	Containerd__Events__TaskOOM m = CONTAINERD__EVENTS__TASK_OOM__INIT;

	m.container_id = (char *)(uintptr_t)id;
	publisher_send(s->publisher, "/tasks/oom", &m.base);
}

static void on_flushed(void *data)
{
	struct setting *s = data;

	s->flushed = true;
}

static void flush_it(struct setting *s, int64_t ms)
{
	int64_t end = loop_now_ms() + ms + 10000;

	s->flushed = false;
	publisher_flush(s->publisher, ms, on_flushed, s);
	while (!s->flushed && loop_now_ms() < end)
		loop_run_once(s->loop, 100);
	assert_true(s->flushed);
}

static void assert_got(const struct setting *s, const char *ids)
{
	autofree char *got = strv_join(&s->got, " ");

	assert_string_equal(got, ids);
}

static void test_order(void **state)
{
	struct setting *s = *state;

	listen_now(s);
	make(s);
	send_id(s, "a");
	send_id(s, "b");
	send_id(s, "c");
	flush_it(s, 10000);
	assert_got(s, "a b c");
}

/* Nobody listens, somebody comes, goes, and comes back. */
static void test_outage(void **state)
{
	struct setting *s = *state;

	make(s);
	send_id(s, "a");
	loop_run_once(s->loop, 0);
	listen_now(s);
	flush_it(s, 10000);
	rpc_server_free(s->server);
	send_id(s, "b");
	send_id(s, "c");
	for (int i = 0; i < 5; i++)
		loop_run_once(s->loop, 20);
	listen_now(s);
	flush_it(s, 10000);
	assert_got(s, "a b c");
}

static void test_refused(void **state)
{
	struct setting *s = *state;

	listen_now(s);
	make(s);
	s->refuse = 2;
	send_id(s, "a");
	flush_it(s, 10000);
	assert_int_equal(s->calls, 3);
	s->refuse = PUBLISH_TRIES;
	send_id(s, "b");
	send_id(s, "c");
	flush_it(s, 10000);
	assert_got(s, "a c");
}

/* The first one may be on its way; it is the next that goes. */
static void test_no_room(void **state)
{
	struct setting *s = *state;
	char id[16];

	make(s);
	for (int i = 0; i <= LIMIT_SHIM_EVENTS; i++) {
		snprintf(id, sizeof(id), "%d", i);
		send_id(s, id);
	}
	listen_now(s);
	flush_it(s, 30000);
	assert_int_equal(s->got.n, LIMIT_SHIM_EVENTS);
	assert_string_equal(s->got.v[0], "0");
	assert_string_equal(s->got.v[1], "2");
}

static void test_flush_has_a_bound(void **state)
{
	struct setting *s = *state;
	int64_t began = loop_now_ms();

	make(s);
	send_id(s, "a");
	flush_it(s, 200);
	assert_true(loop_now_ms() - began < 5000);
	assert_got(s, "");
}

static void test_binary(void **state)
{
	struct setting *s = *state;
	autofree char *program = xasprintf("%s/publish", s->dir);
	autofree char *script = xasprintf(
		"#!/bin/sh\n[ \"$3\" = publish ] || exit 1\necho \"$*\" >>%s/log\ncat >>%s/in\n",
		s->dir, s->dir);
	autofree char *log = xasprintf("%s/log", s->dir), *in = xasprintf("%s/in", s->dir);
	const struct publisher_params p = { .ns = "ns", .address = "/a", .binary = program };
	autofree char *text = NULL, *bytes = NULL;
	size_t n;

	assert_int_equal(file_replace_at(AT_FDCWD, program, script, strlen(script), 0755), 0);
	s->publisher = publisher_new(s->loop, &p);
	send_id(s, "a");
	send_id(s, "b");
	flush_it(s, 20000);
	assert_int_equal(file_read_at(AT_FDCWD, log, 4096, &text, NULL), 0);
	assert_string_equal(text, "--address /a publish --topic /tasks/oom --namespace ns\n"
				  "--address /a publish --topic /tasks/oom --namespace ns\n");
	assert_int_equal(file_read_at(AT_FDCWD, in, 4096, &bytes, &n), 0);
	assert_non_null(memmem(bytes, n, "containerd.events.TaskOOM", 25));
	assert_int_equal(bytes[n - 1], 'b');
}

static void test_nobody(void **state)
{
	const struct publisher_params p = { .ns = "ns", .ttrpc_address = "" };
	struct setting *s = *state;

	s->publisher = publisher_new(s->loop, &p);
	assert_null(s->publisher);
	send_id(s, "a");
	flush_it(s, 10000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_outage),
		TEST(test_refused),
		TEST(test_no_room),
		TEST(test_flush_has_a_bound),
		TEST(test_binary),
		TEST(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
