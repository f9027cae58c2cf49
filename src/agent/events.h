/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events - what the kernel says about the containers' cgroups: the OOM killer struck (GetOOMEvent),
 * the last process has gone.
 *
 * Both come as changes of files, seen by one inotify. An OOM kill is reported once per container
 * and change, also if it happened before anybody asked; several in a row may become one.
 */
#pragma once

#include "agent/pending.h"

#include "base/error.h"

struct agent;
struct container;
struct loop_source;

struct events {
	struct agent *agent;
	int fd;
	struct loop_source *io;
	struct pending_list waiters; /* GetOOMEvent */
};

void events_init(struct events *ev, struct agent *a);
int events_start(struct events *ev, struct error *e);
void events_done(struct events *ev);
/* The container's cgroup exists. Files it does not have are not watched. */
void events_watch(struct events *ev, struct container *c);
void events_unwatch(struct events *ev, struct container *c);
/* Looks at the container now: its exit must not be known before the reason for it. */
void events_look(struct events *ev, struct container *c);
/* Answers with the next OOM kill. */
void events_wait_oom(struct events *ev, struct rpc_call *call);
