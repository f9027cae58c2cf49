/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle - gives the page cache of a guest that rests back to the host.
 *
 * What containers read from the share is in the host's memory already; the guest's copy is worth
 * its memory only while it is used. Every so often one look at the processors' time: a guest that
 * has rested since the last look, and holds IDLE_WORTH_KIB more cache than after the last time,
 * drops it. The balloon device then reports the free pages to the host, so without one nothing is
 * done. What is dirty, shared memory and what programs have mapped and touched stay.
 */
#pragma once

#include "base/error.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

#define IDLE_WORTH_KIB 4096
#define IDLE_BUSY_PERCENT 3 /* of the processors: a guest with less to do rests */

struct idle {
	struct loop_source *timer; /* NULL: switched off */
	uint64_t busy, total;      /* clock ticks of all processors at the last look */
	uint64_t left_kib;         /* cache that was left after the last time */
	uint32_t period_s;
	bool short_lists;
};

/* Free pages that a processor keeps in a list of its own are not reported: short lists. */
void idle_shorten_lists(struct idle *i);
/* Looks every @period_s seconds; 0: never. */
int idle_start(struct idle *i, struct loop *l, uint32_t period_s, struct error *e);
void idle_stop(struct idle *i);

/* Of /proc/stat's text: ticks in which something ran, and all. False: it is not understood. */
bool idle_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total);
/* Of /proc/meminfo's text: cache that dropping could free, in KiB. False: likewise. */
bool idle_parse_cache(const char *text, uint64_t *ret_kib);
