/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procio - the standard streams of one process: pipes or a terminal, and how their bytes get to the
 * host.
 *
 * Two ways, chosen by the request's three ports. If any port is named, the streams are connections
 * of the host (streams.h), a stream without one is /dev/null, and relays carry the bytes. If none
 * is, the host uses the calls WriteStdin, ReadStdout, ReadStderr and CloseStdin: nothing is
 * buffered here but the pipe, a write waits until the pipe has taken it, a read until there is
 * something.
 *
 * A terminal has one master: stdin writes to it, stdout reads from it, there is no stderr. Closing
 * a terminal's stdin does nothing to the terminal: its end of file is a character.
 *
 * What the policy withholds from the host (policy.h) is /dev/null here, or is read and dropped.
 */
#pragma once

#include "agent/pending.h"

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent;
struct loop_source;

/* A port that means "/dev/null", for requests where no stream is wanted at all. No connection can
 * have it. */
#define PROCIO_PORT_NULL UINT32_MAX

/* After the end of a process, calls get what others that hold its streams write for this long; then
 * end of file. */
#define PROCIO_DRAIN_MS 500

struct procio {
	struct agent *agent;
	bool calls; /* the host uses calls, not streams */
	bool terminal;
	int master;  /* of the terminal, once it is there and while the process lives; else -1 */
	int conn[2]; /* streams of a terminal that is not there yet */
	uint16_t rows, columns;
	int fd[3]; /* calls: our ends; -1: closed or not there */
	struct loop_source *io[3], *drain;
	struct pending_list wait[3];
	bool close_stdin; /* when the waiting writes are done */
	bool drained;
};

struct procio_request {
	uint32_t port[3];
	bool terminal;
	uint16_t rows, columns; /* 0: the kernel's default */
};

void procio_init(struct procio *s, struct agent *a);
/* Makes the streams. @ret_child are the process's ends, the caller's to close after the fork; with
 * a terminal they are -1, the set-up makes it and sends its master. On failure nothing is left
 * open. */
int procio_open(struct procio *s, const struct procio_request *rq, int ret_child[3],
		struct error *e);
void procio_close_child(int child[3]);
/* The terminal's master has come; owned from now on. */
int procio_attach(struct procio *s, int master, struct error *e);
/* The process has ended. */
void procio_exited(struct procio *s);
/* Closes what is ours; relays live on until their ends. Waiting calls fail. */
void procio_done(struct procio *s);

int procio_resize(struct procio *s, uint32_t rows, uint32_t columns, struct error *e);
/* These answer @call, now or later. @req is the message that belongs to it. */
typedef struct Grpc__WriteStreamRequest Grpc__WriteStreamRequest;
typedef struct Grpc__ReadStreamRequest Grpc__ReadStreamRequest;
void procio_write(struct procio *s, struct rpc_call *call, const Grpc__WriteStreamRequest *req);
void procio_read(struct procio *s, int which, struct rpc_call *call,
		 const Grpc__ReadStreamRequest *req);
int procio_close_stdin(struct procio *s, struct error *e);
