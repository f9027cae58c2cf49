/* SPDX-License-Identifier: Apache-2.0 */
/* A server, as it may run in a hostile guest, that answers anything to three calls. Each call must
 * end exactly once. */
#include "agent.pb-c.h"
#include "base/fd.h"
#include "base/loop.h"
#include "health.pb-c.h"
#include "rpc/ttrpc.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_reply(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	unsigned *ended = data;

	if (!e == !resp || (e && e->code >= 0))
		abort();
	++*ended;
}

static void feed(struct loop *l, int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return;
		data += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		loop_run_once(l, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	static const Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct loop *l = loop_new();
	struct rpc_client *c;
	unsigned ended = 0;
	int fds[2];

	if (!l || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	c = rpc_client_new(l, fds[0]);
	rpc_client_call(c, &grpc__health__descriptor, 0, &check.base, 0, on_reply, &ended);
	rpc_client_call(c, &grpc__health__descriptor, 1, &check.base, 0, on_reply, &ended);
	rpc_client_call(c, &grpc__agent_service__descriptor,
			(unsigned)rpc_method_index(&grpc__agent_service__descriptor,
						   "StatsContainer"),
			&stats.base, 0, on_reply, &ended);
	feed(l, fds[1], data, size);
	fd_close(fds[1]);
	for (int i = 0; i < 1000 && ended < 3; i++)
		loop_run_once(l, 0);
	rpc_client_free(c);
	if (ended != 3)
		abort();
	loop_free(l);
	return 0;
}
