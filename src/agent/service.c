/* SPDX-License-Identifier: Apache-2.0 */
/* service - see service.h. */
#include "agent/service.h"

#include "agent/agent.h"
#include "agent/copyfile.h"
#include "agent/diagnostic.h"
#include "agent/guest.h"
#include "agent/iptables.h"
#include "agent/metrics.h"
#include "agent/net.h"
#include "agent/stats.h"
#include "agent/swap.h"
#include "agent/volume.h"

#include "rpc/ttrpc.h"

#include "base/log.h"
#include "base/timeline.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"

#include <errno.h>
#include <signal.h>

/* The version of the protocol, as its other speakers give it. */
#define PROTOCOL_VERSION "0.0.1"

#define SIGNAL_MAX 64

/* For handlers whose work is done when they return: 0 answers with an empty message. */
static void finish(struct rpc_call *call, int r, const struct error *e)
{
	if (r >= 0) {
		rpc_call_reply_empty(call);
		return;
	}
	log_debug("%s: %s", rpc_call_method(call), error_text(e));
	rpc_call_fail(call, e);
}

/* For those that answer later: only a failure is answered here. */
static void finish_failed(struct rpc_call *call, int r, const struct error *e)
{
	if (r < 0)
		finish(call, r, e);
}

#define HANDLER(name, Type)                                                                        \
	static void name(struct agent *a, const Grpc__##Type *rq, struct rpc_call *call,           \
			 struct error *e);                                                         \
	static void name##_handler(struct rpc_call *call, const ProtobufCMessage *req, void *data) \
	{                                                                                          \
		struct error e = ERROR_INIT;                                                       \
                                                                                                   \
		name(data, (const Grpc__##Type *)req, call, &e);                                   \
	}                                                                                          \
	static void name(struct agent *a, const Grpc__##Type *rq, struct rpc_call *call,           \
			 struct error *e)

/* --- health --- */

HANDLER(check, CheckRequest)
{
	Grpc__HealthCheckResponse resp = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	resp.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	rpc_call_reply(call, &resp.base);
}

HANDLER(version, CheckRequest)
{
	Grpc__VersionCheckResponse resp = GRPC__VERSION_CHECK_RESPONSE__INIT;

	resp.grpc_version = (char *)PROTOCOL_VERSION;
	resp.agent_version = (char *)CAISSON_VERSION;
	rpc_call_reply(call, &resp.base);
}

/* --- sandbox --- */

HANDLER(create_sandbox, CreateSandboxRequest)
{
	int64_t began = timeline_now();
	int r = sandbox_create(&a->sandbox, rq, call, e);

	marks_add(&a->marks, began, "CreateSandbox");
	finish_failed(call, r, e);
}

HANDLER(destroy_sandbox, DestroySandboxRequest)
{
	storages_sync(&a->sandbox.storages);
	rpc_call_reply_empty(call);
	agent_shutdown(a);
}

/* --- containers --- */

HANDLER(create_container, CreateContainerRequest)
{
	finish_failed(call, container_create(a, rq, call, e), e);
}

HANDLER(start_container, StartContainerRequest)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, "", &p, e);

	if (r >= 0)
		r = process_start(p, call, e);
	finish_failed(call, r, e);
}

HANDLER(remove_container, RemoveContainerRequest)
{
	finish_failed(call, container_remove(a, rq->container_id, rq->timeout, call, e), e);
}

HANDLER(exec_process, ExecProcessRequest)
{
	finish_failed(call, container_exec(a, rq, call, e), e);
}

HANDLER(signal_process, SignalProcessRequest)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, rq->exec_id, &p, e);

	if (r >= 0 && rq->signal > SIGNAL_MAX)
		r = error_plain(e, EINVAL, "%u is not a signal", rq->signal);
	/* The end of a container's init is the end of all that is in it. */
	if (r >= 0 && rq->signal == SIGKILL && (rq->all || !*p->exec_id))
		container_kill(p->ctr);
	else if (r >= 0 && rq->all)
		r = container_signal_all(p->ctr, (int)rq->signal, e);
	else if (r >= 0)
		r = process_signal(p, (int)rq->signal, e);
	finish(call, r, e);
}

HANDLER(wait_process, WaitProcessRequest)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, rq->exec_id, &p, e);

	if (r >= 0)
		process_wait(p, call);
	finish_failed(call, r, e);
}

HANDLER(update_container, UpdateContainerRequest)
{
	struct container *c;
	int r = container_find(a, rq->container_id, &c, e);

	if (r >= 0)
		r = rq->resources ? ctr_cgroup_update(c->cgroup, rq->resources, e)
				  : error_plain(e, EINVAL, "no resources to update");
	finish(call, r, e);
}

HANDLER(stats_container, StatsContainerRequest)
{
	struct container *c;
	int r = container_find(a, rq->container_id, &c, e);

	if (r >= 0)
		r = stats_reply(c->cgroup, rq->with_processes, call, e);
	finish_failed(call, r, e);
}

static void freeze(struct agent *a, const char *id, bool on, struct rpc_call *call, struct error *e)
{
	struct container *c;
	int r = container_find(a, id, &c, e);

	if (r >= 0)
		r = container_freeze(c, on, call, e);
	finish_failed(call, r, e);
}

HANDLER(pause_container, PauseContainerRequest)
{
	freeze(a, rq->container_id, true, call, e);
}

HANDLER(resume_container, ResumeContainerRequest)
{
	freeze(a, rq->container_id, false, call, e);
}

HANDLER(get_oom_event, GetOOMEventRequest)
{
	events_wait_oom(&a->events, call);
}

/* --- stdio --- */

HANDLER(write_stdin, WriteStreamRequest)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, rq->exec_id, &p, e);

	if (r >= 0)
		procio_write(&p->io, call, rq);
	finish_failed(call, r, e);
}

static void read_stream(struct agent *a, int which, const Grpc__ReadStreamRequest *rq,
			struct rpc_call *call, struct error *e)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, rq->exec_id, &p, e);

	if (r >= 0)
		procio_read(&p->io, which, call, rq);
	finish_failed(call, r, e);
}

HANDLER(read_stdout, ReadStreamRequest)
{
	read_stream(a, 1, rq, call, e);
}

HANDLER(read_stderr, ReadStreamRequest)
{
	read_stream(a, 2, rq, call, e);
}

HANDLER(close_stdin, CloseStdinRequest)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, rq->exec_id, &p, e);

	if (r >= 0)
		r = procio_close_stdin(&p->io, e);
	finish(call, r, e);
}

HANDLER(tty_win_resize, TtyWinResizeRequest)
{
	struct process *p;
	int r = container_find_both(a, rq->container_id, rq->exec_id, &p, e);

	if (r >= 0 && p->state != PROCESS_EXITED)
		r = procio_resize(&p->io, rq->row, rq->column, e);
	finish(call, r, e);
}

/* --- the guest --- */

HANDLER(get_guest_details, GuestDetailsRequest)
{
	guest_details(a, rq, call);
}

HANDLER(set_guest_date_time, SetGuestDateTimeRequest)
{
	finish(call, guest_set_time(rq, e), e);
}

HANDLER(reseed_random_dev, ReseedRandomDevRequest)
{
	finish(call, guest_reseed(rq, e), e);
}

HANDLER(online_cpu_mem, OnlineCPUMemRequest)
{
	finish_failed(call, guest_online(a, rq, call, e), e);
}

HANDLER(mem_hotplug_by_probe, MemHotplugByProbeRequest)
{
	finish_failed(call, guest_probe_memory(a, rq, call, e), e);
}

HANDLER(add_swap, AddSwapRequest)
{
	finish_failed(call, swap_add(a, rq, call, e), e);
}

HANDLER(add_swap_path, AddSwapPathRequest)
{
	finish_failed(call, swap_add_path(a, rq, call, e), e);
}

/* --- files and volumes --- */

HANDLER(copy_file, CopyFileRequest)
{
	finish_failed(call, copyfile_call(a, rq, call, e), e);
}

HANDLER(get_volume_stats, VolumeStatsRequest)
{
	finish_failed(call, volume_stats(a, rq, call, e), e);
}

HANDLER(resize_volume, ResizeVolumeRequest)
{
	finish_failed(call, volume_resize(a, rq, call, e), e);
}

HANDLER(remove_stale_virtiofs_share_mounts, RemoveStaleVirtiofsShareMountsRequest)
{
	finish_failed(call, volume_touch_shares(a, call, e), e);
}

HANDLER(update_ephemeral_mounts, UpdateEphemeralMountsRequest)
{
	finish(call, volume_update_ephemeral(a, rq, e), e);
}

/* --- diagnosis and policy --- */

HANDLER(get_metrics, GetMetricsRequest)
{
	finish_failed(call, metrics_reply(++a->scrapes, call, e), e);
}

HANDLER(get_diagnostic_data, GetDiagnosticDataRequest)
{
	struct container *c;
	int r = container_find(a, rq->container_id, &c, e);

	if (r >= 0)
		r = diagnostic_reply(c, rq->log_type, call, e);
	finish_failed(call, r, e);
}

HANDLER(set_policy, SetPolicyRequest)
{
	finish(call, policy_set(&a->policy, rq->policy, strlen(rq->policy), e), e);
}

/* Which memory of the guest is cold is the host's to find out: by the balloon it gets what is
 * free. */
static void refuse_mem_agent(struct rpc_call *call)
{
	rpc_call_failf(call, EOPNOTSUPP,
		       "there is no mem-agent in this guest: free memory goes back by free page "
		       "reporting");
}

HANDLER(mem_agent_memcg_set, MemAgentMemcgConfig)
{
	refuse_mem_agent(call);
}

HANDLER(mem_agent_compact_set, MemAgentCompactConfig)
{
	refuse_mem_agent(call);
}

/* --- the network --- */

HANDLER(update_interface, UpdateInterfaceRequest)
{
	int r = rq->interface ? net_update_interface(rq->interface, e)
			      : error_plain(e, EINVAL, "no interface to update");

	if (r == 0)
		rpc_call_reply(call, &rq->interface->base);
	finish_failed(call, r, e);
}

HANDLER(update_routes, UpdateRoutesRequest)
{
	int r = net_update_routes(rq->routes, e);

	finish_failed(call, r < 0 ? r : net_list_routes(call, e), e);
}

HANDLER(list_interfaces, ListInterfacesRequest)
{
	finish_failed(call, net_list_interfaces(call, e), e);
}

HANDLER(list_routes, ListRoutesRequest)
{
	finish_failed(call, net_list_routes(call, e), e);
}

HANDLER(add_neighbours, AddARPNeighborsRequest)
{
	finish(call, net_add_neighbours(rq->neighbors, e), e);
}

HANDLER(get_iptables, GetIPTablesRequest)
{
	finish_failed(call, iptables_get(rq, call, e), e);
}

HANDLER(set_iptables, SetIPTablesRequest)
{
	finish_failed(call, iptables_set(rq, call, e), e);
}

/* --- the tables --- */

struct method {
	const char *name;
	rpc_handler_fn *fn;
};

static const struct method agent_methods[] = {
	{ "AddARPNeighbors", add_neighbours_handler },
	{ "AddSwap", add_swap_handler },
	{ "AddSwapPath", add_swap_path_handler },
	{ "CloseStdin", close_stdin_handler },
	{ "CopyFile", copy_file_handler },
	{ "CreateContainer", create_container_handler },
	{ "CreateSandbox", create_sandbox_handler },
	{ "DestroySandbox", destroy_sandbox_handler },
	{ "ExecProcess", exec_process_handler },
	{ "GetDiagnosticData", get_diagnostic_data_handler },
	{ "GetGuestDetails", get_guest_details_handler },
	{ "GetIPTables", get_iptables_handler },
	{ "GetMetrics", get_metrics_handler },
	{ "GetOOMEvent", get_oom_event_handler },
	{ "GetVolumeStats", get_volume_stats_handler },
	{ "ListInterfaces", list_interfaces_handler },
	{ "ListRoutes", list_routes_handler },
	{ "MemAgentCompactSet", mem_agent_compact_set_handler },
	{ "MemAgentMemcgSet", mem_agent_memcg_set_handler },
	{ "MemHotplugByProbe", mem_hotplug_by_probe_handler },
	{ "OnlineCPUMem", online_cpu_mem_handler },
	{ "PauseContainer", pause_container_handler },
	{ "ReadStderr", read_stderr_handler },
	{ "ReadStdout", read_stdout_handler },
	{ "RemoveContainer", remove_container_handler },
	{ "RemoveStaleVirtiofsShareMounts", remove_stale_virtiofs_share_mounts_handler },
	{ "ReseedRandomDev", reseed_random_dev_handler },
	{ "ResizeVolume", resize_volume_handler },
	{ "ResumeContainer", resume_container_handler },
	{ "SetGuestDateTime", set_guest_date_time_handler },
	{ "SetIPTables", set_iptables_handler },
	{ "SetPolicy", set_policy_handler },
	{ "SignalProcess", signal_process_handler },
	{ "StartContainer", start_container_handler },
	{ "StatsContainer", stats_container_handler },
	{ "TtyWinResize", tty_win_resize_handler },
	{ "UpdateContainer", update_container_handler },
	{ "UpdateEphemeralMounts", update_ephemeral_mounts_handler },
	{ "UpdateInterface", update_interface_handler },
	{ "UpdateRoutes", update_routes_handler },
	{ "WaitProcess", wait_process_handler },
	{ "WriteStdin", write_stdin_handler },
};

static const struct method health_methods[] = {
	{ "Check", check_handler },
	{ "Version", version_handler },
};

#define METHODS_MAX 64

struct table {
	rpc_handler_fn *handlers[METHODS_MAX];
	struct rpc_service service;
};

static void table_add(struct table *t, const ProtobufCServiceDescriptor *desc,
		      const struct method *methods, size_t n, struct agent *a)
{
	t->service.desc = desc;
	t->service.handlers = t->handlers;
	for (size_t i = 0; i < n; i++) {
		int m = rpc_method_index(desc, methods[i].name);

		if (m >= 0 && m < METHODS_MAX)
			t->handlers[m] = methods[i].fn;
		else
			log_error("method %s of %s is not in the protocol", methods[i].name,
				  desc->name);
	}
	rpc_server_add(a->server, &t->service, a);
}

void service_register(struct agent *a)
{
	static struct table agent_table, health_table;

	table_add(&agent_table, &grpc__agent_service__descriptor, agent_methods,
		  ARRAY_SIZE(agent_methods), a);
	table_add(&health_table, &grpc__health__descriptor, health_methods,
		  ARRAY_SIZE(health_methods), a);
}
