/* SPDX-License-Identifier: Apache-2.0 */
/* rlimit - see rlimit.h. */
#include "sys/rlimit.h"

#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPUS_MAX 8192

struct name {
	const char *name;
	uint64_t value;
};

static const struct name limits[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static const struct name policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL }, { "SCHED_FIFO", SCHED_FIFO },
	{ "SCHED_RR", SCHED_RR },        { "SCHED_BATCH", SCHED_BATCH },
	{ "SCHED_IDLE", SCHED_IDLE },    { "SCHED_DEADLINE", SCHED_DEADLINE },
};

static const struct name sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
	{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
	{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
};

static const struct name ioprio_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
};

static const struct name *find(const struct name *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(table[i].name, name))
			return &table[i];
	}
	return NULL;
}

int rlimit_parse(const char *name)
{
	const struct name *l = find(limits, ARRAY_SIZE(limits), name);

	return l ? (int)l->value : -EINVAL;
}

int rlimit_set(pid_t pid, const char *name, uint64_t soft, uint64_t hard, struct error *e)
{
	struct rlimit l = { .rlim_cur = soft, .rlim_max = hard };
	int which = rlimit_parse(name);

	if (which < 0)
		return error_plain(e, EINVAL, "unknown rlimit \"%.64s\"", name);
	if (prlimit(pid, (__rlimit_resource_t)which, &l, NULL) < 0)
		return error_set(e, errno, "set %s", name);
	return 0;
}

int sched_set(const struct sched_request *s, struct error *e)
{
	const struct name *p = find(policies, ARRAY_SIZE(policies), s->policy);
	struct sched_attr a = {
		.size = sizeof(a),
		.sched_nice = s->nice,
		.sched_priority = (uint32_t)s->priority,
		.sched_runtime = s->runtime,
		.sched_deadline = s->deadline,
		.sched_period = s->period,
	};

	if (!p)
		return error_plain(e, EINVAL, "unknown scheduler policy \"%.64s\"", s->policy);
	a.sched_policy = (uint32_t)p->value;
	for (size_t i = 0; i < s->nflags; i++) {
		const struct name *f = find(sched_flags, ARRAY_SIZE(sched_flags), s->flags[i]);

		if (!f)
			return error_plain(e, EINVAL, "unknown scheduler flag \"%.64s\"",
					   s->flags[i]);
		a.sched_flags |= f->value;
	}
	if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
		return error_set(e, errno, "set the scheduler to %s", s->policy);
	return 0;
}

int ioprio_set_class(const char *class, int priority, struct error *e)
{
	const struct name *c = find(ioprio_classes, ARRAY_SIZE(ioprio_classes), class);

	if (!c)
		return error_plain(e, EINVAL, "unknown I/O priority class \"%.64s\"", class);
	if (priority < 0 || priority >= IOPRIO_NR_LEVELS)
		return error_plain(e, EINVAL, "I/O priority %d is not in 0..%d", priority,
				   IOPRIO_NR_LEVELS - 1);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		    IOPRIO_PRIO_VALUE(c->value, (unsigned)priority)) < 0)
		return error_set(e, errno, "set the I/O priority");
	return 0;
}

int personality_set(const char *domain, struct error *e)
{
	static const struct name domains[] = { { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 } };
	const struct name *d = find(domains, ARRAY_SIZE(domains), domain);

	if (!d)
		return error_plain(e, EINVAL, "unknown personality \"%.64s\"", domain);
	return personality(d->value) < 0 ? error_set(e, errno, "set the personality") : 0;
}

/* One "a" or "a-b" into the mask. */
static int add_cpus(uint64_t *mask, char *range)
{
	char *dash = strchr(range, '-');
	uint32_t first, last;

	if (dash)
		*dash = '\0';
	if (str_to_u32(range, 10, &first) < 0 ||
	    str_to_u32(dash ? dash + 1 : range, 10, &last) < 0 || first > last || last >= CPUS_MAX)
		return -EINVAL;
	for (uint32_t i = first; i <= last; i++)
		mask[i / 64] |= UINT64_C(1) << (i % 64);
	return 0;
}

int affinity_set(const char *list, struct error *e)
{
	uint64_t mask[CPUS_MAX / 64] = { 0 };
	autodone(strv) ranges = STRV_INIT;

	strv_split(&ranges, list, ", ");
	for (size_t i = 0; i < ranges.n; i++) {
		if (add_cpus(mask, ranges.v[i]) < 0)
			return error_plain(e, EINVAL, "bad CPU list \"%.64s\"", list);
	}
	if (syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0)
		return error_set(e, errno, "set the CPUs to \"%.64s\"", list);
	return 0;
}
