/* SPDX-License-Identifier: Apache-2.0 */
/* A process's streams between sockets that stand for the guest and fifos, files and loggers: what
 * arrives, when stdin ends, and what survives readers and writers that go away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "sandbox/streams.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct setting {
	char dir[64];
	struct loop *loop;
	struct streams *streams;
	char *path[STREAM_COUNT]; /* fifos */
	int guest[STREAM_COUNT];
	int taken[3]; /* descriptors 3 to 5, as in the daemon */
	bool drained;
};

static int setup(void **state)
{
	static const char *const names[] = { "in", "out", "err" };
	struct setting *s = xnew(struct setting);

	signal(SIGPIPE, SIG_IGN);
	strcpy(s->dir, "/tmp/test-streams.XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	for (int i = 0; i < 3; i++)
		s->taken[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < STREAM_COUNT; i++) {
		s->path[i] = xasprintf("%s/%s", s->dir, names[i]);
		s->guest[i] = -1;
		if (mkfifo(s->path[i], 0600) < 0)
			return -1;
	}
	s->loop = loop_new();
	*state = s;
	return s->loop ? 0 : -1;
}

static int teardown(void **state)
{
	struct setting *s = *state;

	streams_free(s->streams);
	loop_free(s->loop);
	for (int i = 0; i < STREAM_COUNT; i++) {
		fd_close(s->guest[i]);
		fd_close(s->taken[i]);
		free(s->path[i]);
	}
	path_remove_tree_at(AT_FDCWD, s->dir);
	free(s);
	return 0;
}

static void open_as(struct setting *s, const char *in, const char *out, const char *err, bool exec)
{
	const struct streams_params p = {
		.loop = s->loop,
		.id = "c1",
		.ns = "ns",
		.in = in,
		.out = out,
		.err = err,
		.exec = exec,
	};
	struct error e = ERROR_INIT;

	if (streams_open(&p, &s->streams, &e) < 0)
		fail_msg("%s", e.text);
}

static void connect_guest(struct setting *s)
{
	int ours[STREAM_COUNT], pair[2];

	for (int i = 0; i < STREAM_COUNT; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
					    pair),
				 0);
		ours[i] = pair[0];
		s->guest[i] = pair[1];
	}
	streams_connect(s->streams, ours);
	assert_int_equal(ours[0], -1);
}

static void turn(struct setting *s)
{
	for (int i = 0; i < 20; i++)
		loop_run_once(s->loop, 1);
}

/* Turns the loop until @fd has something to read, or its end; for ten seconds at most. */
static bool readable(struct setting *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end = loop_now_ms() + 10000;

	while (poll(&p, 1, 0) == 0 && loop_now_ms() < end)
		loop_run_once(s->loop, 10);
	return p.revents != 0;
}

static void assert_read(struct setting *s, int fd, const char *text)
{
	char got[64] = "";

	assert_true(readable(s, fd));
	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
}

static void on_drained(void *data)
{
	struct setting *s = data;

	s->drained = true;
}

static void drain(struct setting *s)
{
	int64_t end = loop_now_ms() + STREAMS_DRAIN_MS + 10000;

	streams_drain(s->streams, on_drained, s);
	while (!s->drained && loop_now_ms() < end)
		loop_run_once(s->loop, 100);
	assert_true(s->drained);
}

static int reader(const char *path)
{
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static int writer(const char *path)
{
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static void test_fifos(void **state)
{
	struct setting *s = *state;
	autoclose int in = -1, out = reader(s->path[STREAM_OUT]), err = reader(s->path[STREAM_ERR]);
	int64_t began;

	open_as(s, s->path[STREAM_IN], s->path[STREAM_OUT], s->path[STREAM_ERR], false);
	in = writer(s->path[STREAM_IN]);
	connect_guest(s);
	assert_int_equal(write(in, "typed", 5), 5);
	assert_read(s, s->guest[STREAM_IN], "typed");
	assert_int_equal(write(s->guest[STREAM_OUT], "said", 4), 4);
	assert_read(s, out, "said");
	assert_int_equal(write(s->guest[STREAM_ERR], "oops", 4), 4);
	assert_read(s, err, "oops");
	/* The last words, and then at once the end. */
	assert_int_equal(write(s->guest[STREAM_OUT], "bye", 3), 3);
	for (int i = 0; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	began = loop_now_ms();
	drain(s);
	assert_true(loop_now_ms() - began < STREAMS_DRAIN_MS);
	assert_read(s, out, "bye");
	assert_read(s, out, "");
	assert_read(s, err, "");
}

/* An engine that restarts closes its end and opens it again. */
static void test_reader_comes_back(void **state)
{
	struct setting *s = *state;
	autoclose int out = reader(s->path[STREAM_OUT]);

	open_as(s, "", s->path[STREAM_OUT], "", false);
	connect_guest(s);
	out = fd_close(out);
	assert_int_equal(write(s->guest[STREAM_OUT], "meanwhile", 9), 9);
	turn(s);
	for (int i = 0; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	drain(s); /* nobody reads: that keeps nobody from hearing of the end */
	out = reader(s->path[STREAM_OUT]);
	assert_read(s, out, "meanwhile");
	assert_read(s, out, ""); /* once it is empty, or has a reader */
}

static void test_stdin_stays_open(void **state)
{
	struct setting *s = *state;
	autoclose int in = -1;

	open_as(s, s->path[STREAM_IN], "", "", false);
	connect_guest(s);
	in = writer(s->path[STREAM_IN]);
	assert_int_equal(write(in, "one", 3), 3);
	in = fd_close(in);
	assert_read(s, s->guest[STREAM_IN], "one");
	turn(s);
	in = writer(s->path[STREAM_IN]);
	assert_int_equal(write(in, "two", 3), 3);
	streams_close_in(s->streams);
	assert_read(s, s->guest[STREAM_IN], "two");
	assert_read(s, s->guest[STREAM_IN], "");
	assert_int_equal(write(in, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
}

static void test_stdin_of_exec(void **state)
{
	struct setting *s = *state;
	autoclose int in = -1;

	open_as(s, s->path[STREAM_IN], "", "", true);
	connect_guest(s);
	turn(s); /* no writer yet is not the end */
	in = writer(s->path[STREAM_IN]);
	assert_int_equal(write(in, "one", 3), 3);
	in = fd_close(in);
	assert_read(s, s->guest[STREAM_IN], "one");
	assert_read(s, s->guest[STREAM_IN], "");
}

/* Before there is a process: what is written and closed then counts. */
static void test_close_before_connect(void **state)
{
	struct setting *s = *state;
	autoclose int in = -1;

	open_as(s, s->path[STREAM_IN], "", "", false);
	in = writer(s->path[STREAM_IN]);
	assert_int_equal(write(in, "early", 5), 5);
	streams_close_in(s->streams);
	connect_guest(s);
	assert_read(s, s->guest[STREAM_IN], "early");
	assert_read(s, s->guest[STREAM_IN], "");
}

static void test_nothing(void **state)
{
	struct setting *s = *state;

	open_as(s, "", "", "", false);
	connect_guest(s);
	assert_read(s, s->guest[STREAM_IN], "");
	assert_int_equal(write(s->guest[STREAM_OUT], "lost", 4), 4);
	for (int i = 0; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	drain(s);
}

/* More than every buffer holds, to a reader that takes its time. */
static void test_slow_reader(void **state)
{
	struct setting *s = *state;
	autoclose int out = reader(s->path[STREAM_OUT]);
	size_t sent = 0, got = 0, total = 3 << 20;
	char piece[8192] = { 0 };
	int64_t end = loop_now_ms() + 60000;

	open_as(s, "", s->path[STREAM_OUT], "", false);
	connect_guest(s);
	while (got < total && loop_now_ms() < end) {
		ssize_t n;

		if (sent < total) {
			n = write(s->guest[STREAM_OUT], piece, MIN(sizeof(piece), total - sent));
			sent += n > 0 ? (size_t)n : 0;
		}
		loop_run_once(s->loop, 0);
		n = sent < total && n > 0 ? 0 : read(out, piece, sizeof(piece));
		got += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(got, total);
}

/* Another process in the guest holds the output of one that has ended. */
static void test_drain_has_a_bound(void **state)
{
	struct setting *s = *state;
	autoclose int out = reader(s->path[STREAM_OUT]);

	open_as(s, "", s->path[STREAM_OUT], "", false);
	connect_guest(s);
	drain(s);
	assert_read(s, out, "");
}

/* The process goes while somebody could still type, and nobody deletes it for long. */
static void test_drain_with_stdin_open(void **state)
{
	struct setting *s = *state;
	autoclose int in = -1;
	int64_t end;

	open_as(s, s->path[STREAM_IN], "", "", false);
	in = writer(s->path[STREAM_IN]);
	connect_guest(s);
	for (int i = STREAM_OUT; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	turn(s);
	drain(s);
	assert_read(s, s->guest[STREAM_IN], "");
	s->drained = false;
	for (end = loop_now_ms() + STREAMS_DRAIN_MS + 500; loop_now_ms() < end;)
		loop_run_once(s->loop, 100);
	assert_false(s->drained);
}

static void test_file(void **state)
{
	struct setting *s = *state;
	autofree char *uri = xasprintf("file://%s/a/b%%20c", s->dir);
	autofree char *path = xasprintf("%s/a/b c", s->dir);
	autofree char *text = NULL;

	open_as(s, "", uri, uri, false);
	connect_guest(s);
	assert_int_equal(write(s->guest[STREAM_OUT], "out\n", 4), 4);
	turn(s);
	assert_int_equal(write(s->guest[STREAM_ERR], "err\n", 4), 4);
	for (int i = 0; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	drain(s);
	assert_int_equal(file_read_at(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_string_equal(text, "out\nerr\n");
}

static void test_logger(void **state)
{
	struct setting *s = *state;
	autofree char *program = xasprintf("%s/logger", s->dir);
	autofree char *script = xasprintf("#!/bin/sh\nexec 5>&-\n{ echo \"$CONTAINER_NAMESPACE "
					  "$CONTAINER_ID $*\"; cat <&3; cat <&4; } >%s/log\n"
					  "echo done >%s/out\n",
					  s->dir, s->dir);
	autofree char *uri = xasprintf("binary://%s?a=b%%2Fc&d", program);
	autofree char *log = xasprintf("%s/log", s->dir);
	autoclose int done = reader(s->path[STREAM_OUT]);
	autofree char *text = NULL;

	assert_int_equal(file_replace_at(AT_FDCWD, program, script, strlen(script), 0755), 0);
	open_as(s, "", uri, uri, false);
	connect_guest(s);
	assert_int_equal(write(s->guest[STREAM_OUT], "out\n", 4), 4);
	assert_int_equal(write(s->guest[STREAM_ERR], "err\n", 4), 4);
	for (int i = 0; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	drain(s);
	assert_read(s, done, "done\n");
	assert_int_equal(file_read_at(AT_FDCWD, log, 4096, &text, NULL), 0);
	assert_string_equal(text, "ns c1 a b/c d\nout\nerr\n");
}

/* A logger that dies takes nothing along. */
static void test_logger_dies(void **state)
{
	struct setting *s = *state;
	char piece[4096] = { 0 };

	open_as(s, "", "binary:///bin/true", "", false);
	connect_guest(s);
	for (int i = 0; i < 300; i++) {
		struct pollfd p = { .fd = s->guest[STREAM_OUT], .events = POLLOUT };

		for (int k = 0; k < 1000 && poll(&p, 1, 0) == 0; k++)
			loop_run_once(s->loop, 10);
		assert_int_equal(write(s->guest[STREAM_OUT], piece, sizeof(piece)), sizeof(piece));
	}
	for (int i = 0; i < STREAM_COUNT; i++)
		s->guest[i] = fd_close(s->guest[i]);
	drain(s);
}

static void test_refused(void **state)
{
	static const struct {
		const char *in, *out, *text;
	} cases[] = {
		{ "", "relative", "is not an absolute path" },
		{ "", "http://x", "is not supported" },
		{ "", "/no/such/file", "No such file" },
		{ "/etc/passwd", "", "is not a fifo" },
		{ "", "/tmp", "is not a fifo or a file" },
		{ "", "file://relative", "does not name an absolute path" },
		{ "", "binary://relative", "does not name an absolute path" },
		{ "", "binary:///no/such/program", "/no/such/program" },
	};
	struct setting *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct streams_params p = { .loop = s->loop,
						  .id = "c",
						  .ns = "n",
						  .in = cases[i].in,
						  .out = cases[i].out };
		struct error e = ERROR_INIT;

		assert_true(streams_open(&p, &s->streams, &e) < 0);
		assert_null(s->streams);
		if (!strstr(e.text, cases[i].text))
			fail_msg("%s: %s", cases[i].out, e.text);
	}
}

static void test_hang_up(void **state)
{
	struct setting *s = *state;
	autoclose int out = reader(s->path[STREAM_OUT]);

	open_as(s, s->path[STREAM_IN], s->path[STREAM_OUT], "", true);
	streams_hang_up(s->streams);
	assert_read(s, out, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fifos),
		TEST(test_reader_comes_back),
		TEST(test_stdin_stays_open),
		TEST(test_stdin_of_exec),
		TEST(test_close_before_connect),
		TEST(test_nothing),
		TEST(test_slow_reader),
		TEST(test_drain_has_a_bound),
		TEST(test_drain_with_stdin_open),
		TEST(test_file),
		TEST(test_logger),
		TEST(test_logger_dies),
		TEST(test_refused),
		TEST(test_hang_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
