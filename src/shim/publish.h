/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - events on their way to containerd, in order, each once.
 *
 * By ttRPC to the socket that TTRPC_ADDRESS names, or where there is none by the publish binary,
 * one event at a time. While containerd does not listen (it is being restarted) events wait in a
 * queue of LIMIT_SHIM_EVENTS, and the oldest is dropped, aloud, when it is full. What containerd
 * refuses is tried PUBLISH_TRIES times.
 */
#pragma once

#include "base/mem.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct publisher;

#define PUBLISH_TRIES 5

struct publisher_params {
	const char *ns;
	const char *ttrpc_address;    /* NULL or "": the binary is used */
	const char *address, *binary; /* of containerd; "" or NULL without both: nobody is told */
};

/* NULL where there is nobody to tell; the functions below take that. Strings are copied. */
struct publisher *publisher_new(struct loop *l, const struct publisher_params *p);
void publisher_free(struct publisher *p); /* what waits is dropped */
DEFINE_AUTOPTR(publisher, publisher_free);

/* @event is packed at once; its type is its message's full name. */
void publisher_send(struct publisher *p, const char *topic, const ProtobufCMessage *event);
/* Calls @fn once, from the loop, when nothing waits any more, after @timeout_ms at the latest. */
void publisher_flush(struct publisher *p, int64_t timeout_ms, void (*fn)(void *data), void *data);
