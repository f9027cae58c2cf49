/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps - capabilities: names to bits, and the five sets of the calling thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum cap_set_kind {
	CAP_SET_BOUNDING,
	CAP_SET_EFFECTIVE,
	CAP_SET_INHERITABLE,
	CAP_SET_PERMITTED,
	CAP_SET_AMBIENT,
	CAP_SET_COUNT
};

struct cap_sets {
	uint64_t set[CAP_SET_COUNT]; /* bit n: capability n */
};

/* "CAP_SYS_ADMIN" or "sys_admin", any case: the number, or -EINVAL. */
int cap_parse(const char *name);
/* "CAP_SYS_ADMIN"; NULL beyond the last one we know. */
const char *cap_name(unsigned int cap);
/* The set of @n names. Those that we or the kernel do not know are left out: the runtime spec wants
 * what cannot be granted to be warned about, not to fail. */
uint64_t cap_mask_parse(char *const *names, size_t n);
/* What the kernel knows. */
uint64_t cap_kernel_mask(void);

/* Drops everything else from the bounding set; needs CAP_SETPCAP while there is something to drop.
 */
int cap_set_bounding(uint64_t keep, struct error *e);
/* The remaining four sets, the ambient one as far as it is both permitted and inheritable. */
int cap_set_rest(const struct cap_sets *c, struct error *e);
