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
 *
 * Here are connections and listeners; calls are in server_call.c.
 */
#include "rpc/server_priv.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS 100 /* after accept(2) ran out of descriptors or memory */

struct listener {
	struct list link;
	struct rpc_server *server;
	int fd;
	struct loop_source *io;
	struct loop_source *resume; /* timer; made in advance: it is for when descriptors are out */
	int (*check)(int fd, void *data);
	void *data;
};

static void client_close(struct client *c);
static void listeners_update(struct rpc_server *s);

/* --- clients --- */

void server_client_unref(struct client *c)
{
	if (--c->refs == 0)
		free(c);
}

static void close_later_run(struct loop_source *src, void *data)
{
	struct client *c = data;

	c->close_later = NULL;
	client_close(c);
}

void server_client_close_later(struct client *c)
{
	rpc_conn_set_deaf(&c->conn);
	if (!c->close_later)
		c->close_later = loop_add_defer(c->server->loop, close_later_run, c);
}

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
			server_refuse(c, h.stream, RPC_RESOURCE_EXHAUSTED,
				      "message length %u exceed maximum message size of %zu",
				      h.length, LIMIT_TTRPC_MESSAGE);
			continue;
		}
		server_handle_frame(c, &h, payload);
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

void server_client_settle(struct client *c)
{
	uint32_t events = 0;

	if (!c->server || c->close_later)
		return;
	if (client_finished(c)) {
		server_client_close_later(c);
		return;
	}
	if (!c->conn.eof && !client_paused(c))
		events |= EPOLLIN;
	if (buf_len(&c->conn.out))
		events |= EPOLLOUT;
	if (events == c->events)
		return;
	if (loop_io_set(c->io, events) < 0)
		server_client_close_later(c);
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
	server_client_settle(c);
	server_client_unref(c);
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
		server_call_cancel(list_entry(c->calls.next, struct rpc_call, link));
	server_client_unref(c);
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
