/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's log: what clients and the console get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/alog.h"
#include "agent/listen.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
	struct loop *loop;
	struct alog *log;
	int console[2];
	char dir[64], path[128];
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct rpc_address a = { .kind = RPC_ADDRESS_UNIX, .path = f->path };
	struct error e = ERROR_INIT;

	f->loop = loop_new();
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-alog-XXXXXX");
	if (!f->loop || !mkdtemp(f->dir) || pipe2(f->console, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/log", f->dir);
	f->log = alog_new(f->loop, f->console[1], LOG_LEVEL_INFO, &e);
	if (!f->log || alog_listen(f->log, agent_listen(&a, 0, &e), &e) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	alog_free(f->log);
	loop_free(f->loop);
	close(f->console[0]);
	close(f->console[1]);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_run_once(f->loop, 1), 0);
}

static int dial(struct fixture *f)
{
	int fd = unix_connect(f->path, SOCK_STREAM);

	assert_true(fd >= 0);
	assert_int_equal(fd_set_nonblock(fd, true), 0);
	turn(f);
	return fd;
}

/* Everything there is, as text. */
static size_t take(struct fixture *f, int fd, char *buf, size_t room)
{
	size_t n = 0;

	for (int idle = 0; idle < 3 && n + 1 < room;) {
		ssize_t r = read(fd, buf + n, room - 1 - n);

		n += r > 0 ? (size_t)r : 0;
		idle = r > 0 ? 0 : idle + 1;
		assert_int_equal(loop_run_once(f->loop, 0), 0);
	}
	buf[n] = '\0';
	return n;
}

static void test_history_then_live(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	int fd;

	log_info("before");
	turn(f);
	fd = dial(f);
	log_info("after");
	turn(f);
	take(f, fd, text, sizeof(text));
	assert_non_null(strstr(text, "before\n"));
	assert_non_null(strstr(text, "after\n"));
	assert_true(strstr(text, "before") < strstr(text, "after"));
	close(fd);
	turn(f);
}

static void test_only_errors_reach_the_console(void **state)
{
	struct fixture *f = *state;
	char text[4096];

	log_info("harmless error in the text");
	log_error("it broke");
	log_warn("careful");
	turn(f);
	take(f, f->console[0], text, sizeof(text));
	assert_non_null(strstr(text, "it broke\n"));
	assert_null(strstr(text, "harmless"));
	assert_null(strstr(text, "careful"));
}

static void test_slow_reader_loses_whole_lines_and_is_told(void **state)
{
	struct fixture *f = *state;
	static char text[MIB(4)];
	char *lost, *line;
	int fd = dial(f);

	for (int i = 0; i < 20000; i++) {
		log_info("line %06d of many", i);
		if (i % 50 == 0)
			turn(f);
	}
	turn(f);
	take(f, fd, text, sizeof(text));
	lost = strstr(text, "bytes of the log are lost");
	assert_non_null(lost);
	line = strchr(lost, '\n') + 1;
	assert_int_equal(line[0], '2'); /* the year: a line starts here */
	assert_non_null(strstr(line, "line 019999 of many\n"));
	close(fd);
	turn(f);
}

static void test_number_of_clients_is_bounded(void **state)
{
	struct fixture *f = *state;
	int fd[LIMIT_AGENT_LOG_CLIENTS + 1];
	char c;

	for (int i = 0; i <= LIMIT_AGENT_LOG_CLIENTS; i++)
		fd[i] = dial(f);
	assert_int_equal(read(fd[LIMIT_AGENT_LOG_CLIENTS], &c, 1), 0);
	assert_int_equal(read(fd[0], &c, 1), -1);
	for (int i = 0; i <= LIMIT_AGENT_LOG_CLIENTS; i++)
		close(fd[i]);
	turn(f);
	/* Room again. */
	fd[0] = dial(f);
	log_info("hello");
	turn(f);
	assert_int_equal(read(fd[0], &c, 1), 1);
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_history_then_live),
		T(test_only_errors_reach_the_console),
		T(test_slow_reader_loses_whole_lines_and_is_told),
		T(test_number_of_clients_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
