/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what the containers of one guest share: namespaces, storages, resolv.conf. There is one
 * sandbox in a guest's life.
 *
 * ipc and uts namespaces are made with the sandbox and kept open; the network is the guest's own. A
 * pid namespace is shared by the containers for which the host asks for it (sandbox_pidns of
 * CreateContainer). It is that of the first container, which lends it while it exists (a pod's
 * pause container); or, with sandbox_pidns of CreateSandbox, one that a process of the agent holds,
 * which does nothing but reap.
 */
#pragma once

#include "agent/sharedir.h"
#include "agent/storage.h"

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

struct agent_conf;
struct ctr_shared_ns;
struct jobs;
struct rpc_call;
typedef struct Grpc__CreateSandboxRequest Grpc__CreateSandboxRequest;
typedef struct Grpc__Hooks Grpc__Hooks;
typedef struct Grpc__Spec Grpc__Spec;

struct sandbox {
	const struct agent_conf *conf;
	bool created, creating;
	char *id;
	int ipc, uts, net, pid; /* namespaces, -1: none */
	int holder;             /* pidfd of the process that holds pid; -1: a container does */
	struct storages storages;
	struct sharedirs shared;
	struct strv refs;   /* the sandbox's own storages */
	Grpc__Hooks *hooks; /* of the guest, for every container; NULL: none */
};

void sandbox_init(struct sandbox *s, const struct agent_conf *conf, struct jobs *jobs);
/* All or nothing. @call is answered, now or later; on failure it is the caller's. */
int sandbox_create(struct sandbox *s, const Grpc__CreateSandboxRequest *req, struct rpc_call *call,
		   struct error *e);
void sandbox_done(struct sandbox *s);
/* Which of the namespaces a container with @spec joins. The descriptors stay the sandbox's. */
void sandbox_shared_ns(const struct sandbox *s, const Grpc__Spec *spec, bool pidns,
		       struct ctr_shared_ns *ret);
/* The container with init @pid lends its pid namespace: 1, or 0 if another does already. */
int sandbox_lend_pidns(struct sandbox *s, pid_t pid, struct error *e);
/* The container that lent it has gone. */
void sandbox_return_pidns(struct sandbox *s);
