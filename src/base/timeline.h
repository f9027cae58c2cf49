/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline - marks of what happened when, on the host and in the guest: where a start's time goes.
 *
 * A mark is one line of text, "timeline AT TOOK WHAT", times in microseconds of the CLOCK_MONOTONIC
 * of whoever wrote it. The sandbox's owner writes its marks into TIMELINE_FILE, the agent into its
 * log. Reading is lenient towards what comes before the word (a log's own head) and strict with the
 * rest, because a guest wrote it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMELINE_FILE "timeline.log"
#define TIMELINE_WHAT_MAX 80

struct timeline_mark {
	int64_t at_us, took_us; /* its begin; 0: a point in time */
	char what[TIMELINE_WHAT_MAX];
};

/* Microseconds of CLOCK_MONOTONIC. */
int64_t timeline_now(void);
/* A mark of what began at @since_us and ends now; 0: what happens now. */
void timeline_mark_init(struct timeline_mark *m, int64_t since_us, const char *what);
/* The line without its newline: its length, cut to @n like snprintf's. */
int timeline_format(const struct timeline_mark *m, char *line, size_t n);
/* False: no mark in this line. What is not printable becomes a question mark. */
bool timeline_parse(const char *line, struct timeline_mark *ret);
