/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_proc - what a container process is: user, capabilities, limits, scheduling, keyring.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"
#include "base/log.h"
#include "sys/caps.h"
#include "sys/rlimit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What belongs to hosts and not to a guest that has one sandbox: refused rather than passed over.
 */
int ctr_proc_check(const struct ctr_setup *s, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	const Grpc__Process *p = s->process;

	if (!p->n_args || str_empty(p->args[0]))
		return error_plain(e, EINVAL, "the process has no arguments");
	/* Other hosts of this protocol send their engine's default along, whatever the guest is. */
	if (!str_empty(p->apparmorprofile) && !str_eq(p->apparmorprofile, "unconfined"))
		log_warn("AppArmor profile \"%.64s\" has no effect: the guest has no AppArmor",
			 p->apparmorprofile);
	if (!str_empty(p->selinuxlabel) || (l && !str_empty(l->mountlabel)))
		return error_plain(e, EOPNOTSUPP, "SELinux label: the guest has no SELinux");
	if (l && l->intelrdt)
		return error_plain(e, EOPNOTSUPP, "intelRdt cannot be used in a guest");
	if (l && l->n_netdevices)
		return error_plain(e, EOPNOTSUPP,
				   "netDevices cannot be moved into a guest's container");
	if (l && l->memorypolicy)
		return error_plain(e, EOPNOTSUPP, "memoryPolicy is not supported in a guest");
	return 0;
}

/* What an exec'd process leaves open, it takes from the container's own. */
static const Grpc__Process *container_process(const struct ctr_setup *s)
{
	return s->spec->process ? s->spec->process : s->process;
}

int ctr_proc_oom_score(const struct ctr_setup *s, pid_t pid, struct error *e)
{
	bool own = s->process->oomscoreadj_set || s->process->oomscoreadj;
	int64_t score = own ? s->process->oomscoreadj : container_process(s)->oomscoreadj;
	char path[64], text[24];
	autofree char *now = NULL;
	int r;

	/* Also without any: the agent's own protection must not be inherited. */
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	snprintf(text, sizeof(text), "%lld", (long long)score);
	r = file_read_at(AT_FDCWD, path, sizeof(text), &now, NULL);
	if (r < 0)
		return error_set(e, r, "read oom_score_adj");
	if (strtol(now, NULL, 10) == score)
		return 0;
	r = file_write_at(AT_FDCWD, path, text);
	return r < 0 ? error_set(e, r, "set oom_score_adj to %s", text) : 0;
}

int ctr_proc_rlimits(const struct ctr_setup *s, pid_t pid, struct error *e)
{
	const Grpc__Process *p = s->process->n_rlimits ? s->process : container_process(s);

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const Grpc__POSIXRlimit *l = p->rlimits[i];
		int r = rlimit_set(pid, l->type, l->soft, l->hard, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int numeric_user(struct ctr_setup *s, struct error *e)
{
	const Grpc__User *u = s->process->user;

	if (!u)
		return 0;
	if (u->n_additionalgids > LIMIT_USER_GROUPS)
		return error_plain(e, E2BIG, "more than %d additional groups", LIMIT_USER_GROUPS);
	s->user.uid = u->uid;
	s->user.gid = u->gid;
	s->user.ngroups = u->n_additionalgids;
	if (u->n_additionalgids)
		s->user.groups = xmemdup(u->additionalgids, u->n_additionalgids * sizeof(gid_t));
	return 0;
}

int ctr_proc_user(struct ctr_setup *s, struct error *e)
{
	const Grpc__StringUser *su = s->rq->string_user;

	if (!su || (str_empty(su->uid) && str_empty(su->gid) && !su->n_additionalgids))
		return numeric_user(s, e);
	return user_resolve(s->root, su->uid, su->gid, su->additionalgids, su->n_additionalgids,
			    &s->user, e);
}

/* The keyring is named as runc's, so that a process that is executed later finds it. */
static int join_keyring(const struct ctr_setup *s, struct error *e)
{
	autofree char *name = xasprintf("_ses.%s", s->rq->id);

	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) >= 0 || errno == ENOSYS)
		return 0;
	/* Out of quota, or another user's: a keyring without a name is as good. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return error_set(e, errno, "make a session keyring");
	return 0;
}

static int set_scheduler(const Grpc__Scheduler *sc, struct error *e)
{
	struct sched_request rq = {
		.policy = sc->policy,
		.nice = sc->nice,
		.priority = sc->priority,
		.flags = sc->flags,
		.nflags = sc->n_flags,
		.runtime = sc->runtime,
		.deadline = sc->deadline,
		.period = sc->period,
	};

	return sched_set(&rq, e);
}

const char *ctr_proc_initial_cpus(const struct ctr_setup *s)
{
	const Grpc__CPUAffinity *cpus = s->exec ? s->process->execcpuaffinity : NULL;

	return cpus && !str_empty(cpus->initial) ? cpus->initial : NULL;
}

static int set_priorities(const struct ctr_setup *s, struct error *e)
{
	const Grpc__Process *p = s->process;
	const Grpc__CPUAffinity *cpus = s->exec ? p->execcpuaffinity : NULL;
	const Grpc__LinuxPersonality *per = s->spec->linux ? s->spec->linux->personality : NULL;
	int r = 0;

	if (cpus && !str_empty(cpus->final))
		r = affinity_set(cpus->final, e);
	if (r == 0 && p->scheduler)
		r = set_scheduler(p->scheduler, e);
	if (r == 0 && p->iopriority)
		r = ioprio_set_class(p->iopriority->class_, p->iopriority->priority, e);
	if (r < 0 || !per || str_empty(per->domain))
		return r;
	if (per->n_flags)
		return error_plain(e, EINVAL, "personality flag \"%.64s\" is not supported",
				   per->flags[0]);
	return personality_set(per->domain, e);
}

/* So that the program may open /dev/stdout again. Not the terminal's group, nor /dev/null, which is
 * everybody's. */
static int own_stdio(const struct ctr_setup *s, struct error *e)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			return error_set(e, errno, "stdio");
		if (st.st_uid == s->user.uid ||
		    (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		if (fchown(fd, s->user.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
		    errno != EROFS)
			return error_set(e, errno, "change the owner of stdio");
	}
	return 0;
}

int ctr_proc_attributes(struct ctr_setup *s, struct error *e)
{
	const Grpc__User *u = s->process->user;
	int r = join_keyring(s, e);

	if (r == 0)
		r = set_priorities(s, e);
	/* With a user namespace of our own the parent has set them: raising one takes the guest's
	 * own root. */
	if (r == 0 && !ctr_ns_is_new(s, NS_USER) && s->join[NS_USER] < 0)
		r = ctr_proc_rlimits(s, 0, e);
	if (r == 0)
		r = own_stdio(s, e);
	umask(u && u->has_umask_case == GRPC__USER__HAS_UMASK_UMASK ? u->umask & 07777 : 0022);
	return r;
}

static struct cap_sets parse_caps(const Grpc__LinuxCapabilities *c)
{
	struct cap_sets r = { 0 };

	if (!c)
		return r;
	r.set[CAP_SET_BOUNDING] = cap_mask_parse(c->bounding, c->n_bounding);
	r.set[CAP_SET_EFFECTIVE] = cap_mask_parse(c->effective, c->n_effective);
	r.set[CAP_SET_INHERITABLE] = cap_mask_parse(c->inheritable, c->n_inheritable);
	r.set[CAP_SET_PERMITTED] = cap_mask_parse(c->permitted, c->n_permitted);
	r.set[CAP_SET_AMBIENT] = cap_mask_parse(c->ambient, c->n_ambient);
	return r;
}

static int change_user(const struct ctr_setup *s, struct error *e)
{
	const struct user *u = &s->user;

	if (setgroups(u->ngroups, u->groups) < 0)
		return error_set(e, errno, "set %zu additional groups", u->ngroups);
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return error_set(e, errno, "change to group %u", u->gid);
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return error_set(e, errno, "change to user %u", u->uid);
	return 0;
}

static int enter_cwd(const struct ctr_setup *s, struct error *e)
{
	const char *cwd = str_empty(s->process->cwd) ? "/" : s->process->cwd;

	char tmp[CTR_REASON_MAX];
	int err;

	if (chdir(cwd) == 0)
		return 0;
	err = errno;
	return error_plain(e, err, "chdir to cwd (\"%.256s\") set in config.json failed: %s", cwd,
			   ctr_command_reason(err, tmp));
}

/* A directory outside the root, reached by a descriptor say, shows by a name that does not start at
 * "/". */
static int check_cwd(struct error *e)
{
	char where[PATH_MAX];

	if (!getcwd(where, sizeof(where)) || where[0] != '/')
		return error_plain(e, EPERM, "the working directory is outside the container");
	return 0;
}

/* As root, for a directory that the user may not search, and before a filter that may forbid to
 * look; or else as the user (network file systems). */
int ctr_proc_cwd(struct ctr_setup *s, struct error *e)
{
	s->in_cwd = enter_cwd(s, NULL) == 0;
	return s->in_cwd ? check_cwd(e) : 0;
}

static int set_caps(const struct cap_sets *c, struct error *e)
{
	if (prctl(PR_SET_KEEPCAPS, 0) < 0)
		return error_set(e, errno, "PR_SET_KEEPCAPS");
	return cap_set_rest(c, e);
}

int ctr_proc_identity(struct ctr_setup *s, struct error *e)
{
	const Grpc__LinuxCapabilities *wanted = s->process->capabilities;
	struct cap_sets caps = parse_caps(wanted ? wanted : container_process(s)->capabilities);
	int r = cap_set_bounding(caps.set[CAP_SET_BOUNDING], e);

	if (r == 0 && prctl(PR_SET_KEEPCAPS, 1) < 0)
		r = error_set(e, errno, "PR_SET_KEEPCAPS");
	if (r < 0)
		return r;
	r = change_user(s, e);
	if (r == 0 && !s->in_cwd)
		r = enter_cwd(s, e);
	if (r == 0 && !s->in_cwd)
		r = check_cwd(e);
	return r < 0 ? r : set_caps(&caps, e);
}
