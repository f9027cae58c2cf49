/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume - what is mounted in the guest, after it was mounted: how full it is, a larger disk under
 * it, another size of a tmpfs, mounts the host's file server is to look at again.
 *
 * Volumes are named by their path in the guest, below the run directory; links on the way are
 * refused. A volume is resized while it is mounted, by the file system's own ioctl (ext4, XFS,
 * Btrfs: no tool is needed); before that the disk is asked for its size until it is as large.
 */
#pragma once

#include "base/error.h"

struct agent;
struct rpc_call;
typedef struct Grpc__ResizeVolumeRequest Grpc__ResizeVolumeRequest;
typedef struct Grpc__UpdateEphemeralMountsRequest Grpc__UpdateEphemeralMountsRequest;
typedef struct Grpc__VolumeStatsRequest Grpc__VolumeStatsRequest;

/* These answer @call; on failure it is the caller's. */
int volume_stats(struct agent *a, const Grpc__VolumeStatsRequest *rq, struct rpc_call *call,
		 struct error *e);
/* To @rq->size bytes; 0: as large as the disk. Growing only. */
int volume_resize(struct agent *a, const Grpc__ResizeVolumeRequest *rq, struct rpc_call *call,
		  struct error *e);
/* Looks at the root of each mount of the share, so that its server drops what is gone. */
int volume_touch_shares(struct agent *a, struct rpc_call *call, struct error *e);

/* New options for tmpfs storages, all checked before the first is changed. */
int volume_update_ephemeral(struct agent *a, const Grpc__UpdateEphemeralMountsRequest *rq,
			    struct error *e);
