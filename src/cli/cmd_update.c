/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update - changes the limits of a container: from the "resources" object of the runtime
 * specification, or from options, each of which is one key of it. What is not given stays as it is.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "wire/json.h"

#include "google/protobuf/any.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RESOURCES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

enum kind { NUMBER, SIZE, TEXT, REFUSED };

/* In the order of their sections: those of one section follow each other. */
#define LIMITS(X)                                                                                \
	X(blkio_weight, "blkio-weight", NUMBER, "blockIO", "weight", "N",                        \
	  "weight of block I/O, 10 to 1000")                                                     \
	X(cpu_period, "cpu-period", NUMBER, "cpu", "period", "USEC", "period of the CPU quota")  \
	X(cpu_quota, "cpu-quota", NUMBER, "cpu", "quota", "USEC",                                \
	  "CPU time in a period; -1: no limit")                                                  \
	X(cpu_share, "cpu-share", NUMBER, "cpu", "shares", "N",                                  \
	  "weight against other containers of the machine")                                      \
	X(cpu_rt_period, "cpu-rt-period", NUMBER, "cpu", "realtimePeriod", "USEC",               \
	  "period of the real-time limit")                                                       \
	X(cpu_rt_runtime, "cpu-rt-runtime", NUMBER, "cpu", "realtimeRuntime", "USEC",            \
	  "real-time limit")                                                                     \
	X(cpuset_cpus, "cpuset-cpus", TEXT, "cpu", "cpus", "LIST", "CPUs of the machine to use") \
	X(cpuset_mems, "cpuset-mems", TEXT, "cpu", "mems", "LIST",                               \
	  "memory nodes of the machine to use")                                                  \
	X(memory, "memory", SIZE, "memory", "limit", "BYTES", "limit of memory; -1: none")       \
	X(memory_reservation, "memory-reservation", SIZE, "memory", "reservation", "BYTES",      \
	  "soft limit of memory")                                                                \
	X(memory_swap, "memory-swap", SIZE, "memory", "swap", "BYTES",                           \
	  "limit of memory and swap; -1: none")                                                  \
	X(pids_limit, "pids-limit", NUMBER, "pids", "limit", "N",                                \
	  "number of processes; -1: no limit")                                                   \
	X(kernel_memory, "kernel-memory", REFUSED, NULL, NULL, "BYTES",                          \
	  "not supported: kernels no longer have it")                                            \
	X(kernel_memory_tcp, "kernel-memory-tcp", REFUSED, NULL, NULL, "BYTES",                  \
	  "not supported: kernels no longer have it")                                            \
	X(l3_cache_schema, "l3-cache-schema", REFUSED, NULL, NULL, "TEXT",                       \
	  "not supported: RDT is the host's")                                                    \
	X(mem_bw_schema, "mem-bw-schema", REFUSED, NULL, NULL, "TEXT",                           \
	  "not supported: RDT is the host's")

struct update_options {
	const char *resources;
#define FIELD(field, name, kind, section, key, meta, help) const char *field;
	LIMITS(FIELD)
};

#define OPT(...) CLI_OPT(update_options, __VA_ARGS__)
#define OPTION(field, name, kind, section, key, meta, help) \
	OPT(name, 0, ARG_STRING, field, meta, help),
static const struct arg_option options[] = {
	OPT("resources", 'r', ARG_STRING, resources, "FILE",
	    "the limits as JSON, \"-\" for stdin; other options are not looked at then"),
	LIMITS(OPTION)
};

static const struct limit {
	const char *name;
	enum kind kind;
	const char *section, *key;
	size_t offset;
} limits[] = {
#define LIMIT(field, name, kind, section, key, meta, help) \
	{ name, kind, section, key, offsetof(struct update_options, field) },
	LIMITS(LIMIT)
};

static const char *value_of(const struct update_options *o, const struct limit *l)
{
	return *(const char *const *)((const char *)o + l->offset);
}

static int add_limit(struct json_writer *w, const struct limit *l, const char *text,
		     struct error *e)
{
	uint64_t size;
	int64_t number;
	int r = 0;

	switch (l->kind) {
	case TEXT:
		json_add_str(w, l->key, text);
		return 0;
	case NUMBER:
		r = str_to_i64(text, 10, &number);
		break;
	case SIZE:
		r = str_to_size(text, &size);
		number = (int64_t)size;
		if (r < 0)
			r = str_to_i64(text, 10, &number);
		else if (size > INT64_MAX)
			r = -ERANGE;
		break;
	case REFUSED:
		return error_plain(e, EOPNOTSUPP, "--%s is not supported", l->name);
	}
	if (r < 0)
		return error_plain(e, EINVAL, "invalid value for --%s: \"%s\"", l->name, text);
	json_add_i64(w, l->key, number);
	return 0;
}

/* The options as a resources object. Owned. */
static int from_options(const struct update_options *o, char **ret, struct error *e)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_JSON);
	const char *section = NULL;
	struct json_writer w;

	json_writer_init(&w, &b, NULL);
	json_open_object(&w, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const char *text = value_of(o, &limits[i]);
		int r;

		if (!text)
			continue;
		if (limits[i].section && !str_eq(section, limits[i].section)) {
			if (section)
				json_close(&w);
			section = limits[i].section;
			json_open_object(&w, section);
		}
		r = add_limit(&w, &limits[i], text, e);
		if (r < 0)
			return r;
	}
	if (!section)
		return error_plain(e, EINVAL,
				   "update: nothing to change (give --resources, or a limit)");
	json_close(&w);
	json_close(&w);
	*ret = xstrdup(buf_str(&b));
	return json_writer_end(&w);
}

static int from_file(const char *file, char **ret, struct error *e)
{
	int r = str_eq(file, "-") ? fd_read_all(STDIN_FILENO, LIMIT_CONFIG_JSON, ret, NULL)
				  : file_read_at(AT_FDCWD, file, LIMIT_CONFIG_JSON, ret, NULL);

	return r < 0 ? error_set(e, r, "read %s", str_eq(file, "-") ? "stdin" : file) : 0;
}

/* Reads them here as well, so that mistakes are named by their origin. */
static int get_resources(const struct update_options *o, char **ret, struct error *e)
{
	oci_resources *parsed = NULL;
	int r = o->resources ? from_file(o->resources, ret, e) : from_options(o, ret, e);

	if (r < 0)
		return r;
	r = oci_resources_parse(*ret, strlen(*ret), o->resources ? o->resources : "options",
				&parsed, e);
	if (r == 0)
		oci_resources_free(parsed);
	return r;
}

static int cmd_update(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	Containerd__Task__V2__UpdateTaskRequest rq =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	autofree char *json = NULL;
	int r = cli_container_open(c, args[0], false, &k, e);

	if (r == 0)
		r = get_resources(opts, &json, e);
	if (r < 0)
		return r;
	any.type_url = RESOURCES_TYPE;
	any.value.data = (uint8_t *)json;
	any.value.len = strlen(json);
	rq.id = args[0];
	rq.resources = &any;
	return cli_task_request(&k, "Update", &rq.base, e);
}

const struct cli_command command_update = {
	.name = "update",
	.operands = "ID",
	.summary = "change the limits of a container",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct update_options),
	.min = 1,
	.max = 1,
	.run = cmd_update,
};
