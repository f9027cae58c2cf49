/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - the agent's cgroup statistics in the two shapes containerd knows. Numbers of
 * memory.stat are found by name; one that the guest does not have stays 0. And what a sandbox uses
 * on the host, in the same shapes.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "sys/cgroup_host.h"

#include "cgroups_v1.pb-c.h"
#include "cgroups_v2.pb-c.h"
#include "google/protobuf/any.pb-c.h"

#include <errno.h>
#include <fcntl.h>

#define V1(name) Io__Containerd__Cgroups__V1__##name
#define V2(name) Io__Containerd__Cgroups__V2__##name

static const Grpc__CpuStats no_cpu = GRPC__CPU_STATS__INIT;
static const Grpc__CpuUsage no_usage = GRPC__CPU_USAGE__INIT;
static const Grpc__ThrottlingData no_throttling = GRPC__THROTTLING_DATA__INIT;
static const Grpc__MemoryStats no_memory = GRPC__MEMORY_STATS__INIT;
static const Grpc__MemoryData no_data = GRPC__MEMORY_DATA__INIT;
static const Grpc__PidsStats no_pids = GRPC__PIDS_STATS__INIT;
static const Grpc__CgroupStats no_stats = GRPC__CGROUP_STATS__INIT;

/* The agent's answer with every missing part replaced by zeroes. */
struct parts {
	const Grpc__CpuUsage *usage;
	const Grpc__ThrottlingData *throttling;
	const Grpc__MemoryStats *memory;
	const Grpc__MemoryData *mem, *swap, *kernel;
	const Grpc__PidsStats *pids;
};

static struct parts parts_of(const Grpc__StatsContainerResponse *r)
{
	const Grpc__CgroupStats *s = r->cgroup_stats ? r->cgroup_stats : &no_stats;
	const Grpc__CpuStats *cpu = s->cpu_stats ? s->cpu_stats : &no_cpu;
	const Grpc__MemoryStats *mem = s->memory_stats ? s->memory_stats : &no_memory;

	return (struct parts){
		.usage = cpu->cpu_usage ? cpu->cpu_usage : &no_usage,
		.throttling = cpu->throttling_data ? cpu->throttling_data : &no_throttling,
		.memory = mem,
		.mem = mem->usage ? mem->usage : &no_data,
		.swap = mem->swap_usage ? mem->swap_usage : &no_data,
		.kernel = mem->kernel_usage ? mem->kernel_usage : &no_data,
		.pids = s->pids_stats ? s->pids_stats : &no_pids,
	};
}

static uint64_t mem_stat(const Grpc__MemoryStats *m, const char *key)
{
	for (size_t i = 0; i < m->n_stats; i++)
		if (str_eq(m->stats[i]->key, key))
			return m->stats[i]->value;
	return 0;
}

static void pack(const ProtobufCMessage *m, const char *type, Google__Protobuf__Any *ret)
{
	ret->type_url = (char *)(uintptr_t)type;
	ret->value.len = protobuf_c_message_get_packed_size(m);
	ret->value.data = xcalloc(ret->value.len, 1);
	protobuf_c_message_pack(m, ret->value.data);
}

static void fill_entry(V1(MemoryEntry) * to, const Grpc__MemoryData *from)
{
	io__containerd__cgroups__v1__memory_entry__init(to);
	to->usage = from->usage;
	to->limit = from->limit;
	to->max = from->max_usage;
	to->failcnt = from->failcnt;
}

static void fill_memory_v1(V1(MemoryStat) * to, const struct parts *p)
{
	to->cache = to->total_cache = mem_stat(p->memory, "file");
	to->rss = to->total_rss = mem_stat(p->memory, "anon");
	to->rss_huge = to->total_rss_huge = mem_stat(p->memory, "anon_thp");
	to->mapped_file = to->total_mapped_file = mem_stat(p->memory, "file_mapped");
	to->dirty = to->total_dirty = mem_stat(p->memory, "file_dirty");
	to->writeback = to->total_writeback = mem_stat(p->memory, "file_writeback");
	to->pg_fault = to->total_pg_fault = mem_stat(p->memory, "pgfault");
	to->pg_maj_fault = to->total_pg_maj_fault = mem_stat(p->memory, "pgmajfault");
	to->inactive_anon = to->total_inactive_anon = mem_stat(p->memory, "inactive_anon");
	to->active_anon = to->total_active_anon = mem_stat(p->memory, "active_anon");
	to->inactive_file = to->total_inactive_file = mem_stat(p->memory, "inactive_file");
	to->active_file = to->total_active_file = mem_stat(p->memory, "active_file");
	to->unevictable = to->total_unevictable = mem_stat(p->memory, "unevictable");
	to->hierarchical_memory_limit = p->mem->limit;
}

void metrics_fill_v1(const Grpc__StatsContainerResponse *r, Google__Protobuf__Any *ret)
{
	const struct parts p = parts_of(r);
	V1(Metrics) m = IO__CONTAINERD__CGROUPS__V1__METRICS__INIT;
	V1(PidsStat) pids = IO__CONTAINERD__CGROUPS__V1__PIDS_STAT__INIT;
	V1(CPUStat) cpu = IO__CONTAINERD__CGROUPS__V1__CPUSTAT__INIT;
	V1(CPUUsage) usage = IO__CONTAINERD__CGROUPS__V1__CPUUSAGE__INIT;
	V1(Throttle) throttle = IO__CONTAINERD__CGROUPS__V1__THROTTLE__INIT;
	V1(MemoryStat) mem = IO__CONTAINERD__CGROUPS__V1__MEMORY_STAT__INIT;
	V1(MemoryEntry) entry[3];

	pids.current = p.pids->current;
	pids.limit = p.pids->limit;
	usage.total = p.usage->total_usage;
	usage.kernel = p.usage->usage_in_kernelmode;
	usage.user = p.usage->usage_in_usermode;
	throttle.periods = p.throttling->periods;
	throttle.throttled_periods = p.throttling->throttled_periods;
	throttle.throttled_time = p.throttling->throttled_time;
	cpu.usage = &usage;
	cpu.throttling = &throttle;
	fill_memory_v1(&mem, &p);
	fill_entry(&entry[0], p.mem);
	fill_entry(&entry[1], p.swap);
	fill_entry(&entry[2], p.kernel);
	mem.usage = &entry[0];
	mem.swap = &entry[1];
	mem.kernel = &entry[2];
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &mem;
	pack(&m.base, "io.containerd.cgroups.v1.Metrics", ret);
}

static void fill_memory_v2(V2(MemoryStat) * to, const struct parts *p)
{
	to->anon = mem_stat(p->memory, "anon");
	to->file = mem_stat(p->memory, "file");
	to->kernel_stack = mem_stat(p->memory, "kernel_stack");
	to->slab = mem_stat(p->memory, "slab");
	to->sock = mem_stat(p->memory, "sock");
	to->shmem = mem_stat(p->memory, "shmem");
	to->file_mapped = mem_stat(p->memory, "file_mapped");
	to->file_dirty = mem_stat(p->memory, "file_dirty");
	to->file_writeback = mem_stat(p->memory, "file_writeback");
	to->anon_thp = mem_stat(p->memory, "anon_thp");
	to->inactive_anon = mem_stat(p->memory, "inactive_anon");
	to->active_anon = mem_stat(p->memory, "active_anon");
	to->inactive_file = mem_stat(p->memory, "inactive_file");
	to->active_file = mem_stat(p->memory, "active_file");
	to->unevictable = mem_stat(p->memory, "unevictable");
	to->pgfault = mem_stat(p->memory, "pgfault");
	to->pgmajfault = mem_stat(p->memory, "pgmajfault");
	to->usage = p->mem->usage;
	to->usage_limit = p->mem->limit;
	to->max_usage = p->mem->max_usage;
	to->swap_usage = p->swap->usage;
	to->swap_limit = p->swap->limit;
}

void metrics_fill_v2(const Grpc__StatsContainerResponse *r, Google__Protobuf__Any *ret)
{
	const struct parts p = parts_of(r);
	V2(Metrics) m = IO__CONTAINERD__CGROUPS__V2__METRICS__INIT;
	V2(PidsStat) pids = IO__CONTAINERD__CGROUPS__V2__PIDS_STAT__INIT;
	V2(CPUStat) cpu = IO__CONTAINERD__CGROUPS__V2__CPUSTAT__INIT;
	V2(MemoryStat) mem = IO__CONTAINERD__CGROUPS__V2__MEMORY_STAT__INIT;

	pids.current = p.pids->current;
	pids.limit = p.pids->limit;
	cpu.usage_usec = p.usage->total_usage / 1000;
	cpu.user_usec = p.usage->usage_in_usermode / 1000;
	cpu.system_usec = p.usage->usage_in_kernelmode / 1000;
	cpu.nr_periods = p.throttling->periods;
	cpu.nr_throttled = p.throttling->throttled_periods;
	cpu.throttled_usec = p.throttling->throttled_time / 1000;
	fill_memory_v2(&mem, &p);
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &mem;
	pack(&m.base, "io.containerd.cgroups.v2.Metrics", ret);
}

/* --- a group of the host --- */

/* The number behind @key in a file of lines "KEY NUMBER"; @key NULL: the file is the number. */
static int read_number(const char *cgroup, const char *controller, const char *file,
		       const char *key, uint64_t *ret)
{
	autofree char *dir = cgroup_host_dir(cgroup, controller);
	autofree char *path = dir ? xasprintf("%s/%s", dir, file) : NULL;
	autofree char *text = NULL;
	char *save = NULL;
	int r = path ? file_read_at(AT_FDCWD, path, LIMIT_PROC_FILE, &text, NULL) : -ENOENT;

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = key ? strlen(key) : 0;

		if (!key || (strncmp(line, key, n) == 0 && line[n] == ' '))
			return str_to_u64(line + (key ? n + 1 : 0), 10, ret);
	}
	return -ENOENT;
}

int metrics_of_cgroup(const char *cgroup, Google__Protobuf__Any *ret, struct error *e)
{
	Grpc__StatsContainerResponse r = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats stats = GRPC__CGROUP_STATS__INIT;
	Grpc__CpuStats cpu = GRPC__CPU_STATS__INIT;
	Grpc__CpuUsage usage = GRPC__CPU_USAGE__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__MemoryData data = GRPC__MEMORY_DATA__INIT;
	uint64_t usec = 0;
	bool v2;
	int err;

	if (!cgroup)
		return error_plain(e, ENOENT, "the sandbox has no cgroup of its own");
	/* Where both are mounted, version 1 has the controllers. */
	v2 = read_number(cgroup, "memory", "memory.usage_in_bytes", NULL, &data.usage) < 0;
	err = v2 ? read_number(cgroup, "", "memory.current", NULL, &data.usage)
		 : read_number(cgroup, "cpuacct", "cpuacct.usage", NULL, &usage.total_usage);
	if (err == 0 && v2)
		err = read_number(cgroup, "", "cpu.stat", "usage_usec", &usec);
	if (v2)
		usage.total_usage = usec * 1000;
	if (err < 0)
		return error_set(e, err, "statistics of cgroup %s", cgroup);
	cpu.cpu_usage = &usage;
	memory.usage = &data;
	stats.cpu_stats = &cpu;
	stats.memory_stats = &memory;
	r.cgroup_stats = &stats;
	(v2 ? metrics_fill_v2 : metrics_fill_v1)(&r, ret);
	return 0;
}
