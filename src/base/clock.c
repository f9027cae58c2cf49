/* SPDX-License-Identifier: Apache-2.0 */
/* clock - see clock.h. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY_SECONDS 86400
#define ERA_DAYS 146097         /* 400 years, after which the Gregorian calendar repeats itself */
#define EPOCH_DAYS 719468       /* from 1 March of the year 0 to 1 January 1970 */
#define YEAR_0 (-62167219200LL) /* 0000-01-01T00:00:00 */
#define YEAR_10000 253402300800LL

struct date {
	int64_t year;
	unsigned month, day;
};

/* Years are counted from March, so that the leap day is the last of its year and months have a
 * regular length. */
static struct date date_of_days(int64_t days)
{
	int64_t z = days + EPOCH_DAYS, era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS;
	unsigned doe = (unsigned)(z - era * ERA_DAYS); /* day of the era */
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;

	return (struct date){
		.year = yoe + era * 400 + (m >= 10),
		.month = m < 10 ? m + 3 : m - 9,
		.day = doy - (153 * m + 2) / 5 + 1,
	};
}

size_t clock_format_seconds(time_t t, char out[CLOCK_SECONDS_MAX])
{
	int64_t days = t / DAY_SECONDS, rest = t % DAY_SECONDS;
	struct date d;

	out[0] = '\0';
	if (t < YEAR_0 || t >= YEAR_10000)
		return 0;
	if (rest < 0) {
		rest += DAY_SECONDS;
		days--;
	}
	d = date_of_days(days);
	return (size_t)snprintf(out, CLOCK_SECONDS_MAX, "%04" PRId64 "-%02u-%02uT%02d:%02d:%02d",
				d.year, d.month, d.day, (int)(rest / 3600), (int)(rest / 60 % 60),
				(int)(rest % 60));
}
