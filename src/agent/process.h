/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - one process of a container: its init (exec_id "") or one that was exec'd into it.
 *
 *   SETTING_UP --READY--> READY --start--> STARTING --sync socket closes--> RUNNING --reaped-->
 * EXITED |                  |                  |
 *        +--ERROR, end------+------------------+--> failed, then EXITED when reaped
 *
 * An exec'd process is started as soon as it is READY. The set-up runs in a child (ctr.h); its
 * socket tells how it goes. Hooks of an init (hooks.h) hold it up in SETTING_UP, and the answer to
 * its start in RUNNING.
 */
#pragma once

#include "agent/pending.h"
#include "agent/procio.h"

#include "base/list.h"

#include <stdbool.h>
#include <sys/types.h>

struct agent;
struct container;
struct ctr_request;
struct loop_source;
typedef struct Grpc__Process Grpc__Process;

enum process_state {
	PROCESS_SETTING_UP,
	PROCESS_READY,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_EXITED
};

struct process {
	struct list link; /* in its container */
	struct container *ctr;
	char *exec_id; /* "" for init */
	enum process_state state;
	pid_t pid; /* as the agent sees it */
	int sync;  /* to the set-up, until it is over */
	struct loop_source *sync_io;
	struct rpc_call *call; /* Create, Start or Exec, answered when its step is over */
	int64_t asked_us;      /* when @call came */
	int exit_code;         /* 0..255, 128 + signal */
	bool gone;             /* failed: nobody may find it any more; freed when it is reaped */
	bool waited;           /* somebody has been told the exit status */
	struct pending_list waiters;
	struct procio io;
	struct hook_run *hooks; /* that are running; NULL: none */
};

/* What both kinds of process need to get going. */
struct process_request {
	const char *exec_id;
	const Grpc__Process *process;
	uint32_t port[3];
};

/*
 * Sets one up: opens its stdio, lets ctr fork, and returns; @call is answered later (for an exec:
 * when it runs). On failure nothing is left and @call is the caller's. @rq's stdio is filled in
 * here. @init: join this process; NULL: be the init.
 */
int process_create(struct container *c, const struct process_request *pr, struct ctr_request *rq,
		   struct process *init, struct rpc_call *call, struct error *e);
/* Lets the READY init run; @call is answered when it does. On failure @call is the caller's. */
int process_start(struct process *p, struct rpc_call *call, struct error *e);
/* Handles what the set-up has said by now. */
void process_sync(struct process *p);
/* It has been reaped. */
void process_exited(struct process *p, int wait_status);
/* 0 also for one that has ended. */
int process_signal(struct process *p, int sig, struct error *e);
/* Answers now or when it ends. */
void process_wait(struct process *p, struct rpc_call *call);
void process_free(struct process *p);
