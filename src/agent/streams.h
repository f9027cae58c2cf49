/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams - connections of the host that wait to become a process's stdio.
 *
 * The host connects to the stream port first and then names the connections in CreateContainer or
 * ExecProcess by its own port numbers. Until then they wait here, at most LIMIT_AGENT_STREAMS of
 * them and each for at most STREAM_WAIT_MS; beyond that the oldest one is closed.
 */
#pragma once

#include "base/error.h"
#include "base/list.h"

#include <stdint.h>

struct loop;
struct loop_source;

#define STREAM_WAIT_MS 60000

struct streams {
	struct loop *loop;
	int listen_fd;
	struct loop_source *io, *timer;
	struct list waiting; /* oldest first */
	unsigned n;
};

void streams_init(struct streams *s);
/* Owns @listen_fd from now on, also on failure. */
int streams_start(struct streams *s, struct loop *l, int listen_fd, struct error *e);
void streams_done(struct streams *s);
/* The connection whose peer has @port, now the caller's; -ENOENT and a reason. */
int streams_take(struct streams *s, uint32_t port, struct error *e);
