/* SPDX-License-Identifier: Apache-2.0 */
/* process - an init proxy for a process in the guest: its terminal, its way to the shim, its pid
 * file, waiting for it. */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "cli/proxy.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

/* --- the terminal --- */

/* The guest has the terminal's line discipline; ours only carries bytes. */
static int make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

/* The size that the spec asks for. */
static int set_size(int fd, const struct cli_stdio *io)
{
	struct winsize ws = { .ws_row = (unsigned short)MIN(io->rows, USHRT_MAX),
			      .ws_col = (unsigned short)MIN(io->columns, USHRT_MAX) };

	if (!ws.ws_row && !ws.ws_col)
		return 0;
	return ioctl(fd, TIOCSWINSZ, &ws) < 0 ? -errno : 0;
}

/* Opens a pty, sends its master over the console socket (runc's protocol: the name as payload), and
 * returns the slave. */
static int open_console(const struct cli_stdio *io, struct error *e)
{
	autoclose int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	autoclose int slave = -1;
	autoclose int sock = -1;
	char name[64];
	ssize_t n;
	int r;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0)
		return error_set(e, errno, "open a terminal");
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return error_set(e, errno, "open %s", name);
	r = make_raw(slave);
	if (r == 0)
		r = set_size(slave, io);
	if (r < 0)
		return error_set(e, r, "set up %s", name);
	sock = unix_connect(io->console_socket, SOCK_STREAM);
	if (sock < 0)
		return error_set(e, sock, "connect to console socket %s", io->console_socket);
	n = fd_send(sock, name, strlen(name), &master, 1);
	if (n < 0)
		return error_set(e, (int)n, "send the terminal over %s", io->console_socket);
	return take_fd(slave);
}

static int check_terminal(const struct cli_stdio *io, struct error *e)
{
	if (io->terminal && io->detach && !io->console_socket)
		return error_plain(e, EINVAL,
				   "cannot allocate tty if caisson will detach without setting "
				   "console socket");
	if (!io->terminal && io->console_socket)
		return error_plain(e, EINVAL, "cannot use console socket if no tty is allocated");
	return 0;
}

/* --- the hand-over --- */

static int hand_over(const char *sandbox, const char *id, const char *exec_id, pid_t pid, int fd,
		     struct error *e)
{
	autofree char *path = xasprintf("%s/%s/io.sock", CLI_RUN_DIR, sandbox);
	autoclose int sock = unix_connect(path, SOCK_SEQPACKET);
	struct handover_msg m = { .type = HANDOVER_ATTACH, .pid = pid };
	size_t none = 0;
	int r;

	if (sock < 0)
		return error_set(e, sock, "connect to %s", path);
	snprintf(m.id, sizeof(m.id), "%s", id);
	snprintf(m.exec_id, sizeof(m.exec_id), "%s", exec_id);
	r = handover_send(sock, &m, &fd, 1);
	if (r == 0)
		r = handover_recv(sock, &m, NULL, &none);
	if (r <= 0)
		return error_set(e, r ? r : -ECONNRESET, "hand the init proxy over");
	if (m.type != HANDOVER_OK)
		return error_plain(e, EIO, "%s",
				   *m.text ? m.text : "the shim refused the init proxy");
	return 0;
}

void cli_kill_proxy(pid_t pid)
{
	int status;

	if (pid > 0 && kill(pid, SIGKILL) == 0)
		proc_wait(pid, -1, &status);
}

pid_t cli_start_proxy(const char *sandbox, const char *id, const char *exec_id,
		      const struct cli_stdio *io, struct error *e)
{
	autoclose int tty = -1;
	autoclose int sock = -1;
	struct proxy_params p = {
		.program = io->program,
		.args = io->args,
		.new_netns = io->new_netns,
		.netns = io->netns,
		.view = io->view,
		.terminal = io->terminal && !io->console_socket && isatty(STDIN_FILENO) == 1,
	};
	pid_t pid;
	int r = check_terminal(io, e);

	if (r < 0)
		return r;
	if (io->console_socket) {
		tty = open_console(io, e);
		if (tty < 0)
			return tty;
	}
	p.tty = tty;
	pid = proxy_spawn(&p, &sock, e);
	if (pid < 0)
		return pid;
	r = hand_over(sandbox, id, exec_id, pid, sock, e);
	if (r < 0) {
		cli_kill_proxy(pid);
		return r;
	}
	return pid;
}

/* --- in the foreground --- */

struct wait_state {
	struct loop *loop;
	pid_t pid;
};

static void forward(struct loop_source *s, const struct signalfd_siginfo *si, void *data)
{
	struct wait_state *w = data;

	kill(w->pid, (int)si->ssi_signo);
}

static void ended(struct loop_source *s, pid_t pid, int status, void *data)
{
	struct wait_state *w = data;

	loop_quit(w->loop, proc_exit_code(status));
}

static bool is_forwarded(int sig)
{
	/* What is said to this process alone, or cannot be caught. */
	static const int own[] = { SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGSEGV,
				   SIGBUS,  SIGILL,  SIGFPE,  SIGABRT, SIGTRAP, SIGSYS,  SIGURG };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (own[i] == sig)
			return false;
	return true;
}

static int wait_loop(struct loop *l, pid_t pid, struct error *e)
{
	struct wait_state w = { .loop = l, .pid = pid };

	for (int sig = 1; sig < SIGSYS; sig++)
		if (is_forwarded(sig) && !loop_add_signal(l, sig, forward, &w))
			return error_set(e, errno, "signal %d", sig);
	if (!loop_add_child(l, pid, ended, &w))
		return error_set(e, errno, "wait for the init proxy");
	return loop_run(l);
}

int cli_wait_proxy(pid_t pid, bool terminal, struct error *e)
{
	autoptr(loop) l = loop_new();
	struct termios saved;
	bool raw;
	int r;

	if (!l)
		return error_set(e, errno, "event loop");
	raw = terminal && tcgetattr(STDIN_FILENO, &saved) == 0 && make_raw(STDIN_FILENO) == 0;
	r = wait_loop(l, pid, e);
	if (raw && tcsetattr(STDIN_FILENO, TCSADRAIN, &saved) < 0)
		log_warn("restore the terminal: %s", strerror(errno));
	return r;
}

int cli_write_pid_file(const char *path, pid_t pid, struct error *e)
{
	char text[16];
	int r, n = snprintf(text, sizeof(text), "%d", (int)pid);

	if (!path)
		return 0;
	r = file_replace_at(AT_FDCWD, path, text, (size_t)n, 0644);
	return r < 0 ? error_set(e, r, "write pid file %s", path) : 0;
}
