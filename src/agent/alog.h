/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alog - the agent's log: what base/log writes goes through a pipe into a ring, and to every host
 * connection of the log port.
 *
 * A connection gets what the ring holds and then each line as it comes. A reader that does not keep
 * up loses the oldest lines, never half of one, and is told how many bytes. Errors are also written
 * to the console, because that is what is left when the guest is not reachable.
 */
#pragma once

#include "base/error.h"

struct alog;
struct loop;

/* Redirects base/log. @console: a descriptor for errors, -1: none; stays the caller's. NULL and a
 * reason. */
struct alog *alog_new(struct loop *l, int console, int level, struct error *e);
/* Serves @listen_fd, owned from now on. */
int alog_listen(struct alog *a, int listen_fd, struct error *e);
/* Writes what is still in the pipe to the console if it is an error, and goes back to stderr. NULL
 * is fine. */
void alog_free(struct alog *a);
