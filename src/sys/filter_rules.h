/* SPDX-License-Identifier: Apache-2.0 */
/* filter_rules - what filter.c parses and filter_bpf.c compiles. */
#pragma once

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

#define FILTER_ARCHS_MAX 24
#define FILTER_CONDITIONS_MAX 6 /* one for each argument of a system call */

struct filter_condition {
	unsigned int arg;
	uint32_t op; /* enum scmp_compare */
	uint64_t value, value_two;
};

struct filter_rule {
	const char *name;
	uint32_t action; /* SECCOMP_RET_* with data */
	size_t n;        /* conditions, all of which must hold */
	struct filter_condition condition[FILTER_CONDITIONS_MAX];
};

struct filter {
	uint32_t default_action;
	unsigned int flags;
	uint32_t arch[FILTER_ARCHS_MAX]; /* libseccomp's tokens */
	size_t narchs;
	struct filter_rule *rules; /* LIMIT_SECCOMP_RULES at most */
	size_t nrules, cap;
};
