/* SPDX-License-Identifier: Apache-2.0 */
/* The agent as a whole, continued: under a policy; with a pid namespace of the sandbox; asked how
 * it is; and with containers that behave as badly as they can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "guestlike.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a neighbour's request may take on a busy machine; a stuck one takes for ever. */
#define NEIGHBOUR_MS 15000

static struct guestlike g;
static const char *program;

static void ok(int r, const struct error *e)
{
	if (r < 0)
		fail_msg("%s", e->text);
}

static void create(const struct guestlike_run *r)
{
	struct error e = ERROR_INIT;

	ok(guestlike_create(&g, r, &e), &e);
}

static void start(const struct guestlike_run *r)
{
	struct error e = ERROR_INIT;

	create(r);
	ok(guestlike_begin(&g, r->id, &e), &e);
}

static void start_command(const char *id, const char *command)
{
	const struct guestlike_run r = { .id = id, .command = command };

	start(&r);
}

static void destroy(const char *id)
{
	struct error e = ERROR_INIT;

	ok(guestlike_remove(&g, id, &e), &e);
}

static void assert_output(const char *id, const char *want)
{
	autofree char *got = guestlike_output(&g, id, "", 1);

	assert_string_equal(got, want);
}

static void assert_refused(int r, const struct error *e, int err, const char *words)
{
	assert_int_equal(r, -err);
	if (!strstr(e->text, words))
		fail_msg("\"%s\" does not say \"%s\"", e->text, words);
}

static void create_sandbox(bool pidns, const char *hooks)
{
	Grpc__CreateSandboxRequest rq = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	struct error e = ERROR_INIT;

	rq.sandbox_id = (char *)"rules";
	rq.sandbox_pidns = pidns;
	rq.guest_hook_path = (char *)hooks;
	ok(guestlike_call(&g, "CreateSandbox", &rq.base, NULL, &e), &e);
}

/* --- under a policy --- */

static const char policy_text[] = "package agent_policy\n"
				  "default CreateSandboxRequest := true\n"
				  "default CreateContainerRequest := true\n"
				  "default StartContainerRequest := true\n"
				  "default WaitProcessRequest := true\n"
				  "default RemoveContainerRequest := true\n"
				  "default DestroySandboxRequest := true\n"
				  "default SetPolicyRequest := true\n";

static int set_policy(const char *text, struct error *e)
{
	Grpc__SetPolicyRequest rq = GRPC__SET_POLICY_REQUEST__INIT;

	rq.policy = (char *)text;
	return guestlike_call(&g, "SetPolicy", &rq.base, NULL, e);
}

static void test_policy_blocks_exec(void **state)
{
	const struct guestlike_run r = { .id = "a", .exec_id = "e", .command = "true" };
	struct error e = ERROR_INIT;

	create_sandbox(false, "");
	start_command("a", "sleep 100");
	assert_refused(guestlike_create(&g, &r, &e), &e, EPERM,
		       "ExecProcessRequest is blocked by policy");
	assert_refused(guestlike_signal(&g, "a", "", SIGTERM, &e), &e, EPERM, "SignalProcess");
	destroy("a");
}

/* A megabyte that nobody may see does not hold the process up either. */
static void test_policy_withholds_output(void **state)
{
	struct guestlike_run r = { .id = "b",
				   .command = "echo secret; dd if=/dev/zero bs=1024 count=1024 "
					      "2>/dev/null; exit 3" };

	start(&r);
	assert_int_equal(guestlike_wait(&g, "b", ""), 3);
	assert_output("b", "");
	destroy("b");
	r.terminal = true;
	start(&r);
	assert_int_equal(guestlike_wait(&g, "b", ""), 3);
	assert_output("b", "");
	destroy("b");
}

static void test_policy_withholds_streams(void **state)
{
	struct guestlike_run r = { .id = "c", .command = "echo secret; cat >&2; exit 4" };
	autoclose int in = guestlike_stream(&g, &r.port[0]);
	autoclose int out = guestlike_stream(&g, &r.port[1]);
	autoclose int err = guestlike_stream(&g, &r.port[2]);
	char c;

	assert_true(in >= 0 && out >= 0 && err >= 0);
	start(&r);
	assert_int_equal(read(out, &c, 1), 0);
	assert_int_equal(read(err, &c, 1), 0);
	assert_int_equal(guestlike_wait(&g, "c", ""), 4);
	destroy("c");
}

static void test_policy_is_set_once(void **state)
{
	struct error e = ERROR_INIT;

	assert_refused(set_policy("package agent_policy\nallow if input.x\n", &e), &e, EINVAL,
		       "policy: 2:7: ");
	start_command("d", "sleep 100");
	ok(set_policy("package agent_policy\n"
		      "default RemoveContainerRequest := true\n"
		      "default DestroySandboxRequest := true\n",
		      &e),
	   &e);
	assert_refused(set_policy(policy_text, &e), &e, EPERM, "SetPolicyRequest");
	assert_int_equal(guestlike_wait(&g, "d", ""), -EPERM);
	destroy("d");
}

/* --- the sandbox's own pid namespace --- */

static void test_held_pid_namespace(void **state)
{
	const struct guestlike_run first = { .id = "p1", .command = "sleep 1000", .pidns = true },
				   second = { .id = "p2",
					      .command = "cat /proc/1/status | head -n 1; "
							 "ps | head -n 20 >&2; [ $$ != 1 ]",
					      .pidns = true },
				   alone = { .id = "p3", .command = "echo $$" };
	autofree char *seen = NULL;

	create_sandbox(true, "");
	start(&first);
	start(&second);
	assert_int_equal(guestlike_wait(&g, "p2", ""), 0);
	assert_output("p2", "Name:\tpause\n");
	seen = guestlike_output(&g, "p2", "", 2);
	assert_non_null(strstr(seen, "sleep 1000"));
	start(&alone);
	assert_int_equal(guestlike_wait(&g, "p3", ""), 0);
	assert_output("p3", "1\n");
	destroy("p1");
	destroy("p2");
	destroy("p3");
	/* It outlives its containers. */
	start(&second);
	assert_int_equal(guestlike_wait(&g, "p2", ""), 0);
	destroy("p2");
}

/* That of one container for another: it lasts as long as its first process. */
static void test_borrowed_pid_namespace(void **state)
{
	const struct guestlike_run from = { .id = "b1", .command = "sleep 1001" },
				   guest = { .id = "b2",
					     .command = "tr '\\0' ' ' </proc/1/cmdline",
					     .pidns_of = "b1" },
				   late = { .id = "b3", .command = "true", .pidns_of = "b1" },
				   nobodys = { .id = "b4", .command = "true", .pidns_of = "b9" };
	struct error e = ERROR_INIT;

	start(&from);
	start(&guest);
	assert_int_equal(guestlike_wait(&g, "b2", ""), 0);
	assert_output("b2", "sleep 1001 ");
	destroy("b2");
	assert_int_equal(guestlike_create(&g, &nobodys, &e), -ENOENT);
	error_clear(&e);
	ok(guestlike_signal(&g, "b1", "", SIGKILL, &e), &e);
	assert_int_equal(guestlike_wait(&g, "b1", ""), 137);
	assert_refused(guestlike_create(&g, &late, &e), &e, EBUSY,
		       "the pid namespace of container b1 cannot be joined");
	destroy("b1");
}

/* --- hooks of the guest --- */

/* A program that says what it is and what it was told, in the file "told" or the one that its
 * caller's kind names. */
static void write_hook(const char *kind, const char *name, const char *more)
{
	autofree char *dir = xasprintf("%s/%s", g.dir, kind);
	autofree char *path = xasprintf("%s/%s", dir, name);
	autofree char *text =
		xasprintf("#!/bin/sh\necho \"$0 $1\" >>%s/told; cat >%s/%s.json\n%s\n", g.dir,
			  g.dir, kind, more);

	assert_int_equal(path_mkdir_all(dir, 0755), 0);
	assert_int_equal(file_replace_at(AT_FDCWD, path, text, strlen(text), 0755), 0);
}

static char *read_file(const char *name)
{
	autofree char *path = xasprintf("%s/%s", g.dir, name);
	char *text = NULL;

	assert_int_equal(file_read_at(AT_FDCWD, path, MIB(1), &text, NULL), 0);
	return text;
}

static void write_hooks(void)
{
	write_hook("prestart", "10-first",
		   "[ -f \"$(sed 's/.*\"bundle\":\"\\([^\"]*\\).*/\\1/' "
		   "\"${0%/*}\"/../prestart.json)/config.json\" ] || exit 1");
	write_hook("prestart", "20-second",
		   "[ ! -e \"${0%/*}/../fail\" ] || { echo no way; exit 3; }");
	write_hook("poststart", "slow", "sleep 0.5; false");
	write_hook("poststop", "last", "");
	write_hook("own", "runtime", "");
}

/* In their order, hooks.prestart before hooks.createRuntime, with the state. */
static void test_hooks(void **state)
{
	autofree char *told = NULL, *first = NULL, *last = NULL;
	struct error e = ERROR_INIT;
	autofree char *own = xasprintf("%s/own/runtime", g.dir);
	const struct guestlike_run r = { .id = "h", .hook = own, .command = "exit 7" };

	write_hooks();
	create_sandbox(false, g.dir);
	create(&r);
	first = read_file("prestart.json");
	assert_non_null(strstr(first, "\"status\":\"creating\""));
	assert_non_null(strstr(first, "\"id\":\"h\""));
	ok(guestlike_begin(&g, "h", &e), &e);
	/* It is over before its poststart hook, and the start a success all the same. */
	assert_int_equal(guestlike_wait(&g, "h", ""), 7);
	destroy("h");
	last = read_file("poststop.json");
	assert_non_null(strstr(last, "\"status\":\"stopped\""));
	told = read_file("told");
	for (const char *want = "first\0second\0own/runtime\0slow\0last\0", *at = told; *want;
	     want += strlen(want) + 1) {
		at = strstr(at, want);
		if (!at)
			fail_msg("no %s in its place: %s", want, told);
	}
}

static void test_hook_that_fails(void **state)
{
	const struct guestlike_run r = { .id = "f", .command = "true" };
	autofree char *path = xasprintf("%s/fail", g.dir);
	struct error e = ERROR_INIT;

	assert_int_equal(file_replace_at(AT_FDCWD, path, "", 0, 0600), 0);
	assert_refused(guestlike_create(&g, &r, &e), &e, EIO, "20-second: exit status 3: no way");
	unlink(path);
	/* Nothing is left of it, not even the name. */
	start(&r);
	destroy("f");
}

/* --- what the agent tells --- */

/* Every line is a comment or "name value" or "name{labels} value". */
static void assert_prometheus(const char *text)
{
	autodone(strv) lines = STRV_INIT;

	strv_split(&lines, text, "\n");
	assert_true(lines.n > 50);
	for (size_t i = 0; i < lines.n; i++) {
		const char *value = strrchr(lines.v[i], ' ');
		char *end;

		if (str_skip_prefix(lines.v[i], "# HELP kata_") ||
		    str_skip_prefix(lines.v[i], "# TYPE kata_"))
			continue;
		if (!str_skip_prefix(lines.v[i], "kata_") || !value)
			fail_msg("not a sample: %s", lines.v[i]);
		strtod(value + 1, &end);
		assert_int_equal(*end, '\0');
	}
}

static char *metrics(void)
{
	Grpc__GetMetricsRequest rq = GRPC__GET_METRICS_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;
	struct error e = ERROR_INIT;
	char *text;

	ok(guestlike_call(&g, "GetMetrics", &rq.base, &resp, &e), &e);
	text = xstrdup(((Grpc__Metrics *)resp)->metrics);
	protobuf_c_message_free_unpacked(resp, NULL);
	return text;
}

static void test_metrics(void **state)
{
	static const char *const names[] = {
		"\nkata_agent_scrape_count 1\n",
		"\nkata_agent_threads 1\n",
		"\nkata_agent_total_rss ",
		"\nkata_agent_total_time ",
		"\nkata_agent_total_vm ",
		"\nkata_agent_io_stat{item=\"rchar\"} ",
		"\nkata_agent_proc_stat{item=\"cutime\"} ",
		"\nkata_agent_proc_status{item=\"vmrss\"} ",
		"\nkata_guest_load{item=\"load15\"} ",
		"\nkata_guest_tasks{item=\"max\"} ",
		"\nkata_guest_cpu_time{cpu=\"total\",item=\"user\"} ",
		"\nkata_guest_cpu_time{cpu=\"0\",item=\"guest_nice\"} ",
		"\nkata_guest_vm_stat{item=\"nr_free_pages\"} ",
		"\nkata_guest_netdev_stat{interface=\"lo\",item=\"sent_compressed\"} ",
		"\nkata_guest_meminfo{item=\"mem_total\"} ",
		"\nkata_guest_meminfo{item=\"active_anon\"} ",
	};
	autofree char *text = metrics(), *again = metrics();

	assert_prometheus(text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strstr(text, names[i]))
			fail_msg("no %s", names[i]);
	assert_non_null(strstr(again, "\nkata_agent_scrape_count 2\n"));
}

static void test_mem_agent_is_not_there(void **state)
{
	Grpc__MemAgentMemcgConfig memcg = GRPC__MEM_AGENT_MEMCG_CONFIG__INIT;
	Grpc__MemAgentCompactConfig compact = GRPC__MEM_AGENT_COMPACT_CONFIG__INIT;
	struct error e = ERROR_INIT;

	assert_refused(guestlike_call(&g, "MemAgentMemcgSet", &memcg.base, NULL, &e), &e,
		       EOPNOTSUPP, "no mem-agent");
	assert_refused(guestlike_call(&g, "MemAgentCompactSet", &compact.base, NULL, &e), &e,
		       EOPNOTSUPP, "no mem-agent");
}

static int diagnose(const char *id, const char *type, char **ret, struct error *e)
{
	Grpc__GetDiagnosticDataRequest rq = GRPC__GET_DIAGNOSTIC_DATA_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;
	int r;

	rq.container_id = (char *)id;
	rq.log_type = (char *)type;
	r = guestlike_call(&g, "GetDiagnosticData", &rq.base, &resp, e);
	if (r < 0)
		return r;
	*ret = xstrdup(((Grpc__GetDiagnosticDataResponse *)resp)->data);
	protobuf_c_message_free_unpacked(resp, NULL);
	return 0;
}

static void test_termination_message(void **state)
{
	struct guestlike_run r = { .id = "t",
				   .message_path = "/tmp/why",
				   .command =
					   "dd if=/dev/zero bs=1024 count=8 2>/dev/null >/tmp/why; "
					   "printf 'the \\377 end' >>/tmp/why; exit 1" };
	autofree char *text = NULL;
	struct error e = ERROR_INIT;

	start(&r);
	assert_int_equal(guestlike_wait(&g, "t", ""), 1);
	assert_refused(diagnose("t", "core", &text, &e), &e, EINVAL, "termination_log");
	/* A message of zeros is as good as none: the text ends at the first of them. */
	ok(diagnose("t", "termination_log", &text, &e), &e);
	assert_string_equal(text, "");
	destroy("t");
	r.command = "printf 'the \\377 end' >/tmp/why";
	start(&r);
	assert_int_equal(guestlike_wait(&g, "t", ""), 0);
	free(text);
	text = NULL;
	ok(diagnose("t", "termination_log", &text, &e), &e);
	assert_string_equal(text, "the ? end");
	destroy("t");
	/* Nothing but a file of the container is read. */
	r.command = "rm -f /tmp/why; ln -s /bin /tmp/why";
	start(&r);
	assert_int_equal(guestlike_wait(&g, "t", ""), 0);
	assert_refused(diagnose("t", "termination_log", &text, &e), &e, EINVAL, "/tmp/why");
	destroy("t");
	r.message_path = NULL;
	r.command = "rm -f /tmp/why";
	start(&r);
	assert_int_equal(guestlike_wait(&g, "t", ""), 0);
	assert_refused(diagnose("t", "termination_log", &text, &e), &e, ENOENT,
		       "terminationMessagePath");
	destroy("t");
}

/* Whoever gets hold of it cannot write to the program. */
static void test_own_file_is_readonly(void **state)
{
	autofree char *name = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)g.pid);
	/* Opening it would only tell that it is being executed, which ends. */
	assert_int_equal(access(path, W_OK), -1);
	assert_int_equal(errno, EROFS);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)g.pid);
	assert_true(file_read_at(AT_FDCWD, path, sizeof(path), &name, NULL) >= 0);
	assert_string_equal(name, "caisson-agent\n");
}

/* --- as a service --- */

/* Of a guest with an init of its own: the environment says where it listens. */
static pid_t start_service(const char *socket, const char *policy)
{
	autofree char *address = xasprintf("KATA_AGENT_SERVER_ADDR=unix://%s", socket);
	autofree char *rules = xasprintf("KATA_AGENT_POLICY_FILE=%s", policy);
	char *argv[] = { (char *)program, (char *)"--service", NULL };
	char *env[] = { address, rules, NULL };
	struct proc_spec ps = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;
	pid_t pid;

	ps.path = program;
	ps.argv = argv;
	ps.env = env;
	ps.out = ps.err = STDERR_FILENO;
	ps.pdeathsig = SIGKILL;
	pid = proc_spawn(&ps, &e);
	ok((int)pid, &e);
	return pid;
}

static void test_service(void **state)
{
	Grpc__DestroySandboxRequest rq = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	autofree char *socket = xasprintf("%s/service", g.dir);
	pid_t pid = start_service(socket, "/nonexistent");
	int64_t end = loop_now_ms() + NEIGHBOUR_MS;
	autoptr(rpc_client) client = NULL;
	struct error e = ERROR_INIT;
	int fd, status = -1;

	while ((fd = unix_connect(socket, SOCK_STREAM)) < 0 && loop_now_ms() < end)
		usleep(5000);
	assert_true(fd >= 0);
	client = rpc_client_new(NULL, fd);
	ok(rpc_client_call_sync(client, &grpc__agent_service__descriptor,
				(unsigned)rpc_method_index(&grpc__agent_service__descriptor,
							   "DestroySandbox"),
				&rq.base, NEIGHBOUR_MS, NULL, &e),
	   &e);
	assert_int_equal(proc_wait(pid, NEIGHBOUR_MS, &status), 0);
	assert_int_equal(proc_exit_code(status), 0);
}

/* Without the policy that it was to have it does not serve. */
static void test_service_with_a_bad_policy(void **state)
{
	autofree char *socket = xasprintf("%s/service", g.dir);
	int status = -1;
	pid_t pid = start_service(socket, program);

	assert_int_equal(proc_wait(pid, NEIGHBOUR_MS, &status), 0);
	assert_int_equal(proc_exit_code(status), 1);
}

/* --- bad neighbours --- */

/* The whole life of a good container and a process in it, within the bound. */
static void assert_neighbour_lives(const char *beside)
{
	const struct guestlike_run init = { .id = "good", .command = "exec sleep 1000" };
	const struct guestlike_run exec = { .id = "good", .exec_id = "e", .command = "exit 6" };
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	int64_t begin = loop_now_ms();
	struct error e = ERROR_INIT;

	start(&init);
	create(&exec);
	assert_int_equal(guestlike_wait(&g, "good", "e"), 6);
	stats.container_id = (char *)"good";
	ok(guestlike_call(&g, "StatsContainer", &stats.base, NULL, &e), &e);
	ok(guestlike_signal(&g, "good", "", SIGKILL, &e), &e);
	assert_int_equal(guestlike_wait(&g, "good", ""), 128 + SIGKILL);
	destroy("good");
	if (loop_now_ms() - begin > NEIGHBOUR_MS)
		fail_msg("beside %s it took %lld ms", beside, (long long)(loop_now_ms() - begin));
}

/* Three hundred that stay, and then one after the other. */
static void test_neighbour_of_one_that_forks(void **state)
{
	start_command("bad", "trap '' TERM; i=0; while [ $i -lt 300 ]; do sleep 1000 & "
			     "i=$((i + 1)); done; while :; do (:); done");
	assert_neighbour_lives("one that forks");
	destroy("bad");
}

/* Through calls that nobody makes, and through a stream that nobody reads. */
static void test_neighbour_of_one_that_fills_its_output(void **state)
{
	struct guestlike_run calls = { .id = "bad",
				       .command = "while :; do cat /bin/busybox; done" };
	struct guestlike_run streams = { .id = "bad2",
					 .command = "while :; do cat /bin/busybox; done" };
	autoclose int out = guestlike_stream(&g, &streams.port[1]);

	start(&calls);
	start(&streams);
	assert_neighbour_lives("one that fills its output");
	destroy("bad");
	destroy("bad2");
}

/* And one whose output is read as fast as can be. */
static void test_neighbour_of_one_that_is_read(void **state)
{
	struct guestlike_run r = { .id = "bad", .command = "while :; do cat /bin/busybox; done" };
	autoclose int out = guestlike_stream(&g, &r.port[1]);
	static char sink[65536];
	pid_t reader = fork();

	if (reader == 0) {
		while (read(out, sink, sizeof(sink)) != 0)
			;
		_exit(0);
	}
	start(&r);
	assert_neighbour_lives("one that talks all the time");
	destroy("bad");
	kill(reader, SIGKILL);
}

static void test_neighbour_of_one_that_does_not_read(void **state)
{
	struct guestlike_run r = { .id = "bad", .command = "exec sleep 1000" };
	autoclose int in = guestlike_stream(&g, &r.port[0]);
	static char block[65536];
	int blocks = 0;

	assert_true(in >= 0);
	start(&r);
	assert_int_equal(fd_set_nonblock(in, true), 0);
	while (blocks < 1000) {
		struct pollfd p = { in, POLLOUT, 0 };

		if (poll(&p, 1, 300) <= 0 || write(in, block, sizeof(block)) < 0)
			break;
		blocks++;
	}
	assert_true(blocks < 1000);
	assert_neighbour_lives("one that does not read");
	destroy("bad");
}

static void test_neighbour_of_one_that_ignores_signals(void **state)
{
	const struct guestlike_run deaf = {
		.id = "bad", .command = "trap '' TERM INT HUP; while :; do :; done"
	};
	const struct guestlike_run stopped = { .id = "bad",
					       .exec_id = "s",
					       .command = "kill -STOP $$" };
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	struct error e = ERROR_INIT;

	start(&deaf);
	create(&stopped);
	ok(guestlike_signal(&g, "bad", "", SIGTERM, &e), &e);
	ok(guestlike_signal(&g, "bad", "s", SIGTERM, &e), &e);
	assert_neighbour_lives("one that ignores signals");
	pause.container_id = (char *)"bad";
	ok(guestlike_call(&g, "PauseContainer", &pause.base, NULL, &e), &e);
	assert_neighbour_lives("one that is frozen");
	destroy("bad");
}

static int write_policy(char *path)
{
	autoclose int fd = mkstemp(path);

	return fd < 0 ? -errno : fd_write_full(fd, policy_text, strlen(policy_text));
}

static int run_group(const char *agent, const char *name, const struct CMUnitTest *tests, size_t n)
{
	const char *why = guestlike_start(&g, agent);
	int failed, status;

	if (why) {
		fprintf(stderr, "test_agent_rules: SKIPPED: %s\n", why);
		return 77;
	}
	failed = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	status = guestlike_stop(&g);
	if (status)
		fprintf(stderr, "test_agent_rules: the agent ended with %d\n", status);
	return failed || status;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest under_policy[] = {
		cmocka_unit_test(test_policy_blocks_exec),
		cmocka_unit_test(test_policy_withholds_output),
		cmocka_unit_test(test_policy_withholds_streams),
		cmocka_unit_test(test_policy_is_set_once),
	};
	const struct CMUnitTest with_hooks[] = {
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_hook_that_fails),
	};
	const struct CMUnitTest free_of_it[] = {
		cmocka_unit_test(test_held_pid_namespace),
		cmocka_unit_test(test_borrowed_pid_namespace),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_mem_agent_is_not_there),
		cmocka_unit_test(test_termination_message),
		cmocka_unit_test(test_own_file_is_readonly),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_service_with_a_bad_policy),
		cmocka_unit_test(test_neighbour_of_one_that_forks),
		cmocka_unit_test(test_neighbour_of_one_that_fills_its_output),
		cmocka_unit_test(test_neighbour_of_one_that_is_read),
		cmocka_unit_test(test_neighbour_of_one_that_does_not_read),
		cmocka_unit_test(test_neighbour_of_one_that_ignores_signals),
	};
	char path[] = "/tmp/test-agent-policy-XXXXXX";
	int r;

	if (argc < 2 || write_policy(path) < 0) {
		fprintf(stderr, "usage: test_agent_rules AGENT\n");
		return 1;
	}
	program = argv[1];
	signal(SIGPIPE, SIG_IGN);
	g.policy = path;
	r = run_group(argv[1], "policy", under_policy, ARRAY_SIZE(under_policy));
	unlink(path);
	g.policy = NULL;
	if (!r)
		r = run_group(argv[1], "hooks", with_hooks, ARRAY_SIZE(with_hooks));
	return r ? r : run_group(argv[1], "rules", free_of_it, ARRAY_SIZE(free_of_it));
}
