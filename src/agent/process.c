/* SPDX-License-Identifier: Apache-2.0 */
/* process - see process.h. */
#include "agent/process.h"

#include "agent/agent.h"
#include "agent/ctr.h"
#include "agent/hooks.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/timeline.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <signal.h>

static bool is_init(const struct process *p)
{
	return !*p->exec_id;
}

static struct process *process_new(struct container *c, const char *exec_id)
{
	struct process *p = xnew(struct process);

	p->ctr = c;
	p->exec_id = xstrdup(exec_id);
	p->sync = -1;
	pending_list_init(&p->waiters, LIMIT_AGENT_WAITERS);
	procio_init(&p->io, c->agent);
	list_add(&c->processes, &p->link);
	c->agent->containers.nprocesses++;
	return p;
}

static void close_sync(struct process *p)
{
	p->sync_io = loop_source_free(p->sync_io);
	p->sync = fd_close(p->sync);
}

void process_free(struct process *p)
{
	if (p->call)
		rpc_call_failf(take_ptr(p->call), ECANCELED, "the process was removed");
	pending_fail_all(&p->waiters, ENOENT, "the process was removed");
	procio_done(&p->io);
	close_sync(p);
	hook_run_free(p->hooks);
	list_del(&p->link);
	p->ctr->agent->containers.nprocesses--;
	free(p->exec_id);
	free(p);
}

static void on_sync(struct loop_source *s, int fd, uint32_t events, void *data)
{
	process_sync(data);
}

static void plan_stdio(const struct process_request *pr, struct procio_request *ret)
{
	const Grpc__Process *sp = pr->process;

	*ret = (struct procio_request){ .terminal = sp->terminal };
	memcpy(ret->port, pr->port, sizeof(ret->port));
	if (sp->terminal && sp->consolesize) {
		ret->rows = (uint16_t)MIN(sp->consolesize->height, (uint32_t)UINT16_MAX);
		ret->columns = (uint16_t)MIN(sp->consolesize->width, (uint32_t)UINT16_MAX);
	}
}

/* Forks the set-up and watches it. */
static int process_fork(struct process *p, const struct process_request *pr, struct ctr_request *rq,
			struct process *init, struct error *e)
{
	struct ctr_child child = { .sync = -1 };
	int r = init ? ctr_exec(rq, pr->process, &p->ctr->pins, init->pid, &child, e)
		     : ctr_create(rq, &child, e);

	if (r < 0)
		return r;
	p->pid = child.pid;
	p->sync = child.sync;
	p->sync_io = loop_add_io(p->ctr->agent->loop, p->sync, EPOLLIN, on_sync, p);
	return p->sync_io ? 0 : error_set(e, errno, "watch the set-up of a process");
}

int process_create(struct container *c, const struct process_request *pr, struct ctr_request *rq,
		   struct process *init, struct rpc_call *call, struct error *e)
{
	struct process *p = process_new(c, pr->exec_id);
	struct procio_request sr;
	int r;

	p->asked_us = timeline_now();
	plan_stdio(pr, &sr);
	r = procio_open(&p->io, &sr, rq->stdio, e);
	if (r >= 0) {
		r = process_fork(p, pr, rq, init, e);
		procio_close_child(rq->stdio);
	}
	if (r < 0) {
		if (p->pid)
			kill(p->pid, SIGKILL);
		process_free(p);
		return r;
	}
	p->call = call;
	marks_add(&c->agent->marks, p->asked_us, "fork");
	return 0;
}

static void answer(struct process *p, const char *method)
{
	if (!p->call)
		return;
	marks_add(&p->ctr->agent->marks, p->asked_us, method);
	rpc_call_reply_empty(take_ptr(p->call));
}

/* @was: the state in which it happened. */
static void process_failed(struct process *p, enum process_state was, const struct error *why)
{
	struct rpc_call *call = take_ptr(p->call);

	close_sync(p);
	hook_run_free(take_ptr(p->hooks));
	if (p->state != PROCESS_EXITED)
		kill(p->pid, SIGKILL);
	if (is_init(p) && was == PROCESS_SETTING_UP) {
		container_failed(p->ctr, call, why);
		return;
	}
	p->gone = !is_init(p);
	if (call)
		rpc_call_fail(call, why);
}

/* The set-up has done all but the exec. @master is owned. */
static int on_ready(struct process *p, int master, struct error *e)
{
	int r = 0;

	if (p->io.terminal && master >= 0) {
		r = procio_attach(&p->io, master, e);
	} else if (p->io.terminal || master >= 0) {
		fd_close(master);
		r = error_plain(e, EPROTO, "the set-up and the request differ about a terminal");
	}
	if (r < 0)
		return r;
	if (!is_init(p)) {
		p->state = PROCESS_STARTING;
		return ctr_release(p->sync, e);
	}
	r = container_ready(p->ctr, p, e);
	if (r < 0)
		return r;
	p->state = PROCESS_READY;
	answer(p, "CreateContainer");
	agent_pause(p->ctr->agent);
	return 0;
}

static void on_create_hooks(void *data, const struct error *why)
{
	struct process *p = data;
	struct error e = ERROR_INIT;

	p->hooks = NULL;
	if (why || ctr_release(p->sync, &e) < 0)
		process_failed(p, p->state, why ? why : &e);
}

/* The namespaces are there. */
static int run_create_hooks(struct process *p, struct error *e)
{
	if (p->hooks || !is_init(p))
		return error_plain(e, EPROTO, "the set-up asked for hooks twice");
	p->hooks = hooks_start(p->ctr, HOOKS_CREATE, "creating", p->pid, on_create_hooks, p, e);
	return p->hooks ? 0 : -EIO;
}

static void on_poststart(void *data, const struct error *why)
{
	struct process *p = data;

	p->hooks = NULL;
	answer(p, "StartContainer");
}

/* Their failures are only logged. */
static void run_poststart_hooks(struct process *p)
{
	struct error e = ERROR_INIT;

	if (is_init(p) && p->ctr->hook_kinds & HOOKS_POSTSTART) {
		p->hooks = hooks_start(p->ctr, HOOKS_POSTSTART, "running", p->pid, on_poststart, p,
				       &e);
		if (!p->hooks)
			log_warn("container %s: %s", p->ctr->id, e.text);
	}
	if (!p->hooks)
		answer(p, is_init(p) ? "StartContainer" : "ExecProcess");
}

static void on_report(struct process *p, const struct ctr_report *rp, int master)
{
	enum process_state was = p->state;
	struct error e = ERROR_INIT;

	if (rp->type == CTR_READY && was == PROCESS_SETTING_UP) {
		if (on_ready(p, master, &e) < 0)
			process_failed(p, was, &e);
		return;
	}
	fd_close(master);
	if (rp->type == CTR_HOOKS && was == PROCESS_SETTING_UP) {
		if (run_create_hooks(p, &e) < 0)
			process_failed(p, was, &e);
		return;
	}
	if (rp->type == CTR_ERROR)
		error_plain(&e, rp->code ? rp->code : EIO, "%s", rp->text);
	else
		error_plain(&e, EPROTO, "the set-up of the process sent message %u in state %d",
			    rp->type, (int)was);
	process_failed(p, was, &e);
}

/* The socket closed without a message: the program runs, or the set-up was killed. */
static void on_sync_end(struct process *p)
{
	struct error e = ERROR_INIT;

	switch (p->state) {
	case PROCESS_STARTING:
		p->state = PROCESS_RUNNING;
		close_sync(p);
		run_poststart_hooks(p);
		break;
	case PROCESS_SETTING_UP:
		error_plain(
			&e, EIO,
			"killed before it could start: the container ended, or has no memory left");
		process_failed(p, p->state, &e);
		break;
	default:
		close_sync(p);
	}
}

void process_sync(struct process *p)
{
	struct ctr_report rp;

	while (p->sync >= 0) {
		int master = -1, r = ctr_report_recv(p->sync, &rp, &master);

		if (r == -EAGAIN)
			return;
		if (r > 0)
			on_report(p, &rp, master);
		else
			on_sync_end(p);
	}
}

int process_start(struct process *p, struct rpc_call *call, struct error *e)
{
	int r;

	if (p->state != PROCESS_READY)
		return error_plain(e, EBUSY, "container %s %s", p->ctr->id,
				   p->state == PROCESS_SETTING_UP ? "is still being created"
				   : p->state == PROCESS_EXITED   ? "has ended"
								  : "has been started already");
	p->asked_us = timeline_now();
	agent_finish_boot(p->ctr->agent);
	r = ctr_release(p->sync, e);
	if (r < 0)
		return r;
	p->state = PROCESS_STARTING;
	p->call = call;
	return 0;
}

static void reply_status(struct process *p, struct rpc_call *call)
{
	Grpc__WaitProcessResponse resp = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	p->waited = true;
	resp.status = p->exit_code;
	rpc_call_reply(call, &resp.base);
}

/* It ended although nobody has said that the set-up failed. */
static void ended_early(struct process *p, enum process_state was)
{
	struct error e = ERROR_INIT;

	error_plain(&e, EIO, "the set-up of the process ended with status %d", p->exit_code);
	process_failed(p, was, &e);
}

void process_exited(struct process *p, int wait_status)
{
	enum process_state was = p->state;
	struct pending *w;

	p->exit_code = proc_exit_code(wait_status);
	p->state = PROCESS_EXITED;
	close_sync(p);
	/* One that ran waits for its poststart hooks. */
	if (p->call && was != PROCESS_RUNNING)
		ended_early(p, was);
	marks_add(&p->ctr->agent->marks, 0, "a process has ended");
	log_debug("container %s %s: pid %d ended with status %d", p->ctr->id,
		  is_init(p) ? "init" : p->exec_id, (int)p->pid, p->exit_code);
	procio_exited(&p->io);
	while ((w = pending_first(&p->waiters)))
		reply_status(p, pending_take(w));
}

int process_signal(struct process *p, int sig, struct error *e)
{
	if (p->state == PROCESS_EXITED)
		return 0;
	/* Not yet reaped by us, so the pid is still its own. */
	if (kill(p->pid, sig) < 0 && errno != ESRCH)
		return error_set(e, errno, "signal %d to process %d", sig, (int)p->pid);
	return 0;
}

void process_wait(struct process *p, struct rpc_call *call)
{
	struct error e = ERROR_INIT;

	if (p->state == PROCESS_EXITED)
		reply_status(p, call);
	else if (pending_add(&p->waiters, call, NULL, &e) < 0)
		rpc_call_fail(call, &e);
}
