/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr - making a container process inside the guest: from a spec and descriptors to an exec'd program.
 *
 * The caller (the agent's loop) never blocks: ctr_create and ctr_exec plan everything first, fork a child that does the
 * set-up, and return at once with its pid and a SOCK_SEQPACKET. Over that socket the child sends struct ctr_report messages: READY when it has done
 * all but the exec (the command has been looked up), ERROR with cause otherwise. ctr_release lets a READY child go on; after that either the
 * socket closes without a message (the program runs: close-on-exec) or an ERROR comes.
 *
 * Order of the set-up follows the runtime spec: namespaces, mounts, pivot_root, masked paths, sysctls, user, no_new_privs, capabilities, seccomp, exec.
 */
#pragma once

#include "base/error.h"
#include "base/limits.h"
#include "base/mem.h"

#include "oci.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum ctr_report_type { CTR_READY = 1, CTR_ERROR };

struct ctr_report {
	uint32_t type;
	int32_t code; /* -errno; the text below is complete without it */
	int32_t pid; /* READY: of the process, as seen by the agent, where set-up forked again (pid namespaces); else 0 */
	char text[ERROR_TEXT_MAX];
};

/* Namespaces the container shares with its sandbox: descriptors of the agent, -1 where it gets its own or stays in the agent's. */
struct ctr_shared_ns {
	int ipc, uts, pid, net;
};

struct ctr_request {
	const char *id;
	const Grpc__Spec *spec; /* rootfs is spec->root->path in the guest; namespaces with a path are joined */
	const char *bundle; /* /run/kata-containers/<cid>: scratch directory of this container */
	struct ctr_shared_ns shared;
	int stdio[3]; /* become 0, 1, 2; with a terminal all are the pty's slave */
	bool terminal;
	int devpts_console; /* with a terminal: the pty slave to bind on /dev/console; -1: none */
};

/* A started set-up. */
struct ctr_child {
	pid_t pid; /* the child the agent must reap; equals the process's pid unless a report says otherwise */
	int sync; /* SOCK_SEQPACKET, non-blocking, the caller's */
};

/* The cgroup the container lives in, relative to the cgroup2 mount; derived from linux.cgroupsPath or the id; owned. Made with limits by ctr_create. */
char *ctr_cgroup_path(const char *id, const Grpc__Spec *spec);

int ctr_create(const struct ctr_request *rq, struct ctr_child *ret, struct error *e);

/* Joins the namespaces, root and cgroup of the container whose init is @init_pid; @init_pidfd guards against reuse of the pid. Seccomp, masked
 * paths etc. come from @spec, the rest from @process. */
int ctr_exec(const struct ctr_request *rq, const Grpc__Process *process, pid_t init_pid, int init_pidfd, struct ctr_child *ret,
	     struct error *e);

/* Lets a READY child exec. */
int ctr_release(int sync, struct error *e);

/* One message from @sync: 1, 0 at end of file, -EAGAIN, -EPROTO. */
int ctr_report_recv(int sync, struct ctr_report *ret);

/* Kills everything in the container's cgroup and removes it; -EBUSY while processes are still ending: call again when one was reaped. */
int ctr_cgroup_kill(const char *cgroup);
int ctr_cgroup_remove(const char *cgroup);
