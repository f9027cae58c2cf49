/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - the calling end of ttrpc.h.
 *
 * A call is pending until its answer, its timeout or the end of the connection, and ended until its
 * callback has run. Callbacks run from the loop only: an answer that arrives while a blocking call
 * waits, and every failure found while calling, is kept in the list of ended calls, which the loop
 * delivers.
 *
 * The pending list is in the order of the stream ids and searched from its end: long waits gather
 * at its front, where they cost the short calls nothing.
 */
#include "rpc/conn.h"
#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "ttrpc.pb-c.h"

#include <errno.h>
#include <poll.h>

#define NAMESPACE_KEY "containerd-namespace-ttrpc"

struct rpc_client {
	struct loop *loop; /* NULL: blocking calls only */
	struct rpc_conn conn;
	unsigned refs;
	bool freed;  /* by the user; callbacks may still hold a reference */
	bool broken; /* the connection is of no more use */
	char *ns;
	uint32_t next_stream; /* 0: all used up */
	struct list pending, ended;
	struct loop_source *io, *timer, *later;
	uint32_t events;
	int64_t timer_at; /* 0: not armed */
	void (*on_close)(void *data);
	void *on_close_data;
};

/* Where a blocking call finds its result. */
struct sync_result {
	bool done;
	int code;
	struct error *e;
	ProtobufCMessage *resp;
};

struct call {
	struct list link; /* in the client's pending or ended */
	uint32_t stream;
	const ProtobufCMethodDescriptor *method;
	int64_t timeout_ms; /* 0: none */
	int64_t deadline;   /* of loop_now_ms, 0: none */
	rpc_reply_fn *fn;
	void *data;
	struct sync_result *sync; /* instead of fn */
	/* once ended */
	int code;
	char *text;
	ProtobufCMessage *resp;
};

/* --- the end of a call --- */

static void call_free(struct call *call)
{
	list_del(&call->link);
	free(call->text);
	if (call->resp)
		protobuf_c_message_free_unpacked(call->resp, NULL);
	free(call);
}

/* Runs the callback of an ended call and frees the call. */
static void call_deliver(struct call *call)
{
	struct error e = ERROR_INIT;

	list_del(&call->link);
	if (call->code)
		error_plain(&e, call->code, "%s", call->text);
	call->fn(call->data, call->code ? &e : NULL, call->resp);
	call_free(call);
}

static void client_unref(struct rpc_client *c)
{
	if (--c->refs)
		return;
	free(c->ns);
	free(c);
}

static void later_run(struct loop_source *src, void *data)
{
	struct rpc_client *c = data;
	void (*fn)(void *data);
	size_t n = 0;

	c->refs++;
	c->later = NULL;
	/* Those that end meanwhile come next time, or a callback that calls again and again would
	 * keep us here. */
	for (struct list *l = c->ended.next; l != &c->ended; l = l->next)
		n++;
	for (; n && !list_empty(&c->ended); n--)
		call_deliver(list_entry(c->ended.next, struct call, link));
	fn = c->on_close;
	if (c->broken && !c->freed && fn) {
		c->on_close = NULL;
		fn(c->on_close_data);
	}
	client_unref(c);
}

static void client_later(struct rpc_client *c)
{
	if (c->loop && !c->later && !c->freed)
		c->later = loop_add_defer(c->loop, later_run, c);
}

static void call_end_sync(struct call *call, const struct error *e, ProtobufCMessage *resp)
{
	struct sync_result *s = call->sync;

	s->done = true;
	s->code = error_copy(s->e, e);
	s->resp = resp;
	call_free(call);
}

/* Ends @call with exactly one of @e and @resp (taken); its callback comes later. */
static void call_end(struct rpc_client *c, struct call *call, const struct error *e,
		     ProtobufCMessage *resp)
{
	if (call->sync) {
		call_end_sync(call, e, resp);
		return;
	}
	call->code = e ? e->code : 0;
	call->text = e ? xstrdup(error_text(e)) : NULL;
	call->resp = resp;
	list_del(&call->link);
	list_add(&c->ended, &call->link);
	client_later(c);
}

static void __attribute__((format(printf, 4, 5)))
call_fail(struct rpc_client *c, struct call *call, int err, const char *fmt, ...)
{
	struct error e = ERROR_INIT;
	va_list ap;

	va_start(ap, fmt);
	error_plainv(&e, err, fmt, ap);
	va_end(ap);
	call_end(c, call, &e, NULL);
}

/* Fails what is pending; nothing will be sent or read any more. */
static void client_break(struct rpc_client *c, int err, const char *why)
{
	c->broken = true;
	c->io = loop_source_free(c->io);
	rpc_conn_set_deaf(&c->conn);
	while (!list_empty(&c->pending)) {
		struct call *call = list_entry(c->pending.next, struct call, link);

		call_fail(c, call, err, "%s: %s", call->method->name, why);
	}
	client_later(c);
}

/* --- answers --- */

static struct call *find_pending(struct rpc_client *c, uint32_t stream)
{
	for (struct list *l = c->pending.prev; l != &c->pending; l = l->prev) {
		struct call *call = list_entry(l, struct call, link);

		if (call->stream == stream)
			return call;
		if (call->stream < stream)
			break;
	}
	return NULL;
}

static int status_error(const Google__Rpc__Status *s, const char *method, struct error *e)
{
	int err = rpc_errno_of_code((enum rpc_code)s->code);

	if (str_empty(s->message))
		return error_set(e, err, "%s failed with code %d", method, (int)s->code);
	return error_plain(e, err, "%s", s->message);
}

static int unpack_failed(int r, const char *method, struct error *e)
{
	return error_plain(e, r, "%s: the answer is %s", method,
			   r == -E2BIG ? "too large when unpacked" : "malformed");
}

static int decode_response(const struct call *call, const uint8_t *p, size_t n,
			   ProtobufCMessage **ret, struct error *e)
{
	ProtobufCMessage *m = NULL;
	Ttrpc__Response *response;
	int r = rpc_unpack(&ttrpc__response__descriptor, p, n, &m, NULL);

	if (r < 0)
		return unpack_failed(r, call->method->name, e);
	response = (Ttrpc__Response *)m;
	if (response->status && response->status->code != RPC_OK) {
		r = status_error(response->status, call->method->name, e);
	} else {
		r = rpc_unpack(call->method->output, response->payload.data, response->payload.len,
			       ret, NULL);
		if (r < 0)
			unpack_failed(r, call->method->name, e);
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

static void handle_response(struct rpc_client *c, const struct ttrpc_header *h,
			    const uint8_t *payload)
{
	struct call *call = h->type == TTRPC_TYPE_RESPONSE ? find_pending(c, h->stream) : NULL;
	struct error e = ERROR_INIT;
	ProtobufCMessage *resp = NULL;

	if (!call) /* the answer to a call that has timed out, or something of a newer protocol */
		return;
	if (decode_response(call, payload, h->length, &resp, &e) < 0)
		call_end(c, call, &e, NULL);
	else
		call_end(c, call, NULL, resp);
}

static void handle_oversize(struct rpc_client *c, const struct ttrpc_header *h)
{
	struct call *call = find_pending(c, h->stream);

	if (call)
		call_fail(c, call, EMSGSIZE,
			  "%s: the answer has %u bytes, more than a message may have",
			  call->method->name, h->length);
}

static void client_process(struct rpc_client *c)
{
	struct ttrpc_header h;
	const uint8_t *payload;
	int r;

	while ((r = rpc_conn_next(&c->conn, &h, &payload))) {
		if (r < 0) {
			handle_oversize(c, &h);
			continue;
		}
		handle_response(c, &h, payload);
		rpc_conn_drop(&c->conn, &h);
	}
	if (c->conn.eof && !c->broken)
		client_break(c, ECONNRESET, "the connection was closed by the other side");
}

/* --- the loop --- */

static void client_update(struct rpc_client *c)
{
	uint32_t events = EPOLLIN | (buf_len(&c->conn.out) ? (uint32_t)EPOLLOUT : 0);

	if (!c->io || events == c->events)
		return;
	c->events = events;
	if (loop_io_set(c->io, events) < 0)
		client_break(c, ECONNRESET, "the event loop refused the connection");
}

static void client_io(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct rpc_client *c = data;

	if (events & EPOLLOUT)
		rpc_conn_flush(&c->conn);
	if (events & ~(uint32_t)EPOLLOUT)
		rpc_conn_read(&c->conn);
	client_process(c);
	client_update(c);
}

static void timer_arm(struct rpc_client *c, int64_t at)
{
	if (c->timer_at && c->timer_at <= at)
		return;
	if (loop_timer_set(c->timer, MAX(at - loop_now_ms(), 0)) == 0)
		c->timer_at = at;
}

static void call_timed_out(struct rpc_client *c, struct call *call)
{
	call_fail(c, call, ETIMEDOUT, "%s: no answer within %lld ms", call->method->name,
		  (long long)call->timeout_ms);
}

static void timer_run(struct loop_source *src, void *data)
{
	struct rpc_client *c = data;
	int64_t now = loop_now_ms();
	struct call *call;

	c->timer_at = 0;
	list_for_each(call, &c->pending, link) {
		if (!call->deadline)
			continue;
		if (call->deadline <= now)
			call_timed_out(c, call);
		else
			timer_arm(c, call->deadline);
	}
}

/* --- calling --- */

static int send_request(struct rpc_client *c, const struct call *call, const char *service,
			const ProtobufCMessage *req)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue ns = TTRPC__KEY_VALUE__INIT;
	Ttrpc__KeyValue *metadata[] = { &ns };
	int err = rpc_pack(req, &r.payload);

	if (err < 0)
		return err;
	/* protobuf-c has no const strings; packing only reads them. */
	r.service = (char *)(uintptr_t)service;
	r.method = (char *)(uintptr_t)call->method->name;
	r.timeout_nano = call->timeout_ms * 1000000;
	if (c->ns) {
		ns.key = (char *)(uintptr_t)NAMESPACE_KEY;
		ns.value = c->ns;
		r.metadata = metadata;
		r.n_metadata = 1;
	}
	err = rpc_conn_send(&c->conn, call->stream, TTRPC_TYPE_REQUEST, &r.base);
	free(r.payload.data);
	return err;
}

static const char *send_failure(int r)
{
	switch (r) {
	case -EMSGSIZE:
		return "the request is longer than a message may be";
	case -ENOBUFS:
		return "too many requests wait to be sent";
	case -ENOMEM:
		return "out of memory";
	default:
		return "the connection was closed by the other side";
	}
}

static int call_arm(struct rpc_client *c, struct call *call)
{
	if (call->timeout_ms <= 0)
		return 0;
	call->deadline = loop_now_ms() + call->timeout_ms;
	if (call->sync) /* has its own clock */
		return 0;
	if (!c->timer)
		c->timer = loop_add_timer(c->loop, -1, timer_run, c);
	if (!c->timer)
		return -errno;
	timer_arm(c, call->deadline);
	return 0;
}

/* Sends @call, or ends it with the reason why not. */
static void call_start(struct rpc_client *c, struct call *call, const char *service,
		       const ProtobufCMessage *req)
{
	int r;

	list_add(&c->pending, &call->link);
	if (c->broken) {
		call_fail(c, call, ECONNRESET, "%s: the connection is closed", call->method->name);
		return;
	}
	if (!c->next_stream) {
		call_fail(c, call, EOVERFLOW, "%s: the connection has no stream ids left",
			  call->method->name);
		return;
	}
	call->stream = c->next_stream;
	c->next_stream = c->next_stream == UINT32_MAX ? 0 : c->next_stream + 2;
	r = call_arm(c, call);
	if (r < 0) {
		call_fail(c, call, r, "%s: no timer: %s", call->method->name, strerror(-r));
		return;
	}
	r = send_request(c, call, service, req);
	if (r < 0)
		call_fail(c, call, r == -EPIPE ? -ECONNRESET : r, "%s: %s", call->method->name,
			  send_failure(r));
	client_update(c);
}

static struct call *call_new(const ProtobufCServiceDescriptor *desc, unsigned method,
			     int64_t timeout_ms)
{
	struct call *call = xnew(struct call);

	list_init(&call->link);
	call->method = &desc->methods[method];
	call->timeout_ms = MIN(timeout_ms, INT64_MAX / 2000000);
	return call;
}

void rpc_client_call(struct rpc_client *c, const ProtobufCServiceDescriptor *desc, unsigned method,
		     const ProtobufCMessage *req, int64_t timeout_ms, rpc_reply_fn *fn, void *data)
{
	struct call *call = call_new(desc, method, timeout_ms);

	call->fn = fn;
	call->data = data;
	call_start(c, call, desc->name, req);
}

/* --- blocking calls --- */

/* Waits for the socket until @deadline (0: for ever). -ETIMEDOUT, -errno. */
static int wait_socket(struct rpc_client *c, int64_t deadline)
{
	struct pollfd p = { .fd = c->conn.fd, .events = POLLIN };
	int64_t left = deadline ? deadline - loop_now_ms() : -1;
	int r;

	if (deadline && left <= 0)
		return -ETIMEDOUT;
	if (buf_len(&c->conn.out))
		p.events |= POLLOUT;
	r = poll(&p, 1, (int)MIN(left, INT32_MAX));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (p.revents & POLLOUT)
		rpc_conn_flush(&c->conn);
	if (p.revents & ~POLLOUT)
		rpc_conn_read(&c->conn);
	return 0;
}

static void sync_wait(struct rpc_client *c, struct call *call, struct sync_result *s)
{
	int64_t deadline = call->deadline;
	int r;

	while (!s->done) {
		r = wait_socket(c, deadline);
		if (r == -ETIMEDOUT)
			call_timed_out(c, call);
		else if (r < 0)
			call_fail(c, call, r, "%s: poll: %s", call->method->name, strerror(-r));
		else
			client_process(c);
	}
	client_update(c);
}

int rpc_client_call_sync(struct rpc_client *c, const ProtobufCServiceDescriptor *desc,
			 unsigned method, const ProtobufCMessage *req, int64_t timeout_ms,
			 ProtobufCMessage **ret, struct error *e)
{
	struct call *call = call_new(desc, method, timeout_ms);
	struct sync_result s = { .e = e };

	call->sync = &s;
	call_start(c, call, desc->name, req);
	if (!s.done)
		sync_wait(c, call, &s);
	if (s.resp && ret)
		*ret = s.resp;
	else if (s.resp)
		protobuf_c_message_free_unpacked(s.resp, NULL);
	return s.code;
}

/* --- the client --- */

struct rpc_client *rpc_client_new(struct loop *l, int fd)
{
	struct rpc_client *c = xnew(struct rpc_client);
	int r = rpc_conn_init(&c->conn, fd);

	c->loop = l;
	c->refs = 1;
	c->next_stream = 1;
	list_init(&c->pending);
	list_init(&c->ended);
	c->events = EPOLLIN;
	if (r == 0 && l)
		c->io = loop_add_io(l, fd, c->events, client_io, c);
	if (r < 0 || (l && !c->io))
		client_break(c, ECONNRESET, "the socket is of no use");
	return c;
}

void rpc_client_free(struct rpc_client *c)
{
	if (!c || c->freed)
		return;
	c->freed = true;
	if (!c->broken)
		client_break(c, ECANCELED, "given up");
	c->timer = loop_source_free(c->timer);
	c->later = loop_source_free(c->later);
	rpc_conn_done(&c->conn);
	while (!list_empty(&c->ended))
		call_deliver(list_entry(c->ended.next, struct call, link));
	client_unref(c);
}

void rpc_client_set_namespace(struct rpc_client *c, const char *ns)
{
	free(c->ns);
	c->ns = ns ? xstrdup(ns) : NULL;
}

void rpc_client_on_close(struct rpc_client *c, void (*fn)(void *data), void *data)
{
	c->on_close = fn;
	c->on_close_data = data;
	if (c->broken)
		client_later(c);
}
