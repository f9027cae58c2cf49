/* SPDX-License-Identifier: Apache-2.0 */
/* marks - see marks.h. */
#include "agent/marks.h"

#include "base/log.h"
#include "base/timeline.h"

#define QUIET_MS 150

void marks_add(struct marks *m, int64_t since_us, const char *what)
{
	int64_t now = timeline_now();

	if (m->n >= MARKS_MAX)
		return;
	m->v[m->n].since_us = since_us ? since_us : now;
	m->v[m->n].now_us = now;
	m->v[m->n++].what = what;
	if (m->timer)
		loop_timer_set(m->timer, QUIET_MS);
}

static void tell(struct loop_source *s, void *data)
{
	struct marks *m = data;

	for (; m->told < m->n; m->told++) {
		char line[TIMELINE_WHAT_MAX + 64];
		struct timeline_mark k;

		timeline_mark_init(&k, 0, m->v[m->told].what);
		k.at_us = m->v[m->told].since_us;
		k.took_us = m->v[m->told].now_us - k.at_us;
		timeline_format(&k, line, sizeof(line));
		log_info("%s", line);
	}
}

void marks_tell(struct marks *m, struct loop *l)
{
	m->timer = loop_add_timer(l, QUIET_MS, tell, m);
}

void marks_done(struct marks *m)
{
	m->timer = loop_source_free(m->timer);
}
