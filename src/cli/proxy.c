/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy - see proxy.h.
 *
 * A poll loop over the hand-over socket, a signalfd and up to three relays.
 *
 * States: no streams yet -> relaying -> the process has ended (EXIT): draining. It ends with the
 * process's exit status when the guest has closed its outputs; or when nothing came from it for
 * HANDOVER_DRAIN_MS, because somebody else in the guest holds them. A reader on the host that is
 * slow is waited for, as a process would wait that wrote to it, until the process is deleted or a
 * signal says to stop. A process that closes its outputs and lives on has them closed here too, so
 * that their readers see the end. If the shim dies first, the status is that of SIGKILL, after what
 * was on its way.
 */
#include "cli/proxy.h"

#include "base/args.h"
#include "base/fd.h"
#include "base/loop.h"
#include "cli/relay.h"
#include "rpc/handover.h"
#include "sys/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EXIT_SHIM_DIED (128 + SIGKILL)
#define DRAIN_DEAD_MS 500
#define LAST_WORD_MS 1000 /* streams of a machine that dies close before the reason comes */
#define RUNNING (-1)      /* no exit status yet */

struct proxy {
	int sock; /* -1: the shim has let go of us */
	int signals;
	int out; /* our own copy of stderr, for a last word when the process's has been closed */
	int err; /* the stream that goes there: 1 with a terminal, else 2; 0: none yet */
	int64_t closed; /* when it was seen to have ended; 0: it has not */
	int tty;        /* likewise of a terminal's, for its size; -1: none */
	struct relay relay[3];
	int status;
	char reason[sizeof(((struct handover_msg *)0)->text)];
	int64_t progress; /* when bytes moved last */
	int64_t drain_ms; /* how long nothing may come */
};

/* --- the end --- */

static _Noreturn void finish(struct proxy *p, int status)
{
	/* The terminal of a container is raw. */
	const char *end = p->tty >= 0 ? "\r\n" : "\n";

	if (*p->reason)
		dprintf(p->out, "caisson: %s%s", p->reason, end);
	_exit(status);
}

static bool drained(const struct proxy *p)
{
	bool reader_is_slow = false;

	if (p->relay[1].from < 0 && p->relay[2].from < 0)
		return true;
	for (int i = 1; i < 3; i++)
		reader_is_slow |= p->relay[i].from >= 0 && p->relay[i].wait_out;
	if (reader_is_slow && p->sock >= 0)
		return false;
	return loop_now_ms() - p->progress >= p->drain_ms;
}

/* --- the shim --- */

static void tell(struct proxy *p, enum handover_type type, uint32_t value)
{
	const struct handover_msg m = { .type = type, .value = value };

	/* A shim that has gone shows at the next read. */
	if (p->sock >= 0 && handover_send(p->sock, &m, NULL, 0) < 0)
		return;
}

static void send_winsize(struct proxy *p)
{
	struct winsize ws;

	if (p->tty < 0 || ioctl(p->tty, TIOCGWINSZ, &ws) < 0 || !ws.ws_row)
		return;
	tell(p, HANDOVER_WINSIZE, (uint32_t)ws.ws_row << 16 | ws.ws_col);
}

static void got_streams(struct proxy *p, uint32_t bits, const int *fds, size_t n)
{
	size_t next = 0;

	for (int i = 0; i < 3; i++) {
		if (!(bits & (1u << i)) || next >= n)
			continue;
		fd_set_nonblock(fds[next], true);
		relay_close(&p->relay[i]);
		relay_open(&p->relay[i], i, fds[next++], i == 0);
	}
	p->err = bits & 1u << STDERR_FILENO ? STDERR_FILENO : STDOUT_FILENO;
	send_winsize(p);
}

static void got_exit(struct proxy *p, const struct handover_msg *m)
{
	p->status = (int)(m->value & 0xff);
	p->progress = loop_now_ms();
	snprintf(p->reason, sizeof(p->reason), "%s", m->text);
	relay_close(&p->relay[0]);
}

static void shim_gone(struct proxy *p)
{
	p->sock = fd_close(p->sock);
	p->progress = loop_now_ms();
	if (p->status != RUNNING)
		return;
	/* What was on its way still comes; the machine ends with the shim, and the streams with
	 * that. */
	p->drain_ms = DRAIN_DEAD_MS;
	p->status = EXIT_SHIM_DIED;
	snprintf(p->reason, sizeof(p->reason),
		 "the sandbox's shim has died, and the virtual machine with it");
	relay_close(&p->relay[0]);
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
		shim_gone(p);
		return;
	}
	switch (m.type) {
	case HANDOVER_STREAMS:
		got_streams(p, m.value, fds, nfds);
		return;
	case HANDOVER_EXIT:
		got_exit(p, &m);
		return;
	case HANDOVER_ERROR:
		_exit(255);
	}
}

/* --- signals --- */

static bool is_terminating(uint32_t sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}

static void signal_ready(struct proxy *p)
{
	struct signalfd_siginfo si;

	if (read(p->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH)
		send_winsize(p);
	else if (p->status == RUNNING)
		tell(p, HANDOVER_SIGNAL, si.ssi_signo);
	else if (is_terminating(si.ssi_signo))
		finish(p, p->status);
}

/* All but those that say something about the proxy itself. */
static int catch_signals(void)
{
	static const int own[] = { SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGSEGV,
				   SIGBUS,  SIGILL,  SIGFPE,  SIGABRT, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&set, own[i]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- the loop --- */

enum { POLL_SOCK, POLL_SIGNALS, POLL_RELAYS, POLL_COUNT = POLL_RELAYS + 6 };

static void poll_fill(const struct proxy *p, struct pollfd *pfd)
{
	pfd[POLL_SOCK] = (struct pollfd){ .fd = p->sock, .events = POLLIN };
	pfd[POLL_SIGNALS] = (struct pollfd){ .fd = p->signals, .events = POLLIN };
	for (int i = 0; i < 3; i++)
		relay_poll(&p->relay[i], &pfd[POLL_RELAYS + 2 * i], &pfd[POLL_RELAYS + 2 * i + 1]);
}

static bool keeps_stderr_open(const struct proxy *p)
{
	return p->status == RUNNING && p->out >= 0 && p->err && p->relay[p->err].from < 0;
}

static void let_go_of_stderr(struct proxy *p)
{
	if (!keeps_stderr_open(p))
		return;
	if (!p->closed)
		p->closed = loop_now_ms();
	else if (loop_now_ms() - p->closed >= LAST_WORD_MS)
		p->out = fd_close(p->out);
}

static int poll_timeout(const struct proxy *p)
{
	if (p->status != RUNNING)
		return (int)p->drain_ms;
	return keeps_stderr_open(p) ? LAST_WORD_MS : -1;
}

static void poll_once(struct proxy *p)
{
	struct pollfd pfd[POLL_COUNT];

	let_go_of_stderr(p);
	poll_fill(p, pfd);
	if (poll(pfd, POLL_COUNT, poll_timeout(p)) < 0)
		return; /* EINTR only: the arguments are ours */
	if (pfd[POLL_SIGNALS].revents)
		signal_ready(p);
	for (int i = 0; i < 3; i++)
		if (relay_move(&p->relay[i], &pfd[POLL_RELAYS + 2 * i],
			       &pfd[POLL_RELAYS + 2 * i + 1]))
			p->progress = loop_now_ms();
	/* Last, so that relays are looked at with the descriptors that were polled. */
	if (pfd[POLL_SOCK].revents)
		shim_ready(p);
}

/* --- the program --- */

/* The command of the container replaces our own in ps: its arguments are the last ones given, and
 * move to the front. */
static void show_title(int argc, char **argv, int first)
{
	char *area = argv[0], *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	const char *slash;
	size_t n;

	if (first >= argc)
		return;
	slash = strrchr(argv[first], '/');
	prctl(PR_SET_NAME, slash ? slash + 1 : argv[first]);
	n = (size_t)(end - argv[first]);
	memmove(area, argv[first], n);
	memset(area + n, 0, (size_t)(end - area) - n);
}

struct proxy_options {
	int fd;
	bool terminal, controlling, root;
};

#define OPT(name, type, field, meta, help)                                       \
	{                                                                        \
		name, 0, type, offsetof(struct proxy_options, field), meta, help \
	}
static const struct arg_option options[] = {
	OPT("fd", ARG_INT, fd, "N", "hand-over socket"),
	OPT("terminal", ARG_BOOL, terminal, NULL, "stdin is a terminal to relay on"),
	OPT("controlling", ARG_BOOL, controlling, NULL, "make it the controlling terminal"),
	OPT("root", ARG_BOOL, root, NULL, "make the working directory the root"),
};
static const struct arg_spec spec = { .options = options,
				      .n = ARRAY_SIZE(options),
				      .stop_at_operand = true };

static void proxy_init(struct proxy *p, const struct proxy_options *o)
{
	*p = (struct proxy){
		.sock = o->fd, .status = RUNNING, .tty = -1, .drain_ms = HANDOVER_DRAIN_MS
	};
	for (int i = 0; i < 3; i++)
		p->relay[i] = RELAY_NONE;
	p->signals = catch_signals();
	p->out = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (o->terminal)
		p->tty = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (o->controlling)
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
	fd_set_nonblock(p->sock, true);
}

/* Whoever enters our mount namespace finds the container's files and never the host's: without that
 * there is no proxy. */
static void enter_root(void)
{
	struct error e = ERROR_INIT;
	int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root >= 0 && mount_pivot(root, &e) == 0) {
		fd_close(root);
		return;
	}
	dprintf(STDERR_FILENO, "caisson-proxy: %s\n",
		root < 0 ? "open the working directory" : error_text(&e));
	_exit(1);
}

int proxy_main(int argc, char **argv)
{
	struct proxy_options o = { .fd = -1 };
	struct error e = ERROR_INIT;
	int first = args_parse(&spec, argc, argv, &o, &e);
	struct proxy p;

	if (first < 0 || o.fd < 3) {
		dprintf(STDERR_FILENO, "caisson-proxy: %s\n",
			first < 0 ? error_text(&e)
				  : "give --fd, a socket from caisson create or exec");
		return 1;
	}
	if (o.root)
		enter_root();
	proxy_init(&p, &o);
	show_title(argc, argv, first);
	while (p.status == RUNNING || !drained(&p))
		poll_once(&p);
	finish(&p, p.status);
}
