/* SPDX-License-Identifier: Apache-2.0 */
/* A device is played by hand: it listens on the unix socket, reads CONNECT and answers as the test
 * wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "rpc/hvsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	char *path;
	struct loop *loop;
	int listener;
	/* the result */
	unsigned calls;
	int code, fd;
	uint32_t host_port;
	char text[256];
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	strcpy(f->dir, "/tmp/test-hvsock-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = xasprintf("%s/vsock", f->dir);
	f->loop = loop_new();
	f->listener = unix_listen(f->path, SOCK_STREAM, 0600);
	assert_true(f->listener >= 0);
	f->fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fd_close(f->listener);
	fd_close(f->fd);
	loop_free(f->loop);
	path_remove_tree_at(AT_FDCWD, f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void done(void *data, const struct error *e, int fd, uint32_t host_port)
{
	struct fixture *f = data;

	f->calls++;
	f->code = e ? e->code : 0;
	f->fd = fd;
	f->host_port = host_port;
	assert_true(e ? fd == -1 : fd >= 0);
	if (e)
		snprintf(f->text, sizeof(f->text), "%s", e->text);
}

/* Runs the loop until somebody dials; returns the connection after reading the request. */
static int accept_dial(struct fixture *f, const char *request)
{
	int64_t end = loop_now_ms() + 10000;
	char line[64] = "";
	int fd;

	for (;;) {
		fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			break;
		assert_true(loop_now_ms() < end);
		loop_run_once(f->loop, 5);
	}
	assert_int_equal(read(fd, line, sizeof(line) - 1), strlen(request));
	assert_string_equal(line, request);
	return fd;
}

static void run(struct fixture *f)
{
	int64_t end = loop_now_ms() + 10000;

	while (!f->calls && loop_now_ms() < end)
		loop_run_once(f->loop, 10);
	assert_int_equal(f->calls, 1);
}

static void answer(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void test_dial(void **state)
{
	struct fixture *f = *state;
	char c[8] = "";
	int fd;

	assert_non_null(hvsock_dial(f->loop, f->path, 1024, 5000, done, f));
	fd = accept_dial(f, "CONNECT 1024\n");
	answer(fd, "OK 4294967295\npay");
	run(f);
	assert_int_equal(f->code, 0);
	assert_int_equal(f->host_port, UINT32_MAX);
	assert_int_equal(read(f->fd, c, sizeof(c)), 3); /* what follows belongs to the stream */
	assert_string_equal(c, "pay");
	assert_true(fcntl(f->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(f->fd, F_GETFD) & FD_CLOEXEC);
	fd_close(fd);
}

static void test_answer_in_pieces(void **state)
{
	struct fixture *f = *state;
	const char *text = "OK 77\n";
	int fd;

	assert_non_null(hvsock_dial(f->loop, f->path, 1, 5000, done, f));
	fd = accept_dial(f, "CONNECT 1\n");
	for (; *text; text++) {
		assert_int_equal(f->calls, 0);
		assert_int_equal(write(fd, text, 1), 1);
		loop_run_once(f->loop, 20);
	}
	run(f);
	assert_int_equal(f->host_port, 77);
	fd_close(fd);
}

static void test_retries_refusals(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_non_null(hvsock_dial(f->loop, f->path, 1024, 5000, done, f));
	for (int i = 0; i < 3; i++)
		fd_close(accept_dial(f, "CONNECT 1024\n"));
	fd = accept_dial(f, "CONNECT 1024\n");
	answer(fd, "OK 5\n");
	run(f);
	assert_int_equal(f->code, 0);
	fd_close(fd);
}

static void test_waits_for_the_socket(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->listener = fd_close(f->listener);
	unlink(f->path);
	assert_non_null(hvsock_dial(f->loop, f->path, 1024, 5000, done, f));
	for (int i = 0; i < 3; i++)
		loop_run_once(f->loop, 20);
	assert_int_equal(f->calls, 0);
	f->listener = unix_listen(f->path, SOCK_STREAM, 0600);
	fd = accept_dial(f, "CONNECT 1024\n");
	answer(fd, "OK 5\n");
	run(f);
	assert_int_equal(f->code, 0);
	fd_close(fd);
}

static void expect_text(struct fixture *f, const char *end)
{
	autofree char *want = xasprintf("vsock port 1024 of %s: %s", f->path, end);

	assert_string_equal(f->text, want);
}

static void test_gives_up(void **state)
{
	struct fixture *f = *state;
	int64_t start = loop_now_ms();
	int fd;

	assert_non_null(hvsock_dial(f->loop, f->path, 1024, 60, done, f));
	fd = accept_dial(f, "CONNECT 1024\n"); /* held, not answered */
	run(f);
	assert_in_range(loop_now_ms() - start, 60, 5000);
	assert_int_equal(f->code, -ETIMEDOUT);
	expect_text(f, "no answer from the guest for 60 ms");
	fd_close(fd);
}

static void test_gives_up_refused(void **state)
{
	struct fixture *f = *state;

	f->listener = fd_close(f->listener);
	assert_non_null(hvsock_dial(f->loop, f->path, 1024, 60, done, f));
	run(f);
	assert_int_equal(f->code, -ECONNREFUSED);
	expect_text(f, "Connection refused for 60 ms");
}

static void test_bad_answers(void **state)
{
	static const char *const bad[] = {
		"\n",
		"ok 5\n",
		"OK\n",
		"OK \n",
		"OK 5 \n",
		"OK -5\n",
		"OK 4294967296\n",
		"OK 00000000000000000000000000000000000005\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd;

		f->calls = 0;
		assert_non_null(hvsock_dial(f->loop, f->path, 1024, 5000, done, f));
		fd = accept_dial(f, "CONNECT 1024\n");
		answer(fd, bad[i]);
		run(f);
		assert_int_equal(f->code, -EPROTO);
		expect_text(f, "answer: Protocol error");
		fd_close(fd);
	}
}

static void test_given_up(void **state)
{
	struct fixture *f = *state;
	struct hvsock_dial *d = hvsock_dial(f->loop, f->path, 1024, 5000, done, f);
	int fd;

	hvsock_dial_free(d);
	d = hvsock_dial(f->loop, f->path, 1024, 5000, done, f);
	fd = accept_dial(f, "CONNECT 1024\n");
	hvsock_dial_free(d);
	hvsock_dial_free(NULL);
	for (int i = 0; i < 5; i++)
		loop_run_once(f->loop, 5);
	assert_int_equal(f->calls, 0);
	fd_close(fd);
}

static void test_blocking(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	uint32_t port = 0;
	int fd, status;
	pid_t pid = fork();

	if (pid == 0) {
		fd_close(accept_dial(f, "CONNECT 9\n"));
		answer(accept_dial(f, "CONNECT 9\n"), "OK 6\n");
		_exit(0);
	}
	fd = hvsock_connect(f->path, 9, 5000, &port, &e);
	assert_true(fd >= 0);
	assert_int_equal(port, 6);
	fd_close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(hvsock_connect("/no/such/vsock", 9, 30, NULL, &e), -ENOENT);
	assert_string_equal(e.text,
			    "vsock port 9 of /no/such/vsock: No such file or directory for 30 ms");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_dial),
		T(test_answer_in_pieces),
		T(test_retries_refusals),
		T(test_waits_for_the_socket),
		T(test_gives_up),
		T(test_gives_up_refused),
		T(test_bad_answers),
		T(test_given_up),
		T(test_blocking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
