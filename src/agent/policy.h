/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - which requests the host may make of this guest.
 *
 * A policy is the part of Rego that gives each type of request one answer:
 *
 *	package agent_policy
 *	default CreateContainerRequest := true
 *	default ExecProcessRequest := false
 *
 * It comes from a file of the guest at boot, or once by SetPolicy; after that SetPolicy is a
 * request like all others. Without a policy everything is allowed; under one, what it does not name
 * is not. The rest of Rego (rules with conditions, functions, data) is refused with its place: a
 * policy is understood whole or not at all. Names of requests that this agent does not have are
 *kept for a warning.
 *
 * Health checks are never refused: they tell nothing and change nothing.
 */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a guest image has it, and the variable that names another place. */
#define POLICY_FILE "/etc/kata-opa/default-policy.rego"
#define POLICY_FILE_ENV "KATA_AGENT_POLICY_FILE"

/* Requests that have other ways to the same end, which must ask as well. */
enum policy_subject {
	POLICY_EXEC_PROCESS, /* a debug console */
	POLICY_READ_STREAM,  /* streams of their own */
	POLICY_WRITE_STREAM,
};

struct policy {
	bool in_force;
	bool permissive;  /* AllowRequestsFailingPolicy */
	uint64_t allowed; /* by index of the method in grpc.AgentService */
};
#define POLICY_NONE ((struct policy){ 0 })

/* The text of a policy, at most LIMIT_AGENT_POLICY bytes; errors start with "LINE:COLUMN: ". Names
 * nobody knows go to @ret_unknown (may be NULL), at most LIMIT_AGENT_UNKNOWN. */
int policy_parse(const char *text, size_t len, struct policy *ret, struct strv *ret_unknown,
		 struct error *e);
/* Puts the policy @text in force; warns of unknown names. On failure the one before stays. */
int policy_set(struct policy *p, const char *text, size_t len, struct error *e);
/* The policy of the guest's image, if it has one. A file that cannot be understood is an error: the
 * agent must not start without it. */
int policy_load(struct policy *p, const char *path, struct error *e);

/* For rpc_server_set_filter; @data is the policy. Reading streams is not refused here but answered
 * with nothing, as hosts expect it: see policy_allows. */
int policy_filter(void *data, const char *service, const char *method, const ProtobufCMessage *req,
		  struct error *e);
/* -EACCES and the reason, if the type of request is not allowed. */
int policy_check(const struct policy *p, enum policy_subject what, struct error *e);
bool policy_allows(const struct policy *p, enum policy_subject what);
