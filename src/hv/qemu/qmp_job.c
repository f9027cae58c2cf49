/* SPDX-License-Identifier: Apache-2.0 */
/* qmp_job - see qmp_job.h. @at is the step whose answer is awaited. */
#include "hv/qemu/qmp_job.h"

#include "base/fd.h"
#include "base/log.h"
#include "hv/qemu/qmp_client.h"

#include <errno.h>

static void answered(const struct json *data, const struct error *e, void *arg);

static int send_step(struct qmp_job *j, struct error *e)
{
	const struct qmp_step *s = &j->steps[j->at];
	qmp_arguments_fn *arguments = j->backward ? s->undo_arguments : s->arguments;
	struct json_writer *w;
	int r;

	w = qmp_client_begin(j->client, j->backward ? s->undo : s->command);
	if (arguments)
		arguments(w, j->arg);
	if (j->backward || !s->passes_fd)
		return qmp_client_send(j->client, answered, j, e);
	r = qmp_client_send_fd(j->client, j->fd, answered, j, e);
	if (r == 0)
		j->fd = -1;
	return r;
}

static void finish(struct qmp_job *j)
{
	j->active = false;
	j->fd = fd_close(j->fd);
	j->done(j->error.code ? &j->error : NULL, j->data);
}

/* The step at @at and those before it, as far as they can be undone. */
static void go_back(struct qmp_job *j)
{
	for (; j->at != (size_t)-1; j->at--) {
		struct error e = ERROR_INIT;

		if (!j->steps[j->at].undo)
			continue;
		if (send_step(j, &e) == 0)
			return;
		log_debug("QMP %s: %s", j->steps[j->at].undo, error_text(&e));
	}
	finish(j);
}

static void turn_back(struct qmp_job *j, const struct error *e)
{
	j->error = *e;
	j->backward = true;
	j->at--;
	go_back(j);
}

static void answered(const struct json *data, const struct error *e, void *arg)
{
	struct qmp_job *j = arg;
	struct error own = ERROR_INIT;

	if (j->backward) {
		if (e)
			log_debug("QMP %s: %s", j->steps[j->at].undo, error_text(e));
		j->at--;
		go_back(j);
		return;
	}
	if (e) {
		turn_back(j, e);
		return;
	}
	j->at++;
	if (j->at == j->n)
		finish(j);
	else if (send_step(j, &own) < 0)
		turn_back(j, &own);
}

static void begin(struct qmp_job *j, struct qmp_client *c, const struct qmp_step *steps, size_t n,
		  const void *arg, qmp_job_fn *done, void *data)
{
	*j = (struct qmp_job){
		.client = c,
		.steps = steps,
		.n = n,
		.fd = -1,
		.active = true,
		.arg = arg,
		.done = done,
		.data = data,
	};
}

int qmp_job_run(struct qmp_job *j, struct qmp_client *c, const struct qmp_step *steps, size_t n,
		int fd, const void *arg, qmp_job_fn *done, void *data, struct error *e)
{
	int r;

	begin(j, c, steps, n, arg, done, data);
	j->fd = fd;
	r = send_step(j, e);
	if (r < 0)
		qmp_job_done(j);
	return r;
}

int qmp_job_undo(struct qmp_job *j, struct qmp_client *c, const struct qmp_step *steps, size_t n,
		 const void *arg, qmp_job_fn *done, void *data, struct error *e)
{
	int r;

	begin(j, c, steps, n, arg, done, data);
	j->backward = true;
	for (j->at = n - 1; j->at != 0; j->at--)
		if (steps[j->at].undo)
			break;
	r = steps[j->at].undo ? send_step(j, e) : error_plain(e, EINVAL, "nothing to undo");
	if (r < 0)
		qmp_job_done(j);
	return r;
}

void qmp_job_done(struct qmp_job *j)
{
	j->active = false;
	j->fd = fd_close(j->fd);
}
