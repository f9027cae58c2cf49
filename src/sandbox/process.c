/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process - a process in the guest: the container's own or an exec.
 *
 * States:  CREATING -> CREATED -> RUNNING <-> PAUSED -> STOPPED. What is allowed when is one table
 * (process_allowed).
 *
 * Stdio: create and exec dial one vsock stream each for stdin, stdout and stderr and name them to
 * the agent by the host's port. The command line attached an init proxy beforehand, which claims
 * them (proxy.c); containerd named fifos or files, to which we carry them ourselves (streams.h).
 *
 * The end: the agent tells the status, what is on the way is delivered (streams_drain), and only
 * then is the process STOPPED and everybody told. A process that ends before the answer to its
 * start is told as ended after it.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "rpc/handover.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- what is allowed in which state --- */

#define IN(state) (1u << PROCESS_##state)
#define LIVE (IN(CREATED) | IN(RUNNING) | IN(PAUSED))

static const struct {
	unsigned states;
	int err;
	const char *text;
} process_rules[] = {
	[ACT_START] = { IN(CREATED), EBUSY,
			"cannot start a container that is not created (it is %s)" },
	[ACT_KILL] = { LIVE, ESRCH, "container not running (it is %s)" },
	[ACT_RESIZE] = { LIVE, ESRCH, "process not running (it is %s)" },
	[ACT_CLOSE_STDIN] = { LIVE, ESRCH, "process not running (it is %s)" },
	[ACT_EXEC] = { IN(RUNNING) | IN(CREATED), EBUSY, "cannot exec in a %s container" },
	[ACT_DELETE_EXEC] = { IN(CREATED) | IN(STOPPED), EBUSY,
			      "cannot delete a process that is %s" },
	[ACT_PAUSE] = { IN(RUNNING), EBUSY, "container not running (it is %s)" },
	[ACT_RESUME] = { IN(PAUSED), EBUSY, "container not paused (it is %s)" },
	[ACT_UPDATE] = { LIVE, EBUSY, "cannot update a container that is %s" },
	[ACT_STATS] = { LIVE, EBUSY, "no statistics of a container that is %s" },
	[ACT_DELETE] = { IN(CREATED) | IN(STOPPED), EBUSY,
			 "cannot delete a container that is %s: stop it first, or delete it by "
			 "force" },
};

static const char *const state_names[] = {
	[PROCESS_CREATING] = "creating", [PROCESS_CREATED] = "created",
	[PROCESS_RUNNING] = "running",   [PROCESS_PAUSED] = "paused",
	[PROCESS_STOPPED] = "stopped",
};

int process_allowed(const struct process *p, enum process_action a, struct error *e)
{
	if (process_rules[a].states & (1u << p->state))
		return 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	return error_plain(e, process_rules[a].err, process_rules[a].text, state_names[p->state]);
#pragma GCC diagnostic pop
}

int process_may_delete(const struct process *p, struct error *e)
{
	return process_allowed(p, ACT_DELETE, e);
}

/* --- life --- */

void process_init(struct process *p, struct container *c, const char *exec_id)
{
	*p = (struct process){
		.container = c, .exec_id = xstrdup(exec_id), .proxy = -1, .mnt_ns = -1
	};
	list_init(&p->link);
	list_init(&p->waiters);
	for (int i = 0; i < STREAM_COUNT; i++)
		p->stream[i] = -1;
}

static void waiters_fire(struct process *p);
static void start_finished(struct process *p, const struct error *e);

/* Nobody may wait for ever for something that no longer exists. */
static void process_give_up(struct process *p)
{
	struct error e;

	if (p->done) {
		error_plain(&e, ESRCH, "it was deleted while it was being started");
		start_finished(p, &e);
	}
	if (p->state != PROCESS_STOPPED) {
		p->state = PROCESS_STOPPED;
		p->exit_status = 128 + SIGKILL;
		clock_gettime(CLOCK_REALTIME, &p->exited_at);
	}
	waiters_fire(p);
}

void process_done(struct process *p)
{
	op_abandon(&p->op);
	guest_forget(p->container->sandbox, p);
	process_close_streams(p);
	proxy_drop(p);
	streams_free(take_ptr(p->streams));
	fd_close(p->mnt_ns);
	p->kill_timer = loop_source_free(p->kill_timer);
	p->forget = loop_source_free(p->forget);
	list_del(&p->link);
	process_give_up(p);
	if (p->spec)
		protobuf_c_message_free_unpacked(&p->spec->base, NULL);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p->exit_reason);
	free(p->exec_id);
}

/* --- waiting --- */

struct process_waiter {
	struct list link;
	struct loop_source *deferred;
	uint32_t exit_status;
	struct timespec exited_at;
	process_wait_fn *fn;
	void *data;
};

static void waiter_call(struct loop_source *s, void *data)
{
	struct process_waiter *w = data;

	w->fn(w->data, w->exit_status, &w->exited_at);
	free(w);
}

static void waiter_defer(struct process_waiter *w, const struct process *p)
{
	list_del(&w->link);
	w->exit_status = p->exit_status;
	w->exited_at = p->exited_at;
	w->deferred = loop_add_defer(p->container->sandbox->loop, waiter_call, w);
}

static void waiters_fire(struct process *p)
{
	while (!list_empty(&p->waiters))
		waiter_defer(list_entry(p->waiters.next, struct process_waiter, link), p);
}

struct process_waiter *process_wait(struct process *p, process_wait_fn *fn, void *data)
{
	struct process_waiter *w = xnew(struct process_waiter);

	w->fn = fn;
	w->data = data;
	list_init(&w->link);
	list_add(&p->waiters, &w->link);
	if (p->state == PROCESS_STOPPED)
		waiter_defer(w, p);
	return w;
}

void process_wait_cancel(struct process_waiter *w)
{
	if (!w)
		return;
	list_del(&w->link);
	loop_source_free(w->deferred);
	free(w);
}

/* --- stdio --- */

/* Held by an init proxy that was attached before, or carried by us to where the engine wants it. */
int process_claim_stdio(struct process *p, const char *in, const char *out, const char *err,
			bool terminal, struct error *e)
{
	const struct sandbox *s = p->container->sandbox;
	const struct streams_params q = {
		.loop = s->loop,
		.id = p->container->id,
		.ns = s->ns,
		.in = in,
		.out = out,
		.err = err,
		.terminal = terminal,
		.exec = !str_empty(p->exec_id),
	};

	p->in = xstrdup(in ? in : "");
	p->out = xstrdup(out ? out : "");
	p->err = xstrdup(err ? err : "");
	p->terminal = terminal;
	return str_eq(p->out, HANDOVER_STDIO) ? proxy_claim(p, e)
					      : streams_open(&q, &p->streams, e);
}

/* The host's pid of a process without a proxy: the machine's, where engines find the cgroup that
 * counts what it uses. */
void process_adopt_pid(struct process *p)
{
	const struct sandbox *s = p->container->sandbox;

	if (p->streams && s->hv)
		p->pid = s->hv->pid;
}

static bool stream_wanted(const struct process *p, int which)
{
	return which != STREAM_ERR || !p->terminal;
}

static void stream_dialled(struct process *p, int which, const struct error *e, int fd,
			   uint32_t port)
{
	struct op *op = str_empty(p->exec_id) ? &p->container->op : &p->op;

	p->dial[which] = NULL;
	if (e) {
		struct error copy = *e;

		error_prefix(&copy, "connect the streams of the process");
		process_close_streams(p);
		op_continue(op, &copy);
		return;
	}
	p->stream[which] = fd;
	p->port[which] = port;
	for (int i = 0; i < STREAM_COUNT; i++)
		if (stream_wanted(p, i) && p->stream[i] < 0)
			return;
	op_continue(op, NULL);
}

#define DEFINE_STREAM_DIALLED(name, which)                                         \
	static void name(void *data, const struct error *e, int fd, uint32_t port) \
	{                                                                          \
		stream_dialled(data, which, e, fd, port);                          \
	}
DEFINE_STREAM_DIALLED(stdin_dialled, STREAM_IN)
DEFINE_STREAM_DIALLED(stdout_dialled, STREAM_OUT)
DEFINE_STREAM_DIALLED(stderr_dialled, STREAM_ERR)

static hvsock_dial_fn *const dialled[STREAM_COUNT] = { stdin_dialled, stdout_dialled,
						       stderr_dialled };

int process_dial_streams(struct process *p, struct op *op, struct error *e)
{
	struct sandbox *s = p->container->sandbox;

	for (int i = 0; i < STREAM_COUNT; i++) {
		if (!stream_wanted(p, i))
			continue;
		p->dial[i] = hvsock_dial(s->loop, s->sock, AGENT_STREAM_PORT, SANDBOX_REQUEST_MS,
					 dialled[i], p);
		if (!p->dial[i]) {
			process_close_streams(p);
			return error_set(e, errno, "connect to %s", s->sock);
		}
	}
	return -EINPROGRESS;
}

void process_close_streams(struct process *p)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		hvsock_dial_free(p->dial[i]);
		p->dial[i] = NULL;
		p->stream[i] = fd_close(p->stream[i]);
	}
}

void process_hand_over(struct process *p)
{
	if (p->streams)
		streams_connect(p->streams, p->stream);
	else
		proxy_hand_over(p);
}

void process_fail(struct process *p, const struct error *e)
{
	proxy_tell(p, HANDOVER_ERROR, 0, error_text(e), NULL, 0);
	proxy_drop(p);
	if (p->streams)
		streams_hang_up(p->streams);
}

/* --- the process's end --- */

static void forget_exec(struct loop_source *s, void *data)
{
	struct process *p = data;

	p->forget = NULL;
	process_delete_exec(p, NULL);
}

/* Everything of it has been delivered. */
static void process_ended(void *data)
{
	struct process *p = data;

	if (p->state == PROCESS_STOPPED)
		return;
	p->state = PROCESS_STOPPED;
	proxy_tell(p, HANDOVER_EXIT, p->exit_status, p->exit_reason, NULL, 0);
	sandbox_notify(p, SANDBOX_EVENT_EXITED);
	waiters_fire(p);
	/* The proxy hangs up when it has drained the streams; an exec is then forgotten
	 * (proxy_gone). If it has gone before, that is now: from the loop, for our caller may be
	 * looking at the list. containerd deletes its own. */
	if (!str_empty(p->exec_id) && p->proxy < 0 && !p->streams)
		p->forget = loop_add_defer(p->container->sandbox->loop, forget_exec, p);
}

static void exit_go_on(struct process *p)
{
	if (p->streams)
		streams_drain(p->streams, process_ended, p);
	else
		process_ended(p);
}

void process_exited(struct process *p, uint32_t status, const char *reason)
{
	if (p->state == PROCESS_STOPPED || p->exiting)
		return;
	p->exiting = true;
	p->exit_status = status;
	p->exit_reason = reason ? xstrdup(reason) : NULL;
	clock_gettime(CLOCK_REALTIME, &p->exited_at);
	p->kill_timer = loop_source_free(p->kill_timer);
	log_info("%s %s: exit status %u%s%s", p->container->id, p->exec_id, status,
		 reason ? ": " : "", reason ? reason : "");
	if (!p->done) /* else start_finished goes on */
		exit_go_on(p);
}

void process_exited_now(struct process *p, uint32_t status)
{
	process_exited(p, status, NULL);
	process_ended(p);
}

static void wait_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct process *p = data;

	if (e)
		process_exited(p, 128 + SIGKILL, error_text(e));
	else
		process_exited(p,
			       (uint32_t)((const Grpc__WaitProcessResponse *)resp)->status & 0xff,
			       NULL);
}

void process_watch(struct process *p)
{
	Grpc__WaitProcessRequest rq = GRPC__WAIT_PROCESS_REQUEST__INIT;

	p->in_guest = true;
	rq.container_id = p->container->id;
	rq.exec_id = p->exec_id;
	guest_call(p->container->sandbox, "WaitProcess", &rq.base, 0, wait_replied, p);
	if (p->proxy < 0 && !p->streams)
		proxy_gone(p); /* while the process was being made */
}

/* --- start --- */

static void start_finished(struct process *p, const struct error *e)
{
	sandbox_done_fn *done = p->done;

	p->done = NULL;
	if (!e) {
		/* A process may have ended before the answer to its start came. */
		if (p->state == PROCESS_CREATED)
			p->state = PROCESS_RUNNING;
		sandbox_notify(p, SANDBOX_EVENT_STARTED);
	}
	if (p->exiting)
		exit_go_on(p);
	if (done)
		done(p->done_data, e);
}

static void poststart_ended(void *data, const struct error *e)
{
	struct process *p = data;

	/* The runtime specification: a failure is logged, the container goes on. */
	if (e)
		log_warn("poststart hooks of %s: %s", p->container->id, error_text(e));
	start_finished(p, NULL);
}

static void init_start_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct process *p = data;
	struct error why = ERROR_INIT;
	int r;

	if (e) {
		start_finished(p, e);
		return;
	}
	r = hooks_start(p->container, OCI_HOOK_POSTSTART, "running", poststart_ended, p, &why);
	if (r != -EINPROGRESS)
		poststart_ended(p, r == -ENOENT ? NULL : &why);
}

static int start_init(struct process *p)
{
	Grpc__StartContainerRequest rq = GRPC__START_CONTAINER_REQUEST__INIT;

	rq.container_id = p->container->id;
	guest_call(p->container->sandbox, "StartContainer", &rq.base, SANDBOX_REQUEST_MS * 6,
		   init_start_replied, p);
	return 0;
}

static int exec_dial(void *data, struct error *e)
{
	struct process *p = data;

	return process_dial_streams(p, &p->op, e);
}

static void exec_dial_undo(void *data)
{
	process_close_streams(data);
}

static void exec_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct process *p = data;

	op_continue(&p->op, e);
}

static int exec_request(void *data, struct error *e)
{
	Grpc__ExecProcessRequest rq = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct process *p = data;

	rq.container_id = p->container->id;
	rq.exec_id = p->exec_id;
	rq.process = p->spec;
	rq.stdin_port = p->port[STREAM_IN];
	rq.stdout_port = p->port[STREAM_OUT];
	rq.stderr_port = p->port[STREAM_ERR];
	guest_call(p->container->sandbox, "ExecProcess", &rq.base, SANDBOX_REQUEST_MS * 6,
		   exec_replied, p);
	return -EINPROGRESS;
}

static int exec_running(void *data, struct error *e)
{
	struct process *p = data;

	process_adopt_pid(p);
	process_hand_over(p);
	process_watch(p);
	return 0;
}

static const struct op_step exec_steps[] = {
	{ "connect the streams", exec_dial, exec_dial_undo },
	{ "start the process in the guest", exec_request, NULL },
	{ "hand the streams over", exec_running, NULL },
};

static void exec_finished(void *data, const struct error *e)
{
	struct process *p = data;

	if (e) {
		process_fail(p, e);
		p->state = PROCESS_STOPPED;
		p->exit_status = 255;
		clock_gettime(CLOCK_REALTIME, &p->exited_at);
		waiters_fire(p);
	}
	start_finished(p, e);
	if (e && !p->streams)
		process_delete_exec(p, NULL);
}

int process_start(struct process *p, sandbox_done_fn *done, void *data, struct error *e)
{
	int r = process_allowed(p, ACT_START, e);

	if (r < 0)
		return r;
	if (p->done)
		return error_plain(e, EBUSY, "the process is being started already");
	p->done = done;
	p->done_data = data;
	if (str_empty(p->exec_id))
		return start_init(p);
	op_start(&p->op, p->container->sandbox->loop, "exec", exec_steps, ARRAY_SIZE(exec_steps),
		 exec_finished, p);
	return 0;
}

/* --- exec --- */

int process_exec(struct container *c, const struct exec_params *q, struct error *e)
{
	struct process *p;
	int r = process_allowed(&c->init, ACT_EXEC, e);

	if (r == 0)
		r = id_check(q->exec_id, "exec id", e);
	if (r == 0)
		r = oci_process_check(q->process, e);
	if (r == 0 && container_process(c, q->exec_id))
		r = error_plain(e, EEXIST, "exec id %s is in use", q->exec_id);
	if (r < 0) {
		protobuf_c_message_free_unpacked(&q->process->base, NULL);
		return r;
	}
	p = xnew(struct process);
	process_init(p, c, q->exec_id);
	p->spec = q->process;
	p->spec->terminal = q->terminal;
	p->state = PROCESS_CREATED;
	r = process_claim_stdio(p, q->in, q->out, q->err, q->terminal, e);
	if (r < 0) {
		process_done(p);
		free(p);
		return r;
	}
	list_add(&c->execs, &p->link);
	sandbox_notify(p, SANDBOX_EVENT_EXEC_ADDED);
	return 0;
}

struct process *container_process(struct container *c, const char *exec_id)
{
	struct process *p;

	if (str_empty(exec_id))
		return &c->init;
	list_for_each(p, &c->execs, link)
		if (str_eq(p->exec_id, exec_id))
			return p;
	return NULL;
}

int process_delete_exec(struct process *p, struct error *e)
{
	int r = process_allowed(p, ACT_DELETE_EXEC, e);

	if (r == 0 && p->done)
		r = error_plain(e, EBUSY, "the process is being started");
	if (r < 0)
		return r;
	process_done(p);
	free(p);
	return 0;
}

void process_status(const struct process *p, struct process_status *ret)
{
	*ret = (struct process_status){
		.id = p->container->id,
		.exec_id = p->exec_id,
		.bundle = p->container->bundle,
		.state = p->state,
		.pid = p->pid,
		.terminal = p->terminal,
		.in = p->in,
		.out = p->out,
		.err = p->err,
		.exit_status = p->exit_status,
		.exited_at = p->exited_at,
		.rootfs = p->container->rootfs,
		.nrootfs = p->container->nrootfs,
	};
}
