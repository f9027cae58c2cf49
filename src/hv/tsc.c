/* SPDX-License-Identifier: Apache-2.0 */
/* tsc - see tsc.h. Each mark is the tightest of several (counter, clock, counter) readings, so that
 * a preemption in between does no harm. */
#include "hv/tsc.h"

#include <time.h>

#ifdef __x86_64__
#include <x86intrin.h>

#define READINGS 16

static uint64_t raw_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void tsc_mark(struct tsc_mark *ret)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < READINGS; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = raw_ns();
		uint64_t width = __rdtsc() - before;

		if (width >= best)
			continue;
		best = width;
		*ret = (struct tsc_mark){ .cycles = before + width / 2, .ns = ns };
	}
}
#else
void tsc_mark(struct tsc_mark *ret)
{
	*ret = (struct tsc_mark){ 0 };
}
#endif

uint32_t tsc_khz(const struct tsc_mark *from, const struct tsc_mark *to)
{
	uint64_t ns = to->ns - from->ns;
	double khz;

	if (!from->cycles || to->cycles <= from->cycles || to->ns <= from->ns ||
	    ns < TSC_INTERVAL_NS)
		return 0;
	khz = (double)(to->cycles - from->cycles) * 1e6 / (double)ns;
	return khz < 1e3 || khz > 1e8 ? 0 : (uint32_t)(khz + 0.5);
}

uint32_t tsc_khz_since(const struct tsc_mark *from)
{
	struct tsc_mark now;

	do
		tsc_mark(&now);
	while (now.cycles && now.ns - from->ns < TSC_INTERVAL_NS);
	return tsc_khz(from, &now);
}
