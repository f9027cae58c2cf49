/* SPDX-License-Identifier: Apache-2.0 */
/* Starting an init proxy, with a shim and an engine of the test's; waiting for one in the
 * foreground. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define WAIT_MS 20000

static void reset_signals(void)
{
	/* The test's handlers would go on with the test in a child. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static pid_t fork_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		reset_signals();
	return pid;
}

static int wait_code(pid_t pid)
{
	int status;

	assert_int_equal(proc_wait(pid, WAIT_MS, &status), 0);
	return proc_exit_code(status);
}

/* --- a shim that takes one proxy and tells it an exit status --- */

struct shim {
	char *name, *dir;
	pid_t pid;
	int go; /* closed: the process ends */
};

static _Noreturn void shim_main(int listener, int go, const struct handover_msg *answer,
				uint32_t status)
{
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC), proxy = -1;
	struct handover_msg m, end = { .type = HANDOVER_EXIT, .value = status };
	size_t n = 1;
	char c;

	if (handover_recv(conn, &m, &proxy, &n) != 1 || m.type != HANDOVER_ATTACH ||
	    !str_eq(m.id, "c1") || !str_eq(m.exec_id, "e1") || m.pid <= 0)
		_exit(1);
	if (handover_send(conn, answer, NULL, 0) < 0)
		_exit(2);
	/* Until the test has looked at it. */
	if (read(go, &c, 1) != 0 || handover_send(proxy, &end, NULL, 0) < 0)
		_exit(3);
	_exit(read(proxy, &c, 1) == 0 ? 0 : 4);
}

static void shim_start(struct shim *s, const struct handover_msg *answer, uint32_t status)
{
	autofree char *path = NULL;
	int listener, go[2];

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	s->name = xasprintf("test-%d", (int)getpid());
	s->dir = cli_sandbox_dir(s->name);
	path = xasprintf("%s/io.sock", s->dir);
	assert_int_equal(path_mkdir_all(s->dir, 0700), 0);
	listener = unix_listen(path, SOCK_SEQPACKET, 0600);
	assert_true(listener >= 0);
	assert_int_equal(fd_set_nonblock(listener, false), 0);
	s->pid = fork_child();
	if (s->pid == 0) {
		fd_close(go[1]);
		shim_main(listener, go[0], answer, status);
	}
	fd_close(go[0]);
	s->go = go[1];
	fd_close(listener);
}

/* The end of the proxy that the shim took. */
static void shim_end(struct shim *s, pid_t proxy, int status)
{
	s->go = fd_close(s->go);
	assert_int_equal(wait_code(s->pid), 0);
	assert_int_equal(wait_code(proxy), status);
}

static void shim_done(struct shim *s)
{
	fd_close(s->go);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	path_remove_tree_at(AT_FDCWD, s->dir);
	free(s->dir);
	free(s->name);
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("init proxies live in namespaces of their own, which needs root\n");
	skip();
}

/* --- starting --- */

static char *read_proc(pid_t pid, const char *file, size_t *ret_n)
{
	autofree char *path = xasprintf("/proc/%d/%s", (int)pid, file);
	char *text = NULL;

	assert_int_equal(file_read_at(AT_FDCWD, path, KIB(64), &text, ret_n), 0);
	return text;
}

/* The title is set by the program, some time after its start. */
static void expect_title(pid_t pid)
{
	static const char want[] = "/bin/program\0with\0arguments";

	for (int i = 0;; i++) {
		size_t n;
		autofree char *text = read_proc(pid, "cmdline", &n);

		if (n >= sizeof(want) && memcmp(text, want, sizeof(want)) == 0)
			return;
		if (i == 1000)
			fail_msg("cmdline is %s", text);
		usleep(10000);
	}
}

static void expect_namespace(pid_t pid, const char *name, bool own)
{
	autofree char *theirs = xasprintf("/proc/%d/ns/%s", (int)pid, name);
	autofree char *ours = xasprintf("/proc/self/ns/%s", name);
	char a[64] = "", b[64] = "";

	assert_true(readlink(theirs, a, sizeof(a) - 1) > 0);
	assert_true(readlink(ours, b, sizeof(b) - 1) > 0);
	assert_int_equal(str_eq(a, b), !own);
}

/* What an engine gets over its console socket. */
static int receive_terminal(int listener)
{
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC), master = -1;
	char name[64] = "";
	size_t n = 1;

	assert_true(conn >= 0);
	assert_true(fd_recv(conn, name, sizeof(name) - 1, &master, &n) > 0);
	assert_int_equal(n, 1);
	assert_non_null(str_skip_prefix(name, "/dev/pts/"));
	fd_close(conn);
	return master;
}

static void test_console_socket(void **state)
{
	char *args[] = { (char *)"/bin/program", (char *)"with", (char *)"arguments", NULL };
	const struct handover_msg ok = { .type = HANDOVER_OK };
	struct cli_stdio io = { .program = PROXY,
				.terminal = true,
				.detach = true,
				.rows = 17,
				.columns = 71,
				.args = args };
	struct error e = ERROR_INIT;
	autofree char *socket = NULL, *comm = NULL;
	struct winsize ws;
	struct termios t;
	struct shim s;
	int listener, master;
	pid_t pid;

	need_root();
	shim_start(&s, &ok, 9);
	socket = xasprintf("%s/console.sock", s.dir);
	listener = unix_listen(socket, SOCK_STREAM, 0600);
	assert_true(listener >= 0);
	assert_int_equal(fd_set_nonblock(listener, false), 0);
	io.console_socket = socket;
	pid = cli_start_proxy(s.name, "c1", "e1", &io, &e);
	if (pid < 0)
		fail_msg("%s", error_text(&e));
	master = receive_terminal(listener);
	assert_int_equal(ioctl(master, TIOCGWINSZ, &ws), 0);
	assert_int_equal(ws.ws_row, 17);
	assert_int_equal(ws.ws_col, 71);
	/* The guest's terminal has the line discipline. */
	assert_int_equal(tcgetattr(master, &t), 0);
	assert_false(t.c_lflag & (ICANON | ECHO | ISIG));
	expect_title(pid);
	comm = read_proc(pid, "comm", NULL);
	assert_string_equal(comm, "program\n");
	assert_int_equal(getsid(pid), pid);
	expect_namespace(pid, "pid", true);
	expect_namespace(pid, "mnt", true);
	expect_namespace(pid, "net", false);
	shim_end(&s, pid, 9);
	fd_close(master);
	fd_close(listener);
	shim_done(&s);
}

static void test_network_namespace(void **state)
{
	const struct handover_msg ok = { .type = HANDOVER_OK };
	struct cli_stdio io = { .program = PROXY, .new_netns = true };
	struct error e = ERROR_INIT;
	struct shim s;
	pid_t pid;

	need_root();
	shim_start(&s, &ok, 0);
	pid = cli_start_proxy(s.name, "c1", "e1", &io, &e);
	if (pid < 0)
		fail_msg("%s", error_text(&e));
	expect_namespace(pid, "net", true);
	shim_end(&s, pid, 0);
	shim_done(&s);
}

/* Nothing of a proxy is left when the shim does not take it. */
static void test_shim_refuses(void **state)
{
	const struct handover_msg no = { .type = HANDOVER_ERROR, .text = "not now" };
	struct cli_stdio io = { .program = PROXY, .detach = true };
	struct error e = ERROR_INIT;
	struct shim s;

	need_root();
	shim_start(&s, &no, 0);
	assert_true(cli_start_proxy(s.name, "c1", "e1", &io, &e) < 0);
	assert_string_equal(error_text(&e), "not now");
	s.go = fd_close(s.go);
	wait_code(s.pid);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	shim_done(&s);
	assert_true(cli_start_proxy("no-such-sandbox", "c1", "e1", &io, &e) < 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_terminal_rules(void **state)
{
	struct cli_stdio io = { .terminal = true, .detach = true };
	struct error e = ERROR_INIT;

	assert_int_equal(cli_start_proxy("x", "c1", "", &io, &e), -EINVAL);
	assert_non_null(strstr(error_text(&e), "cannot allocate tty if caisson will detach"));
	io = (struct cli_stdio){ .console_socket = "/nonexistent" };
	assert_int_equal(cli_start_proxy("x", "c1", "", &io, &e), -EINVAL);
	assert_string_equal(error_text(&e), "cannot use console socket if no tty is allocated");
	io.terminal = true;
	assert_int_equal(cli_start_proxy("x", "c1", "", &io, &e), -ENOENT);
	assert_non_null(strstr(error_text(&e), "console socket /nonexistent"));
}

static void test_pid_file(void **state)
{
	char dir[] = "/tmp/caisson-test-XXXXXX";
	autofree char *path = NULL, *text = NULL;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/pid", dir);
	assert_int_equal(cli_write_pid_file(NULL, 1, NULL), 0);
	assert_int_equal(cli_write_pid_file(path, 123456, NULL), 0);
	assert_int_equal(file_read_at(AT_FDCWD, path, 100, &text, NULL), 0);
	/* As runc: no newline. */
	assert_string_equal(text, "123456");
	assert_int_equal(cli_write_pid_file("/nonexistent/pid", 1, NULL), -ENOENT);
	assert_int_equal(path_remove_tree_at(AT_FDCWD, dir), 0);
}

/* --- waiting --- */

/* Stands for a proxy: says that it is ready, then ends with the number of the first signal. */
static _Noreturn void wait_for_signal(int ready)
{
	sigset_t all;
	int sig = 0;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (write(ready, "x", 1) == 1)
		sigwait(&all, &sig);
	_exit(sig);
}

static _Noreturn void waiter_main(int ready, int terminal)
{
	struct error e = ERROR_INIT;
	pid_t pid;

	if (terminal >= 0 && (setsid() < 0 || dup2(terminal, STDIN_FILENO) < 0 ||
			      ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0))
		_exit(99);
	/* As run does: what comes before the wait is not lost. */
	cli_defer_signals();
	pid = fork();
	if (pid == 0)
		wait_for_signal(ready);
	_exit(cli_wait_proxy(pid, terminal >= 0, &e));
}

static pid_t start_waiter(int terminal)
{
	int p[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork_child();
	if (pid == 0)
		waiter_main(p[1], terminal);
	fd_close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	fd_close(p[0]);
	return pid;
}

static void test_forwarded(void **state)
{
	/* Those that are deferred can be sent at once; others once the wait has begun. */
	const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid = start_waiter(-1);

		assert_int_equal(kill(pid, signals[i]), 0);
		assert_int_equal(wait_code(pid), signals[i]);
	}
}

static bool is_raw(int master)
{
	struct termios t;

	return tcgetattr(master, &t) == 0 && !(t.c_lflag & (ICANON | ECHO | ISIG));
}

/* The terminal is raw while it waits, which also shows that signals are caught by then: the size of
 * the window goes on to the proxy, and what was set before comes back. */
static void test_terminal_is_restored(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct termios before, after;
	char name[64];
	pid_t pid;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master) | ptsname_r(master, name, sizeof(name)),
			 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &before), 0);
	assert_false(is_raw(master));
	pid = start_waiter(slave);
	for (int i = 0; i < 1000 && !is_raw(master); i++)
		usleep(10000);
	assert_true(is_raw(master));
	usleep(100000);
	assert_int_equal(kill(pid, SIGWINCH), 0);
	assert_int_equal(wait_code(pid), SIGWINCH);
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	fd_close(slave);
	fd_close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_console_socket),
		cmocka_unit_test(test_network_namespace),
		cmocka_unit_test(test_shim_refuses),
		cmocka_unit_test(test_terminal_rules),
		cmocka_unit_test(test_pid_file),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_terminal_is_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
