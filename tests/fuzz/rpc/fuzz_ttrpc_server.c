/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that sends anything. The first byte says how the handlers behave: bits 0-1 answer at
 * once, fail, answer when the client has gone, free the server; bit 2: the client closes only its
 * sending direction; bit 3: it is refused by the filter.
 */
#include "agent.pb-c.h"
#include "base/fd.h"
#include "base/loop.h"
#include "health.pb-c.h"
#include "rpc/ttrpc.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER, FAIL, WAIT, FREE };
#define MAX_WAITING 64

struct fuzz {
	struct rpc_server *server;
	int mode;
	struct rpc_call *waiting[MAX_WAITING];
	size_t nwaiting;
};

static void handle(struct rpc_call *call, const ProtobufCMessage *req, void *data)
{
	struct fuzz *f = data;

	/* What was unpacked must be good enough to pack again. */
	if (protobuf_c_message_get_packed_size(req) > ((size_t)1 << 26))
		abort();
	if (f->mode == WAIT && f->nwaiting < MAX_WAITING) {
		f->waiting[f->nwaiting++] = call;
		return;
	}
	if (f->mode == FREE) {
		rpc_server_free(f->server);
		f->server = NULL;
	}
	if (f->mode == FAIL)
		rpc_call_failf(call, EIO, "%s of %s failed", rpc_call_method(call),
			       rpc_call_metadata(call, "containerd-namespace-ttrpc"));
	else
		rpc_call_reply_empty(call);
}

static int refuse(void *data, const char *service, const char *method, const ProtobufCMessage *req,
		  struct error *e)
{
	return error_plain(e, EPERM, "%s.%s is refused", service, method);
}

static void add_services(struct fuzz *f)
{
	static rpc_handler_fn *handlers[128];
	static const struct rpc_service services[] = {
		{ &grpc__agent_service__descriptor, handlers },
		{ &grpc__health__descriptor, handlers },
	};

	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		handlers[i] = i == 1 ? NULL : handle;
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		rpc_server_add(f->server, &services[i], f);
}

static void drain(int fd)
{
	char c[4096];

	while (read(fd, c, sizeof(c)) > 0)
		;
}

/* Feeds the bytes as the server takes them; answers are read and forgotten. */
static void feed(struct loop *l, int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		loop_run_once(l, 0);
		drain(fd);
	}
	for (int i = 0; i < 4; i++)
		loop_run_once(l, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { .mode = size ? data[0] & 3 : 0 };
	int options = size ? data[0] : 0;
	struct loop *l = loop_new();
	int fds[2];

	if (!l || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	f.server = rpc_server_new(l);
	add_services(&f);
	if (options & 8)
		rpc_server_set_filter(f.server, refuse, NULL);
	if (rpc_server_serve(f.server, fds[0]) < 0)
		abort();
	feed(l, fds[1], data + (size != 0), size - (size != 0));
	if (options & 4)
		shutdown(fds[1], SHUT_WR);
	else
		fds[1] = fd_close(fds[1]);
	for (int i = 0; i < 4; i++)
		loop_run_once(l, 0);
	for (size_t i = 0; i < f.nwaiting; i++)
		rpc_call_reply_empty(f.waiting[i]);
	for (int i = 0; i < 4; i++)
		loop_run_once(l, 0);
	/* Whoever has gone must be gone here, too. */
	if (f.server && rpc_server_clients(f.server))
		abort();
	rpc_server_free(f.server);
	fd_close(fds[1]);
	loop_free(l);
	return 0;
}
