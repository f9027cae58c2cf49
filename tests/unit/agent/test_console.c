/* SPDX-License-Identifier: Apache-2.0 */
/* The debug console: a shell for a connection, an end with it, and no more than there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/console.h"
#include "agent/listen.h"
#include "agent/policy.h"
#include "agent/relay.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/address.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 10000

struct fixture {
	struct loop *loop;
	struct relay_set relays;
	struct policy policy;
	struct console *console;
	char dir[64], path[128];
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);
	struct rpc_address a = { .kind = RPC_ADDRESS_UNIX, .path = f->path };

	log_set_fd(-1);
	signal(SIGPIPE, SIG_IGN);
	f->loop = loop_new();
	relay_set_init(&f->relays, f->loop);
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-console-XXXXXX");
	if (!f->loop || !mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/console", f->dir);
	f->console = console_new(f->loop, &f->relays, &f->policy, agent_listen(&a, 0, NULL), NULL);
	*state = f;
	return f->console ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	console_free(f->console);
	relay_set_done(&f->relays);
	loop_free(f->loop);
	while (waitpid(-1, NULL, 0) > 0)
		;
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(struct fixture *f)
{
	int fd = unix_connect(f->path, SOCK_STREAM);

	assert_true(fd >= 0);
	assert_int_equal(fd_set_nonblock(fd, true), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_run_once(f->loop, 1), 0);
	return fd;
}

/* Reads until @words come. */
static void expect(struct fixture *f, int fd, const char *words)
{
	int64_t end = loop_now_ms() + WAIT_MS;
	char text[8192] = "";
	size_t n = 0;

	while (!strstr(text, words)) {
		ssize_t r = read(fd, text + n, sizeof(text) - 1 - n);

		n += r > 0 ? (size_t)r : 0;
		assert_true(r != 0 && loop_now_ms() < end);
		assert_int_equal(loop_run_once(f->loop, 5), 0);
	}
}

static pid_t reap(struct fixture *f)
{
	int64_t end = loop_now_ms() + WAIT_MS;
	pid_t pid = 0;

	while (pid <= 0 && loop_now_ms() < end) {
		pid = waitpid(-1, NULL, WNOHANG);
		assert_int_equal(loop_run_once(f->loop, 5), 0);
	}
	assert_true(pid > 0);
	console_reaped(f->console, pid);
	return pid;
}

static void test_a_shell(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_true(write(fd, "echo six-$((6 * 7))\n", 20) == 20);
	expect(f, fd, "six-42");
	assert_true(write(fd, "tty; exit\n", 10) == 10);
	expect(f, fd, "/dev/pts/");
	reap(f);
	close(fd);
}

static void test_hanging_up_ends_the_shell(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	assert_true(write(fd, "echo ready-$((1 + 1))\n", 22) == 22);
	expect(f, fd, "ready-2");
	close(fd);
	reap(f);
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_run_once(f->loop, 1), 0);
	assert_int_equal(f->relays.n, 0);
}

static void test_their_number_is_bounded(void **state)
{
	struct fixture *f = *state;
	int fd[LIMIT_AGENT_CONSOLES], more;

	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = dial(f);
	more = dial(f);
	expect(f, more, "are open already");
	close(more);
	close(fd[0]);
	reap(f);
	more = dial(f);
	assert_true(write(more, "echo again-$((1 + 1))\n", 22) == 22);
	expect(f, more, "again-2");
	close(more);
	for (size_t i = 1; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_shell),
		T(test_hanging_up_ends_the_shell),
		T(test_their_number_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
