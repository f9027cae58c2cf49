/* SPDX-License-Identifier: Apache-2.0 */
/* template_file - what template.json says of the files beside it; private to template*.c. */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define TEMPLATE_FILE "template.json"
#define TEMPLATE_HASH_START 14695981039346656037u

struct template_file {
	uint64_t memory_size, memory_inode, memory_time;
	uint64_t memory_used; /* bytes; not written: file systems settle it later */
	uint64_t state_size, state_hash;
};

/* FNV-1a: against accidents and old files; who can write the directory is root. */
uint64_t template_hash(uint64_t h, const void *p, size_t n);
/* What the files in @dirfd are. */
int template_describe(int dirfd, struct template_file *ret, struct error *e);
int template_write(int dirfd, struct template_file *f, struct error *e);
