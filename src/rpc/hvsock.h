/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hvsock - dialling a guest through Firecracker's hybrid vsock socket: connect to the unix socket,
 * write "CONNECT <port>\n", read "OK <host port>\n" and not a byte more (payload may follow at
 * once), use the stream.
 *
 * The vsock device accepts at once and answers OK when a listener in the guest has accepted; while
 * the guest's driver is not up it holds the request. A refusal closes the connection without text:
 * -ECONNREFUSED.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

struct loop;
struct hvsock_dial;

/* @e NULL: success, @fd is the receiver's (non-blocking), @host_port the port the guest sees as its
 * peer. Else @fd is -1. The dial is freed afterwards. */
typedef void hvsock_dial_fn(void *data, const struct error *e, int fd, uint32_t host_port);

/* Dials without blocking; refusals, and a socket that is not there yet, are tried again every
 * HVSOCK_RETRY_MS until @timeout_ms has passed. @path is copied. NULL and errno when the loop takes
 * no more. */
#define HVSOCK_RETRY_MS 10
struct hvsock_dial *hvsock_dial(struct loop *l, const char *path, uint32_t port, int64_t timeout_ms,
				hvsock_dial_fn *fn, void *data);
/* Gives up without calling back; NULL is fine. */
void hvsock_dial_free(struct hvsock_dial *d);

/* Blocking form. The descriptor (non-blocking) or -errno. */
int hvsock_connect(const char *path, uint32_t port, int64_t timeout_ms, uint32_t *ret_host_port,
		   struct error *e);
