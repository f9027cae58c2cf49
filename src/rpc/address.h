/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address - where a ttRPC service is: "unix:///PATH" (or a bare absolute path, as in
 * TTRPC_ADDRESS), "vsock://CID:PORT" (AF_VSOCK; CID -1 is "any", for listening),
 * "hvsock://PATH:PORT" (Firecracker's hybrid vsock).
 *
 * Abstract unix addresses are not supported: they cannot be protected by the rights of a directory.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

enum rpc_address_kind { RPC_ADDRESS_UNIX, RPC_ADDRESS_VSOCK, RPC_ADDRESS_HVSOCK };

struct rpc_address {
	enum rpc_address_kind kind;
	char *path;    /* unix, hvsock: absolute */
	uint32_t cid;  /* vsock */
	uint32_t port; /* vsock, hvsock */
};

#define RPC_ADDRESS_INIT ((struct rpc_address){ 0 })

/* -EINVAL and a reason. */
int rpc_address_parse(const char *text, struct rpc_address *ret, struct error *e);
void rpc_address_done(struct rpc_address *a);
DEFINE_AUTODONE(rpc_address, rpc_address_done);
/* The text again; the caller frees it. */
char *rpc_address_format(const struct rpc_address *a);

/* A listening stream socket, non-blocking. Unix sockets are 0600 and replace a stale file; for
 * hvsock it is PATH_PORT, where the guest's connections to that port arrive. The descriptor or
 * -errno. */
int rpc_address_listen(const struct rpc_address *a, struct error *e);

/* Connects within @timeout_ms, blocking. The descriptor (non-blocking) or -errno; an hvsock
 * refusal, or a unix listener with a full backlog, is tried again until the time is over. */
int rpc_address_connect(const struct rpc_address *a, int64_t timeout_ms, struct error *e);

/* The same in one step from text. */
int rpc_dial(const char *text, int64_t timeout_ms, struct error *e);
