/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox_service - containerd's Sandbox service (containerd 2.x with `sandboxer = "shim"`): the
 * pod as an object of its own, in front of the same sandbox as the Task service.
 *
 *   CreateSandbox -> StartSandbox (boots the machine) -> containers by the Task service
 *   -> StopSandbox -> ShutdownSandbox (the shim ends); WaitSandbox waits for the machine's end.
 *
 * There is no pause container: nothing runs in the guest but what the pod's containers run. The pid
 * of the sandbox is the machine's.
 */
#include "shim/pod_config.h"
#include "shim/shim.h"

#include "base/log.h"

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "sandbox.pb-c.h"

#include <errno.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define REQ(type, name)                                        \
	const Containerd__Runtime__Sandbox__V1__##type *name = \
		(const Containerd__Runtime__Sandbox__V1__##type *)m
#define RESP(type, upper, name)                         \
	Containerd__Runtime__Sandbox__V1__##type name = \
		CONTAINERD__RUNTIME__SANDBOX__V1__##upper##__INIT

static Google__Protobuf__Timestamp timestamp(const struct timespec *ts)
{
	Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	t.seconds = ts->tv_sec;
	t.nanos = (int32_t)ts->tv_nsec;
	return t;
}

/* The pod of @id; where there is none the call is answered. */
static struct process *find_pod(struct shim *s, struct rpc_call *call, const char *id)
{
	struct process *p = sandbox_pod(s->sandbox, id, NULL);

	if (!p)
		rpc_call_failf(call, ENOENT, "sandbox %s does not exist", id);
	return p;
}

static void answer_empty(void *data, const struct error *e)
{
	struct rpc_call *call = data;

	if (e)
		rpc_call_fail(call, e);
	else
		rpc_call_reply_empty(call);
}

static void handle_create(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(CreateSandboxRequest, rq);
	struct shim *s = data;
	oci_spec *spec = NULL;
	int r = pod_config_spec(rq, &spec, &e);

	if (r == 0)
		r = sandbox_pod_create(s->sandbox, rq->sandbox_id, rq->bundle_path, spec, &e);
	if (r < 0)
		rpc_call_fail(call, &e);
	else
		rpc_call_reply_empty(call);
}

struct start_answer {
	struct shim *shim;
	struct rpc_call *call;
	char *id;
};

static void started(void *data, const struct error *e)
{
	RESP(StartSandboxResponse, START_SANDBOX_RESPONSE, resp);
	struct start_answer *a = data;
	Google__Protobuf__Timestamp at;
	struct process_status st;
	struct timespec began;
	struct process *p = sandbox_pod(a->shim->sandbox, a->id, &began);

	if (e) {
		rpc_call_fail(a->call, e);
	} else {
		process_status(p, &st);
		at = timestamp(&began);
		resp.pid = (uint32_t)st.pid;
		resp.created_at = &at;
		rpc_call_reply(a->call, &resp.base);
	}
	free(a->id);
	free(a);
}

static void handle_start(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(StartSandboxRequest, rq);
	struct shim *s = data;
	struct start_answer *a;

	if (!find_pod(s, call, rq->sandbox_id))
		return;
	a = xnew(struct start_answer);
	*a = (struct start_answer){ .shim = s, .call = call, .id = xstrdup(rq->sandbox_id) };
	if (sandbox_pod_start(s->sandbox, started, a, &e) < 0)
		started(a, &e);
}

/* In the words of Go. */
static const char *architecture(void)
{
	static const struct {
		const char *machine, *name;
	} table[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" } };
	static struct utsname u;

	if (uname(&u) < 0)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (str_eq(table[i].machine, u.machine))
			return table[i].name;
	return u.machine;
}

static void handle_platform(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	RESP(PlatformResponse, PLATFORM_RESPONSE, resp);
	RESP(PlatformInfo, PLATFORM_INFO, info);

	info.os = "linux";
	info.architecture = (char *)(uintptr_t)architecture();
	resp.platform = &info;
	rpc_call_reply(call, &resp.base);
}

static void handle_stop(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(StopSandboxRequest, rq);
	struct shim *s = data;

	if (find_pod(s, call, rq->sandbox_id) &&
	    sandbox_pod_stop(s->sandbox, answer_empty, call, &e) < 0)
		rpc_call_fail(call, &e);
}

struct wait_answer {
	struct rpc_call *call;
	struct process_waiter *waiter;
};

static void wait_done(void *data, uint32_t exit_status, const struct timespec *exited_at)
{
	RESP(WaitSandboxResponse, WAIT_SANDBOX_RESPONSE, resp);
	struct wait_answer *a = data;
	Google__Protobuf__Timestamp at = timestamp(exited_at);

	resp.exit_status = exit_status;
	resp.exited_at = &at;
	rpc_call_on_cancel(a->call, NULL, NULL);
	rpc_call_reply(a->call, &resp.base);
	free(a);
}

static void wait_cancelled(void *data)
{
	struct wait_answer *a = data;

	process_wait_cancel(a->waiter);
	rpc_call_failf(a->call, ECANCELED, "cancelled");
	free(a);
}

static void handle_wait(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	REQ(WaitSandboxRequest, rq);
	struct process *p = find_pod(data, call, rq->sandbox_id);
	struct wait_answer *a;

	if (!p)
		return;
	a = xnew(struct wait_answer);
	a->call = call;
	a->waiter = process_wait(p, wait_done, a);
	rpc_call_on_cancel(call, wait_cancelled, a);
}

static void fill_info(Caisson__StringEntry *e, const char *key, char *value)
{
	caisson__string_entry__init(e);
	e->key = (char *)(uintptr_t)key;
	e->value = value;
}

static void handle_status(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	RESP(SandboxStatusResponse, SANDBOX_STATUS_RESPONSE, resp);
	REQ(SandboxStatusRequest, rq);
	struct shim *s = data;
	struct timespec began = { 0 };
	struct process *p = sandbox_pod(s->sandbox, rq->sandbox_id, &began);
	Google__Protobuf__Timestamp created, exited;
	struct sandbox_machine machine;
	struct process_status st;

	if (!find_pod(s, call, rq->sandbox_id))
		return;
	process_status(p, &st);
	sandbox_machine(s->sandbox, &machine);
	created = timestamp(&began);
	exited = timestamp(&st.exited_at);
	autofree char *vcpus = xasprintf("%u", machine.vcpus);
	autofree char *mem = xasprintf("%llu", (unsigned long long)machine.mem_mib);
	Caisson__StringEntry info[3], *list[] = { &info[0], &info[1], &info[2] };
	fill_info(&info[0], "engine", (char *)(uintptr_t)machine.engine);
	fill_info(&info[1], "vcpus", vcpus);
	fill_info(&info[2], "memory_mib", mem);
	resp.sandbox_id = rq->sandbox_id;
	resp.pid = (uint32_t)st.pid;
	resp.state = machine.ready ? "SANDBOX_READY" : "SANDBOX_NOTREADY";
	resp.created_at = &created;
	if (st.state == PROCESS_STOPPED)
		resp.exited_at = &exited;
	resp.info = list;
	resp.n_info = rq->verbose ? ARRAY_SIZE(list) : 0;
	rpc_call_reply(call, &resp.base);
}

static void handle_ping(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	REQ(PingRequest, rq);

	if (find_pod(data, call, rq->sandbox_id))
		rpc_call_reply_empty(call);
}

static void shut_down(void *data, const struct error *e)
{
	struct start_answer *a = data;

	if (e) {
		rpc_call_fail(a->call, e);
	} else {
		rpc_call_reply_empty(a->call);
		shim_quit_soon(a->shim);
	}
	free(a);
}

/* Also of one that was never started or has not been stopped. */
static void handle_shutdown(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(ShutdownSandboxRequest, rq);
	struct start_answer *a;
	struct shim *s = data;

	if (!find_pod(s, call, rq->sandbox_id))
		return;
	a = xnew(struct start_answer);
	*a = (struct start_answer){ .shim = s, .call = call };
	if (sandbox_pod_stop(s->sandbox, shut_down, a, &e) < 0)
		shut_down(a, &e);
}

/* What the machine and its device processes use on the host. */
static void handle_metrics(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	RESP(SandboxMetricsResponse, SANDBOX_METRICS_RESPONSE, resp);
	RESP(Metric, METRIC, metric);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Timestamp at;
	struct error e = ERROR_INIT;
	REQ(SandboxMetricsRequest, rq);
	struct sandbox_machine machine;
	struct shim *s = data;
	struct timespec now;

	if (!find_pod(s, call, rq->sandbox_id))
		return;
	sandbox_machine(s->sandbox, &machine);
	if (metrics_of_cgroup(machine.cgroup, &any, &e) < 0) {
		rpc_call_fail(call, &e);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	at = timestamp(&now);
	metric.timestamp = &at;
	metric.id = rq->sandbox_id;
	metric.data = &any;
	resp.metrics = &metric;
	rpc_call_reply(call, &resp.base);
	free(any.value.data);
}

/* In the order of sandbox.proto. */
static rpc_handler_fn *const handlers[] = {
	handle_create, handle_start, handle_platform, handle_stop,    handle_wait,
	handle_status, handle_ping,  handle_shutdown, handle_metrics,
};

static const struct rpc_service service = { &containerd__runtime__sandbox__v1__sandbox__descriptor,
					    handlers };

void shim_add_sandbox_service(struct shim *s)
{
	rpc_server_add(s->server, &service, s);
}
