/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage_driver - how each kind of storage is mounted; what the files behind storage.h share.
 *
 * Everything here happens in a job, or at once for drivers that are quick. A mount point is a path
 * relative to the run directory and is only ever opened beneath it, without following links: what
 * lies there may have been written by a container.
 */
#pragma once

#include "agent/device.h"

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

typedef struct Grpc__Storage Grpc__Storage;

/* What a driver may use. */
struct storage_place {
	const char *run_dir;
	const char *id; /* NULL: of the sandbox */
	int root;       /* run_dir, O_PATH */
	struct device_env env;
};

/* All storages of the request it is in, for drivers that put several together. */
struct storage_request {
	const Grpc__Storage *rq;
	Grpc__Storage *const *all;
	size_t n_all;
};

struct storage_driver {
	const char *name;
	const char *refused; /* why, where it is not supported */
	bool quick;          /* never blocks: no need for a job */
	bool scratch;        /* a directory, not a mount */
	bool disk;           /* what is written to it is on a disk in the end */
	/* Checks what is special to the driver; NULL: nothing. */
	int (*check)(const Grpc__Storage *rq, struct error *e);
	/* Mounts on @path. 1: it is to be watched. */
	int (*mount)(const struct storage_place *at, const struct storage_request *sr,
		     const char *path, struct error *e);
	/* After unmounting, with what statfs said before; NULL: nothing. */
	void (*unmounted)(const struct storage_place *at, uint64_t blocks, uint64_t block_size);
};

const struct storage_driver *storage_driver_find(const char *name);
/* One that is part of another: a layer below the one that is mounted. */
bool storage_is_layer(const Grpc__Storage *rq);
/* The driver of @rq, checked with its options. */
int storage_driver_check(const Grpc__Storage *rq, const struct storage_driver **ret,
			 struct error *e);
/* Must it wait for something, or change a whole tree? */
bool storage_is_slow(const struct storage_driver *d, const Grpc__Storage *rq);
/* All that is to be done for one. */
int storage_mount(const struct storage_driver *d, const struct storage_place *at,
		  const struct storage_request *sr, const char *path, struct error *e);
/* Undoes it; also where it was not or only half mounted. */
int storage_unmount(const struct storage_driver *d, const struct storage_place *at,
		    const char *path);

/* --- for drivers --- */

/* Opens (O_PATH) a path of the host's that lies below the run directory. */
int storage_open(const struct storage_place *at, const char *path, struct error *e);
/* The directory @path, made with those above it. */
int storage_target(const struct storage_place *at, const char *path, struct error *e);
/* Mounts on the open @target, loading the file system's module where the kernel lacks it. */
int storage_mount_type(const char *type, const char *source, int target, const struct strv *options,
		       struct error *e);
/* The value of "key=..." among the options; NULL. */
const char *storage_option(const Grpc__Storage *rq, const char *key);
bool storage_has_option(const Grpc__Storage *rq, const char *name);
/* The options without those that start with @prefix. */
void storage_options_without(const Grpc__Storage *rq, const char *prefix, struct strv *ret);
/* The disk of @rq, waited for. */
int storage_disk(const struct storage_place *at, const Grpc__Storage *rq, struct device_node *ret,
		 struct error *e);

/* storage_memory.c */
int storage_ephemeral_check(const Grpc__Storage *rq, struct error *e);
int storage_ephemeral_mount(const struct storage_place *at, const struct storage_request *sr,
			    const char *path, struct error *e);
void storage_ephemeral_unmounted(const struct storage_place *at, uint64_t blocks,
				 uint64_t block_size);
int storage_local_check(const Grpc__Storage *rq, struct error *e);
int storage_local_make(const struct storage_place *at, const struct storage_request *sr,
		       const char *path, struct error *e);

/* storage_overlay.c */
int storage_overlay_check(const Grpc__Storage *rq, struct error *e);
int storage_overlay_mount(const struct storage_place *at, const struct storage_request *sr,
			  const char *path, struct error *e);
int storage_layers_check(const Grpc__Storage *rq, struct error *e);
int storage_layers_mount(const struct storage_place *at, const struct storage_request *sr,
			 const char *path, struct error *e);
bool storage_is_layered(const Grpc__Storage *rq);
/* watch.c */
int storage_watch_mount(const struct storage_place *at, const struct storage_request *sr,
			const char *path, struct error *e);
