/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - points in time as text. Without the C library's calendar, which would bring time zones,
 * locales and scanf into static programs.
 */
#pragma once

#include <stddef.h>
#include <time.h>

#define CLOCK_SECONDS_MAX 20 /* with the NUL */

/* "2026-11-22T06:18:00", UTC, without the zone. Its length; 0 and "" for years before 0 or after
 * 9999. */
size_t clock_format_seconds(time_t t, char out[CLOCK_SECONDS_MAX]);
