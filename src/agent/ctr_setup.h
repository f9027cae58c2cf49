/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_setup - what the files behind ctr.h share: the state of one set-up, and its steps.
 *
 * The parent fills the first part and forks; everything after that runs in the child and changes
 * only the child's copy. Steps return 0 or -errno with a reason, which reaches the caller of
 * ctr_create as a report. The child does not free: it executes the program or exits.
 */
#pragma once

#include "agent/ctr.h"
#include "base/str.h"
#include "sys/filter.h"
#include "sys/users.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ctr_setup {
	/* from the parent */
	const struct ctr_request *rq;
	const Grpc__Spec *spec;
	const Grpc__Process *process;
	bool exec;          /* into a container that exists */
	pid_t init_pid;     /* exec: of the container */
	char *cgroup;       /* owned */
	int cgroup_fd;      /* its directory; -1: the child joins by itself */
	bool in_cgroup;     /* born there */
	int join[NS_COUNT]; /* -1: none; those in @owned are ours to close */
	bool owned[NS_COUNT];
	int clone_flags;   /* namespaces that come with the fork: user and pid */
	int unshare_flags; /* and those made by the child */
	int *idmaps; /* by mount: user namespace for its ids, -1; NULL if there are none; owned */
	int sync;    /* the child's end */

	/* in the child */
	int proc; /* the agent's /proc: containers cannot change what is seen through it */
	int root; /* the container's root mount */
	int pty_master, pty_slave;
	int *late_readonly; /* mounts to be closed for writing when all are in place */
	size_t nlate_readonly;
	struct user user;
	bool in_cwd; /* the working directory has been entered */
	struct strv env;
	const char *command; /* what to execute, looked up */
	struct filter_program seccomp;
	int listener; /* socket of the supervisor that the filter notifies; -1: none */
};

/* ctr_ns.c */
int ctr_ns_plan(struct ctr_setup *s, const struct ctr_shared_ns *shared, struct error *e);
void ctr_ns_release(struct ctr_setup *s);
/* In the parent, once the child exists: id maps. */
int ctr_ns_write_maps(const struct ctr_setup *s, pid_t pid, struct error *e);
/* In the child: joins what is shared, becomes root of the container's user namespace, makes what is
 * its own. */
int ctr_ns_join(struct ctr_setup *s, struct error *e);
int ctr_ns_become_root(struct ctr_setup *s, struct error *e);
int ctr_ns_make(struct ctr_setup *s, struct error *e);
int ctr_ns_names(struct ctr_setup *s, struct error *e);
bool ctr_ns_is_new(const struct ctr_setup *s, enum ns_type t);

/* ctr_cgroup.c: device rules, with what every container may use behind them. */
int ctr_cgroup_devices(const char *cgroup, const Grpc__LinuxResources *res, struct error *e);

/* ctr_child.c: never returns. */
_Noreturn void ctr_child_main(struct ctr_setup *s);
/* Closes what the set-up was not given and is not stdio; @also stays open too. */
int ctr_close_descriptors(const struct ctr_setup *s, int also, struct error *e);

/* ctr_root.c: the root file system and its mounts. */
int ctr_root_open(struct ctr_setup *s, struct error *e);
int ctr_root_mounts(struct ctr_setup *s, struct error *e);
int ctr_root_hide(struct ctr_setup *s, struct error *e);
int ctr_root_enter(struct ctr_setup *s, struct error *e);
/* User namespaces for the mounts that map ids; in the parent, which may make them. */
int ctr_root_idmaps(struct ctr_setup *s, struct error *e);

/* ctr_target.c: opens @path below @root (O_PATH), made where missing, with the directories above
 * it. A dangling link is followed inside the root and what it points to is made. *ret_made (may be
 * NULL): it did not exist. */
int ctr_target(int root, const char *path, bool directory, bool *ret_made, struct error *e);
/* Its path as seen from the root, e.g. "/proc/uptime"; owned. NULL and errno. */
char *ctr_target_path(const struct ctr_setup *s, int fd);

/* ctr_dev.c: /dev. */
int ctr_dev_populate(struct ctr_setup *s, struct error *e);

/* ctr_term.c: the pty. */
int ctr_term_open(struct ctr_setup *s, struct error *e);
int ctr_term_bind_console(struct ctr_setup *s, struct error *e);
int ctr_term_attach(struct ctr_setup *s, struct error *e);

/* ctr_proc.c: attributes and identity of the process. */
int ctr_proc_check(const struct ctr_setup *s, struct error *e);
int ctr_proc_oom_score(const struct ctr_setup *s, pid_t pid, struct error *e);
int ctr_proc_rlimits(const struct ctr_setup *s, pid_t pid, struct error *e);
int ctr_proc_user(struct ctr_setup *s, struct error *e);
int ctr_proc_attributes(struct ctr_setup *s, struct error *e);
int ctr_proc_cwd(struct ctr_setup *s, struct error *e);
int ctr_proc_identity(struct ctr_setup *s, struct error *e);

/* CPUs before it enters its cgroup, in which it must not be born then; NULL: as they are. */
const char *ctr_proc_initial_cpus(const struct ctr_setup *s);

/* ctr_seccomp.c */
int ctr_seccomp_connect(struct ctr_setup *s, struct error *e); /* where the agent's sockets are */
int ctr_seccomp_compile(struct ctr_setup *s, struct error *e);
int ctr_seccomp_install(struct ctr_setup *s, struct error *e);

/* ctr_command.c */
int ctr_command_env(struct ctr_setup *s, struct error *e);
int ctr_command_find(struct ctr_setup *s, struct error *e);
int ctr_command_close_on_exec(struct ctr_setup *s, struct error *e);
int ctr_command_exec(struct ctr_setup *s, struct error *e);
/* The meaning of an errno of either sign, worded as runc's messages have it. */
#define CTR_REASON_MAX 64
const char *ctr_command_reason(int err, char *tmp);
/* As Go's exec.LookPath, whose words engines look for. Owned result in *ret. */
int ctr_command_look_up(const char *name, const char *path, char **ret, struct error *e);
