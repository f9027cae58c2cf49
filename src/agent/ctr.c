/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr - see ctr.h. The parent's side: plan, fork, hand over.
 *
 * A process is born in its pid namespace. A new one comes with the fork. To join one, a helper is
 * forked that closes what it must not take along, sets the namespace for its children and forks
 * once more with CLONE_PARENT, so that the process is the agent's child all the same; the agent
 * waits for the helper, which does nothing else. The helper serves as well where a process with a
 * new user namespace joins others of the sandbox: born in it, it would lack the rights.
 */
#include "agent/ctr.h"

#include "agent/ctr_setup.h"
#include "base/fd.h"
#include "sys/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETUP_INIT                                                       \
	((struct ctr_setup){ .join = { -1, -1, -1, -1, -1, -1, -1, -1 }, \
			     .cgroup_fd = -1,                            \
			     .sync = -1,                                 \
			     .proc = -1,                                 \
			     .listener = -1,                             \
			     .root = -1,                                 \
			     .pty_master = -1,                           \
			     .pty_slave = -1 })

static void setup_done(struct ctr_setup *s)
{
	ctr_ns_release(s);
	for (size_t i = 0; s->idmaps && i < s->spec->n_mounts; i++)
		fd_close(s->idmaps[i]);
	free(s->idmaps);
	free(s->cgroup);
	fd_close(s->cgroup_fd);
	fd_close(s->sync);
}

/*
 * fork(2) with flags, and into the container's cgroup: to be born there costs nothing, while to
 * move there later makes the kernel wait for all processes. Where it is not possible (the cgroup
 * has groups below it with controllers, an old kernel) the child has to see to it. The C library's
 * own fork would not take the flags; nothing in the child depends on what it adds.
 */
static pid_t fork_with(uint64_t flags, struct ctr_setup *s)
{
	struct clone_args a = { .flags = flags };
	long pid = -1;

	/* A sibling dies with the signal of the one that made it. */
	a.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD;
	s->in_cgroup = s->cgroup_fd >= 0;
	if (s->in_cgroup) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)s->cgroup_fd;
		pid = syscall(SYS_clone3, &a, sizeof(a));
	}
	if (pid < 0) {
		s->in_cgroup = false;
		pid = syscall(SYS_clone, (unsigned long)flags | SIGCHLD, NULL, NULL, NULL, NULL);
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

static int helper_join(struct ctr_setup *s)
{
	int r = prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;

	if (r == 0 && s->clone_flags & CLONE_NEWUSER)
		r = ctr_ns_join(s, NULL);
	if (r == 0 && s->join[NS_PID] >= 0 && setns(s->join[NS_PID], CLONE_NEWPID) < 0)
		r = -errno;
	return r;
}

/* The helper: the pid of the process, or -errno, goes into the pipe @out. */
static _Noreturn void helper_main(struct ctr_setup *s, int out)
{
	struct error e = ERROR_INIT;
	pid_t pid = ctr_close_descriptors(s, out, &e);

	if (pid == 0)
		pid = helper_join(s);
	if (pid == 0)
		pid = fork_with(CLONE_PARENT | (uint64_t)s->clone_flags, s);
	if (pid == 0) {
		close(out);
		ctr_child_main(s);
	}
	fd_write_full(out, &pid, sizeof(pid));
	_exit(0);
}

static pid_t fork_by_helper(struct ctr_setup *s)
{
	int ends[2];
	pid_t helper, pid = 0;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	helper = fork();
	if (helper == 0)
		helper_main(s, ends[1]);
	close(ends[1]);
	n = helper < 0 ? helper : fd_read_full(ends[0], &pid, sizeof(pid));
	close(ends[0]);
	while (helper > 0 && waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	if (n < 0)
		return (pid_t)n;
	return n == sizeof(pid) ? pid : -ECHILD;
}

static pid_t fork_child(struct ctr_setup *s)
{
	bool joins = s->join[NS_IPC] >= 0 || s->join[NS_UTS] >= 0 || s->join[NS_NET] >= 0 ||
		     s->join[NS_CGROUP] >= 0;
	pid_t pid;

	if (s->join[NS_PID] >= 0 || (joins && s->clone_flags & CLONE_NEWUSER))
		return fork_by_helper(s);
	pid = fork_with((uint64_t)s->clone_flags, s);
	if (pid == 0)
		ctr_child_main(s);
	return pid;
}

/* What the child may not do for itself. */
static int prepare_child(const struct ctr_setup *s, pid_t pid, int sync, struct error *e)
{
	int r = ctr_ns_write_maps(s, pid, e);

	if (r == 0)
		r = ctr_proc_oom_score(s, pid, e);
	if (r == 0 && (ctr_ns_is_new(s, NS_USER) || s->join[NS_USER] >= 0))
		r = ctr_proc_rlimits(s, pid, e);
	return r < 0 ? r : ctr_release(sync, e);
}

static void abandon(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int start(struct ctr_setup *s, struct ctr_child *ret, struct error *e)
{
	autoclose int sync = -1;
	int ends[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(e, errno, "socketpair");
	sync = ends[0];
	s->sync = ends[1];
	if (!ctr_proc_initial_cpus(s))
		s->cgroup_fd = cgroup_open(s->cgroup);
	pid = fork_child(s);
	/* A pid namespace whose init has ended takes nobody in. */
	if (pid == -ENOMEM && s->exec)
		return error_plain(
			e, pid, "start a process in the container: the container's init is gone");
	if (pid == -ENOMEM && s->join[NS_PID] >= 0)
		return error_plain(e, pid,
				   "start the container: process 1 of the pid namespace it shares "
				   "is gone");
	if (pid < 0)
		return error_set(e, pid,
				 s->exec ? "start a process in the container"
					 : "start the container");
	s->sync = fd_close(s->sync);
	r = prepare_child(s, pid, sync, e);
	if (r == 0 && (r = fd_set_nonblock(sync, true)) < 0)
		error_set(e, r, "socketpair");
	if (r < 0) {
		abandon(pid);
		return r;
	}
	*ret = (struct ctr_child){ .pid = pid, .sync = take_fd(sync) };
	return 0;
}

static int check_counts(const Grpc__Spec *spec, struct error *e)
{
	const Grpc__Linux *l = spec->linux;

	if (spec->n_mounts > LIMIT_CTR_MOUNTS ||
	    (l && (l->n_devices > LIMIT_CTR_MOUNTS || l->n_maskedpaths > LIMIT_CTR_MOUNTS ||
		   l->n_readonlypaths > LIMIT_CTR_MOUNTS)))
		return error_plain(e, E2BIG,
				   "more than %d mounts, devices, masked or read-only paths",
				   LIMIT_CTR_MOUNTS);
	return 0;
}

/* What both kinds of process need; the rest of @s is filled. */
static int plan(struct ctr_setup *s, const struct ctr_request *rq, const Grpc__Process *process,
		struct error *e)
{
	s->rq = rq;
	s->spec = rq->spec;
	s->process = process;
	if (!process)
		return error_plain(e, EINVAL, "the spec has no process");
	s->cgroup = ctr_cgroup_path(rq->id, rq->spec, e);
	if (!s->cgroup)
		return -EINVAL;
	return ctr_proc_check(s, e);
}

static int make_cgroup(const struct ctr_setup *s, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	Grpc__LinuxResources none = GRPC__LINUX_RESOURCES__INIT;
	int r = cgroup_make(s->cgroup, e);

	if (r == 0)
		r = ctr_cgroup_update(s->cgroup, l && l->resources ? l->resources : &none, e);
	/* A container without rules still gets no more than the usual devices. */
	if (r == 0 && !(l && l->resources && l->resources->n_devices))
		r = ctr_cgroup_devices(s->cgroup, &none, e);
	return r;
}

int ctr_create(const struct ctr_request *rq, struct ctr_child *ret, struct error *e)
{
	struct ctr_setup s = SETUP_INIT;
	int r = plan(&s, rq, rq->spec->process, e);

	if (r == 0)
		r = check_counts(s.spec, e);
	if (r == 0)
		r = ctr_ns_plan(&s, &rq->shared, e);
	if (r == 0)
		r = ctr_root_idmaps(&s, e);
	if (r == 0)
		r = make_cgroup(&s, e);
	if (r == 0)
		r = start(&s, ret, e);
	setup_done(&s);
	return r;
}

int ctr_exec(const struct ctr_request *rq, const Grpc__Process *process,
	     const struct ctr_pins *pins, pid_t init_pid, struct ctr_child *ret, struct error *e)
{
	struct ctr_setup s = SETUP_INIT;
	int r = plan(&s, rq, process, e);

	s.exec = true;
	s.init_pid = init_pid;
	memcpy(s.join, pins->ns, sizeof(s.join));
	if (r == 0)
		r = start(&s, ret, e);
	setup_done(&s);
	return r;
}

int ctr_pins_open(pid_t init_pid, struct ctr_pins *ret, struct error *e)
{
	struct ctr_pins p = CTR_PINS_INIT;

	for (size_t i = 0; i < NS_COUNT; i++) {
		autoclose int own = ns_open(0, (enum ns_type)i);
		autoclose int fd = -1;

		/* The kernel has no such type, or the container no own namespace of it. */
		if (own < 0)
			continue;
		fd = ns_open(init_pid, (enum ns_type)i);
		if (fd < 0) {
			ctr_pins_done(&p);
			return error_set(e, fd, "open the container's %s namespace",
					 ns_name((enum ns_type)i));
		}
		if (!ns_same(own, fd))
			p.ns[i] = take_fd(fd);
	}
	*ret = p;
	return 0;
}

void ctr_pins_done(struct ctr_pins *p)
{
	for (size_t i = 0; p && i < NS_COUNT; i++)
		p->ns[i] = fd_close(p->ns[i]);
}

int ctr_release(int sync, struct error *e)
{
	if (send(sync, "", 1, MSG_NOSIGNAL) < 0)
		return error_set(e, errno, "let the container's process go on");
	return 0;
}

int ctr_report_recv(int sync, struct ctr_report *ret, int *ret_master)
{
	struct ctr_report rp;
	int fds[1] = { -1 };
	size_t nfds = 1;
	ssize_t n = fd_recv(sync, &rp, sizeof(rp), fds, &nfds);
	autoclose int master = nfds ? fds[0] : -1;

	/* A child that was killed leaves a reset behind. */
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return (int)n;
	if (n != sizeof(rp) || rp.type < CTR_READY || rp.type > CTR_HOOKS)
		return -EPROTO;
	rp.text[sizeof(rp.text) - 1] = '\0';
	*ret = rp;
	*ret_master = take_fd(master);
	return 1;
}
