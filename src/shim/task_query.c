/* SPDX-License-Identifier: Apache-2.0 */
/* task_query - the methods of the Task service that ask and change nothing: State, Pids, Connect,
 * Stats. */
#include "shim/task.h"

#include "google/protobuf/any.pb-c.h"

#include <unistd.h>

static const Containerd__V1__Types__Status task_status[] = {
	[PROCESS_CREATING] = CONTAINERD__V1__TYPES__STATUS__UNKNOWN,
	[PROCESS_CREATED] = CONTAINERD__V1__TYPES__STATUS__CREATED,
	[PROCESS_RUNNING] = CONTAINERD__V1__TYPES__STATUS__RUNNING,
	[PROCESS_PAUSED] = CONTAINERD__V1__TYPES__STATUS__PAUSED,
	[PROCESS_STOPPED] = CONTAINERD__V1__TYPES__STATUS__STOPPED,
};

/* --- State, Pids, Connect --- */

void task_handle_state(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Containerd__Task__V2__StateResponse resp = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	REQ(StateRequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);
	Google__Protobuf__Timestamp exited;
	struct process_status st;

	if (!p)
		return;
	process_status(p, &st);
	exited = task_timestamp(&st.exited_at);
	if (st.state == PROCESS_STOPPED)
		resp.exited_at = &exited;
	resp.id = (char *)(uintptr_t)st.id;
	resp.exec_id = (char *)(uintptr_t)st.exec_id;
	resp.bundle = (char *)(uintptr_t)st.bundle;
	resp.pid = (uint32_t)st.pid;
	resp.status = task_status[st.state];
	resp.terminal = st.terminal;
	resp.stdin = (char *)(uintptr_t)st.in;
	resp.stdout = (char *)(uintptr_t)st.out;
	resp.stderr = (char *)(uintptr_t)st.err;
	resp.exit_status = st.exit_status;
	rpc_call_reply(call, &resp.base);
}

/* What runs in the guest, with the guest's pids. */
static void pids_replied(void *data, const struct error *e, const Grpc__StatsContainerResponse *r)
{
	Containerd__Task__V2__PidsResponse resp = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	struct rpc_call *call = data;
	size_t n = r ? r->n_processes : 0;

	if (e) {
		rpc_call_fail(call, e);
		return;
	}
	autofree Containerd__V1__Types__ProcessInfo *infos = xcalloc(n, sizeof(*infos));
	autofree Containerd__V1__Types__ProcessInfo **list = xcalloc(n, sizeof(*list));
	autofree Google__Protobuf__Any *anys = xcalloc(n, sizeof(*anys));
	for (size_t i = 0; i < n; i++) {
		containerd__v1__types__process_info__init(&infos[i]);
		google__protobuf__any__init(&anys[i]);
		anys[i].type_url = "caisson.GuestProcess";
		anys[i].value.len = grpc__guest_process__get_packed_size(r->processes[i]);
		anys[i].value.data = xcalloc(anys[i].value.len, 1);
		grpc__guest_process__pack(r->processes[i], anys[i].value.data);
		infos[i].pid = r->processes[i]->pid;
		infos[i].info = &anys[i];
		list[i] = &infos[i];
	}
	resp.n_processes = n;
	resp.processes = list;
	rpc_call_reply(call, &resp.base);
	for (size_t i = 0; i < n; i++)
		free(anys[i].value.data);
}

/* Engines look a pid up on the host, where the machine stands for all that runs in it. */
static void reply_host_pid(struct rpc_call *call, struct container *c)
{
	Containerd__Task__V2__PidsResponse resp = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__V1__Types__ProcessInfo info = CONTAINERD__V1__TYPES__PROCESS_INFO__INIT;
	Containerd__V1__Types__ProcessInfo *list[] = { &info };
	struct process_status st;

	process_status(container_process(c, NULL), &st);
	info.pid = (uint32_t)st.pid;
	resp.processes = list;
	resp.n_processes = st.pid > 0 && st.state != PROCESS_STOPPED;
	rpc_call_reply(call, &resp.base);
}

void task_handle_pids(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(PidsRequest, rq);
	struct container *c = task_find_container(data, call, rq->id);

	if (c && task_is_own_client(call))
		task_refuse(call, container_stats(c, true, pids_replied, call, &e), &e);
	else if (c)
		reply_host_pid(call, c);
}

void task_handle_connect(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Containerd__Task__V2__ConnectResponse resp = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct shim *s = data;
	REQ(ConnectRequest, rq);
	struct container *c = sandbox_find(s->sandbox, rq->id);
	struct process_status st = { 0 };

	if (c)
		process_status(container_process(c, NULL), &st);
	resp.shim_pid = (uint32_t)getpid();
	resp.task_pid = (uint32_t)st.pid;
	resp.version = CAISSON_VERSION;
	rpc_call_reply(call, &resp.base);
}

/* --- Stats --- */

struct stats_answer {
	struct rpc_call *call;
	bool v2;
};

static void stats_done(void *data, const struct error *e, const Grpc__StatsContainerResponse *r)
{
	Containerd__Task__V2__StatsResponse resp = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct stats_answer *a = data;

	if (e) {
		rpc_call_fail(a->call, e);
	} else {
		(a->v2 ? metrics_fill_v2 : metrics_fill_v1)(r, &any);
		resp.stats = &any;
		rpc_call_reply(a->call, &resp.base);
		free(any.value.data);
	}
	free(a);
}

/* containerd reads the version its host uses; our own command line asks for version 1. */
static bool wants_v2(const struct rpc_call *call)
{
	return !task_is_own_client(call) && access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

void task_handle_stats(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(StatsRequest, rq);
	struct container *c = task_find_container(data, call, rq->id);
	struct stats_answer *a;
	int r;

	if (!c)
		return;
	a = xnew(struct stats_answer);
	a->call = call;
	a->v2 = wants_v2(call);
	r = container_stats(c, false, stats_done, a, &e);
	if (r < 0) {
		rpc_call_fail(call, &e);
		free(a);
	}
}
