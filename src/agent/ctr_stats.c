/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_stats - the counters of a container's cgroup as the protocol's CgroupStats.
 *
 * A file that is not there (its controller is not) leaves its counters at 0. Times are nanoseconds,
 * as in version 1.
 */
#include "agent/ctr.h"

#include "base/str.h"
#include "sys/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#define NS_PER_US 1000
#define STATS_MAX 256 /* lines of memory.stat, devices of io.stat, huge page sizes: each */

/* Small structs of a message; those of a peer's making are never this way round. */
#define NEW_MESSAGE(type, init)                     \
	({                                          \
		type *nm = xcalloc(1, sizeof(*nm)); \
		init(nm);                           \
		nm;                                 \
	})

static uint64_t number(const char *cgroup, const char *file)
{
	uint64_t v;

	return cgroup_read_u64(cgroup, file, &v) < 0 ? 0 : v;
}

static uint64_t key(const char *cgroup, const char *file, const char *name)
{
	uint64_t v;

	return cgroup_read_key(cgroup, file, name, &v) < 0 ? 0 : v;
}

static void read_cpu(const char *cgroup, Grpc__CgroupStats *st)
{
	Grpc__CpuStats *c = NEW_MESSAGE(Grpc__CpuStats, grpc__cpu_stats__init);
	Grpc__CpuUsage *u = NEW_MESSAGE(Grpc__CpuUsage, grpc__cpu_usage__init);
	Grpc__ThrottlingData *t = NEW_MESSAGE(Grpc__ThrottlingData, grpc__throttling_data__init);

	u->total_usage = key(cgroup, "cpu.stat", "usage_usec") * NS_PER_US;
	u->usage_in_usermode = key(cgroup, "cpu.stat", "user_usec") * NS_PER_US;
	u->usage_in_kernelmode = key(cgroup, "cpu.stat", "system_usec") * NS_PER_US;
	t->periods = key(cgroup, "cpu.stat", "nr_periods");
	t->throttled_periods = key(cgroup, "cpu.stat", "nr_throttled");
	t->throttled_time = key(cgroup, "cpu.stat", "throttled_usec") * NS_PER_US;
	c->cpu_usage = u;
	c->throttling_data = t;
	st->cpu_stats = c;
}

static Grpc__MemoryData *read_memory_data(const char *cgroup, const char *name, const char *event)
{
	Grpc__MemoryData *d = NEW_MESSAGE(Grpc__MemoryData, grpc__memory_data__init);
	char file[64];

	snprintf(file, sizeof(file), "%s.current", name);
	d->usage = number(cgroup, file);
	snprintf(file, sizeof(file), "%s.max", name);
	d->limit = number(cgroup, file);
	snprintf(file, sizeof(file), "%s.peak", name);
	d->max_usage = number(cgroup, file);
	snprintf(file, sizeof(file), "%s.events", name);
	d->failcnt = key(cgroup, file, event);
	return d;
}

static void add_memory_stat(const char *name, uint64_t value, void *data)
{
	Grpc__MemoryStats *m = data;
	Grpc__Uint64Entry *en;

	if (str_eq(name, "file"))
		m->cache = value;
	if (m->n_stats == STATS_MAX)
		return;
	en = NEW_MESSAGE(Grpc__Uint64Entry, grpc__uint64_entry__init);
	en->key = xstrdup(name);
	en->value = value;
	m->stats[m->n_stats++] = en;
}

static void read_memory(const char *cgroup, Grpc__CgroupStats *st)
{
	Grpc__MemoryStats *m = NEW_MESSAGE(Grpc__MemoryStats, grpc__memory_stats__init);
	autofree char *text = NULL;

	m->usage = read_memory_data(cgroup, "memory", "max");
	m->swap_usage = read_memory_data(cgroup, "memory.swap", "max");
	m->use_hierarchy = true;
	m->stats = xnew_array(Grpc__Uint64Entry *, STATS_MAX);
	if (cgroup_read(cgroup, "memory.stat", &text) == 0)
		cgroup_each_key(text, add_memory_stat, m);
	m->kernel_usage = NEW_MESSAGE(Grpc__MemoryData, grpc__memory_data__init);
	m->kernel_usage->usage = key(cgroup, "memory.stat", "kernel");
	st->memory_stats = m;
}

static void read_pids(const char *cgroup, Grpc__CgroupStats *st)
{
	Grpc__PidsStats *p = NEW_MESSAGE(Grpc__PidsStats, grpc__pids_stats__init);
	uint64_t limit = number(cgroup, "pids.max");

	p->current = number(cgroup, "pids.current");
	p->limit = limit == UINT64_MAX ? 0 : limit;
	st->pids_stats = p;
}

/* Which list a key of io.stat goes to, and under which name. */
static const struct io_key {
	const char *key, *op;
	bool bytes;
} io_keys[] = {
	{ "rbytes", "read", true }, { "wbytes", "write", true }, { "dbytes", "discard", true },
	{ "rios", "read", false },  { "wios", "write", false },  { "dios", "discard", false },
};

static void add_io(Grpc__BlkioStatsEntry **list, size_t *n, uint32_t major, uint32_t minor,
		   const char *op, uint64_t value)
{
	Grpc__BlkioStatsEntry *en =
		NEW_MESSAGE(Grpc__BlkioStatsEntry, grpc__blkio_stats_entry__init);

	en->major = major;
	en->minor = minor;
	en->op = xstrdup(op);
	en->value = value;
	list[(*n)++] = en;
}

static void add_io_word(Grpc__BlkioStats *b, uint32_t major, uint32_t minor, const char *word)
{
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(io_keys); i++) {
		const char *rest = str_skip_prefix(word, io_keys[i].key);

		if (!rest || *rest != '=' || str_to_u64(rest + 1, 10, &value) < 0)
			continue;
		if (io_keys[i].bytes)
			add_io(b->io_service_bytes_recursive, &b->n_io_service_bytes_recursive,
			       major, minor, io_keys[i].op, value);
		else
			add_io(b->io_serviced_recursive, &b->n_io_serviced_recursive, major, minor,
			       io_keys[i].op, value);
	}
}

/* "253:0 rbytes=1 wbytes=2 ..." */
static void add_io_line(Grpc__BlkioStats *b, const char *line)
{
	autodone(strv) words = STRV_INIT;
	uint32_t major, minor;
	char *colon;

	strv_split(&words, line, " ");
	if (!words.n || !(colon = strchr(words.v[0], ':')))
		return;
	*colon = '\0';
	if (str_to_u32(words.v[0], 10, &major) < 0 || str_to_u32(colon + 1, 10, &minor) < 0)
		return;
	for (size_t i = 1; i < words.n; i++)
		add_io_word(b, major, minor, words.v[i]);
}

static void read_io(const char *cgroup, Grpc__CgroupStats *st)
{
	Grpc__BlkioStats *b = NEW_MESSAGE(Grpc__BlkioStats, grpc__blkio_stats__init);
	autofree char *text = NULL;
	autodone(strv) lines = STRV_INIT;

	b->io_service_bytes_recursive =
		xnew_array(Grpc__BlkioStatsEntry *, STATS_MAX * ARRAY_SIZE(io_keys));
	b->io_serviced_recursive =
		xnew_array(Grpc__BlkioStatsEntry *, STATS_MAX * ARRAY_SIZE(io_keys));
	st->blkio_stats = b;
	if (cgroup_read(cgroup, "io.stat", &text) < 0)
		return;
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < MIN(lines.n, (size_t)STATS_MAX); i++)
		add_io_line(b, lines.v[i]);
}

static void add_hugetlb(const char *cgroup, const char *size, Grpc__CgroupStats *st)
{
	Grpc__HugetlbEntry *en = NEW_MESSAGE(Grpc__HugetlbEntry, grpc__hugetlb_entry__init);
	Grpc__HugetlbStats *h = NEW_MESSAGE(Grpc__HugetlbStats, grpc__hugetlb_stats__init);
	char file[64];

	snprintf(file, sizeof(file), "hugetlb.%s.current", size);
	h->usage = number(cgroup, file);
	snprintf(file, sizeof(file), "hugetlb.%s.events", size);
	h->failcnt = key(cgroup, file, "max");
	en->key = xstrdup(size);
	en->value = h;
	st->hugetlb_stats[st->n_hugetlb_stats++] = en;
}

/* The page sizes are those that have a file. */
static void read_hugetlb(const char *cgroup, Grpc__CgroupStats *st)
{
	autofree char *path = cgroup_path(cgroup, NULL);
	DIR *d = path ? opendir(path) : NULL;
	struct dirent *de;

	st->hugetlb_stats = xnew_array(Grpc__HugetlbEntry *, STATS_MAX);
	while (d && (de = readdir(d)) && st->n_hugetlb_stats < STATS_MAX) {
		const char *rest = str_skip_prefix(de->d_name, "hugetlb.");
		autofree char *size = NULL;

		if (!rest || !str_ends_with(rest, ".current") || strstr(rest, ".rsvd."))
			continue;
		size = xstrndup(rest, strlen(rest) - strlen(".current"));
		if (strlen(size) <= 16)
			add_hugetlb(cgroup, size, st);
	}
	if (d)
		closedir(d);
}

int ctr_cgroup_stats(const char *cgroup, Grpc__CgroupStats **ret, struct error *e)
{
	Grpc__CgroupStats *st;

	if (!cgroup_exists(cgroup))
		return error_plain(e, ENOENT, "cgroup %s does not exist", cgroup);
	st = NEW_MESSAGE(Grpc__CgroupStats, grpc__cgroup_stats__init);
	read_cpu(cgroup, st);
	read_memory(cgroup, st);
	read_pids(cgroup, st);
	read_io(cgroup, st);
	read_hugetlb(cgroup, st);
	*ret = st;
	return 0;
}
