/* SPDX-License-Identifier: Apache-2.0 */
/* The agent command against an agent of the test's: what is sent, what is printed, how failures
 * read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fakeshim.h"

#include "base/fd.h"
#include "base/loop.h"
#include "cli/cli.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLI(f, o, ...) fakeshim_cli(f, o, "agent", __VA_ARGS__, NULL)
#define AGENT(name) ((unsigned)rpc_method_index(&grpc__agent_service__descriptor, name))

/* --- the agent --- */

static void handle_version(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Grpc__VersionCheckResponse resp = GRPC__VERSION_CHECK_RESPONSE__INIT;

	resp.grpc_version = (char *)"1";
	resp.agent_version = (char *)"<2>";
	rpc_call_reply(call, &resp.base);
}

/* What was asked for comes back. */
static void handle_write(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	const Grpc__WriteStreamRequest *rq = (const Grpc__WriteStreamRequest *)m;
	Grpc__WriteStreamResponse resp = GRPC__WRITE_STREAM_RESPONSE__INIT;

	if (!str_eq(rq->container_id, "c1") || !str_eq(rq->exec_id, "")) {
		rpc_call_failf(call, ENOENT, "container %s: no such\ncontainer", rq->container_id);
		return;
	}
	resp.len = (uint32_t)rq->data.len;
	rpc_call_reply(call, &resp.base);
}

static void handle_never(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
}

static rpc_handler_fn *health_handlers[] = { NULL, handle_version };
static rpc_handler_fn *agent_handlers[64];

static _Noreturn void serve(int listener)
{
	static const struct rpc_service health = { &grpc__health__descriptor, health_handlers };
	static const struct rpc_service agent = { &grpc__agent_service__descriptor,
						  agent_handlers };
	struct loop *l = loop_new();
	struct rpc_server *s = rpc_server_new(l);

	agent_handlers[AGENT("WriteStdin")] = handle_write;
	agent_handlers[AGENT("WaitProcess")] = handle_never;
	rpc_server_add(s, &health, NULL);
	rpc_server_add(s, &agent, NULL);
	_exit(rpc_server_listen(s, listener, NULL, NULL) < 0 || loop_run(l));
}

struct lab {
	struct fakeshim f;
	pid_t pid;
	char *address;
};

static int set_up(void **state)
{
	struct lab *b = xnew(struct lab);
	autofree char *path = NULL;
	int listener;

	fakeshim_start(&b->f, 0);
	path = xasprintf("%s/agent.sock", b->f.dir);
	b->address = xasprintf("unix://%s", path);
	listener = unix_listen(path, SOCK_STREAM, 0600);
	assert_true(listener >= 0);
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0) {
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener);
	}
	fd_close(listener);
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *b = *state;

	kill(b->pid, SIGKILL);
	waitpid(b->pid, NULL, 0);
	fakeshim_done(&b->f);
	free(b->address);
	free(b);
	return 0;
}

/* --- tests --- */

static void expect(struct outcome *o, int status, const char *out, const char *err)
{
	assert_string_equal(o->err, err);
	if (out)
		assert_string_equal(o->out, out);
	assert_int_equal(o->status, status);
	outcome_done(o);
}

static void test_calls(void **state)
{
	struct lab *b = *state;
	struct outcome o;

	CLI(&b->f, &o, "-a", b->address, "Version");
	expect(&o, 0,
	       "{\n  \"grpc_version\": \"1\",\n  \"agent_version\": \"\\u003c2\\u003e\"\n}\n", "");
	CLI(&b->f, &o, "-a", b->address, "Health.Version", "{\"service\":\"x\"}");
	assert_int_equal(o.status, 0);
	outcome_done(&o);
	/* Five bytes; keys in any case. */
	CLI(&b->f, &o, "--address", b->address, "grpc.AgentService/WriteStdin",
	    "{\"containerID\":\"c1\",\"data\":\"aGVsbG8=\"}", "--timeout", "30s");
	expect(&o, 0, "{\n  \"len\": 5\n}\n", "");
	/* What is at its default is not printed. */
	CLI(&b->f, &o, "-a", b->address, "WriteStdin", "{\"container_id\":\"c1\"}");
	expect(&o, 0, "{}\n", "");
}

static void test_status(void **state)
{
	struct lab *b = *state;
	struct outcome o;

	CLI(&b->f, &o, "-a", b->address, "WriteStdin", "{\"container_id\":\"c2\"}");
	expect(&o, 1, "", "caisson: NOT_FOUND: container c2: no such container\n");
	CLI(&b->f, &o, "-a", b->address, "Check");
	assert_ptr_equal(strstr(o.err, "caisson: UNIMPLEMENTED: "), o.err);
	outcome_done(&o);
	/* Its time is known to both sides: whichever is faster says so. */
	CLI(&b->f, &o, "-a", b->address, "-t", "50ms", "WaitProcess");
	assert_ptr_equal(strstr(o.err, "caisson: DEADLINE_EXCEEDED: WaitProcess: no"), o.err);
	assert_int_equal(o.status, 1);
	outcome_done(&o);
	/* Nobody there to say it. */
	kill(b->pid, SIGSTOP);
	CLI(&b->f, &o, "-a", b->address, "-t", "50ms", "Version");
	expect(&o, 1, "", "caisson: DEADLINE_EXCEEDED: Version: no answer within 50 ms\n");
	kill(b->pid, SIGCONT);
}

static void test_bad_requests(void **state)
{
	struct lab *b = *state;
	struct outcome o;

	CLI(&b->f, &o, "-a", b->address, "Nonsense");
	expect(&o, 1, "",
	       "caisson: the agent has no method \"Nonsense\" (see caisson agent --list)\n");
	CLI(&b->f, &o, "-a", b->address, "Health.WriteStdin");
	expect(&o, 1, "",
	       "caisson: the agent has no method \"Health.WriteStdin\" (see caisson agent "
	       "--list)\n");
	CLI(&b->f, &o, "-a", b->address, "WriteStdin", "{\"container_idd\":\"c1\"}");
	expect(&o, 1, "",
	       "caisson: WriteStreamRequest has no field \"container_idd\" (see caisson agent "
	       "--list WriteStdin)\n");
	CLI(&b->f, &o, "-a", b->address, "WriteStdin", "{\"container_id\":1}");
	expect(&o, 1, "", "caisson: container_id: a number where a string belongs\n");
	CLI(&b->f, &o, "-a", b->address, "WriteStdin", "{\"container_id\":");
	assert_ptr_equal(strstr(o.err, "caisson: request:1:"), o.err);
	assert_int_equal(o.status, 1);
	outcome_done(&o);
	/* stdin is empty here. */
	CLI(&b->f, &o, "-a", b->address, "WriteStdin", "-");
	assert_ptr_equal(strstr(o.err, "caisson: request:1:"), o.err);
	outcome_done(&o);
	CLI(&b->f, &o, "-a", b->address, "-t", "5", "Version");
	expect(&o, 1, "", "caisson: invalid timeout \"5\": give a time as 500ms, 5s or 1m\n");
}

static void test_addresses(void **state)
{
	struct lab *b = *state;
	autofree char *none = xasprintf("unix://%s/none", b->f.dir), *want = NULL;
	struct outcome o;

	CLI(&b->f, &o, "Version");
	expect(&o, 1, "", "caisson: agent: --address is needed: which agent is asked\n");
	CLI(&b->f, &o, "-a", b->address, "-t", "1s");
	expect(&o, 1, "", "caisson: agent: give a method (see caisson agent --list)\n");
	CLI(&b->f, &o, "-a", none, "Version");
	want = xasprintf("caisson: connect to %s: No such file or directory\n", none);
	expect(&o, 1, "", want);
	CLI(&b->f, &o, "-a", "http://localhost", "Version");
	expect(&o, 1, "",
	       "caisson: address \"http://localhost\": must begin with unix://, vsock:// or "
	       "hvsock://\n");
	CLI(&b->f, &o, "-a", "..", "Version");
	assert_ptr_equal(strstr(o.err, "caisson: invalid container id"), o.err);
	outcome_done(&o);
	CLI(&b->f, &o, "-a", "no-such-test-container", "Version");
	expect(&o, 1, "", "caisson: there is no container and no sandbox no-such-test-container\n");
	/* A container's address is its sandbox's. */
	fakeshim_container(&b->f, "c1", "{}");
	CLI(&b->f, &o, "-a", "c1", "-t", "50ms", "Version");
	assert_non_null(strstr(o.err, "/run/caisson/sb/vsock"));
	assert_int_equal(o.status, 1);
	outcome_done(&o);
}

static void test_list(void **state)
{
	struct lab *b = *state;
	struct outcome o;

	CLI(&b->f, &o, "--list");
	assert_non_null(
		strstr(o.out, "AgentService.CreateContainer CreateContainerRequest Empty\n"));
	assert_non_null(strstr(o.out, "\nHealth.Check CheckRequest HealthCheckResponse\n"));
	expect(&o, 0, NULL, "");
	CLI(&b->f, &o, "--list", "GuestDetails");
	assert_int_equal(o.status, 1);
	outcome_done(&o);
	CLI(&b->f, &o, "--list", "UpdateRoutes");
	expect(&o, 0,
	       "request UpdateRoutesRequest\n\troutes Routes\nanswer Routes\n\tRoutes Route[]\n",
	       "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),        cmocka_unit_test(test_status),
		cmocka_unit_test(test_bad_requests), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
