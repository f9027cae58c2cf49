/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swap - memory of the guest on a disk of the host: AddSwap by PCI path, AddSwapPath by /dev/NAME.
 *
 * The host has made the disk a swap area. One that is in use already is fine.
 */
#pragma once

#include "base/error.h"

struct agent;
struct rpc_call;
typedef struct Grpc__AddSwapPathRequest Grpc__AddSwapPathRequest;
typedef struct Grpc__AddSwapRequest Grpc__AddSwapRequest;

/* Both answer @call; on failure it is the caller's. */
int swap_add(struct agent *a, const Grpc__AddSwapRequest *rq, struct rpc_call *call,
	     struct error *e);
int swap_add_path(struct agent *a, const Grpc__AddSwapPathRequest *rq, struct rpc_call *call,
		  struct error *e);
