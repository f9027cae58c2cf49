/* SPDX-License-Identifier: Apache-2.0 */
/* qmp: every kind of message, bytes in any portions, what is no QMP, the limit, and commands. */
#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "wire/qmp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char session[] =
	"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n"
	"{\"return\": {}, \"id\": 1}\r\n"
	"\r\n"
	"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n"
	"{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no such device\"}}\r\n"
	"{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n"
	"{\"return\": [1, 2], \"id\": 18446744073709551615}\n";

static void expect(struct qmp_reader *r, enum qmp_kind kind, bool has_id, uint64_t id,
		   const char *name, const char *text)
{
	autodone(qmp_message) m = { 0 };
	struct error e = ERROR_INIT;

	if (qmp_reader_next(r, &m, &e) != 1)
		fail_msg("no message: %s", e.text);
	assert_int_equal(m.kind, kind);
	assert_int_equal(m.has_id, has_id);
	assert_true(m.id == id);
	assert_true(str_eq(m.name, name));
	assert_true(str_eq(m.text, text));
	if (kind == QMP_GREETING)
		assert_non_null(json_get(m.data, "version"));
	if (name && str_eq(name, "SHUTDOWN"))
		assert_non_null(json_get(m.data, "guest"));
	if (name && str_eq(name, "STOP"))
		assert_null(m.data);
}

static void expect_session(struct qmp_reader *r)
{
	expect(r, QMP_GREETING, false, 0, NULL, NULL);
	expect(r, QMP_RETURN, true, 1, NULL, NULL);
	expect(r, QMP_EVENT, false, 0, "STOP", NULL);
	expect(r, QMP_ERROR, true, 2, "GenericError", "no such device");
	expect(r, QMP_EVENT, false, 0, "SHUTDOWN", NULL);
	expect(r, QMP_RETURN, true, UINT64_MAX, NULL, NULL);
}

static void test_session(void **state)
{
	struct qmp_message m;
	struct qmp_reader r;

	qmp_reader_init(&r);
	buf_add_str(&r.in, session);
	expect_session(&r);
	assert_int_equal(qmp_reader_next(&r, &m, NULL), 0);
	qmp_reader_done(&r);
}

/* The messages are the same, wherever the stream is cut. */
static void test_in_portions(void **state)
{
	for (size_t step = 1; step < 40; step += 3) {
		struct qmp_message m;
		struct qmp_reader r;
		size_t messages = 0;

		qmp_reader_init(&r);
		for (size_t i = 0; i < strlen(session); i += step) {
			buf_add(&r.in, session + i, MIN(step, strlen(session) - i));
			while (qmp_reader_next(&r, &m, NULL) == 1) {
				messages++;
				qmp_message_done(&m);
			}
		}
		assert_int_equal(messages, 6);
		qmp_reader_done(&r);
	}
}

static void test_from_descriptor(void **state)
{
	struct qmp_reader r;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], session, strlen(session)), strlen(session));
	close(p[1]);
	qmp_reader_init(&r);
	assert_int_equal(qmp_reader_fill(&r, p[0]), strlen(session));
	expect_session(&r);
	assert_int_equal(qmp_reader_fill(&r, p[0]), 0);
	qmp_reader_done(&r);
	close(p[0]);
}

static void test_not_qmp(void **state)
{
	static const char *const cases[][2] = {
		{ "hello\n", "qmp:1:1: unexpected 'h', expected a value" },
		{ "{}\n", "qmp: neither greeting nor answer nor event" },
		{ "[]\n", "qmp: neither greeting nor answer nor event" },
		{ "{\"return\":{},\"id\":\"x\"}\n", "qmp: an id that is not ours" },
		{ "{\"event\":7}\n", "qmp: an event without its name" },
		{ "{\"error\":{\"class\":\"C\"}}\n", "qmp: an error without its description" },
		{ "{\"error\":{\"desc\":\"d\"}}\n", "qmp: an error without its name" },
		{ "{\"error\":\"x\"}\n", "qmp: an error without its description" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;
		struct qmp_message m;
		struct qmp_reader r;

		qmp_reader_init(&r);
		buf_add_str(&r.in, cases[i][0]);
		buf_add_str(&r.in, "{\"return\":{}}\n");
		assert_int_equal(qmp_reader_next(&r, &m, &e), -EPROTO);
		assert_int_equal(e.code, -EPROTO);
		assert_string_equal(e.text, cases[i][1]);
		expect(&r, QMP_RETURN, false, 0, NULL, NULL);
		qmp_reader_done(&r);
	}
}

static void test_line_limit(void **state)
{
	struct qmp_message m;
	struct qmp_reader r;
	char *room;
	int p[2];

	qmp_reader_init(&r);
	room = buf_reserve(&r.in, LIMIT_QMP_LINE);
	assert_non_null(room);
	memset(room, ' ', LIMIT_QMP_LINE);
	buf_commit(&r.in, LIMIT_QMP_LINE);
	assert_int_equal(qmp_reader_next(&r, &m, NULL), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(qmp_reader_fill(&r, p[0]), -EMSGSIZE);
	close(p[0]);
	close(p[1]);
	qmp_reader_done(&r);
}

static void test_commands(void **state)
{
	autodone(buf) out = BUF_INIT(200);
	struct qmp_command c;
	struct json_writer *w;

	qmp_command_begin(&c, &out, "qmp_capabilities", 1);
	assert_int_equal(qmp_command_end(&c), 0);
	w = qmp_command_begin(&c, &out, "device_del", 2);
	json_add_str(w, "id", "a\"b");
	assert_int_equal(qmp_command_end(&c), 0);
	assert_string_equal(
		buf_str(&out),
		"{\"execute\":\"qmp_capabilities\",\"id\":1,\"arguments\":{}}\n"
		"{\"execute\":\"device_del\",\"id\":2,\"arguments\":{\"id\":\"a\\\"b\"}}\n");
}

/* A command that does not fit leaves no half of itself behind. */
static void test_command_without_room(void **state)
{
	autodone(buf) out = BUF_INIT(80);
	struct qmp_command c;
	struct json_writer *w;
	char text[100];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buf_add_str(&out, "??");
	buf_consume(&out, 1);
	w = qmp_command_begin(&c, &out, "a", 1);
	json_add_str(w, "k", text);
	assert_int_equal(qmp_command_end(&c), -ENOBUFS);
	assert_string_equal(buf_str(&out), "?");
	qmp_command_begin(&c, &out, "stop", 2);
	assert_int_equal(qmp_command_end(&c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_in_portions),
		cmocka_unit_test(test_from_descriptor),
		cmocka_unit_test(test_not_qmp),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_command_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
