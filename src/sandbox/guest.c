/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest - the agent's client: one ttRPC connection over vsock, and the agent's log.
 *
 * Every request is remembered until it is answered, so that its maker may go away first
 * (guest_forget), and so that requests to a dead machine fail with the reason of its death instead
 * of a broken connection.
 */
#include "sandbox/internal.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/timeline.h"
#include "wire/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Configurations are written for KVM: an emulated guest of a loaded host needs longer. */
#define TCG_PATIENCE_MS 45000
#define AGENT_LOG_MAX MIB(1)

struct guest_request {
	struct list link;
	struct sandbox *sandbox;
	struct loop_source *deferred;
	struct error error;
	const char *method;
	int64_t sent_us;
	rpc_reply_fn *fn; /* NULL: forgotten */
	void *data;
};

static void request_end(struct guest_request *rq, const struct error *e,
			const ProtobufCMessage *resp)
{
	list_del(&rq->link);
	sandbox_mark(rq->sandbox, rq->sent_us, rq->method);
	if (rq->fn)
		rq->fn(rq->data, e, resp);
	free(rq);
}

static void request_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct guest_request *rq = data;
	const struct sandbox *s = rq->sandbox;

	/* The connection broke because the machine ended: the reason of that is the news, and is
	 * told when it is known (guest_disconnect). */
	if (e && (e->code == -ECONNRESET || e->code == -EPIPE || e->code == -ECANCELED)) {
		if (!s->death.code && s->state != SANDBOX_STOPPING)
			return;
		if (s->death.code)
			e = &s->death;
	}
	request_end(rq, e, resp);
}

static void request_refused(struct loop_source *src, void *data)
{
	struct guest_request *rq = data;

	rq->deferred = NULL;
	request_end(rq, &rq->error, NULL);
}

void guest_call(struct sandbox *s, const char *method, const ProtobufCMessage *m,
		int64_t timeout_ms, rpc_reply_fn *fn, void *data)
{
	struct guest_request *rq = xnew(struct guest_request);
	int index = rpc_method_index(&grpc__agent_service__descriptor, method);

	*rq = (struct guest_request){
		.sandbox = s, .method = method, .sent_us = timeline_now(), .fn = fn, .data = data
	};
	list_init(&rq->link);
	list_add(&s->requests, &rq->link);
	if (s->agent && index >= 0) {
		rpc_client_call(s->agent, &grpc__agent_service__descriptor, (unsigned)index, m,
				timeout_ms, request_replied, rq);
		return;
	}
	if (s->death.code)
		rq->error = s->death;
	else
		error_plain(&rq->error, ENOTCONN, "the guest's agent is not connected");
	rq->deferred = loop_add_defer(s->loop, request_refused, rq);
}

void guest_forget(struct sandbox *s, const void *data)
{
	struct guest_request *rq;

	list_for_each(rq, &s->requests, link)
		if (rq->data == data)
			rq->fn = NULL;
}

static void agent_closed(void *data)
{
	struct sandbox *s = data;

	sandbox_suspect(s, -ECONNRESET, "the guest's agent closed its connection");
}

static void agent_dialled(void *data, const struct error *e, int fd, uint32_t port)
{
	struct sandbox *s = data;
	struct error copy;

	s->agent_dial = NULL;
	if (e) {
		copy = *e;
		error_prefix(&copy, "the guest's agent did not answer on vsock port %d",
			     AGENT_PORT);
		sandbox_tell_console(s, &copy);
		op_continue(&s->boot, &copy);
		return;
	}
	s->agent = rpc_client_new(s->loop, fd);
	rpc_client_on_close(s->agent, agent_closed, s);
	op_continue(&s->boot, NULL);
}

int guest_connect(struct sandbox *s, struct error *e)
{
	int64_t patience = s->config->agent.reconnect_timeout_ms;

	if (s->probe.accel == HV_ACCEL_TCG)
		patience = MAX(patience, (int64_t)TCG_PATIENCE_MS);
	s->agent_dial = hvsock_dial(s->loop, s->sock, AGENT_PORT, patience, agent_dialled, s);
	if (!s->agent_dial)
		return error_set(e, errno, "connect to %s", s->sock);
	return -EINPROGRESS;
}

/* "NAME PARAMETER..." of the configuration, for a request. */
struct modules {
	size_t n;
	struct strv *words;
	Grpc__KernelModule *messages, **list;
};

static struct modules modules_make(const struct strv *lines)
{
	struct modules m = { .words = xnew_array(struct strv, lines->n + 1),
			     .messages = xnew_array(Grpc__KernelModule, lines->n + 1),
			     .list = xnew_array(Grpc__KernelModule *, lines->n + 1) };

	for (size_t i = 0; i < lines->n; i++) {
		struct strv *words = &m.words[m.n];
		Grpc__KernelModule *message = &m.messages[m.n];

		strv_split(words, lines->v[i], " ");
		if (!words->n)
			continue;
		grpc__kernel_module__init(message);
		message->name = words->v[0];
		message->n_parameters = words->n - 1;
		message->parameters = words->v + 1;
		m.list[m.n++] = message;
	}
	return m;
}

static void modules_done(struct modules *m)
{
	for (size_t i = 0; i < m->n; i++)
		strv_done(&m->words[i]);
	free(m->words);
	free(m->messages);
	free(m->list);
}
DEFINE_AUTODONE(modules, modules_done);

int guest_set_policy(struct sandbox *s, rpc_reply_fn *fn, void *data, struct error *e)
{
	Grpc__SetPolicyRequest rq = GRPC__SET_POLICY_REQUEST__INIT;
	const char *text = s->config->agent.policy;
	autofree char *policy = xcalloc(strlen(text) + 1, 1);

	if (base64_decode(text, (uint8_t *)policy) < 0)
		return error_plain(e, EINVAL, "agent.policy: not base64");
	rq.policy = policy;
	guest_call(s, "SetPolicy", &rq.base, SANDBOX_REQUEST_MS, fn, data);
	return -EINPROGRESS;
}

int guest_create_sandbox(struct sandbox *s, rpc_reply_fn *fn, void *data)
{
	autodone(modules) modules = modules_make(&s->config->agent.kernel_modules);
	Grpc__CreateSandboxRequest rq = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage share = GRPC__STORAGE__INIT, *storages[] = { &share };
	char hostname[HOST_NAME_MAX + 1]; /* an id may be longer */

	snprintf(hostname, sizeof(hostname), "%.*s", HOST_NAME_MAX, pod_hostname(s));
	share.driver = "virtio-fs";
	share.source = GUEST_SHARE_TAG;
	share.fstype = "virtiofs";
	share.mount_point = GUEST_SHARE_DIR;
	rq.storages = storages;
	rq.n_storages = 1;
	rq.sandbox_id = s->id;
	rq.hostname = hostname;
	if (!str_empty(s->config->hypervisor.guest_hook_path))
		rq.guest_hook_path = s->config->hypervisor.guest_hook_path;
	rq.kernel_modules = modules.list;
	rq.n_kernel_modules = modules.n;
	/* The guest is still booting: what bounds its boot bounds this. */
	guest_call(s, "CreateSandbox", &rq.base,
		   MAX(s->config->agent.reconnect_timeout_ms, SANDBOX_REQUEST_MS * 4u), fn, data);
	return -EINPROGRESS;
}

/* --- the agent's log --- */

static void log_close(struct sandbox *s)
{
	s->log_source = loop_source_free(s->log_source);
	s->log_stream = fd_close(s->log_stream);
	s->log_file = fd_close(s->log_file);
}

/* The guest decides how much it says; the file takes its first megabyte and then starts anew. */
static void log_ready(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct sandbox *s = data;
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			log_close(s);
		return;
	}
	if (s->log_size + (uint64_t)n > AGENT_LOG_MAX) {
		if (ftruncate(s->log_file, 0) < 0)
			log_close(s);
		s->log_size = 0;
	}
	if (s->log_file >= 0 && fd_write_full(s->log_file, chunk, (size_t)n) == 0)
		s->log_size += (uint64_t)n;
}

static void log_dialled(void *data, const struct error *e, int fd, uint32_t port)
{
	struct sandbox *s = data;

	s->log_dial = NULL;
	if (e) {
		log_warn("the agent's log is not available: %s", error_text(e));
		return;
	}
	s->log_stream = fd;
	s->log_file =
		openat(s->dirfd, "agent.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (s->log_file >= 0)
		s->log_source = loop_add_io(s->loop, fd, EPOLLIN, log_ready, s);
	if (!s->log_source)
		log_close(s);
}

void guest_connect_log(struct sandbox *s)
{
	s->log_dial =
		hvsock_dial(s->loop, s->sock, AGENT_LOG_PORT, SANDBOX_REQUEST_MS, log_dialled, s);
}

void guest_disconnect(struct sandbox *s)
{
	struct rpc_client *agent = take_ptr(s->agent);

	hvsock_dial_free(s->agent_dial);
	hvsock_dial_free(s->log_dial);
	s->agent_dial = s->log_dial = NULL;
	log_close(s);
	rpc_client_free(agent);
	/* Requests that were refused and wait to hear it hear it now. */
	while (!list_empty(&s->requests)) {
		struct guest_request *rq = list_entry(s->requests.next, struct guest_request, link);

		rq->deferred = loop_source_free(rq->deferred);
		request_end(rq, &s->death, NULL);
	}
}
