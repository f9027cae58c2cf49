/* SPDX-License-Identifier: Apache-2.0 */
/* task - what the files of the Task service share. */
#pragma once

#include "shim/shim.h"

#include "google/protobuf/timestamp.pb-c.h"
#include "task.pb-c.h"

/* The request of a handler by its type; versions 2 and 3 have the same. */
#define REQ(type, name) \
	const Containerd__Task__V2__##type *name = (const Containerd__Task__V2__##type *)m

/* NULL: there is none, and the call has been answered. */
struct container *task_find_container(struct shim *s, struct rpc_call *call, const char *id);
struct process *task_find_process(struct shim *s, struct rpc_call *call, const char *id,
				  const char *exec_id);
Google__Protobuf__Timestamp task_timestamp(const struct timespec *ts);
/* Answers a call that failed at once; @r >= 0: it is answered later. */
void task_refuse(struct rpc_call *call, int r, const struct error *e);
/* Our own command line, which shows a container's processes as the guest has them. */
bool task_is_own_client(const struct rpc_call *call);

/* task_query.c */
rpc_handler_fn task_handle_state, task_handle_pids, task_handle_connect, task_handle_stats;
