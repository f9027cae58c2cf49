/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and lists that come in specifications: mount options, cgroup paths, capabilities, CPU
 * lists. The first byte chooses.
 */
#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "sys/caps.h"
#include "sys/cgroup.h"
#include "sys/mounts.h"
#include "sys/ns.h"
#include "sys/rlimit.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mount_options(char *text)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	char *words[] = { text, text };

	if (mount_opts_parse(&o, words, ARRAY_SIZE(words), NULL) < 0 && o.data.n)
		abort();
	mount_propagation_parse(text);
}

/* Whatever comes out must be a path that stays below the mount. */
static void cgroup_names(const char *text)
{
	autofree char *name = cgroup_name(text, "id", NULL);
	autodone(strv) parts = STRV_INIT;

	if (!name)
		return;
	strv_split(&parts, name, "/");
	if (!parts.n || parts.n > LIMIT_CGROUP_DEPTH || name[0] == '/' || str_ends_with(name, "/"))
		abort();
	for (size_t i = 0; i < parts.n; i++) {
		if (str_eq(parts.v[i], "..") || str_eq(parts.v[i], "."))
			abort();
	}
}

static void count(const char *key, uint64_t value, void *data)
{
	*(uint64_t *)data += value + strlen(key);
}

static void small_names(char *text)
{
	char *names[] = { text };
	uint64_t sum = 0;

	cap_mask_parse(names, 1);
	ns_parse(text);
	rlimit_parse(text);
	cgroup_each_key(text, count, &sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = NULL;

	if (!size)
		return 0;
	text = xstrndup((const char *)data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		mount_options(text);
		break;
	case 1:
		cgroup_names(text);
		break;
	default:
		small_names(text);
		break;
	}
	return 0;
}
