/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gmem - guest memory: a map of regions, each a range of guest-physical addresses backed by memory
 * of ours.
 *
 * Whoever hosts a device fills the map (from descriptors the VMM sent, or from memory it mapped
 * itself); devices only translate. An address is always translated together with a length, so that
 * no pointer exists whose extent was not checked. Pointers are good until the next call that
 * changes the map: devices must not keep them across callbacks.
 *
 * Left out: dirty logging (none of our devices migrates) and IOMMU translation.
 */
#pragma once

#include "base/limits.h"
#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct error;

struct gmem_region {
	uint64_t gpa;  /* guest-physical start */
	uint64_t size; /* bytes, never 0; gpa + size does not wrap */
	uint64_t user; /* the VMM's own address of the start: what vhost-user names rings by */
	uint8_t *host; /* our address of the start */
	void *map;     /* what to unmap; NULL if the memory is not ours to unmap */
	size_t map_len;
};

struct gmem {
	struct gmem_region region[LIMIT_GMEM_REGIONS];
	size_t n;
};

/* What a region is made from. */
struct gmem_source {
	uint64_t gpa, size, user;
	uint64_t offset; /* of the region's start in the descriptor */
};

/* Unmaps everything; the map can be filled again. */
void gmem_done(struct gmem *m);

/* Maps @s->size bytes of @fd shared. The descriptor stays the caller's and may be closed. -EINVAL:
 * empty, wraps, overlaps another region or reaches behind the end of the file; -ENOSPC:
 * LIMIT_GMEM_REGIONS. */
int gmem_add(struct gmem *m, const struct gmem_source *s, int fd, struct error *e);
/* The same for memory that is mapped already at @host and stays the caller's. */
int gmem_add_host(struct gmem *m, const struct gmem_source *s, void *host, struct error *e);
/* Unmaps the region with exactly this place and size. -ENOENT. */
int gmem_remove(struct gmem *m, uint64_t gpa, uint64_t size, uint64_t user);

/* Our address of @len (> 0) bytes at @gpa, which must lie in one region; NULL otherwise. */
void *gmem_translate(const struct gmem *m, uint64_t gpa, uint64_t len);
/* The same by the VMM's address. */
void *gmem_translate_user(const struct gmem *m, uint64_t user, uint64_t len);

/* Appends [gpa, gpa + len) to @iov as at most @max pieces, for a buffer may span regions that only
 * the guest sees as adjacent. The number of pieces; -EFAULT if any byte is outside the map,
 * -ENOBUFS if it takes more pieces. */
int gmem_iov(const struct gmem *m, uint64_t gpa, uint64_t len, struct iovec *iov, size_t max);

/* Gives back the page tables of what was touched: the memory itself is the guest's and stays. */
void gmem_trim(const struct gmem *m);
