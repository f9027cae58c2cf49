/* SPDX-License-Identifier: Apache-2.0 */
/* stats - see stats.h. A process that ends while it is looked at is left out. */
#include "agent/stats.h"

#include "agent/ctr.h"

#include "rpc/ttrpc.h"
#include "wire/utf8.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef Grpc__StatsContainerResponse stats_response;

/* Fields of /proc/PID/stat behind the name, counted from 0: see proc(5). */
enum { STAT_STATE, STAT_PPID, STAT_UTIME = 11, STAT_STIME = 12, STAT_START = 19, STAT_FIELDS = 20 };

static uint64_t ticks_to(uint64_t ticks, uint64_t per_second)
{
	long hz = sysconf(_SC_CLK_TCK);

	return ticks * per_second / (uint64_t)(hz > 0 ? hz : 100);
}

/* "PID (name) S PPID ..."; the name may hold anything, so the last parenthesis counts. */
static int parse_stat(char *text, Grpc__GuestProcess *gp)
{
	char *open_paren = strchr(text, '('), *close_paren = strrchr(text, ')'), *save = NULL;
	const char *field[STAT_FIELDS];
	uint64_t utime, stime, start;
	size_t n = 0;

	if (!open_paren || !close_paren || close_paren < open_paren)
		return -EPROTO;
	*close_paren = '\0';
	for (char *w = strtok_r(close_paren + 1, " \n", &save); w && n < STAT_FIELDS;
	     w = strtok_r(NULL, " \n", &save))
		field[n++] = w;
	if (n < STAT_FIELDS || str_to_u32(field[STAT_PPID], 10, &gp->ppid) < 0 ||
	    str_to_u64(field[STAT_UTIME], 10, &utime) < 0 ||
	    str_to_u64(field[STAT_STIME], 10, &stime) < 0 ||
	    str_to_u64(field[STAT_START], 10, &start) < 0)
		return -EPROTO;
	gp->state = xstrdup(field[STAT_STATE]);
	gp->comm = xstrdup(open_paren + 1);
	gp->cpu_ms = ticks_to(utime + stime, 1000);
	gp->start_time = ticks_to(start, 1);
	return 0;
}

/* NUL-separated; what does not fit LIMIT_AGENT_ARGS is cut off. */
static void parse_args(const char *text, size_t len, Grpc__GuestProcess *gp)
{
	struct strv args = STRV_INIT;

	for (size_t i = 0; i < len; i += strlen(text + i) + 1)
		strv_add(&args, text + i);
	gp->args = args.v;
	gp->n_args = args.n;
}

static int read_args(int dir, Grpc__GuestProcess *gp)
{
	autoclose int fd = openat(dir, "cmdline", O_RDONLY | O_CLOEXEC);
	char text[LIMIT_AGENT_ARGS + 1];
	ssize_t n = fd < 0 ? -errno : fd_read_full(fd, text, LIMIT_AGENT_ARGS);

	if (n < 0)
		return (int)n;
	text[n] = '\0';
	parse_args(text, (size_t)n, gp);
	return 0;
}

static int read_process(pid_t pid, Grpc__GuestProcess *gp)
{
	char path[32];
	autofree char *stat_text = NULL;
	autoclose int dir = -1;
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return -errno;
	gp->pid = (uint32_t)pid;
	gp->uid = st.st_uid;
	r = file_read_at(dir, "stat", 4096, &stat_text, NULL);
	if (r >= 0)
		r = parse_stat(stat_text, gp);
	return r < 0 ? r : read_args(dir, gp);
}

/* The names come from programs: bytes that are not UTF-8 would spoil the message. */
static void make_clean(Grpc__GuestProcess *gp)
{
	utf8_clean(gp->comm);
	for (size_t i = 0; i < gp->n_args; i++)
		utf8_clean(gp->args[i]);
}

static int add_process(stats_response *resp, pid_t pid)
{
	Grpc__GuestProcess *gp = mem_try_calloc(1, sizeof(*gp));

	if (!gp)
		return -ENOMEM;
	grpc__guest_process__init(gp);
	if (read_process(pid, gp) < 0) {
		protobuf_c_message_free_unpacked(&gp->base, NULL);
		return 0;
	}
	make_clean(gp);
	resp->processes[resp->n_processes++] = gp;
	return 0;
}

static int add_processes(stats_response *resp, const char *cgroup, struct error *e)
{
	autofree pid_t *pids = NULL;
	size_t n = 0;
	int r = ctr_cgroup_pids(cgroup, &pids, &n);

	if (r < 0)
		return error_set(e, r, "processes of cgroup %s", cgroup);
	n = MIN(n, (size_t)LIMIT_AGENT_LISTED);
	resp->processes = mem_try_calloc(n, sizeof(*resp->processes));
	if (n && !resp->processes)
		return error_plain(e, ENOMEM, "no memory for %zu processes", n);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = pids[i] > 0 ? add_process(resp, pids[i]) : 0;
	return r < 0 ? error_set(e, r, "processes of cgroup %s", cgroup) : 0;
}

int stats_reply(const char *cgroup, bool with_processes, struct rpc_call *call, struct error *e)
{
	stats_response *resp = mem_try_calloc(1, sizeof(*resp));
	int r;

	if (!resp)
		return error_plain(e, ENOMEM, "no memory for statistics");
	grpc__stats_container_response__init(resp);
	r = ctr_cgroup_stats(cgroup, &resp->cgroup_stats, e);
	if (r >= 0 && with_processes)
		r = add_processes(resp, cgroup, e);
	if (r >= 0)
		rpc_call_reply(call, &resp->base);
	protobuf_c_message_free_unpacked(&resp->base, NULL);
	return r < 0 ? r : 0;
}
