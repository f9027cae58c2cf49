/* SPDX-License-Identifier: Apache-2.0 */
/* proxy_spawn - starts an init proxy. */
#include "cli/proxy.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * In the child. Who looks at a container's processes through its pid enters the mount namespace of
 * that pid and reads /proc (podman top): there must not be the host's.
 */
static int mount_proc(struct error *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_set(e, errno, "mount /proc");
	return 0;
}

/* Network hooks of engines look for a network namespace at the pid. */
static int enter_netns(const struct proxy_params *p, struct error *e)
{
	autoclose int fd = -1;

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

static int setup_child(void *data, struct error *e)
{
	const struct proxy_params *p = data;
	int r = enter_netns(p, e);

	if (r < 0)
		return r;
	return p->view ? view_make(p->view, e) : mount_proc(e);
}

static void proxy_argv(const struct proxy_params *p, int sock, struct strv *argv)
{
	strv_add(argv, CLI_PROXY_NAME);
	strv_addf(argv, "--fd=%d", sock);
	if (p->terminal || p->tty >= 0)
		strv_add(argv, "--terminal");
	if (p->tty >= 0)
		strv_add(argv, "--controlling");
	if (p->view)
		strv_add(argv, "--root");
	strv_add(argv, "--");
	for (size_t i = 0; p->args && p->args[i]; i++)
		strv_add(argv, p->args[i]);
}

/* *ret_mine for the shim; *ret_theirs above 2, which the child's stdio takes. */
static int make_pair(int *ret_mine, int *ret_theirs, struct error *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(e, errno, "socketpair");
	*ret_mine = pair[0];
	*ret_theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
	fd_close(pair[1]);
	return *ret_theirs < 0 ? error_set(e, errno, "socketpair") : 0;
}

pid_t proxy_spawn(const struct proxy_params *p, int *ret_sock, struct error *e)
{
	autofree char *own = path_own_program(CLI_PROXY_NAME, "cli", CAISSON_LIBEXECDIR);
	autodone(strv) argv = STRV_INIT;
	struct proc_spec ps = PROC_SPEC_INIT;
	autoclose int mine = -1;
	autoclose int theirs = -1;
	pid_t pid;
	int r = make_pair(&mine, &theirs, e);

	if (r < 0)
		return r;
	proxy_argv(p, theirs, &argv);
	ps.path = p->program ? p->program : own;
	ps.argv = argv.v;
	ps.in = p->tty >= 0 ? p->tty : STDIN_FILENO;
	ps.out = p->tty >= 0 ? p->tty : STDOUT_FILENO;
	ps.err = p->tty >= 0 ? p->tty : STDERR_FILENO;
	ps.keep = &theirs;
	ps.nkeep = 1;
	/* Whoever waits for it forwards what a terminal sends to a group; a proxy among the
	 * receivers would get it twice. */
	ps.new_session = true;
	ps.namespaces = CLONE_NEWPID | CLONE_NEWNS;
	ps.setup = setup_child;
	ps.data = (void *)(uintptr_t)p;
	pid = proc_spawn(&ps, e);
	if (pid < 0)
		return error_prefix(e, "start the init proxy");
	*ret_sock = take_fd(mine);
	return pid;
}
