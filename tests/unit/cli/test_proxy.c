/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The init proxy against a shim that is this program: the proxy runs in a child whose stdio is what
 * the test gives it, the test holds the hand-over socket and the other ends of the streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/proxy.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define WAIT_MS 20000
#define BULK MIB(4)

struct lab {
	pid_t pid;
	int sock;      /* the shim's end */
	int io[3];     /* the engine's ends of the proxy's stdio; -1 where the test gave its own */
	int stream[3]; /* the guest's ends */
};

static void socket_pair(int type, int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

static void say(struct lab *l, enum handover_type type, uint32_t value, const char *text,
		const int *fds, size_t n)
{
	struct handover_msg m = { .type = type, .value = value };

	snprintf(m.text, sizeof(m.text), "%s", text ? text : "");
	assert_int_equal(handover_send(l->sock, &m, fds, n), 0);
}

/* As execve would: the arguments lie one behind the other. */
static int make_argv(int sock, const char *option, char *area, size_t size, char **argv)
{
	int n = snprintf(area, size, "caisson-proxy%c--fd=%d%c%s%c--%c/bin/prog%cargument", 0, sock,
			 0, option ? option : "--terminal=false", 0, 0, 0);
	int argc = 0;

	for (int at = 0; at < n; at += (int)strlen(area + at) + 1)
		argv[argc++] = area + at;
	argv[argc] = NULL;
	return argc;
}

static _Noreturn void child(int sock, const int io[3], const char *option)
{
	char area[128] = "", *argv[8];
	int high[3], argc;

	/* The test's handlers would go on with the test in here. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sock = fcntl(sock, F_DUPFD_CLOEXEC, 20);
	for (int i = 0; i < 3; i++)
		high[i] = fcntl(io[i], F_DUPFD_CLOEXEC, 20);
	for (int i = 0; i < 3; i++)
		dup2(high[i], i);
	/* Nothing of the test's may stay open here. */
	for (int i = 3; i < 256; i++)
		if (i != sock)
			close(i);
	argc = make_argv(sock, option, area, sizeof(area), argv);
	_exit(proxy_main(argc, argv));
}

/* Starts a proxy on @io, which stay the caller's. */
static void lab_start(struct lab *l, const int io[3], const char *option)
{
	int pair[2];

	socket_pair(SOCK_SEQPACKET, pair);
	l->pid = fork();
	assert_true(l->pid >= 0);
	if (l->pid == 0)
		child(pair[1], io, option);
	fd_close(pair[1]);
	l->sock = pair[0];
	for (int i = 0; i < 3; i++)
		l->io[i] = l->stream[i] = -1;
}

static void lab_streams(struct lab *l, uint32_t bits)
{
	int theirs[3], pair[2];
	size_t n = 0;

	for (int i = 0; i < 3; i++) {
		if (!(bits & (1u << i)))
			continue;
		socket_pair(SOCK_STREAM, pair);
		l->stream[i] = pair[0];
		theirs[n++] = pair[1];
	}
	say(l, HANDOVER_STREAMS, bits, NULL, theirs, n);
	for (size_t i = 0; i < n; i++)
		fd_close(theirs[i]);
}

/* The usual: three pipes, three streams. */
static void lab_pipes(struct lab *l)
{
	int in[2], out[2], err[2];

	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	lab_start(l, (int[]){ in[0], out[1], err[1] }, NULL);
	fd_close(in[0]);
	fd_close(out[1]);
	fd_close(err[1]);
	l->io[0] = in[1];
	l->io[1] = out[0];
	l->io[2] = err[0];
	lab_streams(l, HANDOVER_STDIN | HANDOVER_STDOUT | HANDOVER_STDERR);
}

static void close_guest(struct lab *l)
{
	for (int i = 0; i < 3; i++)
		l->stream[i] = fd_close(l->stream[i]);
}

static int lab_wait(struct lab *l)
{
	int status;

	assert_int_equal(proc_wait(l->pid, WAIT_MS, &status), 0);
	l->pid = 0;
	return proc_exit_code(status);
}

static void lab_done(struct lab *l)
{
	if (l->pid) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
	}
	close_guest(l);
	for (int i = 0; i < 3; i++)
		fd_close(l->io[i]);
	fd_close(l->sock);
}

/* What the process writes @after its end is known: EXIT with an empty guest. */
static int lab_exit(struct lab *l, uint32_t status)
{
	close_guest(l);
	say(l, HANDOVER_EXIT, status, NULL, NULL, 0);
	return lab_wait(l);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

static void expect_end(int fd)
{
	char c;

	assert_true(readable(fd));
	assert_true(read(fd, &c, 1) <= 0);
}

static void expect_message(struct lab *l, enum handover_type type, uint32_t value)
{
	struct handover_msg m;
	size_t none = 0;

	assert_true(readable(l->sock));
	assert_int_equal(handover_recv(l->sock, &m, NULL, &none), 1);
	assert_int_equal(m.type, type);
	assert_int_equal(m.value, value);
}

/* --- bytes --- */

/* Never the same at two places that a lost or doubled piece could bring together. */
static unsigned char pattern(size_t i)
{
	return (unsigned char)((i * 2654435761u) >> 13);
}

static _Noreturn void write_pattern(int fd, size_t n)
{
	unsigned char piece[5000];

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);

	for (size_t at = 0; at < n;) {
		size_t len = MIN(sizeof(piece), n - at);

		for (size_t i = 0; i < len; i++)
			piece[i] = pattern(at + i);
		if (fd_write_full(fd, piece, len) < 0)
			_exit(1);
		at += len;
	}
	_exit(0);
}

/* A process that writes; @fd is closed here. */
static pid_t writer(int *fd, size_t n)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		write_pattern(*fd, n);
	*fd = fd_close(*fd);
	return pid;
}

static void expect_pattern(int fd, size_t n)
{
	unsigned char piece[7000];
	size_t at = 0;
	ssize_t got;

	while (at < n) {
		assert_true(readable(fd));
		got = read(fd, piece, sizeof(piece));
		assert_true(got > 0);
		for (ssize_t i = 0; i < got; i++)
			if (piece[i] != pattern(at + (size_t)i))
				fail_msg("byte %zu differs", at + (size_t)i);
		at += (size_t)got;
	}
	assert_int_equal(at, n);
}

static void expect_written(pid_t pid)
{
	int status;

	assert_int_equal(proc_wait(pid, WAIT_MS, &status), 0);
	assert_int_equal(status, 0);
}

static void test_stdin_by_pipe(void **state)
{
	struct lab l;
	pid_t w;

	lab_pipes(&l);
	w = writer(&l.io[0], BULK);
	expect_pattern(l.stream[0], BULK);
	/* The end of our input is the end of the process's. */
	expect_end(l.stream[0]);
	expect_written(w);
	assert_int_equal(lab_exit(&l, 0), 0);
	lab_done(&l);
}

static void test_outputs_by_pipe(void **state)
{
	struct lab l;
	pid_t w[3];

	lab_pipes(&l);
	for (int i = 1; i < 3; i++) {
		w[i] = writer(&l.stream[i], BULK);
		expect_pattern(l.io[i], BULK);
		expect_written(w[i]);
	}
	/* Both have ended, the process goes on. */
	expect_end(l.io[1]);
	assert_int_equal(kill(l.pid, 0), 0);
	assert_int_equal(lab_exit(&l, 3), 3);
	expect_end(l.io[2]);
	lab_done(&l);
}

static void test_files(void **state)
{
	char in_name[] = "/tmp/caisson-test-XXXXXX", out_name[] = "/tmp/caisson-test-XXXXXX";
	int in = mkstemp(in_name), out = mkstemp(out_name), other = dup(in), r;
	struct lab l;
	pid_t w;

	assert_true(in >= 0 && out >= 0);
	unlink(in_name);
	unlink(out_name);
	w = writer(&other, BULK);
	expect_written(w);
	lseek(in, 0, SEEK_SET);
	lab_start(&l, (int[]){ in, out, STDERR_FILENO }, NULL);
	lab_streams(&l, HANDOVER_STDIN | HANDOVER_STDOUT);
	expect_pattern(l.stream[0], BULK);
	expect_end(l.stream[0]);
	w = writer(&l.stream[1], BULK);
	expect_written(w);
	assert_int_equal(lab_exit(&l, 0), 0);
	/* The description is shared: others write on where the process ended. */
	r = (int)lseek(out, 0, SEEK_CUR);
	assert_int_equal(r, BULK);
	lseek(out, 0, SEEK_SET);
	expect_pattern(out, BULK);
	fd_close(in);
	fd_close(out);
	lab_done(&l);
}

static void test_sockets(void **state)
{
	struct lab l;
	int s[2];
	pid_t w;

	socket_pair(SOCK_STREAM, s);
	lab_start(&l, (int[]){ s[1], s[1], STDERR_FILENO }, NULL);
	fd_close(s[1]);
	lab_streams(&l, HANDOVER_STDIN | HANDOVER_STDOUT);
	w = writer(&l.stream[1], BULK);
	expect_pattern(s[0], BULK);
	expect_written(w);
	assert_int_equal(fd_write_full(s[0], "hello", 5), 0);
	shutdown(s[0], SHUT_WR);
	char text[6] = "";
	assert_int_equal(fd_read_full(l.stream[0], text, 5), 5);
	assert_string_equal(text, "hello");
	expect_end(l.stream[0]);
	assert_int_equal(lab_exit(&l, 0), 0);
	fd_close(s[0]);
	lab_done(&l);
}

/* --- broken ends --- */

static void test_reader_goes(void **state)
{
	struct lab l;
	pid_t w;
	int status;

	lab_pipes(&l);
	l.io[1] = fd_close(l.io[1]);
	w = writer(&l.stream[1], BULK);
	/* The process gets SIGPIPE; the proxy lives on. */
	assert_int_equal(proc_wait(w, WAIT_MS, &status), 0);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	assert_int_equal(lab_exit(&l, 141), 141);
	lab_done(&l);
}

static void test_process_closes_stdin(void **state)
{
	struct lab l;
	pid_t w;
	int status;

	lab_pipes(&l);
	l.stream[0] = fd_close(l.stream[0]);
	w = writer(&l.io[0], BULK);
	assert_int_equal(proc_wait(w, WAIT_MS, &status), 0);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 1);
	assert_int_equal(lab_exit(&l, 0), 0);
	lab_done(&l);
}

/* --- ends --- */

static void test_statuses(void **state)
{
	for (uint32_t status = 0; status < 256; status++) {
		struct lab l;

		lab_pipes(&l);
		assert_int_equal(fd_write_full(l.stream[1], "last words\n", 11), 0);
		assert_int_equal(lab_exit(&l, status), status);
		char text[12] = "";
		assert_int_equal(fd_read_full(l.io[1], text, sizeof(text)), 11);
		assert_string_equal(text, "last words\n");
		lab_done(&l);
	}
}

static void expect_stderr(struct lab *l, const char *want)
{
	autofree char *text = NULL;

	assert_true(fd_read_all(l->io[2], KIB(64), &text, NULL) >= 0);
	assert_string_equal(text, want);
}

static void test_reason(void **state)
{
	struct lab l;

	lab_pipes(&l);
	close_guest(&l);
	say(&l, HANDOVER_EXIT, 137, "the virtual machine ended", NULL, 0);
	assert_int_equal(lab_wait(&l), 137);
	expect_stderr(&l, "caisson: the virtual machine ended\n");
	lab_done(&l);
}

static void test_shim_dies(void **state)
{
	struct lab l;

	lab_pipes(&l);
	assert_int_equal(fd_write_full(l.stream[1], "on its way", 10), 0);
	assert_int_equal(fd_write_full(l.stream[2], "oh\n", 3), 0);
	close_guest(&l);
	l.sock = fd_close(l.sock);
	assert_int_equal(lab_wait(&l), 137);
	char text[11] = "";
	assert_int_equal(fd_read_full(l.io[1], text, 11), 10);
	assert_string_equal(text, "on its way");
	expect_stderr(
		&l, "oh\ncaisson: the sandbox's shim has died, and the virtual machine with it\n");
	lab_done(&l);
}

static void test_shim_dies_alone(void **state)
{
	struct lab l;

	/* Nobody closes the streams. */
	lab_pipes(&l);
	l.sock = fd_close(l.sock);
	assert_int_equal(lab_wait(&l), 137);
	lab_done(&l);
}

static void test_shim_dies_before_streams(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct lab l;

	lab_start(&l, (int[]){ null, null, null }, NULL);
	l.sock = fd_close(l.sock);
	assert_int_equal(lab_wait(&l), 137);
	fd_close(null);
	lab_done(&l);
}

static void test_start_fails(void **state)
{
	struct lab l;

	lab_pipes(&l);
	say(&l, HANDOVER_ERROR, 0, "no such program", NULL, 0);
	assert_int_equal(lab_wait(&l), 255);
	/* The command line reports it. */
	expect_stderr(&l, "");
	lab_done(&l);
}

/* A process has ended, but a child of its holds the outputs; and one whose reader on the host takes
 * its time. */
static void test_drain(void **state)
{
	struct lab held, slow;
	int64_t start = loop_now_ms(), took;
	size_t n = KIB(256);
	pid_t w;

	lab_pipes(&held);
	say(&held, HANDOVER_EXIT, 5, NULL, NULL, 0);
	lab_pipes(&slow);
	w = writer(&slow.stream[1], n);
	slow.stream[2] = fd_close(slow.stream[2]);
	say(&slow, HANDOVER_EXIT, 6, NULL, NULL, 0);
	assert_int_equal(lab_wait(&held), 5);
	took = loop_now_ms() - start;
	assert_in_range(took, HANDOVER_DRAIN_MS - 100, HANDOVER_DRAIN_MS * 3);
	/* By now the slow one has waited as long. */
	usleep(500000);
	expect_pattern(slow.io[1], n);
	expect_written(w);
	assert_int_equal(lab_wait(&slow), 6);
	lab_done(&held);
	lab_done(&slow);
}

/* Nobody reads, and the process is to go. */
static void test_drain_stopped(void **state)
{
	struct lab l;
	pid_t w;

	lab_pipes(&l);
	w = writer(&l.stream[1], BULK);
	assert_true(readable(l.io[1]));
	say(&l, HANDOVER_EXIT, 7, NULL, NULL, 0);
	/* The signal's turn comes after EXIT's only if that has been read: asking again is
	 * harmless. */
	for (int i = 0; i < 100 && kill(l.pid, SIGTERM) == 0; i++) {
		int status;

		if (proc_wait(l.pid, 100, &status) == 0) {
			assert_int_equal(proc_exit_code(status), 7);
			l.pid = 0;
			break;
		}
	}
	assert_int_equal(l.pid, 0);
	kill(w, SIGKILL);
	waitpid(w, NULL, 0);
	lab_done(&l);
}

/* --- signals --- */

static void test_signals(void **state)
{
	const int signals[] = { SIGTERM,  SIGINT,       SIGHUP,  SIGQUIT, SIGUSR1,
				SIGUSR2,  SIGALRM,      SIGTSTP, SIGCONT, SIGVTALRM,
				SIGRTMIN, SIGRTMIN + 3, SIGRTMAX };
	struct lab l;

	lab_pipes(&l);
	/* It shows by the first bytes that it runs its loop. */
	assert_int_equal(fd_write_full(l.stream[1], "x", 1), 0);
	assert_true(readable(l.io[1]));
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		assert_int_equal(kill(l.pid, signals[i]), 0);
		expect_message(&l, HANDOVER_SIGNAL, (uint32_t)signals[i]);
	}
	assert_int_equal(lab_exit(&l, 0), 0);
	lab_done(&l);
}

static void test_killed(void **state)
{
	struct handover_msg m;
	size_t none = 0;
	struct lab l;

	lab_pipes(&l);
	kill(l.pid, SIGKILL);
	assert_int_equal(lab_wait(&l), 137);
	assert_true(readable(l.sock));
	assert_int_equal(handover_recv(l.sock, &m, NULL, &none), 0);
	lab_done(&l);
}

/* --- terminals --- */

static int open_terminal(int *ret_slave, unsigned short rows, unsigned short columns)
{
	struct winsize ws = { .ws_row = rows, .ws_col = columns };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios raw;
	char name[64];

	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master) | ptsname_r(master, name, sizeof(name)),
			 0);
	*ret_slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*ret_slave >= 0);
	assert_int_equal(tcgetattr(*ret_slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(*ret_slave, TCSANOW, &raw), 0);
	assert_int_equal(ioctl(*ret_slave, TIOCSWINSZ, &ws), 0);
	return master;
}

static void test_terminal(void **state)
{
	struct winsize ws = { .ws_row = 50, .ws_col = 132 };
	int slave, master = open_terminal(&slave, 24, 80);
	struct lab l;
	char text[8] = "";
	pid_t w;

	lab_start(&l, (int[]){ slave, slave, slave }, "--terminal");
	lab_streams(&l, HANDOVER_STDIN | HANDOVER_STDOUT);
	expect_message(&l, HANDOVER_WINSIZE, 24 << 16 | 80);
	assert_int_equal(ioctl(master, TIOCSWINSZ, &ws), 0);
	assert_int_equal(kill(l.pid, SIGWINCH), 0);
	expect_message(&l, HANDOVER_WINSIZE, 50 << 16 | 132);
	assert_int_equal(fd_write_full(master, "typed", 5), 0);
	assert_int_equal(fd_read_full(l.stream[0], text, 5), 5);
	assert_string_equal(text, "typed");
	w = writer(&l.stream[1], KIB(300));
	expect_pattern(master, KIB(300));
	expect_written(w);
	/* Others who hold the terminal find it as it was. */
	assert_false(fcntl(slave, F_GETFL) & O_NONBLOCK);
	assert_int_equal(lab_exit(&l, 0), 0);
	fd_close(slave);
	fd_close(master);
	lab_done(&l);
}

static void test_terminal_reason(void **state)
{
	int slave, master = open_terminal(&slave, 24, 80);
	struct lab l;
	char text[64] = "";

	lab_start(&l, (int[]){ slave, slave, slave }, "--terminal");
	lab_streams(&l, HANDOVER_STDIN | HANDOVER_STDOUT);
	close_guest(&l);
	say(&l, HANDOVER_EXIT, 137, "why", NULL, 0);
	assert_int_equal(lab_wait(&l), 137);
	assert_int_equal(fd_read_full(master, text, 14), 14);
	assert_string_equal(text, "caisson: why\r\n");
	fd_close(slave);
	fd_close(master);
	lab_done(&l);
}

/* The process reads the end of its input, and is told nothing else. */
static void test_terminal_hangs_up(void **state)
{
	int slave, master = open_terminal(&slave, 24, 80);
	struct lab l;

	lab_start(&l, (int[]){ slave, slave, slave }, "--terminal");
	lab_streams(&l, HANDOVER_STDIN | HANDOVER_STDOUT);
	expect_message(&l, HANDOVER_WINSIZE, 24 << 16 | 80);
	fd_close(slave);
	fd_close(master);
	expect_end(l.stream[0]);
	assert_int_equal(lab_exit(&l, 0), 0);
	lab_done(&l);
}

/* A reader of a terminal that does not read must not keep the proxy from its other work. */
static void test_terminal_full(void **state)
{
	int slave, master = open_terminal(&slave, 24, 80);
	struct lab l;
	pid_t w;

	lab_start(&l, (int[]){ slave, slave, slave }, "--terminal");
	lab_streams(&l, HANDOVER_STDIN | HANDOVER_STDOUT);
	expect_message(&l, HANDOVER_WINSIZE, 24 << 16 | 80);
	w = writer(&l.stream[1], BULK);
	usleep(300000);
	assert_int_equal(kill(l.pid, SIGUSR1), 0);
	expect_message(&l, HANDOVER_SIGNAL, SIGUSR1);
	kill(w, SIGKILL);
	waitpid(w, NULL, 0);
	fd_close(slave);
	fd_close(master);
	lab_done(&l);
}

/* --- the program --- */

static void test_arguments(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), status;
	pid_t pid = fork();
	char *argv[] = { (char *)"caisson-proxy", (char *)"--fd", (char *)"1", NULL };

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		dup2(null, STDERR_FILENO);
		_exit(proxy_main(3, argv));
	}
	assert_int_equal(proc_wait(pid, WAIT_MS, &status), 0);
	assert_int_equal(proc_exit_code(status), 1);
	fd_close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stdin_by_pipe),
		cmocka_unit_test(test_outputs_by_pipe),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_reader_goes),
		cmocka_unit_test(test_process_closes_stdin),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_reason),
		cmocka_unit_test(test_shim_dies),
		cmocka_unit_test(test_shim_dies_alone),
		cmocka_unit_test(test_shim_dies_before_streams),
		cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_stopped),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_terminal_reason),
		cmocka_unit_test(test_terminal_hangs_up),
		cmocka_unit_test(test_terminal_full),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
