/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover - how an init proxy and the shim meet: SOCK_SEQPACKET messages, one struct each.
 *
 * `caisson create` and `exec` make a SOCK_SEQPACKET pair, leave one end to the init proxy they
 * fork, and send the other to the shim's io.sock (HANDOVER_ATTACH, with that end as the one
 * descriptor, answered by HANDOVER_OK or HANDOVER_ERROR) *before* they call Task.Create or
 * Task.Exec with stdio HANDOVER_STDIO. From then on the pair carries:
 *
 *   shim -> proxy
 *	HANDOVER_STREAMS	descriptors: one for each stream bit set in .value (stdin, stdout,
 *				stderr in this order); the streams are vsock connections to the
 *				agent. With a terminal there are stdin and stdout only. Sent when
 *				the process is created.
 *	HANDOVER_EXIT		.value is the exit status 0..255; sent once, after the process
 *				ended. The proxy drains the streams to their end (bounded by
 *				HANDOVER_DRAIN_MS in which nothing comes), then exits with it.
 *.text, where there is one, says why it ended otherwise than by itself; the proxy prints it.
 *	HANDOVER_ERROR		the process could not be started: .text says why; the proxy exits
 *				255 without printing (the CLI reports it)
 *   proxy -> shim
 *	HANDOVER_SIGNAL		.value is the signal the proxy got and forwards
 *	HANDOVER_WINSIZE	.value = rows << 16 | columns
 *
 * End of file at the shim without EXIT sent: the proxy was killed; the shim kills the process
 * (SIGKILL). End of file at the proxy without EXIT received: the shim died; the proxy exits 137
 * after one line on stderr.
 */
#pragma once

#include "base/error.h"
#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* stdin, stdout, stderr of the Task requests; "" for a stream that is absent */
#define HANDOVER_STDIO "caisson-proxy://"
/* type_url of the options of Task.Create: the value is the absolute path of a directory whose
 * config.json is used instead of the bundle's */
#define HANDOVER_SPEC_DIR "caisson.SpecDirectory"
#define HANDOVER_DRAIN_MS 5000

enum handover_type {
	HANDOVER_ATTACH = 1,
	HANDOVER_OK,
	HANDOVER_ERROR,
	HANDOVER_STREAMS,
	HANDOVER_EXIT,
	HANDOVER_SIGNAL,
	HANDOVER_WINSIZE,
};

enum { HANDOVER_STDIN = 1, HANDOVER_STDOUT = 2, HANDOVER_STDERR = 4 };

struct handover_msg {
	uint32_t type;
	uint32_t value;
	int32_t pid;                    /* ATTACH: the proxy */
	char id[LIMIT_ID_MAX + 1];      /* ATTACH: container */
	char exec_id[LIMIT_ID_MAX + 1]; /* ATTACH: "" for the init process */
	char text[512];                 /* ERROR, EXIT */
};

/* Sends one message with @nfds descriptors (which stay the caller's). 0 or -errno. */
int handover_send(int sock, const struct handover_msg *m, const int *fds, size_t nfds);
/* Receives one: 1, 0 at end of file, -EPROTO for anything malformed (strings are checked for
 * termination), -EAGAIN, -errno. *nfds in: room, out: number; the descriptors are the caller's. */
int handover_recv(int sock, struct handover_msg *m, int *fds, size_t *nfds);
