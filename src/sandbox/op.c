/* SPDX-License-Identifier: Apache-2.0 */
/* op - see op.h. The engine runs from a deferred source, so that a step's callback never re-enters
 * its caller. */
#include "sandbox/op.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/timeline.h"

#include <errno.h>

static void op_run(struct loop_source *s, void *data);

static void op_defer(struct op *o)
{
	if (!o->deferred)
		o->deferred = loop_add_defer(o->loop, op_run, o);
}

static void op_undo(struct op *o)
{
	while (o->at > 0) {
		const struct op_step *step = &o->steps[--o->at];

		if (step->undo) {
			log_debug("%s: undo %s", o->name, step->name);
			step->undo(o->data);
		}
	}
}

static void op_end(struct op *o, const struct error *e)
{
	op_done_fn *done = o->done;

	/* What an undo step ends may call back: no step waits any more. */
	o->active = false;
	if (e)
		op_undo(o);
	done(o->data, e);
}

static void op_log_step(const struct op *o)
{
	const char *step = o->steps[o->at].name;

	log_debug("%s: %s: %lld ms", o->name, step,
		  (long long)(timeline_now() - o->began_us) / 1000);
	if (o->trace)
		o->trace(o->trace_data, o->name, step, o->began_us);
}

static void op_run(struct loop_source *s, void *data)
{
	struct op *o = data;
	struct error e = o->result;

	o->deferred = NULL;
	error_clear(&o->result);
	if (e.code) {
		op_end(o, &e);
		return;
	}
	while (o->at < o->n) {
		const struct op_step *step = &o->steps[o->at];
		int r;

		o->began_us = timeline_now();
		r = step->run(o->data, &e);
		if (r == -EINPROGRESS)
			return;
		op_log_step(o);
		if (r < 0) {
			if (!e.code)
				error_set(&e, r, "%s", step->name);
			op_end(o, &e);
			return;
		}
		o->at++;
	}
	op_end(o, NULL);
}

void op_start(struct op *o, struct loop *l, const char *name, const struct op_step *steps, size_t n,
	      op_done_fn *done, void *data)
{
	*o = (struct op){
		.name = name,
		.loop = l,
		.steps = steps,
		.n = n,
		.active = true,
		.data = data,
		.done = done,
	};
	op_defer(o);
}

void op_trace(struct op *o, op_trace_fn *fn, void *data)
{
	o->trace = fn;
	o->trace_data = data;
}

void op_continue(struct op *o, const struct error *e)
{
	if (!o->active || o->deferred)
		return;
	op_log_step(o);
	if (e)
		o->result = *e;
	else
		o->at++;
	op_defer(o);
}

void op_abandon(struct op *o)
{
	if (!o->active)
		return;
	o->deferred = loop_source_free(o->deferred);
	o->active = false;
	op_undo(o);
}
