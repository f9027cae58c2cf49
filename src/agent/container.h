/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container - the containers of the sandbox: made, found, removed.
 *
 * A container is its init process, its cgroup, its bundle directory <run_dir>/<id>, the storages it
 * uses and the specification, kept packed for later execs. Removing kills all that is in the
 * cgroup, waits for the processes to be reaped and the cgroup to be empty, and only then lets go of
 * the storages. A container whose creation fails is removed the same way before the failure is
 * reported.
 *
 * Limits: LIMIT_AGENT_CONTAINERS, LIMIT_AGENT_PROCESSES.
 */
#pragma once

#include "agent/ctr.h"
#include "agent/pending.h"
#include "agent/process.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct loop_source;
struct rpc_call;
struct storage_op;
typedef struct Grpc__CreateContainerRequest Grpc__CreateContainerRequest;
typedef struct Grpc__ExecProcessRequest Grpc__ExecProcessRequest;
typedef struct Grpc__Spec Grpc__Spec;

struct containers {
	struct list head;
	unsigned n, nprocesses;
};

struct container {
	struct list link;
	struct agent *agent;
	char *id, *cgroup, *bundle;
	uint8_t *spec; /* packed */
	size_t spec_len;
	struct list processes; /* the init, if there is one, is the first */
	struct strv storages;  /* mount points it holds a reference of */
	struct strv shared;    /* directories of the share, likewise */
	struct storage_op *op; /* that waits for devices and mounts them, for... */
	struct rpc_call *call; /* ...CreateContainer */
	const Grpc__CreateContainerRequest *req;
	bool releasing;   /* its storages, the last step of its removal */
	bool has_cgroup;  /* ctr has been asked to make it */
	bool lends_pidns; /* its pid namespace is to be, or is, the sandbox's */
	bool removing;
	struct pending_list removers, freezers;
	bool frozen;            /* asked to be */
	struct ctr_pins pins;   /* the namespaces execs join */
	uint32_t hook_kinds;    /* hooks.h */
	struct hook_run *hooks; /* its poststop hooks that are running */
	bool hooks_ran;         /* poststop */
	struct loop_source *remove_again, *remove_timeout;
	struct rpc_call *failed_call; /* CreateContainer, answered with... */
	struct error *failure;        /* ...this once nothing is left */
	int watch[2];                 /* events.h */
	uint64_t oom_kills;           /* as last seen in memory.events */
	bool oom;                     /* to be reported by GetOOMEvent */
};

void containers_init(struct containers *cs);
/* Frees all, without waiting for anything: the machine ends. */
void containers_done(struct containers *cs);

/* Also one that is being removed; NULL if there is none. */
struct container *container_lookup(struct agent *a, const char *id);
/* -ENOENT and a reason if there is none, or it is being removed. */
int container_find(struct agent *a, const char *id, struct container **ret, struct error *e);
/* exec_id "" (or the container's id): its init. */
int container_find_process(struct container *c, const char *exec_id, struct process **ret,
			   struct error *e);
/* Both steps. */
int container_find_both(struct agent *a, const char *id, const char *exec_id, struct process **ret,
			struct error *e);
struct process *container_init_process(struct container *c); /* NULL if there is none yet */

/* These answer @call on success, now or later; on failure it is the caller's. */
int container_create(struct agent *a, const Grpc__CreateContainerRequest *req,
		     struct rpc_call *call, struct error *e);
int container_exec(struct agent *a, const Grpc__ExecProcessRequest *req, struct rpc_call *call,
		   struct error *e);
int container_remove(struct agent *a, const char *id, uint32_t timeout_s, struct rpc_call *call,
		     struct error *e);

/* Its init is set up. */
int container_ready(struct container *c, struct process *init, struct error *e);
/* Answers @call when the state is reached; on failure it is the caller's. */
int container_freeze(struct container *c, bool on, struct rpc_call *call, struct error *e);
/* The creation of @c went wrong after @call was taken over: clean up, then answer it with @why. */
void container_failed(struct container *c, struct rpc_call *call, const struct error *why);
/* SIGKILL to every process in it. */
void container_kill(struct container *c);
/* Any other signal to each of them. */
int container_signal_all(struct container *c, int sig, struct error *e);
/* Something ended, or cgroup.events changed: a container that is being removed or frozen may be
 * done now. Never frees at once, but from the loop. */
void container_settle(struct container *c);
/* Children of the agent have ended. */
void containers_reap(struct agent *a);
