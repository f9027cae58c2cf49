/* SPDX-License-Identifier: Apache-2.0 */
/* The agent as a whole, driven as a host drives it: life cycle, stdio both ways, signals, exit
 * statuses, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "guestlike.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/mem.h"
#include "health.pb-c.h"
#include "sys/cgroup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct guestlike g;

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

static void begin(const char *id)
{
	struct error e = ERROR_INIT;

	ok(guestlike_begin(&g, id, &e), &e);
}

static void destroy(const char *id)
{
	struct error e = ERROR_INIT;

	ok(guestlike_remove(&g, id, &e), &e);
}

/* A container that runs @command; started. */
static void start(const char *id, const char *command)
{
	const struct guestlike_run r = { .id = id, .command = command };

	create(&r);
	begin(id);
}

static void assert_output(const char *id, const char *exec_id, const char *want)
{
	autofree char *got = guestlike_output(&g, id, exec_id, 1);

	assert_string_equal(got, want);
}

static void assert_refused(int r, const struct error *e, int err, const char *words)
{
	assert_int_equal(r, -err);
	if (!strstr(e->text, words))
		fail_msg("\"%s\" does not say \"%s\"", e->text, words);
}

static void test_nothing_without_a_sandbox(void **state)
{
	const struct guestlike_run r = { .id = "early", .command = "true" };
	struct error e = ERROR_INIT;

	assert_true(guestlike_create(&g, &r, &e) < 0);
	assert_non_null(strstr(e.text, "CreateSandbox"));
}

static void test_sandbox_once(void **state)
{
	Grpc__CreateSandboxRequest rq = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage shm = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = { &shm };
	autofree char *mount_point = xasprintf("%s/sandbox/shm", g.run_dir);
	char *options[] = { (char *)"mode=1777", (char *)"size=1048576" };
	struct error e = ERROR_INIT;

	rq.hostname = (char *)"inside";
	rq.sandbox_id = (char *)"../x";
	assert_refused(guestlike_call(&g, "CreateSandbox", &rq.base, NULL, &e), &e, EINVAL,
		       "sandbox id");
	rq.sandbox_id = (char *)"sandbox-1";
	rq.guest_hook_path = (char *)"hooks";
	assert_refused(guestlike_call(&g, "CreateSandbox", &rq.base, NULL, &e), &e, EINVAL,
		       "\"hooks\" is not absolute");
	rq.guest_hook_path = (char *)"";
	shm.driver = (char *)"ephemeral";
	shm.mount_point = mount_point;
	shm.options = options;
	shm.n_options = 2;
	rq.storages = list;
	rq.n_storages = 1;
	ok(guestlike_call(&g, "CreateSandbox", &rq.base, NULL, &e), &e);
	assert_refused(guestlike_call(&g, "CreateSandbox", &rq.base, NULL, &e), &e, EEXIST,
		       "exists already");
}

static void test_health(void **state)
{
	Grpc__CheckRequest rq = GRPC__CHECK_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rpc_client_call_sync(g.client, &grpc__health__descriptor, i,
						      &rq.base, 5000, &resp, NULL),
				 0);
		if (i == 0)
			assert_int_equal(((Grpc__HealthCheckResponse *)resp)->status,
					 GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
		else
			assert_string_equal(((Grpc__VersionCheckResponse *)resp)->agent_version,
					    CAISSON_VERSION);
		protobuf_c_message_free_unpacked(resp, NULL);
	}
}

static void test_output_and_status(void **state)
{
	autofree char *err = NULL;

	start("c1", "echo out; echo err >&2; exit 7");
	assert_int_equal(guestlike_wait(&g, "c1", ""), 7);
	assert_output("c1", "", "out\n");
	err = guestlike_output(&g, "c1", "", 2);
	assert_string_equal(err, "err\n");
	/* It can be asked for again. */
	assert_int_equal(guestlike_wait(&g, "c1", ""), 7);
	destroy("c1");
}

static void test_exit_statuses_are_exact(void **state)
{
	static const int codes[] = { 0, 1, 2, 126, 127, 128, 129, 200, 254, 255 };
	char id[16], command[32];

	start("c2", "sleep 100");
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		const struct guestlike_run r = { .id = "c2", .exec_id = id, .command = command };

		snprintf(id, sizeof(id), "e%zu", i);
		snprintf(command, sizeof(command), "exit %d", codes[i]);
		create(&r);
		assert_int_equal(guestlike_wait(&g, "c2", id), codes[i]);
	}
	destroy("c2");
}

static void test_deaths_by_signal(void **state)
{
	static const int signals[] = { SIGTERM, SIGKILL, SIGINT, SIGUSR1, SIGSEGV, 40 };

	start("c3", "sleep 100");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		const struct guestlike_run r = { .id = "c3",
						 .exec_id = "e",
						 .command = "exec sleep 100" };
		struct error e = ERROR_INIT;

		create(&r);
		ok(guestlike_signal(&g, "c3", "e", signals[i], &e), &e);
		assert_int_equal(guestlike_wait(&g, "c3", "e"), 128 + signals[i]);
	}
	destroy("c3");
}

static void test_kill_ends_all(void **state)
{
	const struct guestlike_run r = { .id = "c4", .exec_id = "e", .command = "sleep 100" };
	struct error e = ERROR_INIT;

	start("c4", "sleep 100 & sleep 100");
	create(&r);
	ok(guestlike_signal(&g, "c4", "", SIGKILL, &e), &e);
	assert_int_equal(guestlike_wait(&g, "c4", ""), 137);
	assert_int_equal(guestlike_wait(&g, "c4", "e"), 137);
	/* Whoever is gone already is no failure. */
	ok(guestlike_signal(&g, "c4", "", SIGTERM, &e), &e);
	assert_refused(guestlike_signal(&g, "c4", "", 65, &e), &e, EINVAL, "65");
	assert_refused(guestlike_signal(&g, "c4", "nobody", SIGTERM, &e), &e, ENOENT, "nobody");
	destroy("c4");
}

/* A call that does not wait for its answer. */
static void wait_for_status(struct guestlike *other, const char *id, int want)
{
	assert_int_equal(guestlike_wait(other, id, ""), want);
}

static void test_kill_before_start(void **state)
{
	const struct guestlike_run r = { .id = "c5", .command = "echo never" };
	struct error e = ERROR_INIT;

	create(&r);
	ok(guestlike_signal(&g, "c5", "", SIGKILL, &e), &e);
	wait_for_status(&g, "c5", 137);
	assert_true(guestlike_begin(&g, "c5", &e) < 0);
	destroy("c5");
}

static void test_start_twice(void **state)
{
	struct error e = ERROR_INIT;

	start("c6", "sleep 100");
	assert_refused(guestlike_begin(&g, "c6", &e), &e, EBUSY, "started already");
	destroy("c6");
}

static void test_ids(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "../x", "a/b", "shared", "sandbox", "a b"
	};
	autofree char *long_id = xcalloc(1, 1001);
	struct guestlike_run r = { .command = "true" };
	struct error e = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r.id = bad[i];
		assert_refused(guestlike_create(&g, &r, &e), &e, EINVAL, "container id");
	}
	memset(long_id, 'a', 1000);
	r.id = long_id;
	assert_refused(guestlike_create(&g, &r, &e), &e, EINVAL, "too long");
	start("c7", "sleep 100");
	r.id = "c7";
	assert_refused(guestlike_create(&g, &r, &e), &e, EEXIST, "exists already");
	r.exec_id = "a/b";
	assert_refused(guestlike_create(&g, &r, &e), &e, EINVAL, "exec id");
	r.exec_id = "c7"; /* names the init */
	assert_refused(guestlike_create(&g, &r, &e), &e, EEXIST, "c7");
	destroy("c7");
	assert_refused(guestlike_remove(&g, "c7", &e), &e, ENOENT, "does not exist");
	start("c7", "exit 3");
	assert_int_equal(guestlike_wait(&g, "c7", "c7"), 3);
	destroy("c7");
}

static void test_failed_creation_leaves_nothing(void **state)
{
	autofree char *bundle = xasprintf("%s/c8", g.run_dir),
		      *cgroup = xasprintf("%s/c8", g.cgroup);
	autofree char *saved = xstrdup(g.rootfs);
	const struct guestlike_run r = { .id = "c8", .command = "true" };
	struct error e = ERROR_INIT;

	snprintf(g.rootfs, sizeof(g.rootfs), "%s/absent", g.dir);
	assert_true(guestlike_create(&g, &r, &e) < 0);
	snprintf(g.rootfs, sizeof(g.rootfs), "%s", saved);
	assert_non_null(strstr(e.text, "absent"));
	assert_int_equal(access(bundle, F_OK), -1);
	assert_false(cgroup_exists(cgroup));
	start("c8", "exit 0");
	assert_int_equal(guestlike_wait(&g, "c8", ""), 0);
	destroy("c8");
	assert_int_equal(access(bundle, F_OK), -1);
	assert_false(cgroup_exists(cgroup));
}

static void test_stdin_by_calls(void **state)
{
	Grpc__WriteStreamRequest rq = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__CloseStdinRequest end = GRPC__CLOSE_STDIN_REQUEST__INIT;
	struct error e = ERROR_INIT;

	start("c9", "cat");
	rq.container_id = end.container_id = (char *)"c9";
	rq.data.data = (uint8_t *)"typed\n";
	rq.data.len = 6;
	ok(guestlike_call(&g, "WriteStdin", &rq.base, NULL, &e), &e);
	ok(guestlike_call(&g, "CloseStdin", &end.base, NULL, &e), &e);
	assert_output("c9", "", "typed\n");
	assert_int_equal(guestlike_wait(&g, "c9", ""), 0);
	destroy("c9");
}

/* --- streams --- */

/* Sends @total patterned bytes to @in and compares what comes from @out, until its end. */
static void through(int in, int out, size_t total)
{
	static uint8_t chunk[65536];
	size_t sent = 0, got = 0;
	bool end = false;

	assert_int_equal(fd_set_nonblock(in, true), 0);
	assert_int_equal(fd_set_nonblock(out, true), 0);
	while (!end) {
		struct pollfd p[2] = { { out, POLLIN, 0 }, { sent < total ? in : -1, POLLOUT, 0 } };
		size_t n = MIN(total - sent, sizeof(chunk));
		ssize_t r;

		assert_true(poll(p, 2, 20000) > 0);
		for (size_t i = 0; i < n; i++)
			chunk[i] = (uint8_t)((sent + i) * 13 + (sent + i) / 509);
		r = n ? write(in, chunk, n) : 0;
		sent += r > 0 ? (size_t)r : 0;
		if (n && sent == total)
			assert_int_equal(shutdown(in, SHUT_WR), 0);
		r = read(out, chunk, sizeof(chunk));
		for (ssize_t i = 0; i < r; i++, got++)
			if (chunk[i] != (uint8_t)(got * 13 + got / 509))
				fail_msg("byte %zu differs", got);
		end = r == 0;
	}
	assert_int_equal(got, total);
}

static void test_streams_carry_everything(void **state)
{
	struct guestlike_run r = { .id = "s1", .command = "cat" };
	int in = guestlike_stream(&g, &r.port[0]), out = guestlike_stream(&g, &r.port[1]);

	create(&r);
	begin("s1");
	through(in, out, MIB(32) + 77);
	assert_int_equal(guestlike_wait(&g, "s1", ""), 0);
	close(in);
	close(out);
	destroy("s1");
}

/* Reads to the end, slowly; the number of bytes. */
static size_t drain(int fd)
{
	char chunk[10000];
	size_t n = 0;
	ssize_t r;

	while ((r = read(fd, chunk, sizeof(chunk))) > 0)
		n += (size_t)r;
	assert_int_equal(r, 0);
	return n;
}

static void test_last_bytes_survive_exit_and_removal(void **state)
{
	struct guestlike_run r = { .id = "s2",
				   .command = "head -c 65000 /dev/zero; echo last >&2" };
	int out = guestlike_stream(&g, &r.port[1]), err = guestlike_stream(&g, &r.port[2]);

	create(&r);
	begin("s2");
	assert_int_equal(guestlike_wait(&g, "s2", ""), 0);
	destroy("s2");
	assert_int_equal(drain(out), 65000);
	assert_int_equal(drain(err), 5);
	close(out);
	close(err);
}

static void test_a_lost_host_stream_is_a_broken_pipe(void **state)
{
	/* Not as process 1 of its namespace, which the kernel spares most signals. */
	struct guestlike_run r = { .id = "s3", .command = "cat /dev/zero; exit $?" };
	int out = guestlike_stream(&g, &r.port[1]);
	char c[100];

	create(&r);
	begin("s3");
	assert_true(read(out, c, sizeof(c)) > 0);
	close(out);
	assert_int_equal(guestlike_wait(&g, "s3", ""), 128 + SIGPIPE);
	destroy("s3");
}

/* A background process keeps the pipe: the status comes at once, the stream ends with the last
 * writer. */
static void test_status_does_not_wait_for_the_stream(void **state)
{
	struct guestlike_run r = { .id = "s4", .command = "sleep 100" }, x = {
		.id = "s4", .exec_id = "x", .command = "(sleep 1; echo later) & echo now"
	};
	int out = guestlike_stream(&g, &x.port[1]);
	char c[16] = "";

	create(&r);
	begin("s4");
	create(&x);
	assert_int_equal(guestlike_wait(&g, "s4", "x"), 0);
	assert_int_equal(read(out, c, sizeof(c)), 4);
	assert_int_equal(recv(out, c, sizeof(c), MSG_DONTWAIT), -1);
	assert_int_equal(read(out, c, sizeof(c)), 6);
	assert_memory_equal(c, "later\n", 6);
	assert_int_equal(read(out, c, sizeof(c)), 0);
	close(out);
	destroy("s4");
}

static void test_absent_streams_are_null(void **state)
{
	struct guestlike_run r = { .id = "s5", .command = "cat; echo x" };
	int err = guestlike_stream(&g, &r.port[2]);

	create(&r);
	begin("s5");
	assert_int_equal(guestlike_wait(&g, "s5", ""), 0);
	assert_int_equal(drain(err), 0);
	close(err);
	destroy("s5");
}

static void test_unknown_stream_is_refused(void **state)
{
	const struct guestlike_run r = { .id = "s6", .command = "true", .port = { 0, 4242, 0 } };
	struct error e = ERROR_INIT;

	assert_refused(guestlike_create(&g, &r, &e), &e, ENOENT, "4242");
}

/* --- terminals --- */

static void test_terminal(void **state)
{
	struct guestlike_run r = { .id = "t1",
				   .command = "stty size; read x; echo got $x; stty size",
				   .terminal = true };
	Grpc__TtyWinResizeRequest rq = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	int in = guestlike_stream(&g, &r.port[0]), out = guestlike_stream(&g, &r.port[1]);
	struct error e = ERROR_INIT;
	char text[512] = "";
	size_t n = 0;
	ssize_t k;

	create(&r);
	begin("t1");
	while (n < 7 && (k = read(out, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)k;
	assert_string_equal(text, "24 80\r\n");
	rq.container_id = (char *)"t1";
	rq.row = 40;
	rq.column = 120;
	ok(guestlike_call(&g, "TtyWinResize", &rq.base, NULL, &e), &e);
	assert_int_equal(write(in, "abc\n", 4), 4);
	while ((k = read(out, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)k;
	text[n] = '\0';
	assert_non_null(strstr(text, "got abc\r\n40 120\r\n"));
	assert_int_equal(guestlike_wait(&g, "t1", ""), 0);
	close(in);
	close(out);
	destroy("t1");
}

static void test_exec_with_terminal(void **state)
{
	struct guestlike_run r = { .id = "t2", .command = "sleep 100" },
			     x = { .id = "t2", .exec_id = "x", .command = "tty", .terminal = true };
	autofree char *text = NULL;

	create(&r);
	begin("t2");
	create(&x);
	text = guestlike_output(&g, "t2", "x", 1);
	assert_memory_equal(text, "/dev/", 5);
	assert_int_equal(guestlike_wait(&g, "t2", "x"), 0);
	destroy("t2");
}

/* --- resources --- */

static void test_pause_and_resume(void **state)
{
	Grpc__PauseContainerRequest pause_rq = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume_rq = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	autofree char *cgroup = xasprintf("%s/r1", g.cgroup);
	struct error e = ERROR_INIT;

	start("r1", "sleep 100");
	pause_rq.container_id = resume_rq.container_id = (char *)"r1";
	ok(guestlike_call(&g, "PauseContainer", &pause_rq.base, NULL, &e), &e);
	assert_int_equal(cgroup_frozen(cgroup), 1);
	ok(guestlike_call(&g, "ResumeContainer", &resume_rq.base, NULL, &e), &e);
	assert_int_equal(cgroup_frozen(cgroup), 0);
	ok(guestlike_call(&g, "PauseContainer", &pause_rq.base, NULL, &e), &e);
	destroy("r1"); /* also while it is frozen */
}

static Grpc__StatsContainerResponse *stats(const char *id)
{
	Grpc__StatsContainerRequest rq = GRPC__STATS_CONTAINER_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;
	struct error e = ERROR_INIT;

	rq.container_id = (char *)id;
	rq.with_processes = true;
	ok(guestlike_call(&g, "StatsContainer", &rq.base, &resp, &e), &e);
	return (Grpc__StatsContainerResponse *)resp;
}

static void test_stats_list_processes(void **state)
{
	Grpc__StatsContainerResponse *st = NULL;
	bool sleeps = false;

	start("r2", "exec sleep 54321");
	/* Started means that the shell runs; what it does next takes its time. */
	for (int i = 0; i < 10000 && !sleeps; i++) {
		if (st)
			protobuf_c_message_free_unpacked(&st->base, NULL);
		st = stats("r2");
		assert_int_equal(st->n_processes, 1);
		sleeps = strcmp(st->processes[0]->comm, "sleep") == 0;
	}
	assert_true(sleeps);
	assert_int_equal(st->processes[0]->n_args, 2);
	assert_string_equal(st->processes[0]->args[1], "54321");
	assert_true(st->processes[0]->pid > 0);
	protobuf_c_message_free_unpacked(&st->base, NULL);
	destroy("r2");
}

static void test_hostname_is_the_sandbox_s(void **state)
{
	start("r3", "hostname");
	assert_output("r3", "", "inside\n");
	destroy("r3");
}

static void test_shared_pid_namespace(void **state)
{
	const struct guestlike_run first = { .id = "p1",
					     .command = "exec sleep 1234",
					     .pidns = true },
				   second = { .id = "p2",
					      .command =
						      "case \"$(cat /proc/1/cmdline)\" in *1234*) "
						      "echo yes;; esac; echo $$ >&2; exit 4",
					      .pidns = true },
				   alone = { .id = "p3", .command = "echo $$" };
	autofree char *pid = NULL;

	create(&first);
	begin("p1");
	create(&second);
	begin("p2");
	assert_int_equal(guestlike_wait(&g, "p2", ""), 4);
	assert_output("p2", "", "yes\n");
	pid = guestlike_output(&g, "p2", "", 2);
	assert_string_not_equal(pid, "1\n");
	create(&alone);
	begin("p3");
	assert_output("p3", "", "1\n");
	destroy("p2");
	destroy("p3");
	destroy("p1");
}

static void test_update(void **state)
{
	Grpc__UpdateContainerRequest rq = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	struct error e = ERROR_INIT;

	start("u1", "sleep 100");
	rq.container_id = (char *)"u1";
	assert_refused(guestlike_call(&g, "UpdateContainer", &rq.base, NULL, &e), &e, EINVAL,
		       "no resources");
	rq.resources = &res;
	ok(guestlike_call(&g, "UpdateContainer", &rq.base, NULL, &e), &e);
	destroy("u1");
}

/* The end of the sandbox is the end of what runs in it. */
static void test_one_is_left_behind(void **state)
{
	start("left", "sleep 1000 & sleep 1000");
}

static void test_many_containers(void **state)
{
	char id[16];

	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		start(id, "sleep 100");
	}
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		destroy(id);
	}
}

/* More execs than are remembered: the old ones make room, and none of them is a zombie. */
static void test_many_execs(void **state)
{
	char id[16];
	const struct guestlike_run r = { .id = "m", .exec_id = id, .command = "exit 5" };

	start("m", "sleep 100");
	for (int i = 0; i < LIMIT_AGENT_EXITED + 20; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		create(&r);
		assert_int_equal(guestlike_wait(&g, "m", id), 5);
	}
	assert_int_equal(guestlike_wait(&g, "m", "e0"), -ENOENT);
	destroy("m");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_nothing_without_a_sandbox),
		cmocka_unit_test(test_sandbox_once),
		cmocka_unit_test(test_output_and_status),
		cmocka_unit_test(test_exit_statuses_are_exact),
		cmocka_unit_test(test_deaths_by_signal),
		cmocka_unit_test(test_kill_ends_all),
		cmocka_unit_test(test_kill_before_start),
		cmocka_unit_test(test_start_twice),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_failed_creation_leaves_nothing),
		cmocka_unit_test(test_stdin_by_calls),
		cmocka_unit_test(test_streams_carry_everything),
		cmocka_unit_test(test_last_bytes_survive_exit_and_removal),
		cmocka_unit_test(test_a_lost_host_stream_is_a_broken_pipe),
		cmocka_unit_test(test_status_does_not_wait_for_the_stream),
		cmocka_unit_test(test_absent_streams_are_null),
		cmocka_unit_test(test_unknown_stream_is_refused),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_exec_with_terminal),
		cmocka_unit_test(test_pause_and_resume),
		cmocka_unit_test(test_stats_list_processes),
		cmocka_unit_test(test_hostname_is_the_sandbox_s),
		cmocka_unit_test(test_many_containers),
		cmocka_unit_test(test_many_execs),
		cmocka_unit_test(test_shared_pid_namespace),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_one_is_left_behind),
	};
	const char *why = argc > 1 ? guestlike_start(&g, argv[1]) : "usage: test_agent AGENT";
	int failed, status;

	if (why) {
		fprintf(stderr, "test_agent: SKIPPED: %s\n", why);
		return 77;
	}
	signal(SIGPIPE, SIG_IGN);
	failed = cmocka_run_group_tests_name("agent", tests, NULL, NULL);
	status = guestlike_stop(&g);
	if (status)
		fprintf(stderr, "test_agent: the agent ended with %d\n", status);
	return failed || status;
}
