/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events - statistics of a container, in the shape of runc's: once, or every interval until the
 * container ends.
 *
 * The numbers are those of the container's group in the guest. runc's "oom" events are not sent:
 * the Task service publishes them to containerd alone.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/loop.h"
#include "wire/json.h"

#include "cgroups_v1.pb-c.h"
#include "google/protobuf/any.pb-c.h"

#include <errno.h>

#define METRICS_TYPE "io.containerd.cgroups.v1.Metrics"
#define V1(name) Io__Containerd__Cgroups__V1__##name

struct events_options {
	const char *interval;
	bool stats;
};

#define OPT(...) CLI_OPT(events_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("interval", 0, ARG_STRING, interval, "TIME",
	    "time between two lines, as 500ms, 5s or 1m (default 5s)"),
	OPT("stats", 0, ARG_BOOL, stats, NULL, "print one line and end"),
};

/* --- the shape --- */

static void add_nonzero(struct json_writer *w, const char *key, uint64_t v)
{
	if (v)
		json_add_u64(w, key, v);
}

static void write_cpu(struct json_writer *w, const V1(CPUStat) * cpu)
{
	const V1(CPUUsage) *u = cpu ? cpu->usage : NULL;
	const V1(Throttle) *t = cpu ? cpu->throttling : NULL;

	json_open_object(w, "cpu");
	json_open_object(w, "usage");
	add_nonzero(w, "total", u ? u->total : 0);
	json_add_u64(w, "kernel", u ? u->kernel : 0);
	json_add_u64(w, "user", u ? u->user : 0);
	json_close(w);
	json_open_object(w, "throttling");
	add_nonzero(w, "periods", t ? t->periods : 0);
	add_nonzero(w, "throttledPeriods", t ? t->throttled_periods : 0);
	add_nonzero(w, "throttledTime", t ? t->throttled_time : 0);
	json_close(w);
	json_close(w);
}

static void write_entry(struct json_writer *w, const char *key, const V1(MemoryEntry) * m)
{
	json_open_object(w, key);
	json_add_u64(w, "limit", m ? m->limit : 0);
	add_nonzero(w, "usage", m ? m->usage : 0);
	add_nonzero(w, "max", m ? m->max : 0);
	json_add_u64(w, "failcnt", m ? m->failcnt : 0);
	json_close(w);
}

/* runc has the kernel's spelling: "pgfault" where the message has "pg_fault". */
static void kernel_name(const char *field, char name[64])
{
	const char *pg = strstr(field, "pg_");
	size_t n = 0;

	for (const char *p = field; *p && n < 63; p++)
		if (!pg || p < pg || *p != '_')
			name[n++] = *p;
	name[n] = '\0';
}

static void write_raw(struct json_writer *w, const V1(MemoryStat) * m)
{
	const ProtobufCMessageDescriptor *d = m->base.descriptor;
	char name[64];

	json_open_object(w, "raw");
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		uint64_t v;

		if (f->type != PROTOBUF_C_TYPE_UINT64)
			continue;
		memcpy(&v, (const char *)m + f->offset, sizeof(v));
		kernel_name(f->name, name);
		json_add_u64(w, name, v);
	}
	json_close(w);
}

static void write_memory(struct json_writer *w, const V1(MemoryStat) * m)
{
	json_open_object(w, "memory");
	add_nonzero(w, "cache", m ? m->cache : 0);
	write_entry(w, "usage", m ? m->usage : NULL);
	write_entry(w, "swap", m ? m->swap : NULL);
	write_entry(w, "kernel", m ? m->kernel : NULL);
	write_entry(w, "kernelTCP", m ? m->kernel_tcp : NULL);
	if (m)
		write_raw(w, m);
	json_close(w);
}

static void write_data(struct json_writer *w, const V1(Metrics) * m)
{
	json_open_object(w, "data");
	write_cpu(w, m->cpu);
	write_memory(w, m->memory);
	json_open_object(w, "pids");
	add_nonzero(w, "current", m->pids ? m->pids->current : 0);
	add_nonzero(w, "limit", m->pids ? m->pids->limit : 0);
	json_close(w);
	json_open_object(w, "blkio");
	json_close(w);
	json_open_object(w, "hugetlb");
	json_close(w);
	json_open_object(w, "intel_rdt");
	json_close(w);
	json_add_null(w, "network_interfaces");
	json_close(w);
}

char *cli_stats_json(const char *id, const V1(Metrics) * m)
{
	autodone(buf) out = BUF_INIT(LIMIT_STATE_FILE);
	struct json_writer w;

	json_writer_init(&w, &out, NULL);
	json_open_object(&w, NULL);
	json_add_str(&w, "type", "stats");
	json_add_str(&w, "id", id);
	write_data(&w, m);
	json_close(&w);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&out));
}

/* --- asking --- */

static int unpack_metrics(const Google__Protobuf__Any *any, V1(Metrics) * *ret, struct error *e)
{
	if (any && str_eq(any->type_url, METRICS_TYPE))
		*ret = io__containerd__cgroups__v1__metrics__unpack(NULL, any->value.len,
								    any->value.data);
	return *ret ? 0 : error_plain(e, EPROTO, "the shim's statistics are not " METRICS_TYPE);
}

static int print_stats(const struct cli_container *k, struct rpc_client *c, struct error *e)
{
	Containerd__Task__V2__StatsRequest rq = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;
	autofree char *json = NULL;
	V1(Metrics) *m = NULL;
	int r;

	rq.id = k->st.id;
	r = cli_task_call(c, "Stats", &rq.base, CLI_REQUEST_MS, &resp, e);
	if (r < 0)
		return r;
	r = unpack_metrics(((Containerd__Task__V2__StatsResponse *)resp)->stats, &m, e);
	protobuf_c_message_free_unpacked(resp, NULL);
	if (r < 0)
		return r;
	json = cli_stats_json(k->st.id, m);
	io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
	printf("%s\n", json);
	return fflush(stdout) == 0 ? 0 : error_set(e, errno, "write to stdout");
}

struct watch {
	struct loop *loop;
	const struct cli_container *k;
	struct rpc_client *client;
	int64_t interval_ms;
	struct error *e;
};

static void tick(struct loop_source *s, void *data)
{
	struct watch *w = data;
	int r = print_stats(w->k, w->client, w->e);

	if (r < 0)
		loop_quit(w->loop, r);
	else
		loop_timer_set(s, w->interval_ms);
}

static void ended(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct watch *w = data;

	loop_quit(w->loop, 0);
}

static int watch(const struct cli_container *k, int64_t interval_ms, struct error *e)
{
	Containerd__Task__V2__WaitRequest rq = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	autoptr(loop) l = loop_new();
	autoptr(rpc_client) c = NULL;
	struct watch w = { .loop = l, .k = k, .interval_ms = interval_ms, .e = e };
	int r;

	if (!l)
		return error_set(e, errno, "event loop");
	r = cli_shim_connect_on(l, k->st.socket, &c, e);
	if (r < 0)
		return r;
	w.client = c;
	rq.id = k->st.id;
	rpc_client_call(c, &containerd__task__v2__task__descriptor,
			(unsigned)rpc_method_index(&containerd__task__v2__task__descriptor, "Wait"),
			&rq.base, 0, ended, &w);
	if (!loop_add_timer(l, interval_ms, tick, &w))
		return error_set(e, errno, "timer");
	r = loop_run(l);
	return r < 0 && str_eq(cli_container_status(k, NULL), "stopped") ? 0 : r;
}

static int once(const struct cli_container *k, struct error *e)
{
	autoptr(rpc_client) c = NULL;

	return cli_shim_connect(k->st.socket, &c, e) < 0 ? -ESRCH : print_stats(k, c, e);
}

static int cmd_events(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct events_options *o = opts;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	int64_t interval_ms = 5000;
	int r = cli_container_open(c, args[0], false, &k, e);

	if (r < 0)
		return r;
	if (o->interval && str_to_duration_ms(o->interval, &interval_ms) < 0)
		return error_plain(e, EINVAL,
				   "invalid interval \"%s\": give a time as 500ms, 5s or 1m",
				   o->interval);
	if (str_eq(cli_container_status(&k, NULL), "stopped"))
		return error_plain(e, ESRCH, "container with id %s is not running", args[0]);
	return o->stats ? once(&k, e) : watch(&k, interval_ms, e);
}

const struct cli_command command_events = {
	.name = "events",
	.operands = "ID",
	.summary = "print statistics of a container as JSON lines",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct events_options),
	.min = 1,
	.max = 1,
	.run = cmd_events,
};
