/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr - making a container process inside the guest: from a spec and descriptors to an exec'd
 * program.
 *
 * ctr_create and ctr_exec start a child that does the whole set-up and return at once with its pid
 * and a SOCK_SEQPACKET; they take the time of one or two forks and of the cgroup's files, never
 * that of the set-up. Over the socket the child sends one struct ctr_report: READY when all but the
 * exec is done (the command has been looked up), or ERROR with the cause, after which it exits.
 * ctr_release lets a READY child go on; after that either the socket ends without a message (the
 * program runs: the child's end is close-on-exec) or an ERROR comes.
 *
 * A spec with prestart or createRuntime hooks makes the child send HOOKS before READY, when its
 * namespaces are there: the caller runs them and then lets it go on with ctr_release.
 *
 *   ctr_create -> READY -> ctr_pins_open -> ctr_release -> end of file -> ... -> the pid is reaped
 * -> ctr_cgroup_remove ctr_exec   -> READY -> ctr_release -> end of file -> ... -> the pid is
 * reaped
 *
 * Order of the set-up follows the runtime spec: namespaces, mounts, pivot_root, masked paths,
 * sysctls, user, no_new_privs, capabilities, seccomp, exec. It needs Linux 5.12 (mount_setattr).
 *
 * What boot must have done:
 *  - mount_leave_rootfs() (sys/mounts.h) as its very first step, before any other mount: the
 * initramfs is the root of the mount tree, and pivot_root(2) refuses to move that one (EINVAL). The
 * function puts a bind mount of it on top of itself and enters that; all files stay where they are.
 * It also makes the mount that the agent was executed from read-only, so that a container that gets
 * hold of /proc/PID/exe of the agent's children cannot write to it;
 *  - /proc, /sys, /dev (devtmpfs), cgroup2 on /sys/fs/cgroup;
 *  - prctl(PR_SET_DUMPABLE, 0), so that containers cannot look into set-up children.
 */
#pragma once

#include "base/error.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sys/ns.h"

#include "agent.pb-c.h"
#include "oci.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum ctr_report_type { CTR_READY = 1, CTR_ERROR, CTR_HOOKS };

struct ctr_report {
	uint32_t type;
	int32_t code; /* ERROR: -errno; the text below is complete without it */
	char text[ERROR_TEXT_MAX];
};

/* Namespaces the container shares with its sandbox: descriptors of the agent, joined whatever the
 * spec says; -1: the spec decides (listed with a path: joined, listed: its own, not listed: the
 * agent's; mount: always its own). */
struct ctr_shared_ns {
	int ipc, uts, pid, net;
};
#define CTR_SHARED_NS_NONE ((struct ctr_shared_ns){ -1, -1, -1, -1 })

struct ctr_request {
	const char *id;
	const Grpc__Spec *spec; /* rootfs is spec->root->path in the guest */
	const char *bundle;     /* /run/kata-containers/<cid>: relative mount sources start here */
	const Grpc__StringUser
		*string_user; /* NULL: numeric ids of the process; else looked up in the rootfs */
	struct ctr_shared_ns shared; /* ctr_create only */
	int stdio[3]; /* become 0, 1, 2; -1: /dev/null. Not used with a terminal. They stay the
			 caller's */
	/* process->terminal makes the child open a pty of the container's own devpts; its master
	 * arrives with READY. */
};

/* A started set-up. */
struct ctr_child {
	pid_t pid; /* the container process itself, a child of the caller, who reaps it */
	int sync;  /* SOCK_SEQPACKET, non-blocking, close-on-exec, the caller's */
};

int ctr_create(const struct ctr_request *rq, struct ctr_child *ret, struct error *e);

/*
 * The namespaces of a container, as they were when its init was READY. Exec joins these and not
 * those of whatever the init process has become. -1 where the container is in the agent's own.
 */
struct ctr_pins {
	int ns[NS_COUNT];
};
#define CTR_PINS_INIT ((struct ctr_pins){ { -1, -1, -1, -1, -1, -1, -1, -1 } })
int ctr_pins_open(pid_t init_pid, struct ctr_pins *ret, struct error *e);
void ctr_pins_done(struct ctr_pins *p);

/* Runs @process in the container of @rq: its pinned namespaces, root and cgroup; seccomp comes from
 * the spec.
 * @init_pid is its init, not yet reaped by the caller. */
int ctr_exec(const struct ctr_request *rq, const Grpc__Process *process,
	     const struct ctr_pins *pins, pid_t init_pid, struct ctr_child *ret, struct error *e);

/* Lets a READY child exec. */
int ctr_release(int sync, struct error *e);

/* One message from @sync: 1, 0 at end of file, -EAGAIN, -EPROTO. *ret_master is the terminal's
 * master that came with READY (close-on-exec, the caller's), else -1. */
int ctr_report_recv(int sync, struct ctr_report *ret, int *ret_master);

/*
 * The container's cgroup: a path relative to the cgroup2 mount, from linux.cgroupsPath or the id.
 * ctr_create makes it and sets its limits; it is left behind when the set-up fails, so remove it in
 * either case. NULL with a reason if the path of the spec is not acceptable. Owned.
 */
char *ctr_cgroup_path(const char *id, const Grpc__Spec *spec, struct error *e);
/* The absolute name of one of its files, e.g. "memory.events" to watch. Owned. */
char *ctr_cgroup_file(const char *cgroup, const char *file);

/* Applies what is set in @res, device rules included where there are any. */
int ctr_cgroup_update(const char *cgroup, const Grpc__LinuxResources *res, struct error *e);
/* The caller frees with protobuf_c_message_free_unpacked. What the kernel does not count is 0. */
int ctr_cgroup_stats(const char *cgroup, Grpc__CgroupStats **ret, struct error *e);
/* Asks for the state and returns; ctr_cgroup_frozen tells when it is reached (0, 1, -errno). */
int ctr_cgroup_freeze(const char *cgroup, bool on, struct error *e);
int ctr_cgroup_frozen(const char *cgroup);
/* Processes killed by the OOM killer in it so far. */
int ctr_cgroup_oom_kills(const char *cgroup, uint64_t *ret);
/* The pids in it and below, as the agent sees them, at most LIMIT_CGROUP_PIDS. The caller frees. */
int ctr_cgroup_pids(const char *cgroup, pid_t **ret, size_t *ret_n);

/* Kills everything in the container's cgroup, frozen or not. */
int ctr_cgroup_kill(const char *cgroup);
/* Removes it with what is nested in it; -EBUSY while processes are still ending: call again when
 * one was reaped. 0 if absent. */
int ctr_cgroup_remove(const char *cgroup);
