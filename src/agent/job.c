/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - see job.h.
 *
 * The child writes one struct head and the result into a pipe and exits; the end of file says that
 * it is complete. It is reaped with all other children of the agent, so its pidfd is what it is
 * known by.
 */
#include "agent/job.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define DIE_MS 2000 /* to die after it was killed */

struct job {
	struct list link;
	struct jobs *jobs;
	job_done_fn *done;
	void *data;
	int pidfd, pipe;
	struct loop_source *io, *timer;
	struct buf out;
	int why; /* it was killed for this reason; 0: it was not */
};

struct head {
	int32_t code;
	char text[ERROR_TEXT_MAX];
};

/* --- the child --- */

static _Noreturn void child_main(int out, job_work_fn *work, void *data)
{
	struct head h = { 0 };
	struct error e = ERROR_INIT;
	struct buf result = BUF_INIT(LIMIT_AGENT_JOB_RESULT);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	proc_reset_signals();
	signal(SIGPIPE, SIG_IGN);
	log_set_fd(STDERR_FILENO);
	if (dup3(out, 3, O_CLOEXEC) < 0 && out != 3)
		_exit(1);
	if (close_range(4, ~0U, 0) < 0)
		_exit(1);
	h.code = work(data, &result, &e);
	if (h.code < 0)
		memcpy(h.text, error_text(&e), strlen(error_text(&e)) + 1);
	if (fd_write_full(3, &h, sizeof(h)) < 0 ||
	    fd_write_full(3, buf_ptr(&result), buf_len(&result)) < 0)
		_exit(1);
	_exit(0);
}

/* --- the agent --- */

static void job_free(struct job *j)
{
	loop_source_free(j->io);
	loop_source_free(j->timer);
	fd_close(j->pidfd);
	fd_close(j->pipe);
	buf_done(&j->out);
	list_del(&j->link);
	j->jobs->n--;
	free(j);
}

static void job_verdict(struct job *j, struct error *e)
{
	struct head h = { 0 };

	if (buf_len(&j->out) >= sizeof(h)) {
		memcpy(&h, buf_ptr(&j->out), sizeof(h));
		h.text[sizeof(h.text) - 1] = '\0';
		if (h.code < 0)
			error_plain(e, h.code, "%s", h.text);
	} else if (j->why == ETIMEDOUT) {
		error_plain(e, j->why, "it takes too long: given up");
	} else if (j->why) {
		error_plain(e, j->why, "the caller went away");
	} else {
		error_plain(e, EIO, "the process that does it has died");
	}
}

/* Its pipe has ended, or it is given up. */
static void job_end(struct job *j)
{
	job_done_fn *done = j->done;
	void *data = j->data;
	struct error e = ERROR_INIT;
	autodone(buf) out = j->out;

	job_verdict(j, &e);
	j->out = BUF_INIT(0);
	job_free(j);
	if (e.code) {
		done(data, &e, NULL, 0);
		return;
	}
	buf_consume(&out, sizeof(struct head));
	done(data, NULL, buf_ptr(&out), buf_len(&out));
}

static void on_pipe(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct job *j = data;
	ssize_t n = buf_read(&j->out, fd, 65536);

	if (n > 0 || n == -EAGAIN)
		return;
	job_end(j);
}

static void job_kill(struct job *j, int why)
{
	if (j->why)
		return;
	j->why = why;
	proc_pidfd_signal(j->pidfd, SIGKILL);
	loop_timer_set(j->timer, DIE_MS);
}

static void on_timer(struct loop_source *s, void *data)
{
	struct job *j = data;

	if (j->why)
		job_end(j); /* killed, and it will not die */
	else
		job_kill(j, ETIMEDOUT);
}

void job_cancel(struct job *j)
{
	job_kill(j, ECANCELED);
}

void jobs_init(struct jobs *js, struct loop *loop)
{
	js->loop = loop;
	js->n = 0;
	list_init(&js->head);
}

void jobs_done(struct jobs *js)
{
	while (!list_empty(&js->head)) {
		struct job *j = list_entry(js->head.next, struct job, link);

		job_kill(j, ECANCELED);
		job_end(j);
	}
}

static int job_fork(struct job *j, job_work_fn *work, struct error *e)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe");
	j->pipe = p[0];
	pid = fork();
	if (pid == 0)
		child_main(p[1], work, j->data);
	fd_close(p[1]);
	if (pid < 0)
		return error_set(e, errno, "fork");
	j->pidfd = proc_pidfd_open(pid);
	if (j->pidfd < 0) {
		kill(pid, SIGKILL); /* a child not reaped yet: nobody else has its number */
		return error_set(e, j->pidfd, "pidfd");
	}
	return fd_set_nonblock(j->pipe, true) < 0 ? error_set(e, errno, "pipe") : 0;
}

int job_start(struct jobs *js, job_work_fn *work, job_done_fn *done, void *data, int timeout_ms,
	      struct job **ret, struct error *e)
{
	struct job *j;
	int r;

	if (js->n >= LIMIT_AGENT_JOBS)
		return error_plain(e, ENOBUFS, "%u jobs are under way already", js->n);
	j = xnew(struct job);
	*j = (struct job){ .jobs = js, .done = done, .data = data, .pidfd = -1, .pipe = -1 };
	j->out = BUF_INIT(sizeof(struct head) + LIMIT_AGENT_JOB_RESULT);
	list_add(&js->head, &j->link);
	js->n++;
	r = job_fork(j, work, e);
	if (r >= 0) {
		j->io = loop_add_io(js->loop, j->pipe, EPOLLIN, on_pipe, j);
		j->timer = loop_add_timer(js->loop, timeout_ms, on_timer, j);
		if (!j->io || !j->timer)
			r = error_set(e, errno, "watch a job");
	}
	if (r < 0) {
		if (j->pidfd >= 0)
			proc_pidfd_signal(j->pidfd, SIGKILL);
		job_free(j);
		return r;
	}
	if (ret)
		*ret = j;
	return 0;
}

/* --- calls --- */

struct job_call {
	struct rpc_call *call;
	struct job *job;
	job_work_fn *work;
	job_reply_fn *reply;
	const void *data;
};

static int call_work(void *data, struct buf *result, struct error *e)
{
	struct job_call *jc = data;

	return jc->work((void *)jc->data, result, e);
}

static void call_done(void *data, const struct error *e, const char *result, size_t n)
{
	struct job_call *jc = data;

	rpc_call_on_cancel(jc->call, NULL, NULL);
	if (e)
		log_debug("%s: %s", rpc_call_method(jc->call), e->text);
	if (e)
		rpc_call_fail(jc->call, e);
	else if (jc->reply)
		jc->reply(jc->call, result, n);
	else
		rpc_call_reply_empty(jc->call);
	free(jc);
}

static void call_cancel(void *data)
{
	struct job_call *jc = data;

	job_cancel(jc->job);
}

int job_start_call(struct jobs *js, job_work_fn *work, const void *data, int timeout_ms,
		   job_reply_fn *reply, struct rpc_call *call, struct error *e)
{
	struct job_call *jc = xnew(struct job_call);
	int r;

	*jc = (struct job_call){ .call = call, .work = work, .reply = reply, .data = data };
	r = job_start(js, call_work, call_done, jc, timeout_ms, &jc->job, e);
	if (r < 0) {
		free(jc);
		return r;
	}
	rpc_call_on_cancel(call, call_cancel, jc);
	return 0;
}
