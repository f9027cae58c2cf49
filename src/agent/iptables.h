/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iptables - packet filter rules of the guest as text, by the guest's own iptables-save and
 * iptables-restore.
 *
 * The small guest has neither: then the answer is that it is not supported. The programs run for at
 * most IPTABLES_MS, in which the agent does nothing else.
 */
#pragma once

#include "agent.pb-c.h"

struct error;
struct rpc_call;

#define IPTABLES_MS 6000

/* Answer the call on success. */
int iptables_get(const Grpc__GetIPTablesRequest *rq, struct rpc_call *call, struct error *e);
int iptables_set(const Grpc__SetIPTablesRequest *rq, struct rpc_call *call, struct error *e);
