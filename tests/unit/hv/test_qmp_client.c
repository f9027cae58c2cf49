/* SPDX-License-Identifier: Apache-2.0 */
/* qmp_client: against a peer that this test plays: well-behaved, silent, lying, gone. */
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "hv/qemu/qmp_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define CAPABILITIES_DONE "{\"return\": {}, \"id\": 0}\r\n"

struct fixture {
	struct loop *loop;
	struct qmp_client *client;
	int peer;
	char events[256];
	char answers[1024];
};

static void on_event(const char *name, const struct json *data, void *arg)
{
	struct fixture *f = arg;
	const char *reason = json_to_str(json_get(data, "reason"));
	size_t n = strlen(f->events);

	snprintf(f->events + n, sizeof(f->events) - n, "%s(%s);", name, reason ? reason : "");
}

static void on_reply(const struct json *data, const struct error *e, void *arg)
{
	struct fixture *f = arg;
	size_t n = strlen(f->answers);

	if (e)
		snprintf(f->answers + n, sizeof(f->answers) - n, "error %d %s;", e->code, e->text);
	else
		snprintf(f->answers + n, sizeof(f->answers) - n, "%s;", json_type_name(data));
}

static void setup(struct fixture *f)
{
	int p[2];

	*f = (struct fixture){ .loop = loop_new() };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p), 0);
	f->peer = p[1];
	f->client = qmp_client_new(f->loop, p[0], on_event, f, NULL);
	assert_non_null(f->client);
}

static void teardown(struct fixture *f)
{
	qmp_client_free(f->client);
	loop_free(f->loop);
	fd_close(f->peer);
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->peer, text, strlen(text)), strlen(text));
	for (int i = 0; i < 4; i++)
		loop_run_once(f->loop, 0);
}

/* What the client has sent so far; static storage. */
static const char *heard(struct fixture *f)
{
	static char text[4096];
	ssize_t n;

	for (int i = 0; i < 4; i++)
		loop_run_once(f->loop, 0);
	n = read(f->peer, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int command(struct fixture *f, const char *name)
{
	qmp_client_begin(f->client, name);
	return qmp_client_send(f->client, on_reply, f, NULL);
}

static void test_greeting_first(void **state)
{
	const char *text;
	struct fixture f;

	setup(&f);
	assert_int_equal(command(&f, "stop"), 0);
	assert_string_equal(heard(&f), "");
	say(&f, GREETING);
	text = heard(&f);
	assert_non_null(strstr(text, "qmp_capabilities"));
	assert_non_null(strstr(text, "\"stop\""));
	assert_true(strstr(text, "qmp_capabilities") < strstr(text, "\"stop\""));
	say(&f, CAPABILITIES_DONE);
	assert_string_equal(f.answers, "");
	say(&f, "{\"return\": {}, \"id\": 1}\r\n");
	assert_string_equal(f.answers, "an object;");
	teardown(&f);
}

static void test_arguments(void **state)
{
	struct json_writer *w;
	struct fixture f;

	setup(&f);
	say(&f, GREETING CAPABILITIES_DONE);
	heard(&f);
	w = qmp_client_begin(f.client, "device_del");
	json_add_str(w, "id", "a\"b");
	assert_int_equal(qmp_client_send(f.client, NULL, NULL, NULL), 0);
	assert_non_null(strstr(heard(&f), "\"id\":\"a\\\"b\""));
	teardown(&f);
}

/* Answers may come in any order, in pieces, and between events. */
static void test_answers_and_events(void **state)
{
	struct fixture f;

	setup(&f);
	say(&f, GREETING CAPABILITIES_DONE);
	assert_int_equal(command(&f, "first"), 0);
	assert_int_equal(command(&f, "second"), 0);
	say(&f, "{\"timestamp\": {}, \"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"rea");
	assert_string_equal(f.events, "");
	say(&f, "son\": \"guest-reset\"}}\r\n{\"error\": {\"class\": \"GenericError\", \"desc\": "
		"\"no way\"}, \"id\": 2}\r\n");
	assert_string_equal(f.events, "SHUTDOWN(guest-reset);");
	say(&f, "{\"return\": [], \"id\": 1}\r\n{\"event\": \"STOP\", \"timestamp\": {}}\r\n");
	assert_string_equal(f.answers, "error -5 no way;an array;");
	assert_string_equal(f.events, "SHUTDOWN(guest-reset);STOP();");
	/* An answer nobody waits for changes nothing. */
	say(&f, "{\"return\": {}, \"id\": 1}\r\n{\"return\": {}, \"id\": 99}\r\n");
	assert_string_equal(f.answers, "error -5 no way;an array;");
	assert_int_equal(command(&f, "third"), 0);
	teardown(&f);
}

static void test_peer_gone(void **state)
{
	struct error e = ERROR_INIT;
	struct fixture f;

	setup(&f);
	say(&f, GREETING CAPABILITIES_DONE);
	assert_int_equal(command(&f, "first"), 0);
	assert_int_equal(command(&f, "second"), 0);
	heard(&f);
	f.peer = fd_close(f.peer);
	loop_run_once(f.loop, 1000);
	assert_string_equal(f.answers, "error -107 QEMU closed the control connection;"
				       "error -107 QEMU closed the control connection;");
	qmp_client_begin(f.client, "third");
	assert_int_equal(qmp_client_send(f.client, on_reply, &f, &e), -ENOTCONN);
	assert_string_equal(e.text, "QEMU closed the control connection");
	qmp_client_drain(f.client);
	teardown(&f);
}

static void test_not_qmp(void **state)
{
	static const char *const lies[] = { "HTTP/1.1 200 OK\r\n", "[]\r\n", "{\"x\": 1}\r\n",
					    "{\"return\": {}, \"id\": 1\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct fixture f;

		setup(&f);
		say(&f, GREETING CAPABILITIES_DONE);
		assert_int_equal(command(&f, "first"), 0);
		say(&f, lies[i]);
		assert_true(strncmp(f.answers, "error ", 6) == 0);
		assert_true(command(&f, "second") < 0);
		teardown(&f);
	}
}

/* A QEMU that reads nothing: commands are refused at a limit, none blocks. */
static void test_silent_peer_is_bounded(void **state)
{
	int64_t start = loop_now_ms();
	struct fixture f;
	int r = 0, sent = 0;

	setup(&f);
	while (r == 0 && sent < 10000) {
		r = command(&f, "query-status");
		sent += r == 0;
	}
	assert_int_equal(r, -EBUSY);
	assert_int_equal(sent, LIMIT_HV_QMP_CALLS - 1);
	assert_true(loop_now_ms() - start < 1000);
	teardown(&f);
}

static void test_timeout(void **state)
{
	int64_t end = loop_now_ms() + 2 * QMP_TIMEOUT_MS;
	struct fixture f;

	setup(&f);
	say(&f, GREETING CAPABILITIES_DONE);
	assert_int_equal(command(&f, "stop"), 0);
	while (!f.answers[0] && loop_now_ms() < end)
		loop_run_once(f.loop, 1000);
	assert_string_equal(f.answers, "error -110 QEMU does not answer stop;");
	/* The connection is still of use. */
	say(&f, "{\"return\": {}, \"id\": 1}\r\n");
	assert_int_equal(command(&f, "cont"), 0);
	say(&f, "{\"return\": {}, \"id\": 2}\r\n");
	assert_string_equal(f.answers, "error -110 QEMU does not answer stop;an object;");
	teardown(&f);
}

static void test_drain(void **state)
{
	static const char text[] = GREETING "{\"event\": \"SHUTDOWN\", \"data\": {}}\r\n";
	struct fixture f;

	setup(&f);
	assert_int_equal(write(f.peer, text, strlen(text)), strlen(text));
	f.peer = fd_close(f.peer);
	qmp_client_drain(f.client);
	assert_string_equal(f.events, "SHUTDOWN();");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting_first),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_answers_and_events),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_not_qmp),
		cmocka_unit_test(test_silent_peer_is_bounded),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_drain),
	};

	log_init("test_qmp_client", 2, LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
