/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sharedir - directories of the host's share that containers mount, each held once for all of them.
 *
 * Where the host has a mount in the share, the guest mounts that as a file system of its own at the
 * first look, in the mount namespace of whoever looks. When every container looked for itself, two
 * that mount one directory would get two file systems that know nothing of each other: no pipe, no
 * socket, no lock would connect them. So the agent looks first, and they copy its mount. The last
 * container to let go of a directory unmounts it; what is in it is the host's.
 *
 * Limit: LIMIT_AGENT_SHAREDIRS directories.
 */
#pragma once

#include "base/error.h"
#include "base/list.h"
#include "base/str.h"

struct sharedirs {
	struct list head;
	unsigned n;
};

void sharedirs_init(struct sharedirs *s);
void sharedirs_done(struct sharedirs *s);
/* Holds @path, if it is a directory, and appends it to @refs. */
int sharedir_hold(struct sharedirs *s, const char *path, struct strv *refs, struct error *e);
/* Lets go of all in @refs and empties it. */
void sharedirs_release(struct sharedirs *s, struct strv *refs);
