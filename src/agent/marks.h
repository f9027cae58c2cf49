/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marks - what the guest did when, on the way to its first program; see base/timeline.h.
 *
 * They are kept in memory and go into the log when nothing has been marked for a moment, so that
 * telling them takes no time from what they measure. The first MARKS_MAX count.
 */
#pragma once

#include "base/loop.h"

#include <stdint.h>

#define MARKS_MAX 32

struct marks {
	struct {
		int64_t since_us, now_us;
		const char *what; /* a literal */
	} v[MARKS_MAX];
	unsigned n, told;
	struct loop_source *timer; /* NULL before marks_tell */
};

/* What began at @since_us (timeline_now) and ends now; 0: what happens now. */
void marks_add(struct marks *m, int64_t since_us, const char *what);
/* From now on marks go into the log. Without a timer they do not, and nothing else is lost. */
void marks_tell(struct marks *m, struct loop *l);
void marks_done(struct marks *m);
