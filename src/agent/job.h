/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - work that may block, done in a child of the agent: waiting for a device, mounting, copying
 * a tree, asking a file system that somebody else serves.
 *
 * The child shares the agent's namespaces and sees its memory as it was when the job started; what
 * it finds out comes back as bytes, or as an error. It has no loop and none of the agent's
 * descriptors but 0 to 2. The agent goes on meanwhile. A job that takes longer than it may, or is
 * cancelled, is killed; should it not even die (a mount of a dead server), it is given up all the
 * same.
 *
 * Limits: LIMIT_AGENT_JOBS at once, LIMIT_AGENT_JOB_RESULT bytes of a result.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"

#include <stddef.h>

struct job;
struct loop;
struct rpc_call;

struct jobs {
	struct loop *loop;
	struct list head;
	unsigned n;
};

/* In the child. @result may be added to. A negative return is the error. */
typedef int job_work_fn(void *data, struct buf *result, struct error *e);
/* In the agent, from its loop, exactly once for a job that was started. @e: NULL on success, then
 * @result has @n bytes. */
typedef void job_done_fn(void *data, const struct error *e, const char *result, size_t n);

void jobs_init(struct jobs *js, struct loop *loop);
/* Kills all of them; @done is called for each. */
void jobs_done(struct jobs *js);
/* On failure nothing is called. *ret (may be NULL) is good until @done is called. */
int job_start(struct jobs *js, job_work_fn *work, job_done_fn *done, void *data, int timeout_ms,
	      struct job **ret, struct error *e);
/* Its end comes soon, as an error. */
void job_cancel(struct job *j);

/* Answers @call with what the job has found out. */
typedef void job_reply_fn(struct rpc_call *call, const char *result, size_t n);

/*
 * The usual case: @call is answered when @work is done, by @reply or where that is NULL with an
 * empty message, or with the error; if the caller goes away the job is cancelled. @data is used
 * only in the child.
 */
int job_start_call(struct jobs *js, job_work_fn *work, const void *data, int timeout_ms,
		   job_reply_fn *reply, struct rpc_call *call, struct error *e);
