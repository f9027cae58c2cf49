/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest - calls about the machine itself: what it is, its clock, its random numbers, processors and
 * memory that were plugged in.
 */
#pragma once

#include "base/error.h"

struct agent;
struct rpc_call;
typedef struct Grpc__GuestDetailsRequest Grpc__GuestDetailsRequest;
typedef struct Grpc__SetGuestDateTimeRequest Grpc__SetGuestDateTimeRequest;
typedef struct Grpc__ReseedRandomDevRequest Grpc__ReseedRandomDevRequest;
typedef struct Grpc__OnlineCPUMemRequest Grpc__OnlineCPUMemRequest;
typedef struct Grpc__MemHotplugByProbeRequest Grpc__MemHotplugByProbeRequest;

/* Answers @call. */
void guest_details(struct agent *a, const Grpc__GuestDetailsRequest *rq, struct rpc_call *call);
int guest_set_time(const Grpc__SetGuestDateTimeRequest *rq, struct error *e);
int guest_reseed(const Grpc__ReseedRandomDevRequest *rq, struct error *e);
/*
 * Brings processors and memory online that are there and are not yet. With @rq->wait, it is waited
 * (for some seconds) until nb_cpus more processors are online than before. Answers @call; on
 * failure it is the caller's.
 */
int guest_online(struct agent *a, const Grpc__OnlineCPUMemRequest *rq, struct rpc_call *call,
		 struct error *e);
/* Tells the kernel of memory at these addresses; likewise. */
int guest_probe_memory(struct agent *a, const Grpc__MemHotplugByProbeRequest *rq,
		       struct rpc_call *call, struct error *e);
