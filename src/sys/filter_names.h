/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_names - the numbers of system calls by name, for the architectures whose programs a
 * machine of this build can execute.
 *
 * The table is written at build time by filter_names_gen.c, which asks libseccomp: the library
 * itself, with the tables of twenty architectures, would be a tenth of the guest's agent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* libseccomp's token of the native one. */
uint32_t filter_arch_native(void);
/* Can its programs run here? */
bool filter_arch_runs(uint32_t arch);
/* -1: it has no call of that name, or cannot run here. */
int filter_syscall(uint32_t arch, const char *name);

/* What the generator writes. Numbers are without x32's bit; -1: none. Names are sorted. */
#define FILTER_NAMES_ARCHS 3
struct filter_name {
	uint16_t name; /* offset into filter_name_text */
	int16_t nr[FILTER_NAMES_ARCHS];
};
extern const uint32_t filter_name_archs[FILTER_NAMES_ARCHS]; /* native first; 0: no more */
extern const struct filter_name filter_names[];
extern const unsigned int filter_names_n;
extern const char filter_name_text[];
