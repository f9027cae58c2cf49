/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: what they get and do not get, how a failed start reads, and limits of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs "sh -c @script" with @s's other fields; *ret_out is what it printed. */
static int shell(const struct proc_spec *s, const char *script, char **ret_out)
{
	char *argv[] = { "sh", "-c", (char *)(uintptr_t)script, NULL };
	struct proc_spec spec = *s;
	struct error e = ERROR_INIT;
	int r;

	spec.argv = argv;
	r = proc_run(&spec, NULL, 0, 10000, 65536, ret_out, &e);
	if (r < 0)
		print_message("%s\n", e.text);
	return r;
}

static void test_run(void **state)
{
	autofree char *out = NULL;
	char *argv[] = { "sh", "-c", "tr a-z A-Z; exit 3", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;

	s.argv = argv;
	assert_int_equal(proc_run(&s, "hello", 5, 10000, 100, &out, &e), 3);
	assert_string_equal(out, "HELLO");
	free(take_ptr(out));
	assert_int_equal(proc_run(&s, "", 0, 10000, 100, &out, &e), 3);
	assert_string_equal(out, "");
	argv[2] = "kill -TERM $$";
	assert_int_equal(proc_run(&s, NULL, 0, 10000, 0, NULL, &e), 128 + SIGTERM);
}

/* More input than a pipe holds, to one that does not read it, and to one that does. */
static void test_input(void **state)
{
	size_t n = 1 << 20;
	autofree char *input = xcalloc(n, 1), *out = NULL;
	char *argv[] = { "sh", "-c", "exit 0", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;

	memset(input, 'x', n);
	s.argv = argv;
	assert_int_equal(proc_run(&s, input, n, 10000, 0, NULL, &e), 0);
	argv[2] = "wc -c";
	assert_int_equal(proc_run(&s, input, n, 10000, 100, &out, &e), 0);
	assert_int_equal(atoi(out), (int)n);
}

static void test_limits(void **state)
{
	autofree char *out = NULL;
	char *argv[] = { "sh", "-c", "echo 0123456789", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;
	int64_t t0 = loop_now_ms();

	s.argv = argv;
	assert_int_equal(proc_run(&s, NULL, 0, 10000, 10, &out, &e), -EFBIG);
	assert_null(out);
	assert_string_equal(e.text, "more than 10 bytes of output");
	assert_int_equal(proc_run(&s, NULL, 0, 10000, 11, &out, &e), 0);
	free(take_ptr(out));
	argv[2] = "sleep 100";
	assert_int_equal(proc_run(&s, NULL, 0, 50, 10, &out, &e), -ETIMEDOUT);
	assert_string_equal(e.text, "timed out");
	assert_int_equal(proc_run(&s, NULL, 0, 50, 0, NULL, &e), -ETIMEDOUT);
	assert_true(loop_now_ms() - t0 < 20000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
	assert_int_equal(errno, ECHILD);
}

static int setup_refuses(void *data, struct error *e)
{
	return error_plain(e, EXFULL, "%s", (const char *)data);
}

static int setup_silent(void *data, struct error *e)
{
	return -EXFULL;
}

static void test_failed_start(void **state)
{
	char *argv[] = { "/no/such/program", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;

	s.argv = argv;
	assert_int_equal(proc_spawn(&s, &e), -ENOENT);
	assert_string_equal(e.text, "execute /no/such/program: No such file or directory");
	argv[0] = "no-such-program";
	assert_int_equal(proc_spawn(&s, &e), -ENOENT);
	s.path = "/dev/null";
	assert_int_equal(proc_spawn(&s, &e), -EACCES);
	s.path = "/bin/true";
	s.cwd = "/no/such/dir";
	assert_int_equal(proc_spawn(&s, &e), -ENOENT);
	assert_string_equal(e.text, "change directory to /no/such/dir: No such file or directory");
	s.cwd = NULL;
	s.out = 999;
	assert_int_equal(proc_spawn(&s, &e), -EBADF);
	s.out = -1;
	s.keep = (const int[]){ 999 };
	s.nkeep = 1;
	assert_int_equal(proc_spawn(&s, &e), -EBADF);
	assert_string_equal(e.text, "set up descriptors: Bad file descriptor");
	s.nkeep = 0;
	s.setup = setup_refuses;
	s.data = "not today";
	assert_int_equal(proc_spawn(&s, &e), -EXFULL);
	assert_string_equal(e.text, "not today");
	s.setup = setup_silent;
	assert_int_equal(proc_spawn(&s, &e), -EXFULL);
	assert_int_equal(proc_run(&s, NULL, 0, 1000, 0, NULL, &e), -EXFULL);
	assert_int_equal(proc_spawn(&s, NULL), -EXFULL);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* every child was reaped */
}

static void test_descriptors(void **state)
{
	struct proc_spec s = PROC_SPEC_INIT;
	autofree char *none = NULL, *kept = NULL, *stdio = NULL;
	int a = fcntl(1, F_DUPFD, 40), b = fcntl(1, F_DUPFD_CLOEXEC, 50);

	assert_int_equal(shell(&s, "cd /proc/self/fd; for i in [4-9]?; do echo $i; done", &none),
			 0);
	assert_string_equal(none, "[4-9]?\n"); /* even those without close-on-exec */
	s.keep = (const int[]){ b };
	s.nkeep = 1;
	assert_int_equal(shell(&s, "cd /proc/self/fd; for i in [4-9]?; do echo $i; done", &kept),
			 0);
	assert_string_equal(kept, "50\n");
	assert_int_equal(shell(&s, "readlink /proc/self/fd/0 /proc/self/fd/2", &stdio), 0);
	assert_string_equal(stdio, "/dev/null\n/dev/null\n");
	close(a);
	close(b);
}

/* Descriptors 0, 1, 2 crosswise, and with some of them closed in the parent. */
static int crossed(void)
{
	char *argv[] = { "sh", "-c", "read x; echo \"out $x\"; echo err >&2", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	int in[2], out[2], err[2], status;
	char got[16] = { 0 };
	struct error e;
	pid_t pid;

	if (pipe(in) < 0 || pipe(out) < 0 || pipe(err) < 0)
		return 1;
	/* The child's stdin comes from 1, its stdout goes to 2, its stderr to 0. */
	if (dup2(in[0], 1) < 0 || dup2(out[1], 2) < 0 || dup2(err[1], 0) < 0)
		return 2;
	close(in[0]);
	close(out[1]);
	close(err[1]);
	if (write(in[1], "in\n", 3) != 3)
		return 3;
	s.argv = argv;
	s.in = 1;
	s.out = 2;
	s.err = 0;
	pid = proc_spawn(&s, &e);
	close(0);
	close(1);
	close(2);
	if (pid < 0 || proc_wait(pid, 5000, &status) < 0 || status != 0)
		return 4;
	if (fd_read_full(out[0], got, sizeof(got)) != 7 || memcmp(got, "out in\n", 7) != 0)
		return 5;
	if (fd_read_full(err[0], got, sizeof(got)) != 4 || memcmp(got, "err\n", 4) != 0)
		return 6;
	/* All three closed here: the child has /dev/null, the report still comes. */
	s.in = s.out = s.err = -1;
	argv[2] = "test -c /proc/self/fd/0 && echo x && echo y >&2";
	pid = proc_spawn(&s, &e);
	if (pid < 0 || proc_wait(pid, 5000, &status) < 0 || status != 0)
		return 7;
	argv[0] = "/no/such/program";
	return proc_spawn(&s, &e) == -ENOENT ? 0 : 8;
}

static void test_crossed(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(crossed());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_surroundings(void **state)
{
	char *env[] = { "A=b", "PATH=/bin:/usr/bin", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	autofree char *out = NULL, *sig = NULL, *session = NULL;
	sigset_t set;

	s.env = env;
	s.cwd = "/proc";
	assert_int_equal(shell(&s, "pwd; echo $A$HOME", &out), 0);
	assert_string_equal(out, "/proc\nb\n");
	/* Blocked and ignored signals are not inherited. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	assert_int_equal(shell(&s, "grep -E 'Sig(Blk|Ign)' /proc/self/status", &sig), 0);
	assert_string_equal(sig, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGUSR2, SIG_DFL);
	s.new_session = true;
	/* Field 6 of stat is the session. */
	assert_int_equal(
		shell(&s, "set -- $(cat /proc/$$/stat); test $6 = $$ && echo own", &session), 0);
	assert_string_equal(session, "own\n");
}

static void test_identity(void **state)
{
	struct proc_spec s = PROC_SPEC_INIT;
	autofree char *out = NULL;

	if (geteuid() != 0) {
		print_message("changing identity needs root\n");
		skip();
	}
	s.uid = 12345;
	s.gid = 23456;
	assert_int_equal(
		shell(&s, "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status | tr -d ' '", &out),
		0);
	assert_string_equal(out,
			    "Uid:\t12345\t12345\t12345\t12345\nGid:\t23456\t23456\t23456\t23456\n"
			    "Groups:\t\nCapEff:\t0000000000000000\n");
}

static void test_namespaces(void **state)
{
	struct proc_spec s = PROC_SPEC_INIT;
	autofree char *out = NULL;
	struct error e = ERROR_INIT;
	char *argv[] = { "true", NULL };
	pid_t pid;

	if (geteuid() != 0) {
		print_message("namespaces need root\n");
		skip();
	}
	s.namespaces = CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
	s.pdeathsig = SIGKILL; /* the parent's pid cannot be seen from inside */
	s.argv = argv;
	pid = proc_spawn(&s, &e);
	if (pid == -EPERM) {
		print_message("no namespaces here\n");
		skip();
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(shell(&s, "echo $$; hostname inside 2>/dev/null; exit 0", &out), 0);
	assert_string_equal(out, "1\n");
	/* A failure comes back from there as well. */
	argv[0] = "/no/such/program";
	assert_int_equal(proc_spawn(&s, &e), -ENOENT);
}

/* The child of a parent that was killed goes with it. */
static void test_pdeathsig(void **state)
{
	char *argv[] = { "sleep", "100", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	uint64_t start = 0;
	int p[2];
	pid_t pid, child = 0;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		s.argv = argv;
		s.pdeathsig = SIGKILL;
		child = proc_spawn(&s, NULL);
		_exit(write(p[1], &child, sizeof(child)) == sizeof(child) && pause() ? 1 : 2);
	}
	assert_int_equal(fd_read_full(p[0], &child, sizeof(child)), sizeof(child));
	assert_true(child > 0);
	assert_int_equal(proc_start_time(child, &start), 0);
	assert_true(proc_alive(child, start));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 1000 && proc_alive(child, start); i++)
		usleep(10000);
	assert_false(proc_alive(child, start));
	close(p[0]);
	close(p[1]);
}

static void test_wait(void **state)
{
	char *argv[] = { "sleep", "100", NULL };
	struct proc_spec s = PROC_SPEC_INIT;
	uint64_t start = 0, other;
	int status = 0, pidfd;
	pid_t pid;

	s.argv = argv;
	pid = proc_spawn(&s, NULL);
	assert_true(pid > 0);
	assert_int_equal(proc_wait(pid, 10, &status), -ETIMEDOUT);
	assert_int_equal(proc_start_time(pid, &start), 0);
	assert_true(proc_alive(pid, start));
	assert_false(proc_alive(pid, start + 1)); /* another process by that number */
	pidfd = proc_pidfd_open(pid);
	assert_true(pidfd >= 0);
	assert_int_equal(proc_pidfd_signal(pidfd, SIGKILL), 0);
	for (int i = 0; i < 1000 && proc_alive(pid, start); i++)
		usleep(1000);
	assert_false(proc_alive(pid, start)); /* a zombie is not alive */
	assert_int_equal(proc_start_time(pid, &other), 0);
	assert_int_equal(proc_wait(pid, 1000, &status), 0);
	assert_int_equal(proc_exit_code(status), 128 + SIGKILL);
	assert_int_equal(proc_wait(pid, 0, &status), -ESRCH);
	assert_int_equal(proc_wait(pid, -1, &status), -ECHILD);
	assert_int_equal(proc_pidfd_signal(pidfd, SIGKILL), -ESRCH);
	assert_int_equal(proc_start_time(pid, &other), -ESRCH);
	assert_false(proc_alive(0, 0));
	close(pidfd);
	assert_int_equal(proc_exit_code(42 << 8), 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run),          cmocka_unit_test(test_input),
		cmocka_unit_test(test_limits),       cmocka_unit_test(test_failed_start),
		cmocka_unit_test(test_descriptors),  cmocka_unit_test(test_crossed),
		cmocka_unit_test(test_surroundings), cmocka_unit_test(test_identity),
		cmocka_unit_test(test_namespaces),   cmocka_unit_test(test_pdeathsig),
		cmocka_unit_test(test_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
