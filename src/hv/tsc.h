/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsc - the frequency of the host's time stamp counter, without sleeping.
 *
 * An emulated guest sees the host's counter as it is, and a machine without PIT, HPET or PM timer
 * cannot calibrate it: the guest kernel is told. Two marks, taken a few milliseconds of other work
 * apart, give the frequency to about one part in a million. On hosts without a readable counter
 * there is no frequency.
 */
#pragma once

#include <stdint.h>

struct tsc_mark {
	uint64_t cycles; /* 0: this host has no readable counter */
	uint64_t ns;     /* CLOCK_MONOTONIC_RAW */
};

/* Marks closer than this are not good enough. */
#define TSC_INTERVAL_NS 4000000

void tsc_mark(struct tsc_mark *ret);
/* kHz from two marks; 0: unknown, or the marks are too close. */
uint32_t tsc_khz(const struct tsc_mark *from, const struct tsc_mark *to);
/* kHz since @from; where that is less than TSC_INTERVAL_NS ago, busy until it is not. 0: no
 * counter. */
uint32_t tsc_khz_since(const struct tsc_mark *from);
