/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp_job - several QMP commands that make one whole: a visible table of {command, undo}, sent one
 * after the other, each when the one before has been answered.
 *
 * When a command fails, the undo commands of those before it are sent in reverse order, their own
 * failures are only logged, and the job ends with the first error. qmp_job_undo runs the undo
 * commands alone, for what an earlier job has made.
 *
 * States: idle -> forward -> [backward] -> idle.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct json;
struct json_writer;
struct qmp_client;

/* Adds the arguments of a command; @arg is the job's. */
typedef void qmp_arguments_fn(struct json_writer *w, const void *arg);

struct qmp_step {
	const char *command;
	qmp_arguments_fn *arguments; /* NULL: none */
	bool passes_fd;              /* the job's descriptor goes with it */
	const char *undo;            /* NULL: nothing to undo */
	qmp_arguments_fn *undo_arguments;
};

/* @e NULL: all commands were done. Must not free the client; may start the job anew. */
typedef void qmp_job_fn(const struct error *e, void *data);

struct qmp_job {
	struct qmp_client *client;
	const struct qmp_step *steps;
	size_t n, at;
	int fd; /* to pass; owned */
	bool active, backward;
	const void *arg;
	qmp_job_fn *done;
	void *data;
	struct error error;
};
#define QMP_JOB_INIT ((struct qmp_job){ .fd = -1 })

/* @j is idle and stays the caller's until @done, which is never called from inside: -errno and the
 * reason in @e mean that nothing was begun. @fd (-1: none) is taken, also on failure. */
int qmp_job_run(struct qmp_job *j, struct qmp_client *c, const struct qmp_step *steps, size_t n,
		int fd, const void *arg, qmp_job_fn *done, void *data, struct error *e);
/* Undoes all steps of the table; always ends well. */
int qmp_job_undo(struct qmp_job *j, struct qmp_client *c, const struct qmp_step *steps, size_t n,
		 const void *arg, qmp_job_fn *done, void *data, struct error *e);
/* After the client was freed: no answer comes any more. */
void qmp_job_done(struct qmp_job *j);
