/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits - every bound on what somebody else can make us hold, by name.
 */
#pragma once

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* names and paths */
#define LIMIT_ID_MAX 255 /* container, sandbox, exec ids: a file name */
#define LIMIT_PATH_DEPTH 256

/* files */
#define LIMIT_CONFIG_JSON MIB(8) /* config.json and process.json */
#define LIMIT_CONFIG_TOML MIB(1)
#define LIMIT_STATE_FILE MIB(16)
#define LIMIT_PROC_FILE MIB(4)

/* parsers */
#define LIMIT_JSON_DEPTH 64
#define LIMIT_JSON_VALUES (1 << 18)
#define LIMIT_TOML_DEPTH 32
#define LIMIT_TOML_VALUES (1 << 14)
#define LIMIT_QMP_LINE MIB(4)

/* ttRPC (containerd/ttrpc PROTOCOL.md) */
#define LIMIT_TTRPC_MESSAGE MIB(4)
#define LIMIT_TTRPC_CLIENTS 64
#define LIMIT_TTRPC_CALLS 4096 /* in flight, per connection */
