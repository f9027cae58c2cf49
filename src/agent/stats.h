/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats - what a container uses: the counters of its cgroup and, where the host asks, its
 * processes.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct rpc_call;

/* Answers @call; on failure it is the caller's. */
int stats_reply(const char *cgroup, bool with_processes, struct rpc_call *call, struct error *e);
