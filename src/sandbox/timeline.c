/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline - marks of what this side does, in TIMELINE_FILE of the sandbox's directory: the steps
 * of its operations and the requests to the agent.
 *
 * The first LIMIT_TIMELINE_MARKS are kept: a start's time is of interest, not a day's.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/timeline.h"

#include <fcntl.h>
#include <stdio.h>

void sandbox_mark(struct sandbox *s, int64_t since_us, const char *what)
{
	char line[TIMELINE_WHAT_MAX + 64];
	struct timeline_mark m;
	int n;

	if (s->nmarks >= LIMIT_TIMELINE_MARKS)
		return;
	if (s->timeline < 0)
		s->timeline = openat(s->dirfd, TIMELINE_FILE,
				     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	timeline_mark_init(&m, since_us, what);
	n = timeline_format(&m, line, sizeof(line) - 1);
	line[n++] = '\n';
	/* Without the file there is no timeline, and nothing else is lost. */
	s->nmarks = s->timeline < 0 || fd_write_full(s->timeline, line, (size_t)n) < 0
			    ? LIMIT_TIMELINE_MARKS
			    : s->nmarks + 1;
	if (s->nmarks >= LIMIT_TIMELINE_MARKS)
		s->timeline = fd_close(s->timeline);
}

void sandbox_mark_step(void *data, const char *op, const char *step, int64_t since_us)
{
	char what[TIMELINE_WHAT_MAX];

	snprintf(what, sizeof(what), "%s: %s", op, step);
	sandbox_mark(data, since_us, what);
}
