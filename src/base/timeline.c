/* SPDX-License-Identifier: Apache-2.0 */
/* timeline - see timeline.h. */
#include "base/timeline.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORD "timeline "
#define TIME_MAX_US (INT64_C(1) << 52) /* so that sums and differences do not overflow */

int64_t timeline_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void timeline_mark_init(struct timeline_mark *m, int64_t since_us, const char *what)
{
	int64_t now = timeline_now();

	m->at_us = since_us ? since_us : now;
	m->took_us = now - m->at_us;
	snprintf(m->what, sizeof(m->what), "%s", what);
}

int timeline_format(const struct timeline_mark *m, char *line, size_t n)
{
	return snprintf(line, n, WORD "%" PRId64 " %" PRId64 " %s", m->at_us, m->took_us, m->what);
}

static bool parse_time(const char **p, int64_t *ret)
{
	char *end;
	long long v;

	if (**p < '0' || **p > '9')
		return false;
	errno = 0;
	v = strtoll(*p, &end, 10);
	if (errno || v > TIME_MAX_US || *end != ' ')
		return false;
	*ret = v;
	*p = end + 1;
	return true;
}

bool timeline_parse(const char *line, struct timeline_mark *ret)
{
	const char *p = strstr(line, WORD);
	struct timeline_mark m;
	size_t n;

	if (!p || (p != line && p[-1] != ' '))
		return false;
	p += strlen(WORD);
	if (!parse_time(&p, &m.at_us) || !parse_time(&p, &m.took_us))
		return false;
	n = strcspn(p, "\n");
	if (!n || n >= sizeof(m.what))
		return false;
	memcpy(m.what, p, n);
	m.what[n] = '\0';
	str_make_printable(m.what);
	*ret = m;
	return true;
}
