/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls - times calls of an agent, for bench/agent: one connection, one call at a time.
 *
 * usage: bench-calls ADDRESS check N | bench-calls ADDRESS run N <REQUEST
 *
 * check: N calls of Health.Check. run: N containers, each made from the CreateContainerRequest that
 * is on stdin as JSON (its ids and its cgroup are made up here), started, waited for and removed. A
 * line for each, in microseconds: of Check, or until WaitProcess has answered and until
 * RemoveContainer has.
 */
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"
#include "rpc/address.h"
#include "rpc/ttrpc.h"
#include "wire/json.h"
#include "wire/pbjson.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define CALL_MS 60000

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int call(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
		const ProtobufCMessage *rq, struct error *e)
{
	return rpc_client_call_sync(c, service, (unsigned)rpc_method_index(service, method), rq,
				    CALL_MS, NULL, e);
}

static int check(struct rpc_client *c, uint32_t n, struct error *e)
{
	Grpc__CheckRequest rq = GRPC__CHECK_REQUEST__INIT;
	int r = 0;

	while (r == 0 && n--) {
		int64_t t = now_us();

		r = call(c, &grpc__health__descriptor, "Check", &rq.base, e);
		if (r == 0)
			printf("%" PRId64 "\n", now_us() - t);
	}
	return r;
}

static int run_one(struct rpc_client *c, Grpc__CreateContainerRequest *create, struct error *e)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__RemoveContainerRequest remove = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	const struct {
		const char *method;
		const ProtobufCMessage *rq;
	} calls[] = {
		{ "CreateContainer", &create->base },
		{ "StartContainer", &start.base },
		{ "WaitProcess", &wait.base },
		{ "RemoveContainer", &remove.base },
	};
	int64_t t = now_us();
	int r = 0;

	start.container_id = wait.container_id = remove.container_id = create->container_id;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++) {
		r = call(c, &grpc__agent_service__descriptor, calls[i].method, calls[i].rq, e);
		if (i >= 2 && r == 0)
			printf("%" PRId64 "%c", now_us() - t, i == 2 ? ' ' : '\n');
	}
	return r;
}

static int run(struct rpc_client *c, uint32_t n, Grpc__CreateContainerRequest *create,
	       struct error *e)
{
	char *given[2], cgroup[64];
	int r = 0;

	if (!create->oci || !create->oci->linux)
		return error_plain(e, EINVAL, "the request has no OCI.linux");
	given[0] = create->container_id;
	given[1] = create->oci->linux->cgroupspath;
	create->oci->linux->cgroupspath = cgroup;
	create->container_id = cgroup + 1;
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		snprintf(cgroup, sizeof(cgroup), "/calls-%d-%u", (int)getpid(), i);
		r = run_one(c, create, e);
	}
	create->container_id = given[0];
	create->oci->linux->cgroupspath = given[1];
	return r;
}

static int read_request(Grpc__CreateContainerRequest **ret, struct error *e)
{
	autofree char *text = NULL;
	autoptr(json) v = NULL;
	size_t len;
	int r = fd_read_all(STDIN_FILENO, LIMIT_AGENT_JSON, &text, &len);

	if (r < 0)
		return error_set(e, r, "read stdin");
	r = json_parse(text, len, "stdin", &v, e);
	return r < 0 ? r
		     : pbjson_parse(v, &grpc__create_container_request__descriptor, NULL,
				    (ProtobufCMessage **)ret, e);
}

static int connect_and_run(char **argv, struct error *e)
{
	Grpc__CreateContainerRequest *create = NULL;
	autoptr(rpc_client) c = NULL;
	uint32_t n;
	int fd, r;

	if (str_to_u32(argv[3], 10, &n) < 0)
		return error_plain(e, EINVAL, "not a number: %s", argv[3]);
	fd = rpc_dial(argv[1], CALL_MS, e);
	if (fd < 0)
		return fd;
	c = rpc_client_new(NULL, fd);
	if (str_eq(argv[2], "check"))
		return check(c, n, e);
	r = read_request(&create, e);
	if (r == 0)
		r = run(c, n, create, e);
	if (create)
		grpc__create_container_request__free_unpacked(create, NULL);
	return r;
}

int main(int argc, char **argv)
{
	struct error e = ERROR_INIT;

	if (argc != 4 || (!str_eq(argv[2], "check") && !str_eq(argv[2], "run")))
		error_plain(&e, EINVAL, "usage: bench-calls ADDRESS check|run N");
	else
		connect_and_run(argv, &e);
	if (e.code)
		fprintf(stderr, "bench-calls: %s\n", error_text(&e));
	return e.code != 0;
}
