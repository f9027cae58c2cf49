/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - moves the bytes of one direction of one stream: a host connection into a process's stdin,
 * its stdout or stderr into a host connection.
 *
 * A relay owns both descriptors and lives by itself: it outlasts the process it was made for (whose
 * last bytes it still carries) and ends when the source is at its end and everything has been
 * handed on, or when nobody reads any more. Ends travel: the end of the source shuts down or closes
 * the destination; a destination without readers closes the source, which is how a process gets its
 * SIGPIPE and a host its end of file.
 *
 * Into a pipe, data is spliced: one copy instead of two. Out of a pipe it goes through a buffer,
 * because vsock would send one packet for each page of a splice. The buffer is address space until
 * it is used, and is given back when it has rested for a while.
 */
#pragma once

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>

struct loop;
struct loop_source;

struct relay_set {
	struct loop *loop;
	struct list relays;
	unsigned n;
	struct loop_source *tidy;
	bool tidying;
};

void relay_set_init(struct relay_set *s, struct loop *l);
/* Closes all, whatever they still held. */
void relay_set_done(struct relay_set *s);

/*
 * Starts moving bytes; to nowhere if @dst is -1. Owns both descriptors from the call on, also when
 * it fails (then both are closed). They are made non-blocking, which for pipes and terminals means
 * the open file: hand in an end that is not shared with a program.
 */
int relay_start(struct relay_set *s, int src, int dst, struct error *e);
