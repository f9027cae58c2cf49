/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fakeshim.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "cli/cli.h"

#include "agent.pb-c.h"
#include "cgroups_v1.pb-c.h"
#include "google/protobuf/any.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLI_MS 30000

/* --- the service --- */

static int status;

static bool lives(void)
{
	return status != CONTAINERD__V1__TYPES__STATUS__STOPPED;
}

static void handle_state(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Containerd__Task__V2__StateResponse resp = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;

	resp.status = (Containerd__V1__Types__Status)status;
	resp.pid = 4711;
	rpc_call_reply(call, &resp.base);
}

static void add_process(Containerd__V1__Types__ProcessInfo *info, Google__Protobuf__Any *any,
			const Grpc__GuestProcess *p, uint8_t *space)
{
	containerd__v1__types__process_info__init(info);
	google__protobuf__any__init(any);
	any->type_url = (char *)"caisson.GuestProcess";
	any->value.len = grpc__guest_process__pack(p, space);
	any->value.data = space;
	info->pid = p->pid;
	info->info = any;
}

static void handle_pids(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Containerd__Task__V2__PidsResponse resp = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Grpc__GuestProcess p[2] = { GRPC__GUEST_PROCESS__INIT, GRPC__GUEST_PROCESS__INIT };
	Containerd__V1__Types__ProcessInfo infos[2], *list[2] = { &infos[0], &infos[1] };
	char *args[] = { (char *)"sh", (char *)"-c", (char *)"evil \033[2J" };
	Google__Protobuf__Any anys[2];
	uint8_t space[2][256];

	if (!lives()) {
		rpc_call_failf(call, EBUSY, "no statistics of a container that is stopped");
		return;
	}
	p[0].pid = 7;
	p[0].ppid = 1;
	p[0].state = (char *)"S";
	p[0].cpu_ms = 3723999;
	p[0].n_args = 3;
	p[0].args = args;
	p[1].pid = 8;
	p[1].ppid = 7;
	p[1].uid = 1000;
	p[1].state = (char *)"R";
	p[1].comm = (char *)"kworker";
	for (int i = 0; i < 2; i++)
		add_process(&infos[i], &anys[i], &p[i], space[i]);
	resp.n_processes = 2;
	resp.processes = list;
	rpc_call_reply(call, &resp.base);
}

static void handle_stats(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Containerd__Task__V2__StatsResponse resp = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Io__Containerd__Cgroups__V1__Metrics metrics = IO__CONTAINERD__CGROUPS__V1__METRICS__INIT;
	Io__Containerd__Cgroups__V1__CPUStat cpu = IO__CONTAINERD__CGROUPS__V1__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V1__CPUUsage usage = IO__CONTAINERD__CGROUPS__V1__CPUUSAGE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	uint8_t space[256];

	usage.total = 30;
	usage.user = 10;
	usage.kernel = 20;
	cpu.usage = &usage;
	metrics.cpu = &cpu;
	any.type_url = (char *)"io.containerd.cgroups.v1.Metrics";
	any.value.len = io__containerd__cgroups__v1__metrics__pack(&metrics, space);
	any.value.data = space;
	resp.stats = &any;
	rpc_call_reply(call, &resp.base);
}

static void handle_kill(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	const Containerd__Task__V2__KillRequest *rq = (const Containerd__Task__V2__KillRequest *)m;

	if (lives())
		rpc_call_failf(call, EINVAL, "asked to kill %s with %u%s", rq->id, rq->signal,
			       rq->all ? ", all" : "");
	else
		rpc_call_failf(call, ESRCH, "container not running (it is stopped)");
}

static void handle_update(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	const Containerd__Task__V2__UpdateTaskRequest *rq =
		(const Containerd__Task__V2__UpdateTaskRequest *)m;

	rpc_call_failf(call, EINVAL, "asked for %s: %.*s", rq->resources->type_url,
		       (int)rq->resources->value.len, (const char *)rq->resources->value.data);
}

static void handle_refuse(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	rpc_call_failf(call, EBUSY, "refused: %s", rpc_call_method(call));
}

static void handle_wait(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	Containerd__Task__V2__WaitResponse resp = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;

	rpc_call_reply(call, &resp.base);
}

/* In the descriptor's order. */
static rpc_handler_fn *const handlers[] = {
	handle_state,  NULL,        handle_refuse, handle_refuse, handle_pids, handle_refuse,
	handle_refuse, NULL,        handle_kill,   NULL,          NULL,        NULL,
	handle_update, handle_wait, handle_stats,  NULL,          NULL,
};

static _Noreturn void serve(int listener)
{
	const struct rpc_service service = { &containerd__task__v2__task__descriptor, handlers };
	struct loop *l = loop_new();
	struct rpc_server *s = rpc_server_new(l);

	rpc_server_add(s, &service, NULL);
	_exit(rpc_server_listen(s, listener, NULL, NULL) < 0 || loop_run(l));
}

static void reset_signals(void)
{
	/* The test's handlers would go on with the test in a child. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
}

void fakeshim_start(struct fakeshim *f, int with_status)
{
	char name[] = "/tmp/caisson-test-XXXXXX";
	int listener;

	assert_non_null(mkdtemp(name));
	f->dir = xstrdup(name);
	f->socket = xasprintf("%s/shim.sock", f->dir);
	listener = unix_listen(f->socket, SOCK_STREAM, 0600);
	assert_true(listener >= 0);
	status = with_status;
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		reset_signals();
		/* A test that fails leaves it behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener);
	}
	fd_close(listener);
}

void fakeshim_kill(struct fakeshim *f)
{
	if (!f->pid)
		return;
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	f->pid = 0;
}

void fakeshim_done(struct fakeshim *f)
{
	fakeshim_kill(f);
	assert_int_equal(path_remove_tree_at(AT_FDCWD, f->dir), 0);
	free(f->dir);
	free(f->socket);
}

void fakeshim_container(const struct fakeshim *f, const char *id, const char *annotations)
{
	struct store_container st = {
		.id = (char *)(uintptr_t)id,
		.bundle = (char *)"/b/1",
		.sandbox = (char *)"sb",
		.socket = f->socket,
		.created = (char *)"2026-01-02T03:04:05.6Z",
		.owner = (char *)"0",
		.rootfs = (char *)"/b/1/rootfs",
		.pid = 4711,
		.pid_start = 1,
		.annotations = (char *)(uintptr_t)annotations,
	};
	autofree char *dir = xasprintf("%s/root/%s", f->dir, id);
	autoclose int fd = -1;

	assert_int_equal(path_mkdir_all(dir, 0700), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(store_container_save(fd, &st, NULL), 0);
}

/* --- the command line --- */

static _Noreturn void child(char **argv, int argc, int out, int err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	reset_signals();
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	_exit(cli_main(argc, argv));
}

static char *text_of(int fd)
{
	char *text = NULL;

	lseek(fd, 0, SEEK_SET);
	assert_true(fd_read_all(fd, MIB(16), &text, NULL) >= 0);
	fd_close(fd);
	return text;
}

void fakeshim_cli(const struct fakeshim *f, struct outcome *ret, ...)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC),
	    wait_status;
	autodone(strv) argv = STRV_INIT;
	const char *arg;
	va_list ap;
	pid_t pid;

	strv_add(&argv, "caisson");
	strv_add(&argv, "--root");
	strv_take(&argv, xasprintf("%s/root", f->dir));
	va_start(ap, ret);
	while ((arg = va_arg(ap, const char *)))
		strv_add(&argv, arg);
	va_end(ap);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(argv.v, (int)argv.n, out, err);
	assert_int_equal(proc_wait(pid, CLI_MS, &wait_status), 0);
	*ret = (struct outcome){ .status = proc_exit_code(wait_status),
				 .out = text_of(out),
				 .err = text_of(err) };
}

void outcome_done(struct outcome *o)
{
	free(o->out);
	free(o->err);
}
