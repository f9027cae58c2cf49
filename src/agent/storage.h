/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage - what the host asks to be mounted in the guest: disks, the share, overlays, in-memory
 * file systems, scratch directories.
 *
 * A storage is known by its mount point, which lies below the run directory, and counted: several
 * containers and the sandbox may ask for the same one, the last to let go unmounts it. One marked
 * "shared" stays for the life of the guest. Drivers are a table (storage_driver.h); what the table
 * does not have is refused.
 *
 * What one request asks for is an operation, and so is what one request lets go of. Operations that
 * do not block are done at once; others by a job (job.h), several at a time. Two that are about the
 * same mount point follow each other.
 *
 * Limits: LIMIT_AGENT_STORAGES, LIMIT_AGENT_STORAGE_JOBS, LIMIT_AGENT_STORAGE_OPTIONS.
 */
#pragma once

#include "agent/device.h"

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct jobs;
struct loop_source;
struct storage_driver;
struct storage_op;
typedef struct Grpc__Device Grpc__Device;
typedef struct Grpc__Storage Grpc__Storage;

struct storages {
	const char *run_dir;
	struct jobs *jobs;
	struct device_env env;
	struct list head;
	unsigned n;
	struct list ops;    /* under way or waiting */
	unsigned under_way; /* of these, by jobs */
	bool running;
	bool closing;              /* everything is done at once from now on */
	struct loop_source *watch; /* watch.h */
	int watch_ms;
};

struct storage {
	struct list link;
	const struct storage_driver *driver;
	char *mount_point;
	char *source; /* of one that is watched; else NULL */
	unsigned refs;
	bool shared, mounted;
	bool tried;              /* mounting it may have left something */
	bool releasing;          /* an operation is about to let go of it */
	struct storage_op *busy; /* the operation that changes it */
};

/* @e NULL: done. On failure all that was mounted by then is still held by the references. @devices
 * has one node for each device of the request. */
typedef void storages_done_fn(void *data, const struct error *e, const struct device_node *devices);

/* The request stays the caller's and must last until @done. */
struct storages_request {
	const char *id; /* of the container; NULL: the sandbox */
	Grpc__Device *const *devices;
	size_t n_devices;
	Grpc__Storage *const *storages;
	size_t n_storages;
	storages_done_fn *done; /* maybe before storages_add returns */
	void *data;
};

/* @run_dir, @jobs are kept by reference. */
void storages_init(struct storages *s, const char *run_dir, struct jobs *jobs);
/* The agent ends: nothing new is mounted, and no jobs are started any more. */
void storages_close(struct storages *s);
/* Forgets all, unmounting what is mounted. The jobs are over by now. */
void storages_done(struct storages *s);
/*
 * Waits for the devices and mounts, or counts, each storage; the mount points are appended to
 * @refs. On failure nothing is held and done is not called. *ret (may be NULL) is good until it is.
 */
int storages_add(struct storages *s, const struct storages_request *rq, struct strv *refs,
		 struct storage_op **ret, struct error *e);
/* Its end comes soon, as an error, if it is not here already. */
void storages_cancel(struct storages *s, struct storage_op *op);
/* What is written to disks is on them when this returns: the host may switch the machine off. */
void storages_sync(const struct storages *s);
/* Lets go of all in @refs and empties it; @done (may be NULL) is called when that is over, maybe
 * before this returns. */
void storages_release(struct storages *s, struct strv *refs, void (*done)(void *data), void *data);
/* True if something is mounted there on behalf of the host by @driver (NULL: any). */
bool storages_mounted(const struct storages *s, const char *mount_point, const char *driver);
/* The drivers' names, for GetGuestDetails; NULL behind the last. */
const char *storage_driver_name(size_t i);
