/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay - moves bytes one way between an inherited descriptor and a stream to the guest.
 *
 * By splice(2) where the inherited end is a pipe, else through a buffer. It never blocks for longer
 * than a write that poll(2) announced: inherited descriptors are shared with others and stay as
 * they are, but a terminal is opened anew without blocking, sockets are asked not to block, pipes
 * are spliced without, and files do not.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct relay {
	int from, to;  /* owned; -1: it is over */
	bool to_guest; /* direction */
	bool splice;   /* else by @copy */
	bool wait_out; /* the output is full: poll it, not the input */
	bool careful;  /* the output blocks: write only what poll announced */
	bool from_socket, to_socket;
	char *copy; /* @size bytes, of which [start, end) wait to be written */
	size_t size, start, end;
};
#define RELAY_NONE ((struct relay){ .from = -1, .to = -1 })

/* Owns both descriptors. @inherited may be opened anew under its number. */
void relay_open(struct relay *r, int inherited, int stream, bool to_guest);
/* Closes both ends, so that both sides see it. Fine on one that is over. */
void relay_close(struct relay *r);
/* What to poll: the input and the output. */
void relay_poll(const struct relay *r, struct pollfd *in, struct pollfd *out);
/* After poll: moves a piece. True if bytes moved. Closes itself at the end of the input, and when
 * the output breaks. */
bool relay_move(struct relay *r, const struct pollfd *in, const struct pollfd *out);
