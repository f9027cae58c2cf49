/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp_client - see qmp_client.h.
 *
 * States: waiting for the greeting (commands pile up in @out, behind qmp_capabilities), talking,
 * broken (@why says how; every command is refused). The calls are in the order of their deadlines,
 * since all have the same time.
 */
#include "hv/qemu/qmp_client.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"

#include <errno.h>

struct call {
	struct list link;
	uint64_t id;
	int64_t deadline; /* ms */
	char *name;
	qmp_reply_fn *fn;
	void *arg;
};

struct qmp_client {
	struct loop *loop;
	struct loop_source *io, *timer;
	int fd;
	bool greeted;
	struct error why; /* broken, if there is a code */
	struct qmp_reader in;
	struct buf out;
	int pass;           /* a descriptor to send, -1 */
	size_t before_pass; /* bytes of @out in front of its command */
	struct buf scratch; /* the command being made */
	struct qmp_command command;
	char *name; /* its */
	uint64_t next_id;
	struct list calls;
	size_t ncalls;
	qmp_event_fn *event;
	void *arg;
};

/* Takes the call out and answers it. */
static void call_finish(struct qmp_client *c, struct call *call, const struct json *data,
			const struct error *e)
{
	list_del(&call->link);
	c->ncalls--;
	if (call->fn)
		call->fn(data, e, call->arg);
	else if (e)
		log_warn("QMP command %s: %s", call->name, error_text(e));
	free(call->name);
	free(call);
}

static struct call *first_call(struct qmp_client *c)
{
	return list_entry(c->calls.next, struct call, link);
}

static void client_break(struct qmp_client *c, const struct error *why)
{
	if (c->why.code)
		return;
	c->why = *why;
	c->io = loop_source_free(c->io);
	c->timer = loop_source_free(c->timer);
	while (!list_empty(&c->calls))
		call_finish(c, first_call(c), NULL, &c->why);
}

static void update_events(struct qmp_client *c)
{
	if (c->io)
		loop_io_set(c->io, EPOLLIN | (c->greeted && buf_len(&c->out) ? EPOLLOUT : 0));
}

static void arm_timer(struct qmp_client *c)
{
	int64_t left = -1;

	if (!list_empty(&c->calls))
		left = MAX(first_call(c)->deadline - loop_now_ms(), (int64_t)0);

	if (c->timer)
		loop_timer_set(c->timer, left);
}

static void timed_out(struct loop_source *s, void *data)
{
	struct qmp_client *c = data;
	int64_t now = loop_now_ms();

	while (!list_empty(&c->calls) && first_call(c)->deadline <= now) {
		struct call *call = first_call(c);
		struct error e = ERROR_INIT;

		error_plain(&e, ETIMEDOUT, "QEMU does not answer %s", call->name);
		call_finish(c, call, NULL, &e);
	}
	arm_timer(c);
}

/* Writes once. A descriptor goes with the first byte of its command, so that it is there when the
 * command is read. */
static ssize_t flush_once(struct qmp_client *c)
{
	size_t n = c->pass >= 0 && c->before_pass ? c->before_pass : buf_len(&c->out);
	bool pass = c->pass >= 0 && !c->before_pass;
	ssize_t done = fd_send(c->fd, buf_ptr(&c->out), n, &c->pass, pass ? 1 : 0);

	if (done <= 0)
		return done;
	buf_consume(&c->out, (size_t)done);
	if (pass)
		c->pass = fd_close(c->pass);
	else
		c->before_pass -= MIN(c->before_pass, (size_t)done);
	return done;
}

static void flush(struct qmp_client *c)
{
	while (c->io && c->greeted && buf_len(&c->out)) {
		ssize_t n = flush_once(c);

		if (n == -EAGAIN)
			break;
		/* QEMU has gone: its last messages are still to be read, and the end behind them.
		 */
		if (n < 0)
			buf_clear(&c->out);
	}
	update_events(c);
}

static void handle_answer(struct qmp_client *c, const struct qmp_message *m)
{
	struct error e = ERROR_INIT;
	struct call *call;

	if (m->kind == QMP_ERROR)
		error_plain(&e, EIO, "%s", m->text);
	if (!m->has_id) {
		log_warn("QMP answer to nothing: %s", error_text(&e));
		return;
	}
	list_for_each(call, &c->calls, link) {
		if (call->id != m->id)
			continue;
		call_finish(c, call, e.code ? NULL : m->data, e.code ? &e : NULL);
		arm_timer(c);
		return;
	}
	log_debug("QMP answer %llu came too late", (unsigned long long)m->id);
}

static void handle(struct qmp_client *c, const struct qmp_message *m)
{
	switch (m->kind) {
	case QMP_GREETING:
		c->greeted = true;
		flush(c);
		break;
	case QMP_RETURN:
	case QMP_ERROR:
		handle_answer(c, m);
		break;
	case QMP_EVENT:
		c->event(m->name, m->data, c->arg);
		break;
	}
}

/* All whole messages that have been read. */
static void dispatch(struct qmp_client *c)
{
	while (!c->why.code) {
		autodone(qmp_message) m = { 0 };
		struct error e = ERROR_INIT;
		int r = qmp_reader_next(&c->in, &m, &e);

		if (r < 0)
			client_break(c, &e);
		if (r <= 0)
			return;
		handle(c, &m);
	}
}

/* Reads once. False when there is nothing (more). */
static bool fill(struct qmp_client *c)
{
	struct error e = ERROR_INIT;
	ssize_t n;

	if (c->why.code)
		return false;
	n = qmp_reader_fill(&c->in, c->fd);
	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n > 0) {
		dispatch(c);
		return true;
	}
	if (n == 0)
		error_plain(&e, ENOTCONN, "QEMU closed the control connection");
	else
		error_set(&e, (int)n, "read from QEMU");
	client_break(c, &e);
	return false;
}

static void ready(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct qmp_client *c = data;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		fill(c);
	if (events & EPOLLOUT)
		flush(c);
}

void qmp_client_drain(struct qmp_client *c)
{
	/* QEMU's last words fit in the socket's buffer: a bound against a peer that never stops. */
	for (int i = 0; i < LIMIT_HV_QMP_CALLS; i++)
		if (!fill(c))
			return;
}

static void capabilities_done(const struct json *data, const struct error *e, void *arg)
{
	if (e)
		log_debug("QMP greeting: %s", error_text(e));
}

struct qmp_client *qmp_client_new(struct loop *l, int fd, qmp_event_fn *fn, void *arg,
				  struct error *e)
{
	struct qmp_client *c = xnew(struct qmp_client);

	c->loop = l;
	c->fd = fd;
	c->event = fn;
	c->arg = arg;
	c->pass = -1;
	c->out = BUF_INIT(LIMIT_HV_QMP_OUTPUT);
	c->scratch = BUF_INIT(LIMIT_HV_QMP_OUTPUT);
	list_init(&c->calls);
	qmp_reader_init(&c->in);
	fd_set_nonblock(fd, true);
	c->timer = loop_add_timer(l, -1, timed_out, c);
	c->io = c->timer ? loop_add_io(l, fd, EPOLLIN, ready, c) : NULL;
	if (!c->io) {
		error_set(e, errno, "watch the control connection");
		qmp_client_free(c);
		return NULL;
	}
	qmp_client_begin(c, "qmp_capabilities");
	if (qmp_client_send(c, capabilities_done, NULL, e) == 0)
		return c;
	qmp_client_free(c);
	return NULL;
}

void qmp_client_free(struct qmp_client *c)
{
	struct call *call;

	if (!c)
		return;
	list_for_each(call, &c->calls, link) {
		call->fn = NULL;
		call_finish(c, call, NULL, NULL);
	}
	loop_source_free(c->io);
	loop_source_free(c->timer);
	qmp_reader_done(&c->in);
	buf_done(&c->out);
	buf_done(&c->scratch);
	free(c->name);
	fd_close(c->pass);
	fd_close(c->fd);
	free(c);
}

struct json_writer *qmp_client_begin(struct qmp_client *c, const char *name)
{
	free(c->name);
	c->name = xstrdup(name);
	buf_clear(&c->scratch);
	return qmp_command_begin(&c->command, &c->scratch, name, c->next_id);
}

/* What begin and the writer made goes onto @out. */
static int enqueue(struct qmp_client *c, struct error *e)
{
	int r = qmp_command_end(&c->command);

	if (c->why.code)
		return error_copy(e, &c->why);
	if (c->ncalls >= LIMIT_HV_QMP_CALLS)
		return error_plain(e, EBUSY, "QEMU has not answered %zu commands", c->ncalls);
	if (r == 0)
		r = buf_add(&c->out, buf_ptr(&c->scratch), buf_len(&c->scratch));
	return r < 0 ? error_set(e, r, "QMP command %s", c->name) : 0;
}

static void expect_answer(struct qmp_client *c, qmp_reply_fn *fn, void *arg)
{
	struct call *call = xnew(struct call);

	call->id = c->next_id++;
	call->deadline = loop_now_ms() + QMP_TIMEOUT_MS;
	call->name = xstrdup(c->name);
	call->fn = fn;
	call->arg = arg;
	list_init(&call->link);
	list_add(&c->calls, &call->link);
	c->ncalls++;
	arm_timer(c);
	flush(c);
}

int qmp_client_send(struct qmp_client *c, qmp_reply_fn *fn, void *arg, struct error *e)
{
	int r = enqueue(c, e);

	if (r == 0)
		expect_answer(c, fn, arg);
	return r;
}

int qmp_client_send_fd(struct qmp_client *c, int fd, qmp_reply_fn *fn, void *arg, struct error *e)
{
	size_t before = buf_len(&c->out);
	int r;

	if (c->pass >= 0)
		return error_plain(e, EBUSY, "QMP command %s: another descriptor is on its way",
				   c->name);
	r = enqueue(c, e);
	if (r < 0)
		return r;
	c->pass = fd;
	c->before_pass = before;
	expect_answer(c, fn, arg);
	return 0;
}
