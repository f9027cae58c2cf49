/* SPDX-License-Identifier: Apache-2.0 */
/* publish - see publish.h. The event at the head of the queue is the one on its way; it leaves the
 * queue when containerd has taken it. */
#include "shim/publish.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "rpc/address.h"
#include "rpc/conn.h"
#include "rpc/ttrpc.h"

#include "events_forward.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PUBLISH_MS 5000 /* for containerd to take one */
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000

struct entry {
	struct list link;
	const char *topic; /* a constant */
	const char *type;
	ProtobufCBinaryData event;
	struct timespec when;
	unsigned tries;
};

struct publisher {
	struct loop *loop;
	char *ns, *path, *address, *binary;
	struct rpc_client *client;
	bool stale; /* the connection has ended */
	struct list queue;
	size_t queued;
	bool busy; /* the head is on its way */
	struct loop_source *retry, *flush_timer, *flushed, *child, *child_timer;
	pid_t pid;
	int64_t retry_ms;
	bool told; /* that nobody listens */
	void (*fn)(void *data);
	void *data;
};

static void publish_next(struct publisher *p);

/* --- the queue --- */

static void entry_free(struct entry *en)
{
	list_del(&en->link);
	free(en->event.data);
	free(en);
}

static struct entry *head(struct publisher *p)
{
	return list_entry(p->queue.next, struct entry, link);
}

static void pop(struct publisher *p)
{
	p->queued--;
	entry_free(head(p));
}

static void flush_done(struct loop_source *s, void *data)
{
	struct publisher *p = data;
	void (*fn)(void *) = p->fn;

	p->flushed = NULL;
	p->flush_timer = loop_source_free(p->flush_timer);
	p->fn = NULL;
	fn(p->data);
}

static void flush_check(struct publisher *p)
{
	if (p->fn && !p->flushed && list_empty(&p->queue))
		p->flushed = loop_add_defer(p->loop, flush_done, p);
}

static void flush_expired(struct loop_source *s, void *data)
{
	struct publisher *p = data;

	if (p->queued)
		log_warn("%zu events were not delivered", p->queued);
	if (!p->flushed)
		p->flushed = loop_add_defer(p->loop, flush_done, p);
}

void publisher_flush(struct publisher *p, int64_t timeout_ms, void (*fn)(void *data), void *data)
{
	if (!p) {
		fn(data);
		return;
	}
	if (p->fn)
		return;
	p->fn = fn;
	p->data = data;
	p->flush_timer = loop_add_timer(p->loop, timeout_ms, flush_expired, p);
	flush_check(p);
}

/* --- what became of the head --- */

static void taken(struct publisher *p)
{
	p->busy = false;
	p->retry_ms = RETRY_MIN_MS;
	p->told = false;
	pop(p);
	publish_next(p);
	flush_check(p);
}

static void retry_now(struct loop_source *s, void *data)
{
	publish_next(data);
}

static void retry_later(struct publisher *p)
{
	if (!p->retry)
		p->retry = loop_add_timer(p->loop, p->retry_ms, retry_now, p);
	else
		loop_timer_set(p->retry, p->retry_ms);
	p->retry_ms = MIN(p->retry_ms * 2, (int64_t)RETRY_MAX_MS);
}

static void nobody_listens(struct publisher *p, const char *why)
{
	p->busy = false;
	if (!p->told)
		log_warn("containerd does not take events, they wait: %s", why);
	p->told = true;
	retry_later(p);
}

static void refused(struct publisher *p, const char *why)
{
	struct entry *en = head(p);

	p->busy = false;
	if (++en->tries >= PUBLISH_TRIES) {
		log_error("event %s is given up: %s", en->topic, why);
		pop(p);
		flush_check(p);
	}
	if (!list_empty(&p->queue))
		retry_later(p);
}

/* --- by ttRPC --- */

static void forwarded(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct publisher *p = data;

	if (!e) {
		taken(p);
	} else if (e->code == -ECONNRESET || e->code == -EPIPE || e->code == -ETIMEDOUT) {
		p->stale = true;
		nobody_listens(p, error_text(e));
	} else if (e->code != -ECANCELED) { /* else publisher_free */
		refused(p, error_text(e));
	}
}

static void connection_ended(void *data)
{
	struct publisher *p = data;

	p->stale = true;
}

static int connect_again(struct publisher *p)
{
	int fd;

	if (p->client && !p->stale)
		return 0;
	fd = unix_connect(p->path, SOCK_STREAM | SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	rpc_client_free(p->client);
	p->client = rpc_client_new(p->loop, fd);
	p->stale = false;
	rpc_client_set_namespace(p->client, p->ns);
	rpc_client_on_close(p->client, connection_ended, p);
	return 0;
}

static void forward(struct publisher *p)
{
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest rq =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__FORWARD_REQUEST__INIT;
	Containerd__Services__Events__Ttrpc__V1__Envelope env =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__ENVELOPE__INIT;
	Google__Protobuf__Timestamp ts = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	const struct entry *en = head(p);

	any.type_url = (char *)(uintptr_t)en->type;
	any.value = en->event;
	ts.seconds = en->when.tv_sec;
	ts.nanos = (int32_t)en->when.tv_nsec;
	env.timestamp = &ts;
	env.namespace_ = p->ns;
	env.topic = (char *)(uintptr_t)en->topic;
	env.event = &any;
	rq.envelope = &env;
	rpc_client_call(p->client, &containerd__services__events__ttrpc__v1__events__descriptor, 0,
			&rq.base, PUBLISH_MS, forwarded, p);
}

static void publish_by_rpc(struct publisher *p)
{
	int r = connect_again(p);

	if (r < 0)
		nobody_listens(p, strerror(-r));
	else
		forward(p);
}

/* --- by the binary: PATH --address A publish --topic T --namespace N, the Any on stdin --- */

static void child_expired(struct loop_source *s, void *data)
{
	struct publisher *p = data;

	kill(p->pid, SIGKILL); /* its end is told by child_ended */
}

static void child_ended(struct loop_source *s, pid_t pid, int status, void *data)
{
	struct publisher *p = data;

	p->child = NULL;
	p->child_timer = loop_source_free(p->child_timer);
	if (status == 0)
		taken(p);
	else
		refused(p, "the publish binary failed");
}

/* A pipe with the event in it: -EAGAIN if it holds more than a pipe does. */
static int event_pipe(const struct entry *en)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	autofree uint8_t *bytes = NULL;
	autoclose int rd = -1, wr = -1;
	int fds[2];
	size_t n;

	any.type_url = (char *)(uintptr_t)en->type;
	any.value = en->event;
	n = google__protobuf__any__get_packed_size(&any);
	bytes = xcalloc(n, 1);
	google__protobuf__any__pack(&any, bytes);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	rd = fds[0];
	wr = fds[1];
	fd_set_nonblock(wr, true);
	if (write(wr, bytes, n) != (ssize_t)n)
		return -EAGAIN;
	return take_fd(rd);
}

static void publish_by_binary(struct publisher *p)
{
	const struct entry *en = head(p);
	char *argv[] = { p->binary,     "--address", p->address,
			 "publish",     "--topic",   (char *)(uintptr_t)en->topic,
			 "--namespace", p->ns,       NULL };
	struct proc_spec spec = PROC_SPEC_INIT;
	autoclose int in = event_pipe(en);
	struct error e = ERROR_INIT;

	spec.argv = argv;
	spec.in = in;
	p->pid = in < 0 ? error_set(&e, in, "event") : proc_spawn(&spec, &e);
	if (p->pid < 0) {
		refused(p, error_text(&e));
		return;
	}
	p->child = loop_add_child(p->loop, p->pid, child_ended, p);
	p->child_timer = loop_add_timer(p->loop, PUBLISH_MS, child_expired, p);
}

/* --- the queue again --- */

static void publish_next(struct publisher *p)
{
	if (p->busy || list_empty(&p->queue))
		return;
	p->busy = true;
	if (p->path)
		publish_by_rpc(p);
	else
		publish_by_binary(p);
}

/* Makes room for one; the head may be on its way and stays. */
static void drop_oldest(struct publisher *p)
{
	struct entry *en = list_entry(p->queue.next->next, struct entry, link);

	log_error("event %s is dropped: containerd has not taken any of %d", en->topic,
		  LIMIT_SHIM_EVENTS);
	p->queued--;
	entry_free(en);
}

void publisher_send(struct publisher *p, const char *topic, const ProtobufCMessage *event)
{
	struct entry *en;

	if (!p)
		return;
	if (p->queued >= LIMIT_SHIM_EVENTS)
		drop_oldest(p);
	en = xnew(struct entry);
	en->topic = topic;
	en->type = event->descriptor->name;
	clock_gettime(CLOCK_REALTIME, &en->when);
	list_init(&en->link);
	if (rpc_pack(event, &en->event) < 0) {
		log_error("event %s is too long", topic);
		free(en);
		return;
	}
	list_add(&p->queue, &en->link);
	p->queued++;
	publish_next(p);
}

/* The path of a unix socket; NULL for anything else. */
static char *socket_of(const char *address)
{
	autodone(rpc_address) a = RPC_ADDRESS_INIT;
	struct error e = ERROR_INIT;

	if (str_empty(address))
		return NULL;
	if (rpc_address_parse(address, &a, &e) < 0)
		log_warn("TTRPC_ADDRESS: %s", error_text(&e));
	else if (a.kind == RPC_ADDRESS_UNIX)
		return xstrdup(a.path);
	return NULL;
}

struct publisher *publisher_new(struct loop *l, const struct publisher_params *q)
{
	autofree char *path = socket_of(q->ttrpc_address);
	struct publisher *p;

	if (!path && (str_empty(q->binary) || str_empty(q->address)))
		return NULL;
	p = xnew(struct publisher);
	p->loop = l;
	p->ns = xstrdup(q->ns);
	p->path = take_ptr(path);
	p->address = xstrdup(q->address ? q->address : "");
	p->binary = xstrdup(q->binary ? q->binary : "");
	p->retry_ms = RETRY_MIN_MS;
	list_init(&p->queue);
	return p;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	rpc_client_free(p->client);
	while (!list_empty(&p->queue))
		entry_free(head(p));
	if (p->child) {
		kill(p->pid, SIGKILL);
		loop_source_free(p->child);
	}
	loop_source_free(p->child_timer);
	loop_source_free(p->retry);
	loop_source_free(p->flush_timer);
	loop_source_free(p->flushed);
	free(p->ns);
	free(p->path);
	free(p->address);
	free(p->binary);
	free(p);
}
