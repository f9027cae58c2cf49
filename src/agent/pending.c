/* SPDX-License-Identifier: Apache-2.0 */
/* pending - see pending.h. */
#include "agent/pending.h"

#include "rpc/ttrpc.h"

#include <errno.h>

void pending_list_init(struct pending_list *l, unsigned max)
{
	list_init(&l->head);
	l->n = 0;
	l->max = max;
}

static void on_cancel(void *data)
{
	struct pending *p = data;

	rpc_call_failf(pending_take(p), ECANCELED, "the caller went away");
}

int pending_add(struct pending_list *l, struct rpc_call *call, const ProtobufCMessage *req,
		struct error *e)
{
	struct pending *p;

	if (l->n >= l->max)
		return error_plain(e, ENOBUFS, "%s: %u calls wait already", rpc_call_method(call),
				   l->n);
	p = xnew(struct pending);
	p->home = l;
	p->call = call;
	p->req = req;
	list_add(&l->head, &p->link);
	l->n++;
	rpc_call_on_cancel(call, on_cancel, p);
	return 0;
}

struct pending *pending_first(struct pending_list *l)
{
	return list_empty(&l->head) ? NULL : list_entry(l->head.next, struct pending, link);
}

struct rpc_call *pending_take(struct pending *p)
{
	struct rpc_call *call = p->call;

	rpc_call_on_cancel(call, NULL, NULL);
	list_del(&p->link);
	p->home->n--;
	free(p);
	return call;
}

void pending_fail_all(struct pending_list *l, int err, const char *why)
{
	struct pending *p;

	while ((p = pending_first(l)))
		rpc_call_failf(pending_take(p), err, "%s", why);
}
