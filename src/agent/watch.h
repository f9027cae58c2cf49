/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - small directories of the share as copies in the guest's memory ("watchable-bind").
 *
 * inotify does not see what the host changes behind virtio-fs. Programs that watch their
 * configuration therefore get a tmpfs with a copy, which is brought up to date every so often:
 * new directories first, then files, then links, each replaced by rename, and last what has gone is
 * removed; so a volume that is switched by a link (as Kubernetes does) is switched here too.
 *
 * A directory with more than LIMIT_AGENT_WATCHED entries or LIMIT_AGENT_WATCHED_BYTES is mounted as
 * it is, and one that becomes so is no longer brought up to date.
 */
#pragma once

#include "base/error.h"

struct storages;

/* Makes the directory @to (a descriptor that can be read) what @from is. -EFBIG: too large. */
int watch_mirror(int from, int to, struct error *e);
/* Something is to be watched: begins, if it has not begun. */
void watch_start(struct storages *s);
void watch_stop(struct storages *s);
