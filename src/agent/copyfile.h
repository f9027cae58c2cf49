/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copyfile - files the host copies into the guest where nothing is shared.
 *
 * A path lies below <run_dir>/shared/containers and is looked up as if that were the root. A file
 * comes in pieces, one request each; it is written to "<name>.tmp" beside its place and moved there
 * when it has its whole size, so that nobody sees half of it. Directories and links come whole.
 * Owner and mode are the request's; a directory that exists gets them too.
 *
 * Limits: LIMIT_AGENT_COPY.
 */
#pragma once

#include "base/error.h"

struct agent;
struct rpc_call;
typedef struct Grpc__CopyFileRequest Grpc__CopyFileRequest;

/* Answers @call; on failure it is the caller's. */
int copyfile_call(struct agent *a, const Grpc__CopyFileRequest *rq, struct rpc_call *call,
		  struct error *e);
