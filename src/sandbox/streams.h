/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams - a process's streams, carried by this process between the guest and where containerd
 * wants them.
 *
 * Life: open (before the process exists: what cannot be opened refuses it), connect (the guest's
 * streams are there), drain (the process has ended), free. Data moves by splice(2) where one side
 * is a pipe, else through a buffer on the stack: nothing is held here, a slow reader slows the
 * process down and no one else.
 *
 *   "", /dev/null        nothing: stdin ends at once, output is thrown away
 *   /path, fifo:///path  a fifo, or for output a regular file that is appended to
 *   file:///path         a file, made with its directories; of stdout, for both outputs
 *   binary:///path?k=v   a logger (containerd's shim logging protocol); of stdout, for both outputs
 *
 * Both ends of a fifo are held, so that a reader or writer that goes away (an engine that restarts)
 * breaks nothing and finds what waits for it when it comes back. The stdin of an exec is the
 * exception: it ends when its last writer has gone. When the guest's stream has ended, a fifo is
 * closed as soon as somebody else holds what is still in it.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>

struct loop;
struct streams;

enum { STREAM_IN, STREAM_OUT, STREAM_ERR, STREAM_COUNT };

struct streams_params {
	struct loop *loop;
	const char *id, *ns;        /* for a logger */
	const char *in, *out, *err; /* as above */
	bool terminal;              /* there is no stderr */
	bool exec;                  /* stdin ends with its last writer */
};

/* -EINVAL, -EOPNOTSUPP (another scheme), or what opening says. */
int streams_open(const struct streams_params *p, struct streams **ret, struct error *e);
void streams_free(struct streams *s); /* what is on the way is dropped */
DEFINE_AUTOPTR(streams, streams_free);

/* Takes the guest's streams: non-blocking sockets, -1 for one that is absent; they become -1. */
void streams_connect(struct streams *s, int stream[STREAM_COUNT]);
/* What was written to stdin before this still arrives, then it ends. */
void streams_close_in(struct streams *s);
/* There will be no process: whoever is at the other ends sees them closed. */
void streams_hang_up(struct streams *s);
/*
 * The process has ended: calls @fn once, from the loop, when all output is in its reader's hands or
 * pipe, or when none has come for STREAMS_DRAIN_MS because somebody else in the guest holds the
 * stream (it is closed) or because nobody reads (it goes on). Not after streams_free. While a drain
 * is under way another one changes nothing.
 */
#define STREAMS_DRAIN_MS 2000
void streams_drain(struct streams *s, void (*fn)(void *data), void *data);

/* --- between the files of streams --- */

/* Where one stream goes. */
struct streams_end {
	int fd;    /* what is read (stdin) or written; -1: nothing */
	int hold;  /* the other end of a fifo; -1 */
	bool pipe; /* can be spliced and waited for */
};

/* streams_open.c */
int streams_open_ends(const struct streams_params *p, struct streams_end ends[STREAM_COUNT],
		      struct error *e);
