/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_child - the set-up child: the steps from the fork to the exec, in order.
 *
 * The steps are two tables, one for a new container and one for a process in an existing one; they
 * meet in the last. The child reports over the socket and never writes anywhere else. It is not
 * dumpable while processes of a container can see it, except in a user namespace that is still
 * empty, where the owner of /proc/self files would not be us.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "oci/oci.h"
#include "sys/cgroup.h"
#include "sys/rlimit.h"
#include "sys/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int step_fn(struct ctr_setup *s, struct error *e);

static int reset_signals(struct ctr_setup *s, struct error *e)
{
	proc_reset_signals();
	return 0;
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors above 2 but these; -1 among them is fine. */
static int close_others(int *keep, size_t n)
{
	unsigned int next = 3;

	qsort(keep, n, sizeof(*keep), compare_fds);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		if (keep[i] > (int)next && close_range(next, (unsigned int)keep[i] - 1, 0) < 0)
			return -errno;
		next = (unsigned int)keep[i] + 1;
	}
	return close_range(next, ~0U, 0) < 0 ? -errno : 0;
}

int ctr_close_descriptors(const struct ctr_setup *s, int also, struct error *e)
{
	size_t nidmaps = s->idmaps ? s->spec->n_mounts : 0, n = 0;
	int *keep = xnew_array(int, NS_COUNT + nidmaps + 6);
	int r;

	for (size_t i = 0; i < NS_COUNT; i++)
		keep[n++] = s->join[i];
	for (size_t i = 0; i < nidmaps; i++)
		keep[n++] = s->idmaps[i];
	for (size_t i = 0; i < 3; i++)
		keep[n++] = s->rq->stdio[i];
	keep[n++] = s->sync;
	keep[n++] = s->cgroup_fd;
	keep[n++] = also;
	r = close_others(keep, n);
	free(keep);
	return r < 0 ? error_set(e, r, "close descriptors") : 0;
}

static int close_descriptors(struct ctr_setup *s, struct error *e)
{
	return ctr_close_descriptors(s, -1, e);
}

static int open_proc(struct ctr_setup *s, struct error *e)
{
	s->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->proc < 0 ? error_set(e, errno, "open /proc") : 0;
}

static int place_stdio(struct ctr_setup *s, struct error *e)
{
	autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct stat st;
	int from[3];

	if (null < 0 || fstat(null, &st) < 0)
		return error_set(e, errno, "open /dev/null");
	if (!S_ISCHR(st.st_mode))
		return error_plain(e, ENODEV, "/dev/null of the guest is not a device");
	/* Sources that lie in the way of their targets move up first. */
	for (int i = 0; i < 3; i++) {
		from[i] = s->process->terminal || s->rq->stdio[i] < 0 ? null : s->rq->stdio[i];
		if (from[i] < 3)
			from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return error_set(e, errno, "stdio");
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(from[i], i) < 0)
			return error_set(e, errno, "stdio");
	}
	if (null < 3)
		take_fd(null);
	return setsid() < 0 ? error_set(e, errno, "setsid") : 0;
}

/* The parent writes what only it may (id maps, limits) and then lets us go on. */
static int await_parent(struct ctr_setup *s, struct error *e)
{
	char go;
	ssize_t n;

	do
		n = recv(s->sync, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	/* Nobody is left to be told. */
	if (n != 1)
		_exit(1);
	return 0;
}

/* A program in the container may have moved to groups below its own (systemd does), which bars the
 * upper one to processes: then the place is beside the container's init. */
static int join_init_cgroup(const struct ctr_setup *s, struct error *e)
{
	autofree char *path = xasprintf("%d/cgroup", (int)s->init_pid);
	autofree char *text = NULL;
	char *save = NULL;
	int r = file_read_at(s->proc, path, LIMIT_PROC_FILE, &text, NULL);

	if (r < 0)
		return error_set(e, r, "the cgroup of the container's init");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *cgroup = str_skip_prefix(line, "0::/");

		if (cgroup)
			return cgroup_join(cgroup, 0, e);
	}
	return error_plain(e, ENOENT, "the container's init is in no cgroup");
}

static int join_cgroup(struct ctr_setup *s, struct error *e)
{
	const char *cpus = ctr_proc_initial_cpus(s);
	int r = cpus ? affinity_set(cpus, e) : 0;

	if (r == 0 && !s->in_cgroup)
		r = cgroup_join(s->cgroup, 0, e);

	if (s->exec && (r == -EBUSY || r == -EOPNOTSUPP)) {
		error_clear(e);
		r = join_init_cgroup(s, e);
	}
	return r;
}

static int hide_from_others(struct ctr_setup *s, struct error *e)
{
	bool alone = ctr_ns_is_new(s, NS_USER) && ctr_ns_is_new(s, NS_PID);

	return prctl(PR_SET_DUMPABLE, alone ? 1 : 0) < 0 ? error_set(e, errno, "PR_SET_DUMPABLE")
							 : 0;
}

static int report(struct ctr_setup *s, enum ctr_report_type type, const struct error *e)
{
	struct ctr_report rp = { .type = (uint32_t)type, .code = e ? e->code : 0 };
	ssize_t n;

	if (e)
		memcpy(rp.text, e->text, sizeof(rp.text));
	n = fd_send(s->sync, &rp, sizeof(rp), &s->pty_master,
		    type == CTR_READY && s->pty_master >= 0 ? 1 : 0);
	s->pty_master = fd_close(s->pty_master);
	return n < 0 ? (int)n : 0;
}

static int run_hooks(struct ctr_setup *s, enum oci_hook_kind kind, const char *status,
		     struct error *e)
{
	autofree char *annotations = NULL;
	struct oci_state st = {
		.id = s->rq->id,
		.status = status,
		.bundle = s->rq->bundle,
		.pid = getpid(),
	};

	if (!oci_hooks_count(s->spec, kind))
		return 0;
	annotations = oci_annotations_json(s->spec);
	st.annotations_json = annotations;
	return oci_hooks_run(s->spec, kind, &st, -1, e);
}

/* They run outside, in the agent's namespaces, before the root is entered. */
static int runtime_hooks(struct ctr_setup *s, struct error *e)
{
	int r;

	if (!oci_hooks_count(s->spec, OCI_HOOK_PRESTART) &&
	    !oci_hooks_count(s->spec, OCI_HOOK_CREATE_RUNTIME))
		return 0;
	r = report(s, CTR_HOOKS, NULL);
	return r < 0 ? error_set(e, r, "report") : await_parent(s, e);
}

static int create_container_hooks(struct ctr_setup *s, struct error *e)
{
	return run_hooks(s, OCI_HOOK_CREATE_CONTAINER, "creating", e);
}

static int start_container_hooks(struct ctr_setup *s, struct error *e)
{
	return s->exec ? 0 : run_hooks(s, OCI_HOOK_START_CONTAINER, "created", e);
}

static int set_sysctls(struct ctr_setup *s, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	int r = 0;

	for (size_t i = 0; r == 0 && l && i < l->n_sysctl; i++)
		r = sysctl_set(s->proc, l->sysctl[i]->key, l->sysctl[i]->value, e);
	return r;
}

/* An exec'd process stands in the container's root once it has joined the mount namespace. */
static int open_root(struct ctr_setup *s, struct error *e)
{
	s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->root < 0 ? error_set(e, errno, "open /") : 0;
}

static int no_new_privs(struct ctr_setup *s, struct error *e)
{
	if (s->process->nonewprivileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(e, errno, "PR_SET_NO_NEW_PRIVS");
	return 0;
}

/* Without no_new_privs a filter takes CAP_SYS_ADMIN, which is about to go; with it, it comes last,
 * so that it need not allow what the set-up does. */
static int early_seccomp(struct ctr_setup *s, struct error *e)
{
	return s->process->nonewprivileges ? 0 : ctr_seccomp_install(s, e);
}

static int late_seccomp(struct ctr_setup *s, struct error *e)
{
	return s->process->nonewprivileges ? ctr_seccomp_install(s, e) : 0;
}

static int ready(struct ctr_setup *s, struct error *e)
{
	int r = report(s, CTR_READY, NULL);

	return r < 0 ? error_set(e, r, "report") : await_parent(s, e);
}

static step_fn *const create_steps[] = {
	reset_signals,         close_descriptors, open_proc,
	place_stdio,           await_parent,      join_cgroup,
	ctr_seccomp_connect,   ctr_ns_join,       ctr_ns_become_root,
	hide_from_others,      ctr_ns_make,       ctr_root_open,
	ctr_root_mounts,       ctr_dev_populate,  ctr_term_open,
	ctr_term_bind_console, runtime_hooks,     create_container_hooks,
	ctr_root_hide,         ctr_root_enter,    ctr_term_attach,
	ctr_ns_names,          set_sysctls,
};

static step_fn *const exec_steps[] = {
	reset_signals, close_descriptors,   open_proc,       place_stdio,        await_parent,
	join_cgroup,   ctr_seccomp_connect, ctr_ns_join,     ctr_ns_become_root, hide_from_others,
	open_root,     ctr_term_open,       ctr_term_attach,
};

static step_fn *const common_steps[] = {
	ctr_seccomp_compile,
	ctr_proc_user,
	ctr_command_env,
	ctr_proc_attributes,
	no_new_privs,
	ctr_command_close_on_exec,
	ctr_proc_cwd,
	early_seccomp,
	ctr_proc_identity,
	ctr_command_find,
	ready,
	start_container_hooks,
	late_seccomp,
	ctr_command_exec,
};

static void run_steps(struct ctr_setup *s, step_fn *const *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct error e = ERROR_INIT;

		if (steps[i](s, &e) == 0)
			continue;
		report(s, CTR_ERROR, &e);
		_exit(1);
	}
}

_Noreturn void ctr_child_main(struct ctr_setup *s)
{
	if (s->exec)
		run_steps(s, exec_steps, ARRAY_SIZE(exec_steps));
	else
		run_steps(s, create_steps, ARRAY_SIZE(create_steps));
	run_steps(s, common_steps, ARRAY_SIZE(common_steps));
	_exit(1);
}
