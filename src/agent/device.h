/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device - the block devices of the guest, found by what the host knows of them.
 *
 *   blk      PCI path "02/03" (sys/pcipath.h), or /dev/NAME
 *   mmioblk  /dev/NAME
 *   scsi     "ID:LUN", on any adapter
 *   nvdimm   /dev/NAME
 *
 * sysfs is searched first: the device may have been there since boot. Then the kernel's uevents
 * tell when to look again, until the time is over. The driver's module is loaded before. What the
 * protocol has beyond that is named in a table with the reason why it is refused.
 *
 * device_wait() blocks and is for jobs (job.h).
 */
#pragma once

#include "base/error.h"

#include <limits.h>
#include <stddef.h>

typedef struct Grpc__Device Grpc__Device;

#define DEVICE_NAME_MAX 64

/* Where to look; tests have a place of their own. */
struct device_env {
	const char *sys, *dev; /* "/sys", "/dev" */
	int timeout_ms;
};
#define DEVICE_ENV_INIT ((struct device_env){ "/sys", "/dev", 3000 })

struct device_node {
	char name[DEVICE_NAME_MAX]; /* below dev */
	char path[DEVICE_NAME_MAX + 64];
	unsigned major, minor;
};

/* May @driver be asked for @where? -EOPNOTSUPP, -EINVAL and the reason. */
int device_check(const char *driver, const char *where, struct error *e);
/* -ENODEV and the reason if it does not come in time. */
int device_wait(const struct device_env *env, const char *driver, const char *where,
		struct device_node *ret, struct error *e);
/* The block device @n's partition @number. */
int device_partition(const struct device_env *env, const struct device_node *n, unsigned number,
		     struct device_node *ret, struct error *e);
/* What a Device message says about where it is: its id, or for those known by name its vm_path. */
const char *device_where(const Grpc__Device *d);
/* The drivers' names, for GetGuestDetails; NULL behind the last. */
const char *device_driver_name(size_t i);
