/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diagnostic - GetDiagnosticData: what a container left for whoever asks why it ended.
 *
 * One kind is known, "termination_log": the file that the annotation
 * io.kubernetes.container.terminationMessagePath names, a path inside the container, of which at
 * most LIMIT_AGENT_DIAGNOSTIC bytes are told. It is looked up as the container sees it: its mounts
 * are in the specification, so that the file is found also when no process is left.
 */
#pragma once

#include "base/error.h"

struct container;
struct rpc_call;

/* Answers @call on success. */
int diagnostic_reply(struct container *c, const char *log_type, struct rpc_call *call,
		     struct error *e);
