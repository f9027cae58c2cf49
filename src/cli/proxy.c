/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy - see proxy.h.
 *
 * A poll loop over the hand-over socket, a signalfd and up to three relays. Each relay moves bytes
 * one way between inherited stdio and a vsock stream to the agent: by splice(2) where one end is a
 * pipe, else through a buffer. Inherited descriptors stay blocking (others share them), so nothing
 * is written to them that poll(2) did not announce and that could block: pipes are spliced without
 * blocking, the rest gets small pieces.
 *
 * It ends with the process's exit status once the streams have been drained, or with 137 if the
 * shim has died.
 */
#include "cli/proxy.h"

#include "base/args.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/proc.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define COPY_MAX 4096 /* what a terminal or a pipe that poll announced takes without blocking */
#define SPLICE_MAX (1 << 20)
#define EXIT_SHIM_DIED (128 + SIGKILL)

struct relay {
	int from, to;                   /* -1: this relay is over */
	bool splice, wait_out, outward; /* outward: from the guest */
	char *copy;                     /* COPY_MAX bytes, when not spliced */
	size_t start, end;
};

struct proxy {
	int sock, signals;
	bool terminal, saved;
	struct termios termios;
	struct relay relay[3];
	int status;       /* -1 until EXIT */
	int64_t progress; /* when bytes moved last, for the bound on draining */
};

/* --- relays --- */

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void relay_open(struct relay *r, int from, int to, bool outward)
{
	*r = (struct relay){ .from = from, .to = to, .outward = outward };
	r->splice = is_pipe(outward ? to : from);
	if (!r->splice)
		r->copy = xcalloc(1, COPY_MAX);
}

/* The inherited end of an outward relay is closed too: its reader must see the end. */
static void relay_close(struct relay *r)
{
	if (r->from < 0)
		return;
	if (r->outward) {
		fd_close(r->from);
		fd_close(r->to);
	} else {
		shutdown(r->to, SHUT_WR);
		fd_close(r->to);
	}
	r->from = r->to = -1;
	free(r->copy);
	r->copy = NULL;
}

/* > 0: moved, 0: end, -EAGAIN: the output is full, other: broken. */
static ssize_t relay_splice(struct relay *r)
{
	ssize_t n =
		splice(r->from, NULL, r->to, NULL, SPLICE_MAX, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	return n < 0 ? -errno : n;
}

static ssize_t relay_flush(struct relay *r)
{
	ssize_t n = write(r->to, r->copy + r->start, r->end - r->start);

	if (n < 0)
		return -errno;
	r->start += (size_t)n;
	return r->start == r->end ? 1 : -EAGAIN;
}

static ssize_t relay_copy(struct relay *r)
{
	if (r->start == r->end) {
		ssize_t n = read(r->from, r->copy, COPY_MAX);

		/* A terminal whose master went away reads as EIO. */
		if (n <= 0)
			return n < 0 && errno != EIO ? -errno : 0;
		r->start = 0;
		r->end = (size_t)n;
		/* The output was not polled: a blocking one must be, first. */
		return -EAGAIN;
	}
	return relay_flush(r);
}

static void relay_move(struct proxy *p, struct relay *r, short revents_out)
{
	ssize_t n;

	/* The other side closed while nothing was on its way. */
	if (!r->wait_out && (revents_out & (POLLERR | POLLHUP)) && !r->outward) {
		relay_close(r);
		return;
	}
	n = r->splice ? relay_splice(r) : relay_copy(r);
	if (n == -EINTR)
		return;
	r->wait_out = n == -EAGAIN;
	if (n > 0 || n == -EAGAIN)
		p->progress = loop_now_ms();
	else
		relay_close(r);
}

/* --- the shim --- */

static void send_winsize(struct proxy *p)
{
	struct handover_msg m = { .type = HANDOVER_WINSIZE };
	struct winsize ws;

	if (!p->terminal || ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_row)
		return;
	m.value = (uint32_t)ws.ws_row << 16 | ws.ws_col;
	/* A shim that is gone shows at the next read. */
	if (handover_send(p->sock, &m, NULL, 0) < 0)
		return;
}

static void make_raw(struct proxy *p)
{
	struct termios raw;

	if (!p->terminal || tcgetattr(STDIN_FILENO, &p->termios) < 0)
		return;
	p->saved = true;
	raw = p->termios;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void got_streams(struct proxy *p, uint32_t bits, const int *fds, size_t n)
{
	size_t next = 0;

	for (int i = 0; i < 3; i++) {
		if (!(bits & (1u << i)) || next >= n)
			continue;
		fd_set_nonblock(fds[next], true);
		relay_open(&p->relay[i], i == 0 ? STDIN_FILENO : fds[next], i == 0 ? fds[next] : i,
			   i != 0);
		next++;
	}
	make_raw(p);
	send_winsize(p);
}

static _Noreturn void finish(struct proxy *p, int status)
{
	if (p->saved)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &p->termios);
	_exit(status);
}

static void say(const char *text)
{
	dprintf(STDERR_FILENO, "caisson: %s\n", text);
}

/* One message, or the shim's end. */
static void shim_ready(struct proxy *p)
{
	struct handover_msg m;
	int fds[3];
	size_t nfds = 3;
	int r = handover_recv(p->sock, &m, fds, &nfds);

	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		if (p->status >= 0)
			return;
		say("the sandbox's shim has died, and the virtual machine with it");
		finish(p, EXIT_SHIM_DIED);
	}
	switch (m.type) {
	case HANDOVER_STREAMS:
		got_streams(p, m.value, fds, nfds);
		return;
	case HANDOVER_EXIT:
		p->status = (int)(m.value & 0xff);
		p->progress = loop_now_ms();
		relay_close(&p->relay[0]);
		if (*m.text)
			say(m.text);
		return;
	case HANDOVER_ERROR:
		finish(p, 255);
	}
}

static void signal_ready(struct proxy *p)
{
	struct handover_msg m = { .type = HANDOVER_SIGNAL };
	struct signalfd_siginfo si;

	if (read(p->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH) {
		send_winsize(p);
		return;
	}
	m.value = si.ssi_signo;
	if (handover_send(p->sock, &m, NULL, 0) < 0)
		return; /* shows at the next read */
}

/* --- the loop --- */

static bool drained(const struct proxy *p)
{
	if (p->relay[1].from < 0 && p->relay[2].from < 0)
		return true;
	return loop_now_ms() - p->progress >= HANDOVER_DRAIN_MS;
}

enum { POLL_SOCK, POLL_SIGNALS, POLL_RELAYS, POLL_COUNT = POLL_RELAYS + 6 };

static void poll_fill(const struct proxy *p, struct pollfd *pfd)
{
	pfd[POLL_SOCK] = (struct pollfd){ .fd = p->status < 0 ? p->sock : -1, .events = POLLIN };
	pfd[POLL_SIGNALS] = (struct pollfd){ .fd = p->signals, .events = POLLIN };
	for (int i = 0; i < 3; i++) {
		const struct relay *r = &p->relay[i];
		struct pollfd *in = &pfd[POLL_RELAYS + 2 * i], *out = in + 1;

		*in = (struct pollfd){ .fd = r->wait_out ? -1 : r->from, .events = POLLIN };
		*out = (struct pollfd){ .fd = r->wait_out || !r->outward ? r->to : -1,
					.events = r->wait_out ? POLLOUT : 0 };
	}
}

static _Noreturn void proxy_loop(struct proxy *p)
{
	struct pollfd pfd[POLL_COUNT];

	for (;;) {
		if (p->status >= 0 && drained(p))
			finish(p, p->status);
		poll_fill(p, pfd);
		if (poll(pfd, POLL_COUNT, p->status < 0 ? -1 : HANDOVER_DRAIN_MS) < 0)
			continue; /* EINTR only: the arguments are ours */
		if (pfd[POLL_SIGNALS].revents)
			signal_ready(p);
		for (int i = 0; i < 3; i++) {
			const struct pollfd *in = &pfd[POLL_RELAYS + 2 * i], *out = in + 1;

			if (p->relay[i].from >= 0 && (in->revents || out->revents))
				relay_move(p, &p->relay[i], out->revents);
		}
		/* Last, so that relays are looked at with the descriptors that were polled. */
		if (pfd[POLL_SOCK].revents)
			shim_ready(p);
	}
}

/* All but those that say something about the proxy itself. */
static int catch_signals(void)
{
	static const int not [] = { SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGSEGV,
				    SIGBUS,  SIGILL,  SIGFPE,  SIGABRT };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(not ); i++)
		sigdelset(&set, not [i]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The command of the container replaces our own in ps: its arguments are the last ones given, and
 * move to the front. */
static void show_title(int argc, char **argv, int first)
{
	char *area = argv[0], *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	size_t n;

	if (first >= argc)
		return;
	n = (size_t)(end - argv[first]);
	prctl(PR_SET_NAME, argv[first][0] == '/' ? strrchr(argv[first], '/') + 1 : argv[first]);
	memmove(area, argv[first], n);
	memset(area + n, 0, (size_t)(end - area) - n);
}

struct proxy_options {
	int fd;
	bool terminal, controlling;
};

static const struct arg_option options[] = {
	{ "fd", 0, ARG_INT, offsetof(struct proxy_options, fd), "N", "hand-over socket" },
	{ "terminal", 0, ARG_BOOL, offsetof(struct proxy_options, terminal), NULL,
	  "stdin is a terminal to relay on" },
	{ "controlling", 0, ARG_BOOL, offsetof(struct proxy_options, controlling), NULL,
	  "make it the controlling terminal" },
};
static const struct arg_spec spec = { .options = options,
				      .n = ARRAY_SIZE(options),
				      .stop_at_operand = true };

int proxy_main(int argc, char **argv)
{
	struct proxy_options o = { .fd = -1 };
	struct error e = ERROR_INIT;
	/* argv[1] is "proxy" */
	int first = args_parse(&spec, argc - 1, argv + 1, &o, &e) + 1;
	struct proxy p = { .status = -1 };

	if (first < 1 || o.fd < 3) {
		say(first < 1 ? error_text(&e) : "proxy: give --fd, a socket from create or exec");
		return 1;
	}
	for (int i = 0; i < 3; i++)
		p.relay[i].from = p.relay[i].to = -1;
	p.sock = o.fd;
	p.terminal = o.terminal;
	p.signals = catch_signals();
	fd_set_nonblock(p.sock, true);
	if (o.controlling)
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
	show_title(argc, argv, first);
	proxy_loop(&p);
}

/* --- starting one --- */

/*
 * In the child. Who looks at a container's processes through its pid enters the mount namespace of
 * that pid and reads /proc (podman top): there must not be the host's. Network hooks of engines look
 * for a network namespace at the pid.
 */
static int spawn_setup(void *data, struct error *e)
{
	const struct proxy_params *p = data;
	autoclose int fd = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_set(e, errno, "mount /proc");

	if (p->new_netns)
		return unshare(CLONE_NEWNET) < 0 ? error_set(e, errno, "make a network namespace")
						 : 0;
	if (!p->netns)
		return 0;
	fd = open(p->netns, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		return error_set(e, errno, "enter the network namespace %s", p->netns);
	return 0;
}

pid_t proxy_spawn(const struct proxy_params *p, int *ret_sock, struct error *e)
{
	autodone(strv) argv = STRV_INIT;
	struct proc_spec ps = PROC_SPEC_INIT;
	autoclose int mine = -1;
	autoclose int theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(e, errno, "socketpair");
	mine = pair[0];
	/* Above 2, which the child's stdio takes. */
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
	close(pair[1]);
	strv_add(&argv, "caisson");
	strv_add(&argv, "proxy");
	strv_addf(&argv, "--fd=%d", theirs);
	if (p->terminal || p->tty >= 0)
		strv_add(&argv, "--terminal");
	if (p->tty >= 0)
		strv_add(&argv, "--controlling");
	strv_add(&argv, "--");
	for (size_t i = 0; p->args && p->args[i]; i++)
		strv_add(&argv, p->args[i]);
	ps.path = "/proc/self/exe";
	ps.argv = argv.v;
	ps.in = p->tty >= 0 ? p->tty : STDIN_FILENO;
	ps.out = p->tty >= 0 ? p->tty : STDOUT_FILENO;
	ps.err = p->tty >= 0 ? p->tty : STDERR_FILENO;
	ps.keep = &theirs;
	ps.nkeep = 1;
	ps.new_session = p->tty >= 0;
	ps.namespaces = CLONE_NEWPID | CLONE_NEWNS;
	ps.setup = spawn_setup;
	ps.data = (void *)(uintptr_t)p;
	pid = proc_spawn(&ps, e);
	if (pid < 0)
		return error_prefix(e, "start the init proxy");
	*ret_sock = take_fd(mine);
	return pid;
}
