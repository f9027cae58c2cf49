/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_requests - what is asked of a process or container that exists and passed on to the
 * guest's agent: signals, the size of a terminal, the end of stdin, pause, limits, statistics.
 *
 * Each is checked against the state first (process_allowed) and bounded. Who asked is named in a
 * record of its own, for the process may be gone when the answer comes.
 */
#include "sandbox/internal.h"

#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <signal.h>

/* --- requests with one answer --- */

struct request {
	sandbox_done_fn *done;
	void *data;
};

static void request_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct request *rq = data;

	rq->done(rq->data, e);
	free(rq);
}

static int request(struct process *p, const char *method, const ProtobufCMessage *m,
		   sandbox_done_fn *done, void *data)
{
	struct request *rq = xnew(struct request);

	rq->done = done;
	rq->data = data;
	guest_call(p->container->sandbox, method, m, SANDBOX_REQUEST_MS, request_replied, rq);
	return 0;
}

/* SIGKILL must work on a guest that does not answer: it takes the machine with it. Where that has
 * other containers it is asked first. */
#define KILL_GRACE_MS 2000

static void probed(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct sandbox *s = data;

	if (e && e->code == -ETIMEDOUT)
		sandbox_die(s, -ETIMEDOUT,
			    "the guest does not answer: a process could not be killed");
}

static void kill_expired(struct loop_source *src, void *data)
{
	Grpc__GuestDetailsRequest rq = GRPC__GUEST_DETAILS_REQUEST__INIT;
	struct process *p = data;
	struct sandbox *s = p->container->sandbox;

	p->kill_timer = loop_source_free(p->kill_timer);
	if (p->state == PROCESS_STOPPED || p->exiting)
		return;
	if (str_empty(p->exec_id) && s->containers.next == s->containers.prev)
		sandbox_die(s, -ETIMEDOUT, "the guest did not kill the process within %d ms",
			    KILL_GRACE_MS);
	else
		guest_call(s, "GetGuestDetails", &rq.base, KILL_GRACE_MS, probed, s);
}

/* What is being created has no process yet; the machine of a first container can go at once. */
static int kill_creation(struct process *p, sandbox_done_fn *done, void *data, struct error *e)
{
	struct sandbox *sb = p->container->sandbox;

	if (sb->containers.next != sb->containers.prev)
		return error_plain(e, EBUSY, "the container is being created");
	sandbox_die(sb, -ECANCELED, "the container was killed while it was being created");
	done(data, NULL);
	return 0;
}

struct kill_request {
	const struct sandbox *sandbox;
	sandbox_done_fn *done;
	void *data;
};

/* What took the machine along has been killed as well. */
static void sigkill_replied(void *data, const struct error *e)
{
	struct kill_request *rq = data;

	rq->done(rq->data, rq->sandbox->state == SANDBOX_DEAD ? NULL : e);
	free(rq);
}

static int send_sigkill(struct process *p, const Grpc__SignalProcessRequest *m,
			sandbox_done_fn *done, void *data)
{
	struct sandbox *s = p->container->sandbox;
	struct kill_request *rq = xnew(struct kill_request);

	*rq = (struct kill_request){ .sandbox = s, .done = done, .data = data };
	if (!p->kill_timer)
		p->kill_timer = loop_add_timer(s->loop, KILL_GRACE_MS, kill_expired, p);
	return request(p, "SignalProcess", &m->base, sigkill_replied, rq);
}

int process_kill(struct process *p, uint32_t sig, bool all, sandbox_done_fn *done, void *data,
		 struct error *e)
{
	Grpc__SignalProcessRequest rq = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	int r;

	if (p->state == PROCESS_CREATING && sig == SIGKILL)
		return kill_creation(p, done, data, e);
	r = process_allowed(p, ACT_KILL, e);
	if (r < 0)
		return r;
	if (sig > 64)
		return error_plain(e, EINVAL, "invalid signal %u", sig);
	rq.container_id = p->container->id;
	rq.exec_id = p->exec_id;
	rq.signal = sig;
	rq.all = all;
	if (sig == SIGKILL)
		return send_sigkill(p, &rq, done, data);
	return request(p, "SignalProcess", &rq.base, done, data);
}

int process_resize(struct process *p, uint32_t rows, uint32_t columns, sandbox_done_fn *done,
		   void *data, struct error *e)
{
	Grpc__TtyWinResizeRequest rq = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	int r = process_allowed(p, ACT_RESIZE, e);

	if (r < 0)
		return r;
	if (!p->terminal)
		return error_plain(e, EINVAL, "the process has no terminal");
	rq.container_id = p->container->id;
	rq.exec_id = p->exec_id;
	rq.row = rows;
	rq.column = columns;
	return request(p, "TtyWinResize", &rq.base, done, data);
}

int process_close_stdin(struct process *p, sandbox_done_fn *done, void *data, struct error *e)
{
	Grpc__CloseStdinRequest rq = GRPC__CLOSE_STDIN_REQUEST__INIT;
	int r = process_allowed(p, ACT_CLOSE_STDIN, e);

	if (r < 0)
		return r;
	if (p->streams) {
		streams_close_in(p->streams);
		done(data, NULL);
		return 0;
	}
	rq.container_id = p->container->id;
	rq.exec_id = p->exec_id;
	return request(p, "CloseStdin", &rq.base, done, data);
}

/* --- requests about the whole container --- */

/* Names its container: that may be gone when the answer comes. */
struct pause_request {
	struct sandbox *sandbox;
	char *id;
	bool on;
	sandbox_done_fn *done;
	void *data;
};

static void pause_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct pause_request *rq = data;
	struct container *c = sandbox_find(rq->sandbox, rq->id);

	if (!e && c && c->init.state != PROCESS_STOPPED) {
		c->init.state = rq->on ? PROCESS_PAUSED : PROCESS_RUNNING;
		sandbox_notify(&c->init, rq->on ? SANDBOX_EVENT_PAUSED : SANDBOX_EVENT_RESUMED);
	}
	rq->done(rq->data, e);
	free(rq->id);
	free(rq);
}

int container_pause(struct container *c, bool on, sandbox_done_fn *done, void *data,
		    struct error *e)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct pause_request *rq;
	int r = process_allowed(&c->init, on ? ACT_PAUSE : ACT_RESUME, e);

	if (r < 0)
		return r;
	rq = xnew(struct pause_request);
	*rq = (struct pause_request){
		.sandbox = c->sandbox,
		.id = xstrdup(c->id),
		.on = on,
		.done = done,
		.data = data,
	};
	pause.container_id = resume.container_id = c->id;
	guest_call(c->sandbox, on ? "PauseContainer" : "ResumeContainer",
		   on ? &pause.base : &resume.base, SANDBOX_REQUEST_MS, pause_replied, rq);
	return 0;
}

int container_update(struct container *c, const oci_resources *res, sandbox_done_fn *done,
		     void *data, struct error *e)
{
	int r = process_allowed(&c->init, ACT_UPDATE, e);

	if (r == 0)
		r = oci_resources_check(res, e);
	/* A new container may come with whatever limit its pod was not made for. */
	if (r == 0)
		r = sandbox_size_allows(c->sandbox, res, e);
	if (r < 0)
		return r;
	/* The machine first: a limit that it cannot hold helps nobody. */
	return room_update(c, res, done, data, e);
}

void container_update_guest(struct container *c, const oci_resources *res, sandbox_done_fn *done,
			    void *data)
{
	Grpc__UpdateContainerRequest rq = GRPC__UPDATE_CONTAINER_REQUEST__INIT;

	rq.container_id = c->id;
	rq.resources = (oci_resources *)(uintptr_t)res;
	request(&c->init, "UpdateContainer", &rq.base, done, data);
}

struct stats_request {
	container_stats_fn *fn;
	void *data;
};

static void stats_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct stats_request *rq = data;

	rq->fn(rq->data, e, (const Grpc__StatsContainerResponse *)resp);
	free(rq);
}

int container_stats(struct container *c, bool processes, container_stats_fn *fn, void *data,
		    struct error *e)
{
	Grpc__StatsContainerRequest m = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct stats_request *rq;
	int r = process_allowed(&c->init, ACT_STATS, e);

	if (r < 0)
		return r;
	rq = xnew(struct stats_request);
	rq->fn = fn;
	rq->data = data;
	m.container_id = c->id;
	m.with_processes = processes;
	guest_call(c->sandbox, "StatsContainer", &m.base, SANDBOX_REQUEST_MS, stats_replied, rq);
	return 0;
}
