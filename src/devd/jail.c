/* SPDX-License-Identifier: Apache-2.0 */
/* jail - see jail.h. */
#include "devd/jail.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "sys/caps.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct jail {
	const struct jail_plan *plan;
	bool own_mounts; /* the mount namespace is ours: its root may be changed */
};

/* ---- namespaces and root ---- */

/* First of all: a working directory moves into a new mount namespace, a descriptor would stay
 * behind. */
static int enter_directory(struct jail *j, struct error *e)
{
	return fchdir(j->plan->dir) < 0 ? error_set(e, errno, "fchdir") : 0;
}

/* One line a file; the kernel wants each written at once. */
static int map_identity(uid_t uid, gid_t gid)
{
	char line[64];
	int r = file_write_at(AT_FDCWD, "/proc/self/setgroups", "deny");

	if (r == 0) {
		snprintf(line, sizeof(line), "%u %u 1", uid, uid);
		r = file_write_at(AT_FDCWD, "/proc/self/uid_map", line);
	}
	if (r == 0) {
		snprintf(line, sizeof(line), "%u %u 1", gid, gid);
		r = file_write_at(AT_FDCWD, "/proc/self/gid_map", line);
	}
	return r;
}

/* Empty ones. Who may not have them owns them through a user namespace, unless that would bar the
 * way to another uid. (A pid namespace would concern children only: there are none.) */
static int enter_namespaces(struct jail *j, struct error *e)
{
	static const int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (unshare(flags) < 0) {
		if (errno != EPERM || j->plan->uid)
			return error_set(e, errno, "unshare");
		if (unshare(CLONE_NEWUSER | flags) < 0)
			return error_set(e, errno, "unshare with a user namespace");
		r = map_identity(uid, gid);
		if (r < 0)
			return error_set(e, r, "map the identity");
	}
	j->own_mounts = true;
	return 0;
}

/* A root on the initial ramfs cannot be pivoted away; it can be covered. */
static int change_root(struct error *e)
{
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			return error_set(e, errno, "detach the old root");
	} else if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
		return error_set(e, errno, "pivot_root");
	}
	return chdir("/") < 0 ? error_set(e, errno, "chdir") : 0;
}

/* A read-only copy of the mount that holds the directory, cut to it, becomes the root. */
static int pivot(struct jail *j, struct error *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC,
	};
	autoclose int tree = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_set(e, errno, "make mounts private");
	tree = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return error_set(e, errno, "open_tree");
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return error_set(e, errno, "mount_setattr");
	if (move_mount(tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_set(e, errno, "move_mount");
	if (fchdir(tree) < 0)
		return error_set(e, errno, "enter the directory");
	return change_root(e);
}

static int enter_root(struct jail *j, struct error *e)
{
	if (j->own_mounts)
		return pivot(j, e);
	return chroot(".") < 0 ? error_set(e, errno, "chroot") : 0;
}

/* ---- the process ---- */

static int set_limits(struct jail *j, struct error *e)
{
	struct rlimit nofile, core = { 0, 0 };

	if (getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return error_set(e, errno, "getrlimit");
	nofile.rlim_cur = nofile.rlim_max = MIN(nofile.rlim_max, j->plan->nofile);
	if (nofile.rlim_cur < j->plan->nofile)
		log_warn("the limit of open files is %llu: fewer connections than %u are possible",
			 (unsigned long long)nofile.rlim_cur, j->plan->nofile);
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0 || setrlimit(RLIMIT_CORE, &core) < 0)
		return error_set(e, errno, "setrlimit");
	return 0;
}

static int drop_bounding(struct jail *j, struct error *e)
{
	return cap_set_bounding(0, e);
}

/* The signal that the parent's death brings is forgotten by the kernel when the identity changes.
 */
static int change_identity(struct jail *j, struct error *e)
{
	const struct jail_plan *p = j->plan;
	int deathsig = 0;

	if (!p->uid && !p->gid)
		return 0;
	if (prctl(PR_GET_PDEATHSIG, &deathsig) < 0)
		return error_set(e, errno, "PR_GET_PDEATHSIG");
	if (setgroups(0, NULL) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	    setresuid(p->uid, p->uid, p->uid) < 0)
		return error_set(e, errno, "become uid %u, gid %u", p->uid, p->gid);
	if (prctl(PR_SET_PDEATHSIG, deathsig) < 0)
		return error_set(e, errno, "PR_SET_PDEATHSIG");
	return 0;
}

static int drop_capabilities(struct jail *j, struct error *e)
{
	static const struct cap_sets none;

	return cap_set_rest(&none, e);
}

static int no_new_privileges(struct jail *j, struct error *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_set(e, errno, "prctl");
	return 0;
}

/* Nothing in the file system may be opened, made or removed, not even in the directory; connecting
 * to a socket is not among what Landlock handles. The n-th entry is what version n + 1 of its
 * interface knows. */
static int landlock(struct jail *j, struct error *e)
{
	static const uint64_t rights[] = { (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1,
					   (1 << 15) - 1, (1 << 16) - 1 };
	struct landlock_ruleset_attr attr = { 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	autoclose int rules = -1;

	if (abi <= 0)
		return error_set(e, errno == EOPNOTSUPP ? ENOSYS : errno,
				 "landlock_create_ruleset");
	attr.handled_access_fs = rights[MIN((size_t)abi, ARRAY_SIZE(rights)) - 1];
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0 || syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return error_set(e, errno, "landlock");
	return 0;
}

/* ---- system calls ---- */

/* What the loop, the log, the vhost-user connection, the allocator and the way out need. */
static const struct jail_call common_calls[] = {
	/* base/loop */
	{ SCMP_SYS(epoll_wait) },
	{ SCMP_SYS(epoll_pwait) },
	{ SCMP_SYS(epoll_ctl) },
	{ SCMP_SYS(timerfd_settime) },
	{ SCMP_SYS(clock_gettime) },
	/* eventfds, timers, signals, the log */
	{ SCMP_SYS(read) },
	{ SCMP_SYS(write) },
	{ SCMP_SYS(getpid) },
	{ SCMP_SYS(close) },
	/* vhost */
	{ SCMP_SYS(accept4) },
	{ SCMP_SYS(recvmsg) },
	{ SCMP_SYS(sendto) },
	{ SCMP_SYS(fcntl) },
	{ SCMP_SYS(fstat) },
	{ SCMP_SYS(newfstatat) },
	/* memory; nothing becomes executable */
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(munmap) },
	{ SCMP_SYS(mremap) },
	{ SCMP_SYS(madvise) },
	{ SCMP_SYS(brk) },
	/* the end */
	{ SCMP_SYS(rt_sigreturn) },
	{ SCMP_SYS(restart_syscall) },
	{ SCMP_SYS(exit) },
	{ SCMP_SYS(exit_group) },
#ifdef DEVD_SANITIZED /* what the sanitizers' run-time does beside */
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(sched_yield) },
	{ SCMP_SYS(futex) },
	{ SCMP_SYS(sigaltstack) },
	{ SCMP_SYS(rt_sigaction) },
	{ SCMP_SYS(rt_sigprocmask) },
	{ SCMP_SYS(gettid) },
	{ SCMP_SYS(readlink) },
	{ SCMP_SYS(openat) },
	{ SCMP_SYS(getrlimit) },
	{ SCMP_SYS(prlimit64) },
	{ SCMP_SYS(getrandom) },
#endif
};

#ifdef DEVD_SANITIZED
/* Looking for leaks at the end needs ptrace. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static int allow(scmp_filter_ctx ctx, const struct jail_call *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = c[i].mask ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c[i].nr, 1,
						     SCMP_CMP64(c[i].arg, SCMP_CMP_MASKED_EQ,
								c[i].mask, c[i].value))
				  : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c[i].nr, 0);

		/* a call that this architecture lacks */
		if (r < 0 && r != -EDOM)
			return r;
	}
	return 0;
}

static void filter_free(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static int filter_calls(struct jail *j, struct error *e)
{
	cleanup(filter_free) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return error_set(e, ENOMEM, "seccomp_init");
	r = allow(ctx, common_calls, ARRAY_SIZE(common_calls));
	if (r == 0)
		r = allow(ctx, j->plan->calls, j->plan->ncalls);
	if (r == 0)
		r = seccomp_load(ctx);
	return r < 0 ? error_set(e, r, "seccomp") : 0;
}

/* ---- the plan ---- */

static const struct jail_step {
	const char *name;
	int (*take)(struct jail *j, struct error *e);
	bool privileged; /* left out by who may not */
	bool modern;     /* left out where the kernel does not know it */
} steps[] = {
	{ "directory", enter_directory, false, false },
	{ "namespaces", enter_namespaces, true, true },
	{ "root directory", enter_root, true, true },
	{ "resource limits", set_limits, false, false },
	{ "bounding set", drop_bounding, true, false },
	{ "identity", change_identity, false, false },
	{ "capabilities", drop_capabilities, false, false },
	{ "no new privileges", no_new_privileges, false, false },
	{ "Landlock", landlock, false, true },
	{ "system call filter", filter_calls, false, false },
};

static bool left_out(const struct jail_step *s, int r)
{
	return (s->privileged && r == -EPERM) || (s->modern && r == -ENOSYS);
}

int jail_enter(const struct jail_plan *p, struct error *e)
{
	struct jail j = { .plan = p };

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct error why = ERROR_INIT;
		int r = steps[i].take(&j, &why);

		if (r >= 0)
			continue;
		if (!left_out(&steps[i], r)) {
			error_copy(e, &why);
			return error_prefix(e, "jail: %s", steps[i].name);
		}
		log_warn("jail: without %s: %s", steps[i].name, error_text(&why));
	}
	return 0;
}
