/* SPDX-License-Identifier: Apache-2.0 */
/* metrics - see metrics.h. Tables say which line or column of a file is which item. */
#include "agent/metrics.h"

#include "rpc/ttrpc.h"
#include "wire/utf8.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What is written; after the first failure nothing more. */
struct out {
	struct buf b;
	int r;
};

/* A line "Key: 12 kB" as an item. */
struct item {
	const char *key, *name;
};

/* Columns of a table that starts with a name. */
struct columns {
	const char *const *names;
	size_t n;
};

static const struct item status_items[] = {
	{ "VmPeak", "vmpeak" },
	{ "VmSize", "vmsize" },
	{ "VmLck", "vmlck" },
	{ "VmPin", "vmpin" },
	{ "VmHWM", "vmhwm" },
	{ "VmRSS", "vmrss" },
	{ "RssAnon", "rssanon" },
	{ "RssFile", "rssfile" },
	{ "RssShmem", "rssshmem" },
	{ "VmData", "vmdata" },
	{ "VmStk", "vmstk" },
	{ "VmExe", "vmexe" },
	{ "VmLib", "vmlib" },
	{ "VmPTE", "vmpte" },
	{ "VmSwap", "vmswap" },
	{ "HugetlbPages", "hugetlbpages" },
	{ "voluntary_ctxt_switches", "voluntary_ctxt_switches" },
	{ "nonvoluntary_ctxt_switches", "nonvoluntary_ctxt_switches" },
};

static const struct item io_items[] = {
	{ "rchar", "rchar" },
	{ "wchar", "wchar" },
	{ "syscr", "syscr" },
	{ "syscw", "syscw" },
	{ "read_bytes", "read_bytes" },
	{ "write_bytes", "write_bytes" },
	{ "cancelled_write_bytes", "cancelled_write_bytes" },
};

static const struct item meminfo_items[] = {
	{ "MemTotal", "mem_total" },
	{ "MemFree", "mem_free" },
	{ "MemAvailable", "mem_available" },
	{ "Buffers", "buffers" },
	{ "Cached", "cached" },
	{ "SwapCached", "swap_cached" },
	{ "Active", "active" },
	{ "Inactive", "inactive" },
	{ "Active(anon)", "active_anon" },
	{ "Inactive(anon)", "inactive_anon" },
	{ "Active(file)", "active_file" },
	{ "Inactive(file)", "inactive_file" },
	{ "Unevictable", "unevictable" },
	{ "Mlocked", "mlocked" },
	{ "SwapTotal", "swap_total" },
	{ "SwapFree", "swap_free" },
	{ "Dirty", "dirty" },
	{ "Writeback", "writeback" },
	{ "AnonPages", "anon_pages" },
	{ "Mapped", "mapped" },
	{ "Shmem", "shmem" },
	{ "KReclaimable", "k_reclaimable" },
	{ "Slab", "slab" },
	{ "SReclaimable", "s_reclaimable" },
	{ "SUnreclaim", "s_unreclaim" },
	{ "KernelStack", "kernel_stack" },
	{ "PageTables", "page_tables" },
	{ "NFS_Unstable", "nfs_unstable" },
	{ "Bounce", "bounce" },
	{ "WritebackTmp", "writeback_tmp" },
	{ "CommitLimit", "commit_limit" },
	{ "Committed_AS", "committed_as" },
	{ "VmallocTotal", "vmalloc_total" },
	{ "VmallocUsed", "vmalloc_used" },
	{ "VmallocChunk", "vmalloc_chunk" },
	{ "Percpu", "per_cpu" },
	{ "HardwareCorrupted", "hardware_corrupted" },
	{ "AnonHugePages", "anon_hugepages" },
	{ "ShmemHugePages", "shmem_hugepages" },
	{ "ShmemPmdMapped", "shmem_pmd_mapped" },
	{ "CmaTotal", "cma_total" },
	{ "CmaFree", "cma_free" },
	{ "HugePages_Total", "hugepages_total" },
	{ "HugePages_Free", "hugepages_free" },
	{ "HugePages_Rsvd", "hugepages_rsvd" },
	{ "HugePages_Surp", "hugepages_surp" },
	{ "Hugepagesize", "hugepagesize" },
	{ "Hugetlb", "hugetlb" },
	{ "DirectMap4k", "direct_map_4k" },
	{ "DirectMap4M", "direct_map_4M" },
	{ "DirectMap2M", "direct_map_2M" },
	{ "DirectMap1G", "direct_map_1G" },
};

static const char *const cpu_names[] = {
	"user", "nice",    "system", "idle",  "iowait",
	"irq",  "softirq", "steal",  "guest", "guest_nice",
};

static const char *const disk_names[] = {
	"reads",
	"merged",
	"sectors_read",
	"time_reading",
	"writes",
	"writes_merged",
	"sectors_written",
	"time_writing",
	"in_progress",
	"time_in_progress",
	"weighted_time_in_progress",
	"discards",
	"discards_merged",
	"sectors_discarded",
	"time_discarding",
	"flushes",
	"time_flushing",
};

static const char *const net_names[] = {
	"recv_bytes", "recv_packets", "recv_errs",       "recv_drop",
	"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
	"sent_bytes", "sent_packets", "sent_errs",       "sent_drop",
	"sent_fifo",  "sent_colls",   "sent_carrier",    "sent_compressed",
};

#define COLUMNS(a) ((struct columns){ (a), ARRAY_SIZE(a) })

/* --- writing --- */

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct out *o, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (o->r >= 0)
		o->r = buf_add_str(&o->b, line);
}

static void family(struct out *o, const char *name, const char *type, const char *help)
{
	put(o, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Names of devices become parts of labels. */
static const char *label(const char *name, char tmp[64])
{
	size_t n = 0;

	for (; *name && n < 63; name++)
		tmp[n++] = *name == '"' || *name == '\\' || !isprint((unsigned char)*name) ? '_'
											   : *name;
	tmp[n] = '\0';
	return tmp;
}

/* --- reading --- */

/* Takes the next line off *at; NULL at the end. */
static char *next_line(char **at)
{
	return *at && **at ? strsep(at, "\n") : NULL;
}

/* NULL: there is no such file. Owned. */
static char *read_proc(const char *path)
{
	char *text;

	return file_read_at(AT_FDCWD, path, LIMIT_PROC_FILE, &text, NULL) < 0 ? NULL : text;
}

static const char *item_name(const struct item *items, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(items[i].key, key))
			return items[i].name;
	return NULL;
}

/* Takes the next word off *at; NULL if there is none. */
static char *take_word(char **at)
{
	char *word = strsep(at, " ");

	while (word && !*word)
		word = strsep(at, " ");
	return word;
}

/* Lines "key: value"; @kilo is what "kB" behind one stands for. */
static void put_items(struct out *o, const char *path, const char *name, const char *help,
		      const struct item *items, size_t n, unsigned kilo)
{
	autofree char *text = read_proc(path);
	char *at = text, *line;

	if (!text)
		return;
	family(o, name, "gauge", help);
	while ((line = next_line(&at))) {
		char *value = strchr(line, ':'), *end;
		const char *item;
		uint64_t v;

		if (!value)
			continue;
		*value++ = '\0';
		item = item_name(items, n, line);
		v = strtoull(value, &end, 10);
		if (item)
			put(o, "%s{item=\"%s\"} %llu\n", name, item,
			    (unsigned long long)(v * (strstr(end, "kB") ? kilo : 1)));
	}
}

/* The numbers of @rest as items of one thing. */
static void put_columns(struct out *o, const char *name, const char *key, const char *thing,
			struct columns c, char *rest, unsigned factor)
{
	char tmp[64];

	label(thing, tmp);
	for (size_t i = 0; i < c.n; i++) {
		const char *word = take_word(&rest);

		if (!word)
			return;
		put(o, "%s{%s=\"%s\",item=\"%s\"} %llu\n", name, key, tmp, c.names[i],
		    strtoull(word, NULL, 10) * factor);
	}
}

/* --- the agent --- */

/* Fields of /proc/PID/stat behind the name, counted from 0: see proc(5). */
enum {
	STAT_UTIME = 11,
	STAT_STIME,
	STAT_CUTIME,
	STAT_CSTIME,
	STAT_THREADS = 17,
	STAT_VSIZE = 20,
	STAT_RSS,
	STAT_FIELDS
};

static int read_own_stat(uint64_t fields[STAT_FIELDS])
{
	autofree char *text = read_proc("/proc/self/stat");
	char *rest = text ? strrchr(text, ')') : NULL;

	if (!rest || !rest[1])
		return -EINVAL;
	rest += 2;
	for (size_t i = 0; i < STAT_FIELDS; i++) {
		const char *word = take_word(&rest);

		if (!word)
			return -EINVAL;
		fields[i] = strtoull(word, NULL, 10);
	}
	return 0;
}

static void put_number(struct out *o, const char *name, const char *type, const char *help,
		       uint64_t value)
{
	family(o, name, type, help);
	put(o, "%s %llu\n", name, (unsigned long long)value);
}

/* One sample for each of these fields. */
static void put_own_stat(struct out *o, const uint64_t fields[STAT_FIELDS])
{
	static const char name[] = "kata_agent_proc_stat";
	static const struct {
		int field;
		const char *item;
	} items[] = {
		{ STAT_UTIME, "utime" },
		{ STAT_STIME, "stime" },
		{ STAT_CUTIME, "cutime" },
		{ STAT_CSTIME, "cstime" },
	};

	family(o, name, "gauge", "Processor time of the agent and its children, ticks");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		put(o, "%s{item=\"%s\"} %llu\n", name, items[i].item,
		    (unsigned long long)fields[items[i].field]);
}

static void put_agent(struct out *o, uint64_t scrapes)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), s[STAT_FIELDS];

	put_number(o, "kata_agent_scrape_count", "counter", "Times the metrics were asked for",
		   scrapes);
	if (read_own_stat(s) == 0) {
		uint64_t ticks = s[STAT_UTIME] + s[STAT_STIME];

		put_number(o, "kata_agent_threads", "gauge", "Threads of the agent",
			   s[STAT_THREADS]);
		family(o, "kata_agent_total_time", "gauge", "Processor time of the agent, seconds");
		put(o, "kata_agent_total_time %llu.%02llu\n", (unsigned long long)(ticks / hz),
		    (unsigned long long)(ticks % hz * 100 / hz));
		put_number(o, "kata_agent_total_vm", "gauge", "Virtual memory of the agent, bytes",
			   s[STAT_VSIZE]);
		put_number(o, "kata_agent_total_rss", "gauge",
			   "Resident memory of the agent, bytes",
			   s[STAT_RSS] * (uint64_t)sysconf(_SC_PAGESIZE));
		put_own_stat(o, s);
	}
	put_items(o, "/proc/self/status", "kata_agent_proc_status", "Status of the agent",
		  status_items, ARRAY_SIZE(status_items), 1);
	put_items(o, "/proc/self/io", "kata_agent_io_stat", "Input and output of the agent",
		  io_items, ARRAY_SIZE(io_items), 1);
}

/* --- the guest --- */

/* "0.08 0.03 0.05 1/123 4567" */
static void put_load(struct out *o)
{
	static const char load[] = "kata_guest_load", tasks[] = "kata_guest_tasks";
	static const char *const items[] = { "load1", "load5", "load15" };
	autofree char *text = read_proc("/proc/loadavg");
	char *at = text, *all;
	const char *running;

	if (!text)
		return;
	family(o, load, "gauge", "Load of the guest");
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		const char *word = take_word(&at);

		if (word)
			put(o, "%s{item=\"%s\"} %s\n", load, items[i], word);
	}
	all = take_word(&at);
	running = strsep(&all, "/");
	if (!running || !all)
		return;
	family(o, tasks, "gauge", "Tasks of the guest, running and all");
	put(o, "%s{item=\"cur\"} %s\n%s{item=\"max\"} %s\n", tasks, running, tasks, all);
}

static void put_cpus(struct out *o)
{
	static const char name[] = "kata_guest_cpu_time";
	autofree char *text = read_proc("/proc/stat");
	unsigned ms = (unsigned)(1000 / sysconf(_SC_CLK_TCK));
	char *at = text, *line;

	if (!text)
		return;
	family(o, name, "gauge", "Processor time of the guest, milliseconds");
	while ((line = next_line(&at))) {
		char *cpu = strsep(&line, " ");
		const char *number = str_skip_prefix(cpu, "cpu");

		if (number && line)
			put_columns(o, name, "cpu", *number ? number : "total", COLUMNS(cpu_names),
				    line, ms);
	}
}

static void put_vmstat(struct out *o)
{
	static const char name[] = "kata_guest_vm_stat";
	autofree char *text = read_proc("/proc/vmstat");
	char *at = text, *line, tmp[64];

	if (!text)
		return;
	family(o, name, "gauge", "Virtual memory of the guest");
	while ((line = next_line(&at))) {
		const char *item = strsep(&line, " ");

		if (line)
			put(o, "%s{item=\"%s\"} %llu\n", name, label(item, tmp),
			    strtoull(line, NULL, 10));
	}
}

static void put_disks(struct out *o)
{
	static const char name[] = "kata_guest_diskstat";
	autofree char *text = read_proc("/proc/diskstats");
	char *at = text, *line;

	if (!text)
		return;
	family(o, name, "gauge", "Disks of the guest");
	while ((line = next_line(&at))) {
		const char *disk = NULL;

		/* Behind its two numbers. */
		for (int i = 0; i < 3; i++)
			disk = take_word(&line);
		if (disk && line)
			put_columns(o, name, "disk", disk, COLUMNS(disk_names), line, 1);
	}
}

static void put_nets(struct out *o)
{
	static const char name[] = "kata_guest_netdev_stat";
	autofree char *text = read_proc("/proc/net/dev");
	char *at = text, *line;

	if (!text)
		return;
	family(o, name, "gauge", "Network interfaces of the guest");
	while ((line = next_line(&at))) {
		char *rest = strchr(line, ':');

		if (!rest) /* the headings */
			continue;
		*rest++ = '\0';
		put_columns(o, name, "interface", line + strspn(line, " "), COLUMNS(net_names),
			    rest, 1);
	}
}

char *metrics_text(uint64_t scrapes)
{
	struct out o = { .b = BUF_INIT(LIMIT_AGENT_METRICS) };
	char *text;

	put_agent(&o, scrapes);
	put_load(&o);
	put_cpus(&o);
	put_vmstat(&o);
	put_disks(&o);
	put_nets(&o);
	put_items(&o, "/proc/meminfo", "kata_guest_meminfo", "Memory of the guest, bytes",
		  meminfo_items, ARRAY_SIZE(meminfo_items), 1024);
	text = o.r < 0 ? NULL : xstrdup(buf_str(&o.b));
	buf_done(&o.b);
	return text;
}

int metrics_reply(uint64_t scrapes, struct rpc_call *call, struct error *e)
{
	Grpc__Metrics resp = GRPC__METRICS__INIT;
	autofree char *text = metrics_text(scrapes);

	if (!text)
		return error_plain(e, EMSGSIZE, "the metrics are longer than %zu bytes",
				   LIMIT_AGENT_METRICS);
	utf8_clean(text);
	resp.metrics = text;
	rpc_call_reply(call, &resp.base);
	return 0;
}
