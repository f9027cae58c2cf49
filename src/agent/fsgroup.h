/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsgroup - a volume that belongs to a group: owner and mode of everything in it.
 *
 * As a Kubernetes node does it for a pod's fsGroup: each file gets the group and is readable (and
 * writable, unless the volume is read-only) by it; a directory also hands its group on to what is
 * made in it. Links are not followed, other mounts are not entered.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* @root: the volume, O_PATH. @unless_root_matches: leave all as it is if the volume itself has
 * group and mode already. */
int fsgroup_apply(int root, gid_t group, bool read_only, bool unless_root_matches, struct error *e);
