/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rlimit - resource limits and the other small attributes of a process by their names in the
 * runtime spec.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct error;

/* "RLIMIT_NOFILE": the number for setrlimit(2), or -EINVAL. */
int rlimit_parse(const char *name);
/* Sets one limit of @pid (0: the caller). UINT64_MAX is unlimited. */
int rlimit_set(pid_t pid, const char *name, uint64_t soft, uint64_t hard, struct error *e);

/* sched_setattr(2) for the caller; times in nanoseconds. @policy "SCHED_OTHER" etc. */
struct sched_request {
	const char *policy;
	int32_t nice;
	int32_t priority;
	char *const *flags;
	size_t nflags;
	uint64_t runtime, deadline, period;
};
int sched_set(const struct sched_request *s, struct error *e);
/* ioprio_set(2) for the caller: "IOPRIO_CLASS_RT", _BE, _IDLE; 0..7. */
int ioprio_set_class(const char *class, int priority, struct error *e);
/* personality(2): "LINUX" or "LINUX32". */
int personality_set(const char *domain, struct error *e);
/* A CPU list ("0-3,7") for the caller. */
int affinity_set(const char *list, struct error *e);
