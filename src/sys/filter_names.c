/* SPDX-License-Identifier: Apache-2.0 */
/* filter_names - see filter_names.h. */
#include "sys/filter_names.h"

#include "base/mem.h"

#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#define X32_BIT 0x40000000

uint32_t filter_arch_native(void)
{
	return filter_name_archs[0];
}

static int arch_index(uint32_t arch)
{
	for (int i = 0; i < FILTER_NAMES_ARCHS; i++) {
		if (arch && filter_name_archs[i] == arch)
			return i;
	}
	return -1;
}

bool filter_arch_runs(uint32_t arch)
{
	return arch_index(arch) >= 0;
}

static int compare(const void *name, const void *entry)
{
	return strcmp(name, filter_name_text + ((const struct filter_name *)entry)->name);
}

int filter_syscall(uint32_t arch, const char *name)
{
	const struct filter_name *n =
		bsearch(name, filter_names, filter_names_n, sizeof(*n), compare);
	int i = arch_index(arch);

	if (!n || i < 0 || n->nr[i] < 0)
		return -1;
	return n->nr[i] | (arch == SCMP_ARCH_X32 ? X32_BIT : 0);
}
