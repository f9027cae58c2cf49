/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - GetMetrics: the agent and its guest as Prometheus text.
 *
 * Names, labels and units are those of the protocol's other agents, so that their dashboards keep
 * working: kata_agent_* about this process, kata_guest_* about the machine. All comes from /proc at
 * the moment of the call; a file that is not there leaves its family out.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct rpc_call;

/* Answers @call on success. @scrapes: how often it was asked, this time included. */
int metrics_reply(uint64_t scrapes, struct rpc_call *call, struct error *e);
/* The text itself; owned. NULL if it would be longer than LIMIT_AGENT_METRICS. */
char *metrics_text(uint64_t scrapes);
