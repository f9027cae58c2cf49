/* SPDX-License-Identifier: Apache-2.0 */
/* console - see console.h. */
#include "agent/console.h"

#include "agent/listen.h"
#include "agent/policy.h"
#include "agent/relay.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

struct console {
	struct loop *loop;
	struct relay_set *relays;
	const struct policy *policy;
	int listen_fd; /* -1: on a device */
	struct loop_source *io;
	pid_t shells[LIMIT_AGENT_CONSOLES]; /* 0: free */
};

static const char *find_shell(void)
{
	static const char *const shells[] = { "/run/kata-extensions/devkit/bin/devkit-sh",
					      "/bin/bash", "/bin/sh" };

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (access(shells[i], X_OK) == 0)
			return shells[i];
	return NULL;
}

static pid_t *free_slot(struct console *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->shells); i++)
		if (!c->shells[i])
			return &c->shells[i];
	return NULL;
}

/* In the child: standard input is the terminal's slave. */
static int take_terminal(void *data, struct error *e)
{
	return ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 ? error_set(e, errno, "terminal") : 0;
}

static pid_t start_shell(const char *shell, int slave, struct error *e)
{
	char *argv[] = { (char *)shell, NULL };
	struct proc_spec ps = PROC_SPEC_INIT;

	ps.path = shell;
	ps.argv = argv;
	ps.cwd = "/";
	ps.in = ps.out = ps.err = slave;
	ps.new_session = true;
	ps.setup = take_terminal;
	return proc_spawn(&ps, e);
}

static int open_terminal(int *ret_master, int *ret_slave)
{
	autoclose int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0, slave = -1;

	if (master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0)
		slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	*ret_master = take_fd(master);
	*ret_slave = slave;
	return 0;
}

/* One relay each way; each owns a descriptor of both. */
static int connect_terminal(struct console *c, int conn, int master, struct error *e)
{
	int conn2 = fcntl(conn, F_DUPFD_CLOEXEC, 3), master2 = fcntl(master, F_DUPFD_CLOEXEC, 3);
	int r = relay_start(c->relays, conn, master, e),
	    r2 = relay_start(c->relays, master2, conn2, e);

	return r < 0 ? r : r2;
}

static int open_session(struct console *c, int conn, struct error *e)
{
	const char *shell = find_shell();
	pid_t *slot = free_slot(c), pid;
	autoclose int keep = conn, slave = -1, master = -1;
	int r = policy_check(c->policy, POLICY_EXEC_PROCESS, e);

	if (r < 0)
		return r;
	if (!shell)
		return error_plain(e, ENOENT, "there is no shell in this guest");
	if (!slot)
		return error_plain(e, EBUSY, "%d consoles are open already", LIMIT_AGENT_CONSOLES);
	r = open_terminal(&master, &slave);
	if (r < 0)
		return error_set(e, r, "open a terminal");
	pid = start_shell(shell, slave, e);
	if (pid < 0)
		return (int)pid;
	*slot = pid;
	r = connect_terminal(c, take_fd(keep), take_fd(master), e);
	if (r < 0)
		kill(pid, SIGHUP);
	return r;
}

/* Says why there is no shell, if the connection will still take it. */
static void refuse(int conn, const struct error *e)
{
	log_warn("debug console: %s", e->text);
	if (send(conn, e->text, strlen(e->text), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(conn, SHUT_WR);
}

static void accept_one(struct console *c, int conn)
{
	autoclose int copy =
		fcntl(conn, F_DUPFD_CLOEXEC, 3); /* for the refusal: the session owns the other */
	struct error e = ERROR_INIT;

	if (agent_peer_check(conn, NULL) < 0) {
		fd_close(conn);
		return;
	}
	log_info("a debug console was opened");
	if (open_session(c, conn, &e) < 0 && copy >= 0)
		refuse(copy, &e);
}

static void on_listen(struct loop_source *s, int fd, uint32_t events, void *data)
{
	int conn;

	while ((conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		accept_one(data, conn);
}

static struct console *new_console(const struct policy *policy, int listen_fd)
{
	struct console *c = xnew(struct console);

	c->policy = policy;
	c->listen_fd = listen_fd;
	return c;
}

struct console *console_on_device(const struct policy *policy, const char *path, struct error *e)
{
	autoclose int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	const char *shell = find_shell();
	struct console *c;
	pid_t pid;

	if (fd < 0) {
		error_set(e, errno, "debug console on %s", path);
		return NULL;
	}
	if (!shell) {
		error_plain(e, ENOENT, "debug console: there is no shell in this guest");
		return NULL;
	}
	if (policy_check(policy, POLICY_EXEC_PROCESS, e) < 0) {
		error_prefix(e, "debug console");
		return NULL;
	}
	pid = start_shell(shell, fd, e);
	if (pid < 0)
		return NULL;
	c = new_console(policy, -1);
	c->shells[0] = pid;
	return c;
}

struct console *console_new(struct loop *l, struct relay_set *relays, const struct policy *policy,
			    int listen_fd, struct error *e)
{
	struct console *c = new_console(policy, listen_fd);

	c->loop = l;
	c->relays = relays;
	c->io = loop_add_io(l, listen_fd, EPOLLIN, on_listen, c);
	if (c->io)
		return c;
	error_set(e, errno, "watch the console port");
	console_free(c);
	return NULL;
}

void console_reaped(struct console *c, pid_t pid)
{
	for (size_t i = 0; c && i < ARRAY_SIZE(c->shells); i++)
		if (c->shells[i] == pid)
			c->shells[i] = 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(c->shells); i++)
		if (c->shells[i])
			kill(c->shells[i], SIGHUP);
	loop_source_free(c->io);
	fd_close(c->listen_fd);
	free(c);
}
