/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage - what the host asks to be mounted in the guest: the share, in-memory file systems,
 * scratch directories.
 *
 * A storage is known by its mount point, which lies below the run directory, and counted: several
 * containers and the sandbox may ask for the same one, the last to let go unmounts it. One marked
 * "shared" stays for the life of the guest. Drivers are a table; what the table does not have is
 * refused.
 */
#pragma once

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"

#include <stddef.h>

typedef struct Grpc__Storage Grpc__Storage;

struct storages {
	const char *run_dir;
	struct list head;
	unsigned n;
};

/* @run_dir is kept by reference. */
void storages_init(struct storages *s, const char *run_dir);
/* Forgets all, unmounting what is mounted. */
void storages_done(struct storages *s);
/* Mounts, or counts, each; the mount points are appended to @refs, also those before one that
 * fails. */
int storages_add(struct storages *s, Grpc__Storage *const *list, size_t n, struct strv *refs,
		 struct error *e);
/* Lets go of all in @refs and empties it. */
void storages_release(struct storages *s, struct strv *refs);
/* The drivers' names, for GetGuestDetails; NULL behind the last. */
const char *storage_driver_name(size_t i);
