/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_call - the calls of a server's clients: from a frame to a handler, from an answer to a
 * frame, and their deadlines. See server.c.
 */
#include "rpc/server_priv.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "wire/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* --- answers --- */

static void send_status(struct client *c, uint32_t stream, enum rpc_code code, const char *text);

static void send_response(struct client *c, uint32_t stream, const Ttrpc__Response *r)
{
	switch (rpc_conn_send(&c->conn, stream, TTRPC_TYPE_RESPONSE, &r->base)) {
	case -EMSGSIZE:
		send_status(c, stream, RPC_RESOURCE_EXHAUSTED,
			    "the answer is longer than a message may be");
		break;
	case -ENOBUFS:
		log_warn("ttrpc: a client does not read its answers: connection closed");
		server_client_close_later(c);
		break;
	default: /* delivered, or nobody there to deliver to */
		break;
	}
}

static void send_status(struct client *c, uint32_t stream, enum rpc_code code, const char *text)
{
	char message[ERROR_TEXT_MAX];
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;

	snprintf(message, sizeof(message), "%s", text);
	utf8_clean(message);
	status.code = (int32_t)code;
	status.message = message;
	r.status = &status;
	send_response(c, stream, &r);
}

void server_refuse(struct client *c, uint32_t stream, enum rpc_code code, const char *fmt, ...)
{
	struct error e;
	va_list ap;

	va_start(ap, fmt);
	error_plainv(&e, EIO, fmt, ap);
	va_end(ap);
	send_status(c, stream, code, e.text);
}

/* --- calls --- */

static void call_detach(struct rpc_call *call)
{
	struct client *c = call->client;

	if (!c)
		return;
	list_del(&call->link);
	call->client = NULL;
	c->ncalls--;
	c->held -= call->size;
}

void server_call_cancel(struct rpc_call *call)
{
	void (*fn)(void *data) = call->cancel;

	call_detach(call);
	call->cancel = NULL;
	if (fn)
		fn(call->cancel_data); /* may answer, and so free, the call */
}

static void call_free(struct rpc_call *call)
{
	struct client *c = call->client;

	call_detach(call);
	ttrpc__request__free_unpacked(call->request, NULL);
	if (call->message)
		protobuf_c_message_free_unpacked(call->message, NULL);
	free(call);
	if (c && !c->busy)
		server_client_settle(c);
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *resp)
{
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	int err;

	if (call->client) {
		err = rpc_pack(resp, &r.payload);
		if (err < 0)
			server_refuse(call->client, call->stream, RPC_RESOURCE_EXHAUSTED,
				      "%s: the answer is longer than a message may be",
				      call->method->name);
		else
			send_response(call->client, call->stream, &r);
		free(r.payload.data);
	}
	call_free(call);
}

void rpc_call_reply_empty(struct rpc_call *call)
{
	rpc_call_reply(call, NULL);
}

void rpc_call_fail(struct rpc_call *call, const struct error *e)
{
	if (call->client)
		send_status(call->client, call->stream, rpc_code_of_errno(e->code ? e->code : EIO),
			    error_text(e));
	call_free(call);
}

void rpc_call_failf(struct rpc_call *call, int err, const char *fmt, ...)
{
	struct error e = ERROR_INIT;
	va_list ap;

	va_start(ap, fmt);
	error_plainv(&e, err, fmt, ap);
	va_end(ap);
	rpc_call_fail(call, &e);
}

const char *rpc_call_metadata(const struct rpc_call *call, const char *key)
{
	for (size_t i = 0; i < call->request->n_metadata; i++)
		if (strcasecmp(call->request->metadata[i]->key, key) == 0)
			return call->request->metadata[i]->value;
	return NULL;
}

void rpc_call_on_cancel(struct rpc_call *call, void (*fn)(void *data), void *data)
{
	call->cancel = fn;
	call->cancel_data = data;
}

bool rpc_call_gone(const struct rpc_call *call)
{
	return !call->client;
}

const char *rpc_call_method(const struct rpc_call *call)
{
	return call->method->name;
}

/* --- deadlines: one timer a client, armed for the earliest call --- */

static void timer_arm(struct client *c, int64_t at)
{
	if (!c->timer || (c->timer_at && c->timer_at <= at))
		return;
	if (loop_timer_set(c->timer, MAX(at - loop_now_ms(), 0)) == 0)
		c->timer_at = at;
}

static struct rpc_call *first_overdue(struct client *c, int64_t now)
{
	struct rpc_call *call;

	list_for_each(call, &c->calls, link)
		if (call->deadline && call->deadline <= now)
			return call;
	return NULL;
}

static void timer_run(struct loop_source *src, void *data)
{
	struct client *c = data;
	int64_t now = loop_now_ms();
	struct rpc_call *call;

	c->refs++;
	c->timer_at = 0;
	while (c->server && (call = first_overdue(c, now))) {
		server_refuse(c, call->stream, RPC_DEADLINE_EXCEEDED,
			      "%s: not done within the time the caller gave", call->method->name);
		server_call_cancel(call);
	}
	if (c->server) {
		list_for_each(call, &c->calls, link)
			if (call->deadline)
				timer_arm(c, call->deadline);
		server_client_settle(c);
	}
	server_client_unref(c);
}

/* 0, or -errno when the loop has no timer for us. */
static int call_set_deadline(struct rpc_call *call, int64_t timeout_nano)
{
	struct client *c = call->client;

	if (!timeout_nano)
		return 0;
	if (!c->timer)
		c->timer = loop_add_timer(c->server->loop, -1, timer_run, c);
	if (!c->timer)
		return -errno;
	call->deadline = loop_now_ms() + timeout_nano / 1000000 + 1;
	timer_arm(c, call->deadline);
	return 0;
}

/* --- requests --- */

static const struct registration *find_service(const struct rpc_server *s, const char *name)
{
	for (size_t i = 0; i < s->nservices; i++)
		if (str_eq(s->services[i].svc->desc->name, name))
			return &s->services[i];
	return NULL;
}

/* Decodes the payload of call->request; answers and returns false if that fails. */
static bool call_decode(struct client *c, struct rpc_call *call)
{
	ProtobufCBinaryData *p = &call->request->payload;
	size_t size = 0;
	int r = rpc_unpack(call->method->input, p->data, p->len, &call->message, &size);

	if (r == -E2BIG) {
		server_refuse(c, call->stream, RPC_RESOURCE_EXHAUSTED,
			      "%s: the request is too large when unpacked", call->method->name);
		return false;
	}
	if (r < 0) {
		server_refuse(c, call->stream, RPC_INTERNAL, "%s: the request is malformed",
			      call->method->name);
		return false;
	}
	call->size += size - p->len;
	free(p->data);
	*p = (ProtobufCBinaryData){ 0 };
	if (c->held + call->size > LIMIT_TTRPC_HELD) {
		server_refuse(c, call->stream, RPC_RESOURCE_EXHAUSTED,
			      "%s: the requests in flight take too much memory",
			      call->method->name);
		return false;
	}
	return true;
}

static bool call_allowed(struct client *c, struct rpc_call *call)
{
	struct rpc_server *s = c->server;
	struct error e = ERROR_INIT;
	int r = 0;

	if (s->filter)
		r = s->filter(s->filter_data, call->request->service, call->method->name,
			      call->message, &e);
	if (r >= 0)
		return true;
	send_status(c, call->stream, rpc_code_of_errno(r),
		    e.code ? error_text(&e) : "refused by policy");
	return false;
}

/* Finds the handler; answers and returns NULL if there is none. The words are those of the Go
 * implementation. */
static rpc_handler_fn *call_resolve(struct client *c, struct rpc_call *call, void **ret_data)
{
	const struct registration *reg = find_service(c->server, call->request->service);
	int i;

	if (!reg) {
		server_refuse(c, call->stream, RPC_UNIMPLEMENTED, "service %s",
			      call->request->service);
		return NULL;
	}
	i = rpc_method_index(reg->svc->desc, call->request->method);
	if (i < 0 || !reg->svc->handlers[i]) {
		server_refuse(c, call->stream, RPC_UNIMPLEMENTED, "method %s",
			      call->request->method);
		return NULL;
	}
	call->method = &reg->svc->desc->methods[i];
	*ret_data = reg->data;
	return reg->svc->handlers[i];
}

/* May this request be taken at all? */
static bool request_admit(struct client *c, const struct rpc_call *call)
{
	if (c->ncalls >= LIMIT_TTRPC_CALLS) {
		server_refuse(c, call->stream, RPC_RESOURCE_EXHAUSTED,
			      "more than %d requests in flight", LIMIT_TTRPC_CALLS);
		return false;
	}
	if (call->request->timeout_nano < 0) {
		server_refuse(c, call->stream, RPC_DEADLINE_EXCEEDED,
			      "%s: the caller's time was over before it began",
			      call->request->method);
		return false;
	}
	return true;
}

/* Runs the handler, which then owns @call; frees it where it is answered here. */
static void call_dispatch(struct client *c, struct rpc_call *call)
{
	int64_t timeout = call->request->timeout_nano;
	rpc_handler_fn *fn = NULL;
	void *data = NULL;
	int r;

	if (request_admit(c, call))
		fn = call_resolve(c, call, &data);
	if (!fn || !call_decode(c, call) || !call_allowed(c, call)) {
		call_free(call);
		return;
	}
	list_add(&c->calls, &call->link);
	call->client = c;
	c->ncalls++;
	c->held += call->size;
	r = call_set_deadline(call, timeout);
	if (r < 0)
		rpc_call_failf(call, r, "%s: no timer: %s", call->method->name, strerror(-r));
	else
		fn(call, call->message, data);
}

static void handle_request(struct client *c, const struct ttrpc_header *h, const uint8_t *payload)
{
	struct rpc_call *call;
	ProtobufCMessage *m;
	size_t size;
	int r;

	if (h->stream <= c->last_stream) {
		send_status(c, h->stream, RPC_INVALID_ARGUMENT,
			    "StreamID cannot be re-used and must increment");
		return;
	}
	c->last_stream = h->stream;
	if (h->flags & TTRPC_FLAG_REMOTE_OPEN) {
		send_status(c, h->stream, RPC_UNIMPLEMENTED, "streaming calls are not served here");
		return;
	}
	r = rpc_unpack(&ttrpc__request__descriptor, payload, h->length, &m, &size);
	if (r < 0) {
		send_status(c, h->stream,
			    r == -E2BIG ? RPC_RESOURCE_EXHAUSTED : RPC_INVALID_ARGUMENT,
			    "unmarshal request error: not a ttrpc.Request");
		return;
	}
	call = xnew(struct rpc_call);
	list_init(&call->link);
	call->stream = h->stream;
	call->size = size;
	call->request = (Ttrpc__Request *)m;
	call_dispatch(c, call);
}

void server_handle_frame(struct client *c, const struct ttrpc_header *h, const uint8_t *payload)
{
	if (h->type != TTRPC_TYPE_REQUEST && h->type != TTRPC_TYPE_DATA)
		return; /* for a future version of the protocol */
	if (h->stream % 2 != 1)
		send_status(c, h->stream, RPC_INVALID_ARGUMENT,
			    "StreamID must be odd for client initiated streams");
	else if (h->type == TTRPC_TYPE_DATA)
		send_status(c, h->stream, RPC_INVALID_ARGUMENT, "StreamID is no longer active");
	else
		handle_request(c, h, payload);
}
