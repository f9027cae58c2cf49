/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_priv - what the two halves of the server share: connections (server.c) and calls
 * (server_call.c). Private to them; the whole is described in server.c.
 */
#pragma once

#include "rpc/conn.h"
#include "rpc/ttrpc.h"

#include "base/list.h"
#include "ttrpc.pb-c.h"

struct loop_source;

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

/* --- server.c --- */

/* Drops what cannot be delivered any more and lets the loop close the client. */
void server_client_close_later(struct client *c);
/* Brings the watched events in line with the state, or has the loop close the client if nothing is
 * left to do for it. */
void server_client_settle(struct client *c);
void server_client_unref(struct client *c);

/* --- server_call.c --- */

/* Answers with a status. */
void server_refuse(struct client *c, uint32_t stream, enum rpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* One frame of a client, whole. */
void server_handle_frame(struct client *c, const struct ttrpc_header *h, const uint8_t *payload);
/* Detaches the call from its client and tells its handler, who may answer, and so free, it. */
void server_call_cancel(struct rpc_call *call);
