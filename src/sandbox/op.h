/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op - an operation of several steps on the event loop: a visible table {name, run, undo}, run
 * forwards, undone backwards.
 *
 * A step returns 0 (done, on to the next), -EINPROGRESS (it will call op_continue later), or a
 * failure. After a failure the undo functions of the steps that were done run in reverse order,
 * then `done` is called with the error. Steps never block.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct op;
struct loop;
struct loop_source;

struct op_step {
	const char *name; /* for the log and the timeline */
	int (*run)(void *data, struct error *e);
	void (*undo)(void *data); /* NULL: nothing to undo */
};

typedef void op_done_fn(void *data, const struct error *e); /* @e NULL: success */

/* A step of an operation that began then has ended, well or not. */
typedef void op_trace_fn(void *data, const char *op, const char *step, int64_t began_us);

struct op {
	const char *name;
	struct loop *loop;
	const struct op_step *steps;
	size_t n, at;
	bool active;
	int64_t began_us;   /* the step at hand, by timeline_now */
	op_trace_fn *trace; /* NULL: nobody wants to know */
	void *trace_data;
	void *data; /* of the steps and of done */
	op_done_fn *done;
	struct loop_source *deferred;
	struct error result; /* code 0 unless a step failed asynchronously */
};

/* Starts at once; `done` is called from the loop, never from inside op_start. @o stays the caller's
 * and must be idle. */
void op_start(struct op *o, struct loop *l, const char *name, const struct op_step *steps, size_t n,
	      op_done_fn *done, void *data);
/* Tells @fn of each step's end, until the operation is done. Call right after op_start. */
void op_trace(struct op *o, op_trace_fn *fn, void *data);
/* Ends the step that returned -EINPROGRESS: @e NULL for success. Ignored when no step waits. */
void op_continue(struct op *o, const struct error *e);
/* Undoes what was done and forgets the operation without calling `done`. */
void op_abandon(struct op *o);
