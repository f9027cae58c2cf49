/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - the state of caisson-agent: one loop, one server, one sandbox.
 *
 * The agent is process 1 of a guest and does what the host asks over ttRPC: containers, their
 * processes and stdio. It is one thread; nothing it does waits for the host, a container or the
 * virtio-fs daemon.
 */
#pragma once

#include "agent/boot.h"
#include "agent/conf.h"
#include "agent/container.h"
#include "agent/events.h"
#include "agent/idle.h"
#include "agent/job.h"
#include "agent/marks.h"
#include "agent/pending.h"
#include "agent/policy.h"
#include "agent/relay.h"
#include "agent/sandbox.h"
#include "agent/streams.h"

#include "rpc/address.h"

struct alog;
struct console;
struct loop;
struct rpc_server;

struct agent {
	struct loop *loop;
	struct rpc_server *server;
	struct alog *log;
	struct console *console; /* NULL: switched off */
	const struct agent_conf *conf;
	struct rpc_address addr;
	bool init; /* process 1: the machine is ours */
	bool listening;
	bool unfinished; /* what a program needs and a container's set-up does not is still to do */
	struct streams streams;
	struct relay_set relays;
	struct containers containers;
	struct sandbox sandbox;
	struct events events;
	struct policy policy;
	uint64_t scrapes; /* of metrics */
	struct jobs jobs;
	unsigned cpus; /* that the host knows to be online; 0: not asked yet */
	struct loop_source *child, *term[2], *linger;
	struct boot_list late; /* modules that can wait */
	struct loop_source *late_timer;
	struct marks marks;
	struct idle idle;
};

/* Makes everything that needs nothing but the loop; @conf is kept by reference. Done also after a
 * failure. */
int agent_init(struct agent *a, const struct agent_conf *conf, struct error *e);
/* Boots the guest if @a->init, listens and serves until the end. */
int agent_run(struct agent *a, struct error *e);
void agent_done(struct agent *a);
/* Does it, if it has not been done. */
void agent_finish_boot(struct agent *a);
/* The host has its answer, and takes a moment before it asks again: time for what is left to do. */
void agent_pause(struct agent *a);
/* Answers the last calls, stops what runs and ends the loop. */
void agent_shutdown(struct agent *a);
