/* SPDX-License-Identifier: Apache-2.0 */
/* A line of a guest's log: what is taken for a mark is bounded, printable, and reads back the same.
 */
#include "base/timeline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[512] = { 0 }, again[512];
	struct timeline_mark m, back;

	memcpy(line, data, size < sizeof(line) ? size : sizeof(line) - 1);
	if (!timeline_parse(line, &m))
		return 0;
	if (m.at_us < 0 || m.took_us < 0 || !memchr(m.what, '\0', sizeof(m.what)))
		abort();
	for (const char *p = m.what; *p; p++)
		if ((unsigned char)*p < 0x20)
			abort();
	if (timeline_format(&m, again, sizeof(again)) >= (int)sizeof(again) ||
	    !timeline_parse(again, &back) || memcmp(&m.what, &back.what, strlen(m.what) + 1) != 0)
		abort();
	return 0;
}
