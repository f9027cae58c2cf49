/* SPDX-License-Identifier: Apache-2.0 */
/* idle - see idle.h. */
#include "agent/idle.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BALLOON "/sys/bus/virtio/drivers/virtio_balloon"
#define LIST_FRACTION "1024" /* of all pages, in the lists of one processor */
#define CPU_FIELDS 8 /* user nice system idle iowait irq softirq steal; guest times are in user */
#define CPU_IDLE 3
#define CPU_IOWAIT 4

bool idle_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total)
{
	const char *p = str_skip_prefix(text, "cpu ");
	uint64_t busy = 0, total = 0;

	for (int i = 0; p && i < CPU_FIELDS; i++) {
		char *end;
		uint64_t v = strtoull(p, &end, 10);

		if (end == p)
			return false;
		total += v;
		busy += i == CPU_IDLE || i == CPU_IOWAIT ? 0 : v;
		p = end;
	}
	*ret_busy = busy;
	*ret_total = total;
	return p != NULL;
}

/* "Name:   123 kB" at the beginning of a line. */
static bool find_kib(const char *text, const char *name, uint64_t *ret)
{
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, n) == 0 && p[n] == ':') {
			*ret = strtoull(p + n + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

bool idle_parse_cache(const char *text, uint64_t *ret_kib)
{
	uint64_t cached, buffers, shmem;

	if (!find_kib(text, "Cached", &cached) || !find_kib(text, "Buffers", &buffers) ||
	    !find_kib(text, "Shmem", &shmem))
		return false;
	*ret_kib = cached + buffers - MIN(shmem, cached + buffers);
	return true;
}

static bool cache_kib(uint64_t *ret)
{
	autofree char *text = NULL;

	return file_read_at(AT_FDCWD, "/proc/meminfo", LIMIT_PROC_FILE, &text, NULL) >= 0 &&
	       idle_parse_cache(text, ret);
}

/* Since the last look nothing much has run. */
static bool has_rested(struct idle *i)
{
	autofree char *text = NULL;
	uint64_t busy, total, ran, passed;

	if (file_read_at(AT_FDCWD, "/proc/stat", LIMIT_PROC_FILE, &text, NULL) < 0 ||
	    !idle_parse_stat(text, &busy, &total))
		return false;
	ran = busy - i->busy;
	passed = total - i->total;
	i->busy = busy;
	i->total = total;
	return passed > 0 && ran * 100 <= passed * IDLE_BUSY_PERCENT;
}

static void look(struct loop_source *s, void *data)
{
	struct idle *i = data;
	uint64_t kib, after;
	int r;

	loop_timer_set(s, (int64_t)i->period_s * 1000);
	if (!has_rested(i) || access(BALLOON, F_OK) < 0 || !cache_kib(&kib) ||
	    kib < i->left_kib + IDLE_WORTH_KIB)
		return;
	r = file_write_at(AT_FDCWD, "/proc/sys/vm/drop_caches", "1");
	if (r < 0 || !cache_kib(&after)) {
		log_warn("drop the page cache: %s", strerror(r < 0 ? -r : EPROTO));
		idle_stop(i);
		return;
	}
	log_info("at rest: %llu KiB of page cache dropped, %llu are left",
		 (unsigned long long)(kib - MIN(after, kib)), (unsigned long long)after);
	i->left_kib = after;
}

void idle_shorten_lists(struct idle *i)
{
	int r;

	if (i->short_lists)
		return;
	i->short_lists = true;
	r = file_write_at(AT_FDCWD, "/proc/sys/vm/percpu_pagelist_high_fraction", LIST_FRACTION);
	if (r < 0 && r != -ENOENT) /* before Linux 5.14 */
		log_warn("vm.percpu_pagelist_high_fraction: %s", strerror(-r));
}

int idle_start(struct idle *i, struct loop *l, uint32_t period_s, struct error *e)
{
	*i = (struct idle){ .period_s = period_s };
	if (!period_s)
		return 0;
	i->timer = loop_add_timer(l, (int64_t)period_s * 1000, look, i);
	return i->timer ? 0 : error_set(e, errno, "timer");
}

void idle_stop(struct idle *i)
{
	i->timer = loop_source_free(i->timer);
}
