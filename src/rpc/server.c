/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the serving end of ttrpc.h.
 *
 * Objects: a server has listeners and clients (connections); a client has calls (requests not yet
 * answered). A call outlives its client: when the client goes, its calls are detached, told so once
 * (rpc_call_on_cancel), and freed when their handlers answer.
 *
 * Back-pressure: a client with more than LIMIT_TTRPC_PAUSE bytes of undelivered answers is not
 * read, and one that lets LIMIT_TTRPC_OUTPUT pile up is cut off. What calls in flight hold in
 * memory is bounded by LIMIT_TTRPC_CALLS and LIMIT_TTRPC_HELD.
 *
 * Nothing is torn down under a handler's feet: a client that has to go while a handler may be
 * running is closed from the loop. The exception is rpc_server_free, which closes at once and for
 * that reason leaves a client that is being dispatched to its reference.
 */
#include "rpc/conn.h"
#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "ttrpc.pb-c.h"
#include "wire/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS 100 /* after accept(2) ran out of descriptors or memory */

struct registration {
	const struct rpc_service *svc;
	void *data;
};

struct rpc_server {
	struct loop *loop;
	struct registration *services;
	size_t nservices;
	rpc_filter_fn *filter;
	void *filter_data;
	struct list listeners, clients;
	unsigned nclients;
	void (*idle)(void *data);
	void *idle_data;
	struct loop_source *idle_later;
};

struct listener {
	struct list link;
	struct rpc_server *server;
	int fd;
	struct loop_source *io;
	struct loop_source *resume; /* timer; made in advance: it is for when descriptors are out */
	int (*check)(int fd, void *data);
	void *data;
};

struct client {
	struct list link; /* in server->clients */
	struct list calls;
	struct rpc_server *server; /* NULL once closed */
	unsigned refs;
	unsigned ncalls;
	size_t held; /* bytes of the requests in flight */
	uint32_t last_stream;
	uint32_t events; /* what the loop watches for */
	bool busy;       /* frames are being handled: settle afterwards */
	struct rpc_conn conn;
	struct loop_source *io, *timer, *close_later;
	int64_t timer_at; /* 0: not armed */
};

struct rpc_call {
	struct list link;      /* in client->calls */
	struct client *client; /* NULL once detached */
	uint32_t stream;
	size_t size;
	int64_t deadline; /* of loop_now_ms, 0: none */
	const ProtobufCMethodDescriptor *method;
	Ttrpc__Request *request; /* without its payload: names and metadata */
	ProtobufCMessage *message;
	void (*cancel)(void *data);
	void *cancel_data;
};

static void client_close(struct client *c);
static void client_settle(struct client *c);
static void listeners_update(struct rpc_server *s);

/* --- answers --- */

static void send_status(struct client *c, uint32_t stream, enum rpc_code code, const char *text);

static void close_later_run(struct loop_source *src, void *data)
{
	struct client *c = data;

	c->close_later = NULL;
	client_close(c);
}

/* Drops what cannot be delivered any more and lets the loop close the client. */
static void client_close_later(struct client *c)
{
	rpc_conn_set_deaf(&c->conn);
	if (!c->close_later)
		c->close_later = loop_add_defer(c->server->loop, close_later_run, c);
}

static void send_response(struct client *c, uint32_t stream, const Ttrpc__Response *r)
{
	switch (rpc_conn_send(&c->conn, stream, TTRPC_TYPE_RESPONSE, &r->base)) {
	case -EMSGSIZE:
		send_status(c, stream, RPC_RESOURCE_EXHAUSTED,
			    "the answer is longer than a message may be");
		break;
	case -ENOBUFS:
		log_warn("ttrpc: a client does not read its answers: connection closed");
		client_close_later(c);
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

static void __attribute__((format(printf, 4, 5)))
refuse(struct client *c, uint32_t stream, enum rpc_code code, const char *fmt, ...)
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

static void call_cancel(struct rpc_call *call)
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
		client_settle(c);
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *resp)
{
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	int err;

	if (call->client) {
		err = rpc_pack(resp, &r.payload);
		if (err < 0)
			refuse(call->client, call->stream, RPC_RESOURCE_EXHAUSTED,
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

static void client_unref(struct client *c)
{
	if (--c->refs == 0)
		free(c);
}

static void timer_run(struct loop_source *src, void *data)
{
	struct client *c = data;
	int64_t now = loop_now_ms();
	struct rpc_call *call;

	c->refs++;
	c->timer_at = 0;
	while (c->server && (call = first_overdue(c, now))) {
		refuse(c, call->stream, RPC_DEADLINE_EXCEEDED,
		       "%s: not done within the time the caller gave", call->method->name);
		call_cancel(call);
	}
	if (c->server) {
		list_for_each(call, &c->calls, link)
			if (call->deadline)
				timer_arm(c, call->deadline);
		client_settle(c);
	}
	client_unref(c);
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
		refuse(c, call->stream, RPC_RESOURCE_EXHAUSTED,
		       "%s: the request is too large when unpacked", call->method->name);
		return false;
	}
	if (r < 0) {
		refuse(c, call->stream, RPC_INTERNAL, "%s: the request is malformed",
		       call->method->name);
		return false;
	}
	call->size += size - p->len;
	free(p->data);
	*p = (ProtobufCBinaryData){ 0 };
	if (c->held + call->size > LIMIT_TTRPC_HELD) {
		refuse(c, call->stream, RPC_RESOURCE_EXHAUSTED,
		       "%s: the requests in flight take too much memory", call->method->name);
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
		refuse(c, call->stream, RPC_UNIMPLEMENTED, "service %s", call->request->service);
		return NULL;
	}
	i = rpc_method_index(reg->svc->desc, call->request->method);
	if (i < 0 || !reg->svc->handlers[i]) {
		refuse(c, call->stream, RPC_UNIMPLEMENTED, "method %s", call->request->method);
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
		refuse(c, call->stream, RPC_RESOURCE_EXHAUSTED, "more than %d requests in flight",
		       LIMIT_TTRPC_CALLS);
		return false;
	}
	if (call->request->timeout_nano < 0) {
		refuse(c, call->stream, RPC_DEADLINE_EXCEEDED,
		       "%s: the caller's time was over before it began", call->request->method);
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

static void handle_frame(struct client *c, const struct ttrpc_header *h, const uint8_t *payload)
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

/* --- clients --- */

static bool client_paused(const struct client *c)
{
	return buf_len(&c->conn.out) > LIMIT_TTRPC_PAUSE;
}

static void client_process(struct client *c)
{
	struct ttrpc_header h;
	const uint8_t *payload;
	int r;

	while (c->server && !c->close_later && !client_paused(c) &&
	       (r = rpc_conn_next(&c->conn, &h, &payload))) {
		if (r < 0) {
			refuse(c, h.stream, RPC_RESOURCE_EXHAUSTED,
			       "message length %u exceed maximum message size of %zu", h.length,
			       LIMIT_TTRPC_MESSAGE);
			continue;
		}
		handle_frame(c, &h, payload);
		rpc_conn_drop(&c->conn, &h);
	}
}

/* A client that has only closed its sending direction still gets its answers. */
static bool client_finished(const struct client *c)
{
	if (!c->conn.eof || client_paused(c))
		return false;
	return (!c->ncalls && !buf_len(&c->conn.out)) || rpc_conn_peer_gone(&c->conn);
}

/* Brings the watched events in line with the state, or has the loop close the client if nothing is
 * left to do for it. */
static void client_settle(struct client *c)
{
	uint32_t events = 0;

	if (!c->server || c->close_later)
		return;
	if (client_finished(c)) {
		client_close_later(c);
		return;
	}
	if (!c->conn.eof && !client_paused(c))
		events |= EPOLLIN;
	if (buf_len(&c->conn.out))
		events |= EPOLLOUT;
	if (events == c->events)
		return;
	if (loop_io_set(c->io, events) < 0)
		client_close_later(c);
	c->events = events;
}

static void client_io(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct client *c = data;

	c->refs++;
	if (events & (EPOLLERR | EPOLLHUP))
		rpc_conn_set_deaf(&c->conn);
	else if (events & EPOLLOUT)
		rpc_conn_flush(&c->conn);
	/* Also after EPOLLHUP: what was sent before the end is still served. */
	if (!c->conn.eof && !client_paused(c) && (events & ~(uint32_t)EPOLLOUT))
		rpc_conn_read(&c->conn);
	c->busy = true;
	client_process(c);
	c->busy = false;
	client_settle(c);
	client_unref(c);
}

static void idle_run(struct loop_source *src, void *data)
{
	struct rpc_server *s = data;

	s->idle_later = NULL;
	if (!s->nclients && s->idle)
		s->idle(s->idle_data); /* may free the server */
}

/* Detaches everything; the memory goes with the last reference. */
static void client_close(struct client *c)
{
	struct rpc_server *s = c->server;

	if (!s)
		return;
	c->server = NULL;
	list_del(&c->link);
	c->io = loop_source_free(c->io);
	c->timer = loop_source_free(c->timer);
	c->close_later = loop_source_free(c->close_later);
	rpc_conn_done(&c->conn);
	if (--s->nclients == 0 && s->idle && !s->idle_later)
		s->idle_later = loop_add_defer(s->loop, idle_run, s);
	listeners_update(s);
	while (!list_empty(&c->calls))
		call_cancel(list_entry(c->calls.next, struct rpc_call, link));
	client_unref(c);
}

int rpc_server_serve(struct rpc_server *s, int fd)
{
	struct client *c = xnew(struct client);
	int r = rpc_conn_init(&c->conn, fd);

	if (r >= 0) {
		c->events = EPOLLIN;
		c->io = loop_add_io(s->loop, fd, c->events, client_io, c);
		if (!c->io)
			r = -errno;
	}
	if (r < 0) {
		rpc_conn_done(&c->conn);
		free(c);
		return r;
	}
	c->refs = 1;
	c->server = s;
	list_init(&c->calls);
	list_add(&s->clients, &c->link);
	s->nclients++;
	listeners_update(s);
	return 0;
}

/* --- listeners --- */

static void listeners_update(struct rpc_server *s)
{
	struct listener *l;

	/* Whoever comes while the house is full waits in the backlog. */
	list_for_each(l, &s->listeners, link)
		loop_io_set(l->io, s->nclients < LIMIT_TTRPC_CLIENTS ? EPOLLIN : 0);
}

static void accept_resume(struct loop_source *src, void *data)
{
	listeners_update(((struct listener *)data)->server);
}

/* Without this a lack of descriptors would spin: the connection stays in the backlog and the
 * listener stays readable. */
static void accept_pause(struct listener *l)
{
	if (loop_timer_set(l->resume, ACCEPT_PAUSE_MS) == 0)
		loop_io_set(l->io, 0);
}

static void accept_io(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct listener *l = data;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	if (conn < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn("ttrpc: accept: %s", strerror(errno));
			accept_pause(l);
		}
		return;
	}
	r = l->check ? l->check(conn, l->data) : 0;
	if (r < 0) {
		log_warn("ttrpc: connection refused: %s", strerror(-r));
		fd_close(conn);
		return;
	}
	r = rpc_server_serve(l->server, conn);
	if (r < 0)
		log_warn("ttrpc: connection dropped: %s", strerror(-r));
}

static void listener_free(struct listener *l)
{
	list_del(&l->link);
	loop_source_free(l->io);
	loop_source_free(l->resume);
	fd_close(l->fd);
	free(l);
}

int rpc_server_listen(struct rpc_server *s, int listen_fd, int (*accept_check)(int fd, void *data),
		      void *data)
{
	struct listener *l = xnew(struct listener);
	int r = fd_set_nonblock(listen_fd, true);

	l->server = s;
	l->fd = listen_fd;
	l->check = accept_check;
	l->data = data;
	list_init(&l->link);
	if (r >= 0) {
		l->resume = loop_add_timer(s->loop, -1, accept_resume, l);
		l->io = l->resume ? loop_add_io(s->loop, listen_fd, EPOLLIN, accept_io, l) : NULL;
		r = l->io ? 0 : -errno;
	}
	if (r < 0) {
		listener_free(l);
		return r;
	}
	list_add(&s->listeners, &l->link);
	listeners_update(s);
	return 0;
}

/* --- the server --- */

struct rpc_server *rpc_server_new(struct loop *l)
{
	struct rpc_server *s = xnew(struct rpc_server);

	s->loop = l;
	list_init(&s->listeners);
	list_init(&s->clients);
	return s;
}

void rpc_server_free(struct rpc_server *s)
{
	if (!s)
		return;
	s->idle = NULL;
	while (!list_empty(&s->listeners))
		listener_free(list_entry(s->listeners.next, struct listener, link));
	while (!list_empty(&s->clients))
		client_close(list_entry(s->clients.next, struct client, link));
	loop_source_free(s->idle_later);
	free(s->services);
	free(s);
}

void rpc_server_add(struct rpc_server *s, const struct rpc_service *svc, void *data)
{
	s->services = xrealloc(s->services, s->nservices + 1, sizeof(*s->services));
	s->services[s->nservices++] = (struct registration){ .svc = svc, .data = data };
}

void rpc_server_set_filter(struct rpc_server *s, rpc_filter_fn *fn, void *data)
{
	s->filter = fn;
	s->filter_data = data;
}

void rpc_server_on_idle(struct rpc_server *s, void (*fn)(void *data), void *data)
{
	s->idle = fn;
	s->idle_data = data;
}

unsigned rpc_server_clients(const struct rpc_server *s)
{
	return s->nclients;
}
