/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending - calls that wait for something: an exit, output, an event.
 *
 * A list belongs to the object that is waited for and holds at most its maximum. A call whose
 * caller goes away leaves the list by itself. Whoever ends the wait takes the call out and answers
 * it.
 */
#pragma once

#include "base/error.h"
#include "base/list.h"

#include <stddef.h>

struct rpc_call;
typedef struct ProtobufCMessage ProtobufCMessage;

struct pending {
	struct list link;
	struct pending_list *home;
	struct rpc_call *call;
	const ProtobufCMessage *req; /* the call's */
	size_t done;                 /* progress, for the waiter's use */
};

struct pending_list {
	struct list head;
	unsigned n, max;
};

void pending_list_init(struct pending_list *l, unsigned max);
/* -ENOBUFS and a reason when the list is full: the call is still the caller's to answer. */
int pending_add(struct pending_list *l, struct rpc_call *call, const ProtobufCMessage *req,
		struct error *e);
struct pending *pending_first(struct pending_list *l); /* NULL when empty */
/* Removes and frees @p; the call is the caller's to answer. */
struct rpc_call *pending_take(struct pending *p);
/* Answers all of them with the error. */
void pending_fail_all(struct pending_list *l, int err, const char *why);
