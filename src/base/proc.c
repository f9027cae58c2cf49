/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc - see proc.h.
 *
 * The child reports a failure, up to and including that of execve, as a struct error over a
 * close-on-exec pipe; end of file means that the new program runs.
 */
#include "base/proc.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

int proc_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int proc_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int proc_exit_code(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* Puts @fd at @target, for /dev/null where it is -1. dup2 onto itself keeps close-on-exec, which is
 * cleared. */
static int child_stdio(int fd, int target)
{
	autoclose int null = -1;

	if (fd < 0)
		fd = null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fd == target) {
		null = null == target ? -1 : null;
		return fd_set_cloexec(fd, false);
	}
	return dup2(fd, target) < 0 ? -errno : 0;
}

/* Moves what would be overwritten by 0, 1, 2 out of the way, then places the three. */
static int child_descriptors(const struct proc_spec *s)
{
	int want[3] = { s->in, s->out, s->err };

	for (int i = 0; i < 3; i++) {
		if (want[i] < 0 || want[i] > 2 || want[i] == i)
			continue;
		want[i] = fcntl(want[i], F_DUPFD_CLOEXEC, 3);
		if (want[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++) {
		int r = child_stdio(want[i], i);

		if (r < 0)
			return r;
	}
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < s->nkeep; i++) {
		int r = fd_set_cloexec(s->keep[i], false);

		if (r < 0)
			return r;
	}
	return 0;
}

void proc_reset_signals(void)
{
	/* What the kernel takes as struct sigaction; all zero is SIG_DFL. The C library's function
	 * keeps two signals for itself, which may have been ignored by whoever started us. */
	static const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} dfl;
	sigset_t none;

	/* SIGKILL and SIGSTOP refuse, and need not be reset. */
	for (int i = 1; i <= 64; i++)
		syscall(SYS_rt_sigaction, i, &dfl, NULL, sizeof(dfl.mask));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_identity(const struct proc_spec *s)
{
	if (!s->uid && !s->gid)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
	    setresuid(s->uid, s->uid, s->uid) < 0)
		return -errno;
	return 0;
}

static int child_setup(const struct proc_spec *s, pid_t parent, struct error *e)
{
	int r;

	proc_reset_signals();
	if (s->new_session && setsid() < 0)
		return error_set(e, errno, "setsid");
	if (s->new_group && setpgid(0, 0) < 0)
		return error_set(e, errno, "setpgid");
	r = child_descriptors(s);
	if (r < 0)
		return error_set(e, r, "set up descriptors");
	if (s->cwd && chdir(s->cwd) < 0)
		return error_set(e, errno, "change directory to %s", s->cwd);
	if (s->setup) {
		r = s->setup(s->data, e);
		if (r < 0)
			return e->code < 0 ? r : error_set(e, r, "set up the process");
	}
	r = child_identity(s);
	if (r < 0)
		return error_set(e, r, "change to uid %u gid %u", s->uid, s->gid);
	/* After the change of identity, which clears it. */
	if (s->pdeathsig && prctl(PR_SET_PDEATHSIG, s->pdeathsig) < 0)
		return error_set(e, errno, "PR_SET_PDEATHSIG");
	/* 0: the parent is in another pid namespace and cannot be seen. */
	if (s->pdeathsig && getppid() != 0 && getppid() != parent)
		raise(SIGKILL);
	return 0;
}

static _Noreturn void child_main(const struct proc_spec *s, pid_t parent, int report)
{
	const char *path = s->path ? s->path : s->argv[0];
	struct error e = ERROR_INIT;

	if (child_setup(s, parent, &e) == 0) {
		if (s->path)
			execve(path, s->argv, s->env ? s->env : environ);
		else
			execvpe(path, s->argv, s->env ? s->env : environ);
		error_set(&e, errno, "execute %s", path);
	}
	/* If the parent has gone, nobody is left to be told. */
	if (write(report, &e, sizeof(e)) < 0)
		_exit(126);
	_exit(127);
}

pid_t proc_spawn_begin(const struct proc_spec *s, int *ret_word, struct error *e)
{
	autoclose int rd = -1;
	autoclose int wr = -1;
	pid_t pid, parent = getpid();
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe");
	rd = p[0];
	/* Out of reach of 0, 1, 2, which the child replaces. */
	wr = fcntl(p[1], F_DUPFD_CLOEXEC, 3);
	close(p[1]);
	if (wr < 0)
		return error_set(e, errno, "pipe");
	/* fork(2) with flags; a new pid namespace cannot be had otherwise without entering it. */
	pid = s->namespaces ? (pid_t)syscall(SYS_clone, s->namespaces | SIGCHLD, 0, 0, 0, 0)
			    : fork();
	if (pid < 0)
		return error_set(e, errno, "fork");
	if (pid == 0)
		child_main(s, parent, wr);
	*ret_word = take_fd(rd);
	return pid;
}

int proc_spawn_end(pid_t pid, int word, const char *name, struct error *e)
{
	struct error child = ERROR_INIT;
	ssize_t n = fd_read_full(word, &child, sizeof(child));
	int status;

	fd_close(word);
	if (n == 0)
		return 0;
	waitpid(pid, &status, 0);
	if (n != (ssize_t)sizeof(child))
		return error_plain(e, EIO, "start %s: the child ended early", name);
	return error_copy(e, &child);
}

pid_t proc_spawn(const struct proc_spec *s, struct error *e)
{
	int word, r;
	pid_t pid = proc_spawn_begin(s, &word, e);

	r = pid < 0 ? (int)pid : proc_spawn_end(pid, word, s->argv[0], e);
	return r < 0 ? (pid_t)r : pid;
}

int proc_wait(pid_t pid, int timeout_ms, int *ret_status)
{
	int status;

	if (timeout_ms >= 0) {
		autoclose int fd = proc_pidfd_open(pid);
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t end = loop_now_ms() + timeout_ms;
		int r;

		if (fd < 0)
			return fd;
		do
			r = poll(&p, 1, (int)MAX(end - loop_now_ms(), (int64_t)0));
		while (r < 0 && errno == EINTR);
		if (r <= 0)
			return r < 0 ? -errno : -ETIMEDOUT;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (ret_status)
		*ret_status = status;
	return 0;
}

struct proc_pipes {
	int in, out; /* our ends, -1 once closed */
	struct buf captured;
	size_t max;
};

/* Feeds and drains until both ends are closed or @end has passed. */
static int proc_relay(struct proc_pipes *pp, const char *input, size_t len, int64_t end)
{
	while (pp->in >= 0 || pp->out >= 0) {
		struct pollfd p[2] = { { .fd = pp->in, .events = POLLOUT },
				       { .fd = pp->out, .events = POLLIN } };
		int64_t left = end < 0 ? -1 : MAX(end - loop_now_ms(), (int64_t)0);
		int r = poll(p, 2, (int)left);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0 && p[0].revents) {
			ssize_t n = len ? write(pp->in, input, len) : 0;

			input += n > 0 ? n : 0;
			len -= n > 0 ? (size_t)n : 0;
			if (!len || (n < 0 && errno != EAGAIN && errno != EINTR))
				pp->in = fd_close(pp->in);
		}
		if (r > 0 && p[1].revents) {
			ssize_t n = buf_read(&pp->captured, pp->out, 4096);

			if (buf_len(&pp->captured) > pp->max)
				return -EFBIG;
			if (n == 0 || (n < 0 && n != -EAGAIN))
				pp->out = fd_close(pp->out);
		}
	}
	return 0;
}

static int proc_finish(pid_t pid, int r, int64_t end, size_t max, struct error *e)
{
	int status, w;

	if (r == 0) {
		r = proc_wait(pid, end < 0 ? -1 : (int)MAX(end - loop_now_ms(), (int64_t)0),
			      &status);
		if (r == 0)
			return proc_exit_code(status);
	}
	kill(pid, SIGKILL);
	w = proc_wait(pid, -1, &status);
	if (r == -ETIMEDOUT)
		return error_plain(e, ETIMEDOUT, "timed out");
	if (r == -EFBIG)
		return error_plain(e, EFBIG, "more than %zu bytes of output", max);
	return error_set(e, w < 0 ? w : r, "wait for the end");
}

int proc_run(const struct proc_spec *s, const char *input, size_t input_len, int timeout_ms,
	     size_t max, char **ret_out, struct error *e)
{
	autoclose int child_in = -1;
	autoclose int child_out = -1;
	struct proc_pipes pp = { .in = -1, .out = -1, .captured = BUF_INIT(max + 1), .max = max };
	int64_t end = timeout_ms < 0 ? -1 : loop_now_ms() + timeout_ms;
	struct sigaction ign = { .sa_handler = SIG_IGN }, old;
	struct proc_spec spec = *s;
	int p[2], r;
	pid_t pid;

	if (input) {
		if (pipe2(p, O_CLOEXEC) < 0)
			return error_set(e, errno, "pipe");
		spec.in = child_in = p[0];
		pp.in = p[1];
		fd_set_nonblock(pp.in, true);
	}
	if (ret_out) {
		if (pipe2(p, O_CLOEXEC) < 0) {
			fd_close(pp.in);
			return error_set(e, errno, "pipe");
		}
		pp.out = p[0];
		spec.out = child_out = p[1];
	}
	sigaction(SIGPIPE, &ign, &old);
	pid = proc_spawn(&spec, e);
	child_in = fd_close(child_in);
	child_out = fd_close(child_out);
	r = pid;
	if (pid > 0)
		r = proc_finish(pid, proc_relay(&pp, input, input_len, end), end, max, e);
	sigaction(SIGPIPE, &old, NULL);
	fd_close(pp.in);
	fd_close(pp.out);
	if (r >= 0 && ret_out)
		*ret_out = xstrdup(buf_str(&pp.captured));
	buf_done(&pp.captured);
	return r;
}

#define STAT_STATE 3 /* fields of /proc/PID/stat as proc(5) counts them */
#define STAT_START 22

/* What lies behind the command name, which may hold anything. By hand: scanf would double the C
 * library's share of a static program. */
static int proc_stat_parse(char *text, char *ret_state, uint64_t *ret_start)
{
	char *p = strrchr(text, ')'), *save = NULL, *word;
	int field = STAT_STATE;

	if (!p)
		return -EPROTO;
	for (word = strtok_r(p + 1, " ", &save); word && field < STAT_START;
	     word = strtok_r(NULL, " ", &save), field++)
		if (field == STAT_STATE)
			*ret_state = *word;
	return word && str_to_u64(word, 10, ret_start) == 0 ? 0 : -EPROTO;
}

static int proc_stat_read(pid_t pid, char *ret_state, uint64_t *ret_start)
{
	autofree char *text = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read_at(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	return proc_stat_parse(text, ret_state, ret_start);
}

int proc_start_time(pid_t pid, uint64_t *ret)
{
	char state;

	return proc_stat_read(pid, &state, ret);
}

bool proc_alive(pid_t pid, uint64_t start_time)
{
	uint64_t start;
	char state;

	return pid > 0 && proc_stat_read(pid, &state, &start) == 0 && start == start_time &&
	       state != 'Z' && state != 'X';
}
