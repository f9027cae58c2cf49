/* SPDX-License-Identifier: Apache-2.0 */
/* A process's stdio by calls: a server whose WriteStdin, ReadStdout and CloseStdin go straight to
 * one procio. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/agent.h"

#include "agent.pb-c.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/ttrpc.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

struct answer {
	bool done;
	int err;
	size_t n; /* bytes read or written */
	char *data;
};

struct fixture {
	struct agent a;
	struct agent_conf conf;
	struct procio io;
	struct rpc_server *server;
	struct rpc_client *client;
	int child[3];
};

static void on_write(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	procio_write(&((struct fixture *)data)->io, call, (const Grpc__WriteStreamRequest *)req);
}

static void on_read(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	procio_read(&((struct fixture *)data)->io, 1, call, (const Grpc__ReadStreamRequest *)req);
}

static void on_read_err(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	procio_read(&((struct fixture *)data)->io, 2, call, (const Grpc__ReadStreamRequest *)req);
}

static unsigned method(const char *name)
{
	int m = rpc_method_index(&grpc__agent_service__descriptor, name);

	assert_true(m >= 0);
	return (unsigned)m;
}

static void connect_client(struct fixture *f)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
	assert_int_equal(rpc_server_serve(f->server, s[0]), 0);
	f->client = rpc_client_new(f->a.loop, s[1]);
}

static int setup(void **state)
{
	static rpc_handler_fn *handlers[64];
	static struct rpc_service service;
	struct fixture *f = xnew(struct fixture);

	log_set_fd(-1);
	signal(SIGPIPE, SIG_IGN);
	agent_conf_init(&f->conf);
	f->a.conf = &f->conf;
	f->a.loop = loop_new();
	relay_set_init(&f->a.relays, f->a.loop);
	streams_init(&f->a.streams);
	procio_init(&f->io, &f->a);
	handlers[method("WriteStdin")] = on_write;
	handlers[method("ReadStdout")] = on_read;
	handlers[method("ReadStderr")] = on_read_err;
	service.desc = &grpc__agent_service__descriptor;
	service.handlers = handlers;
	f->server = rpc_server_new(f->a.loop);
	rpc_server_add(f->server, &service, f);
	connect_client(f);
	f->child[0] = f->child[1] = f->child[2] = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	procio_close_child(f->child);
	procio_done(&f->io);
	rpc_client_free(f->client);
	rpc_server_free(f->server);
	relay_set_done(&f->a.relays);
	loop_free(f->a.loop);
	agent_conf_done(&f->conf);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_run_once(f->a.loop, 1), 0);
}

static void open_pipes(struct fixture *f)
{
	const struct procio_request rq = { 0 };

	assert_int_equal(procio_open(&f->io, &rq, f->child, NULL), 0);
}

static void on_answer(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct answer *an = data;

	an->done = true;
	an->err = e ? e->code : 0;
	if (resp && resp->descriptor == &grpc__write_stream_response__descriptor) {
		an->n = ((const Grpc__WriteStreamResponse *)resp)->len;
	} else if (resp) {
		const Grpc__ReadStreamResponse *r = (const Grpc__ReadStreamResponse *)resp;

		an->n = r->data.len;
		an->data = r->data.len ? xmemdup(r->data.data, r->data.len) : NULL;
	}
}

static void send_write(struct fixture *f, const void *p, size_t n, struct answer *an)
{
	Grpc__WriteStreamRequest rq = GRPC__WRITE_STREAM_REQUEST__INIT;

	*an = (struct answer){ 0 };
	rq.data.data = (uint8_t *)p;
	rq.data.len = n;
	rpc_client_call(f->client, &grpc__agent_service__descriptor, method("WriteStdin"), &rq.base,
			0, on_answer, an);
	turn(f);
}

static void send_read(struct fixture *f, const char *name, uint32_t len, struct answer *an)
{
	Grpc__ReadStreamRequest rq = GRPC__READ_STREAM_REQUEST__INIT;

	*an = (struct answer){ 0 };
	rq.len = len;
	rpc_client_call(f->client, &grpc__agent_service__descriptor, method(name), &rq.base, 0,
			on_answer, an);
	turn(f);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	struct answer an;
	char c[8];

	open_pipes(f);
	send_write(f, "hello", 5, &an);
	assert_true(an.done);
	assert_int_equal(an.err, 0);
	assert_int_equal(an.n, 5);
	assert_int_equal(read(f->child[0], c, sizeof(c)), 5);
}

/* More than the pipe takes: the answer comes when all is written, and counts all. */
static void test_long_write_waits(void **state)
{
	struct fixture *f = *state;
	size_t total = 300000, got = 0;
	autofree char *big = xcalloc(1, total), *out = xcalloc(1, total);
	struct answer an, second;

	open_pipes(f);
	for (size_t i = 0; i < total; i++)
		big[i] = (char)(i * 7 + i / 1000);
	send_write(f, big, total, &an);
	assert_false(an.done);
	send_write(f, "end", 3, &second);
	assert_false(second.done);
	fd_set_nonblock(f->child[0], true);
	while (got < total) {
		ssize_t n = read(f->child[0], out + got, total - got);

		got += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_run_once(f->a.loop, 0), 0);
	}
	turn(f);
	assert_memory_equal(big, out, total);
	assert_true(an.done && second.done);
	assert_int_equal(an.n, total);
	assert_int_equal(second.n, 3);
}

static void test_empty_write_closes_stdin(void **state)
{
	struct fixture *f = *state;
	struct answer an;
	char c;

	open_pipes(f);
	send_write(f, NULL, 0, &an);
	assert_true(an.done);
	assert_int_equal(read(f->child[0], &c, 1), 0);
	send_write(f, "x", 1, &an);
	assert_true(an.done);
	assert_true(an.err < 0);
}

static void test_close_waits_for_writes(void **state)
{
	struct fixture *f = *state;
	autofree char *big = xcalloc(1, 100000);
	struct answer an;
	size_t got = 0;
	ssize_t n = 1;

	open_pipes(f);
	send_write(f, big, 100000, &an);
	assert_false(an.done);
	assert_int_equal(procio_close_stdin(&f->io, NULL), 0);
	while (n > 0) {
		n = read(f->child[0], big, 5000);
		got += n > 0 ? (size_t)n : 0;
		turn(f);
	}
	assert_int_equal(got, 100000);
	assert_true(an.done);
	assert_int_equal(an.n, 100000);
}

static void test_write_to_a_closed_stdin_fails(void **state)
{
	struct fixture *f = *state;
	struct answer an;

	open_pipes(f);
	f->child[0] = fd_close(f->child[0]);
	send_write(f, "x", 1, &an);
	assert_true(an.done);
	assert_true(an.err < 0);
}

static void test_read_now_and_later(void **state)
{
	struct fixture *f = *state;
	struct answer an;

	open_pipes(f);
	assert_int_equal(write(f->child[1], "abcdef", 6), 6);
	send_read(f, "ReadStdout", 4, &an);
	assert_int_equal(an.n, 4);
	free(an.data);
	send_read(f, "ReadStdout", 100, &an);
	assert_int_equal(an.n, 2);
	assert_memory_equal(an.data, "ef", 2);
	free(an.data);
	send_read(f, "ReadStdout", 100, &an);
	assert_false(an.done);
	assert_int_equal(write(f->child[1], "late", 4), 4);
	turn(f);
	assert_true(an.done);
	assert_memory_equal(an.data, "late", 4);
	free(an.data);
}

static void test_end_is_an_empty_answer(void **state)
{
	struct fixture *f = *state;
	struct answer an;

	open_pipes(f);
	send_read(f, "ReadStderr", 100, &an);
	assert_false(an.done);
	f->child[2] = fd_close(f->child[2]);
	turn(f);
	assert_true(an.done);
	assert_int_equal(an.err, 0);
	assert_int_equal(an.n, 0);
	send_read(f, "ReadStderr", 100, &an);
	assert_true(an.done);
	assert_int_equal(an.n, 0);
}

/* Somebody else holds the pipe after the process's end: what comes soon is delivered, then it is
 * over. */
static void test_drain_window(void **state)
{
	struct fixture *f = *state;
	int64_t start = loop_now_ms();
	struct answer an;

	open_pipes(f);
	procio_exited(&f->io);
	assert_int_equal(write(f->child[1], "grandchild", 10), 10);
	send_read(f, "ReadStdout", 100, &an);
	assert_int_equal(an.n, 10);
	free(an.data);
	send_read(f, "ReadStdout", 100, &an);
	while (!an.done && loop_now_ms() - start < 5000)
		turn(f);
	assert_true(an.done);
	assert_int_equal(an.n, 0);
	assert_true(loop_now_ms() - start >= PROCIO_DRAIN_MS - 50);
}

static void test_waiting_reads_are_bounded(void **state)
{
	struct fixture *f = *state;
	static struct answer an[LIMIT_AGENT_WAITERS + 1];

	open_pipes(f);
	for (size_t i = 0; i < ARRAY_SIZE(an); i++)
		send_read(f, "ReadStdout", 1, &an[i]);
	assert_false(an[LIMIT_AGENT_WAITERS - 1].done);
	assert_true(an[LIMIT_AGENT_WAITERS].done);
	assert_int_equal(an[LIMIT_AGENT_WAITERS].err, -ENOBUFS);
}

static void test_a_caller_that_goes_away_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct answer an, next;

	open_pipes(f);
	send_read(f, "ReadStdout", 10, &an);
	assert_non_null(pending_first(&f->io.wait[1]));
	rpc_client_free(f->client);
	connect_client(f);
	turn(f);
	assert_null(pending_first(&f->io.wait[1]));
	assert_int_equal(write(f->child[1], "kept", 4), 4);
	send_read(f, "ReadStdout", 10, &next);
	assert_int_equal(next.n, 4); /* nothing went to the one that left */
	free(next.data);
}

static void test_terminal(void **state)
{
	const struct procio_request rq = { .terminal = true, .rows = 24, .columns = 80 };
	struct fixture *f = *state;
	struct winsize ws;
	struct answer an;
	int master, slave;

	assert_int_equal(procio_open(&f->io, &rq, f->child, NULL), 0);
	assert_int_equal(f->child[0], -1);
	assert_true(procio_resize(&f->io, 1, 1, NULL) < 0); /* not there yet */
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(procio_attach(&f->io, master, NULL), 0);
	assert_int_equal(ioctl(slave, TIOCGWINSZ, &ws), 0);
	assert_int_equal(ws.ws_row, 24);
	assert_int_equal(ws.ws_col, 80);
	assert_true(procio_resize(&f->io, 70000, 1, NULL) < 0);
	assert_int_equal(write(slave, "out", 3), 3);
	send_read(f, "ReadStdout", 10, &an);
	assert_int_equal(an.n, 3);
	free(an.data);
	send_write(f, "in\n", 3, &an);
	assert_int_equal(an.n, 3);
	assert_int_equal(procio_close_stdin(&f->io, NULL), 0);
	send_write(f, "more\n", 5, &an);
	assert_int_equal(an.err, 0); /* a terminal has no end of its own */
	close(slave);
}

static void test_streams_exclude_calls(void **state)
{
	const struct procio_request rq = { .port = { PROCIO_PORT_NULL, PROCIO_PORT_NULL,
						     PROCIO_PORT_NULL } };
	struct fixture *f = *state;
	struct answer an;
	char c;

	assert_int_equal(procio_open(&f->io, &rq, f->child, NULL), 0);
	assert_int_equal(read(f->child[0], &c, 1), 0); /* /dev/null */
	assert_int_equal(write(f->child[1], "x", 1), 1);
	send_read(f, "ReadStdout", 10, &an);
	assert_int_equal(an.err, -EINVAL);
	assert_int_equal(procio_close_stdin(&f->io, NULL), -EINVAL);
}

static void test_missing_stream_fails(void **state)
{
	const struct procio_request rq = { .port = { 0, 4711, 0 } };
	struct fixture *f = *state;
	struct error e = ERROR_INIT;

	assert_int_equal(procio_open(&f->io, &rq, f->child, &e), -ENOENT);
	assert_non_null(strstr(e.text, "4711"));
	assert_int_equal(f->child[0], -1);
}

static void test_pipe_size(void **state)
{
	struct fixture *f = *state;

	f->conf.pipe_size = 1 << 20;
	open_pipes(f);
	assert_int_equal(fcntl(f->child[1], F_GETPIPE_SZ), 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_write),
		T(test_long_write_waits),
		T(test_empty_write_closes_stdin),
		T(test_close_waits_for_writes),
		T(test_write_to_a_closed_stdin_fails),
		T(test_read_now_and_later),
		T(test_end_is_an_empty_answer),
		T(test_drain_window),
		T(test_waiting_reads_are_bounded),
		T(test_a_caller_that_goes_away_is_forgotten),
		T(test_terminal),
		T(test_streams_exclude_calls),
		T(test_missing_stream_fails),
		T(test_pipe_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
