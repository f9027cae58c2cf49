/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo, swaps, and the files of cgroups with a number behind each key. */
#include "base/mem.h"
#include "sys/cgroup.h"
#include "sys/mountinfo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(const struct mountinfo *m, void *data)
{
	size_t *n = data;

	*n += strlen(m->root) + strlen(m->point) + strlen(m->options) + strlen(m->type) +
	      strlen(m->source) + strlen(m->super);
	return 0;
}

static void add(const char *key, uint64_t value, void *data)
{
	size_t *n = data;

	*n += strlen(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *a = xstrndup((const char *)data, size);
	autofree char *b = xstrndup((const char *)data, size);
	autofree char *c = xstrndup((const char *)data, size);
	size_t n = 0, max = strlen(a);

	mountinfo_each(a, look, &n);
	if (n > max)
		abort();
	swaps_have(b, "/dev/vda");
	n = 0;
	cgroup_each_key(c, add, &n);
	if (n > max)
		abort();
	return 0;
}
