/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox - see sandbox.h. */
#include "agent/sandbox.h"

#include "agent/conf.h"
#include "agent/ctr.h"
#include "agent/hooks.h"

#include "rpc/ttrpc.h"

#include "sys/kmod.h"
#include "sys/ns.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOTPLUG_MAX_S 3600

void sandbox_init(struct sandbox *s, const struct agent_conf *conf, struct jobs *jobs)
{
	*s = (struct sandbox){
		.conf = conf, .ipc = -1, .uts = -1, .net = -1, .pid = -1, .holder = -1
	};
	storages_init(&s->storages, conf->run_dir, jobs);
	s->storages.env.timeout_ms = (int)MIN(conf->hotplug_timeout_s, HOTPLUG_MAX_S) * 1000;
	sharedirs_init(&s->shared);
}

/* --- the steps of creation --- */

static int check_request(const struct sandbox *s, const Grpc__CreateSandboxRequest *req,
			 struct error *e)
{
	if (s->creating)
		return error_plain(e, EBUSY, "the sandbox is being created");
	if (s->created)
		return error_plain(e, EEXIST, "sandbox %s exists already", s->id);
	if (strlen(req->hostname) > HOST_NAME_MAX)
		return error_plain(e, EINVAL, "hostname \"%.70s...\" is longer than %d",
				   req->hostname, HOST_NAME_MAX);
	if (!str_empty(req->guest_hook_path) && *req->guest_hook_path != '/')
		return error_plain(e, EINVAL, "guest_hook_path \"%.128s\" is not absolute",
				   req->guest_hook_path);
	return id_check(req->sandbox_id, "sandbox id", e);
}

static int make_dirs(struct sandbox *s, const Grpc__CreateSandboxRequest *req, struct error *e)
{
	static const char *const dirs[] = { "sandbox", "shared/containers" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		autofree char *path = xasprintf("%s/%s", s->conf->run_dir, dirs[i]);
		int r = path_mkdir_all(path, 0755);

		if (r < 0)
			return error_set(e, r, "create %s", path);
	}
	return 0;
}

static int load_modules(struct sandbox *s, const Grpc__CreateSandboxRequest *req, struct error *e)
{
	autofree char *dir = req->n_kernel_modules ? kmod_dir() : NULL;

	for (size_t i = 0; i < req->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = req->kernel_modules[i];
		struct strv words = { m->parameters, m->n_parameters };
		autofree char *params = strv_join(&words, " ");
		int r = kmod_load(dir, m->name, params, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The agent steps into new namespaces, takes hold of them, and steps back. Being one thread, it
 * does nothing else meanwhile; should it not get back, its own hostname and ipc are the sandbox's,
 * which harms nobody.
 */
static int make_namespaces(struct sandbox *s, const Grpc__CreateSandboxRequest *req,
			   struct error *e)
{
	autoclose int old_ipc = ns_open(0, NS_IPC), old_uts = ns_open(0, NS_UTS);
	int r = 0;

	s->net = ns_open(0, NS_NET);
	if (old_ipc < 0 || old_uts < 0 || s->net < 0)
		return error_plain(e, EIO, "the agent's own namespaces cannot be opened");
	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_set(e, errno, "new ipc and uts namespaces");
	if (*req->hostname && sethostname(req->hostname, strlen(req->hostname)) < 0)
		r = error_set(e, errno, "hostname \"%s\"", req->hostname);
	s->ipc = ns_open(0, NS_IPC);
	s->uts = ns_open(0, NS_UTS);
	if (r == 0 && (s->ipc < 0 || s->uts < 0))
		r = error_plain(e, EIO, "the sandbox's namespaces cannot be opened");
	if (setns(old_ipc, CLONE_NEWIPC) < 0 || setns(old_uts, CLONE_NEWUTS) < 0)
		r = error_set(e, errno, "back to the agent's namespaces");
	return r;
}

/* Process 1 of the pid namespace: the orphans of its containers are its own, and the kernel reaps
 * what nobody waits for. */
static _Noreturn void hold(void)
{
	proc_reset_signals();
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "pause");
	close_range(0, ~0U, 0);
	for (;;)
		pause();
}

static int hold_pidns(struct sandbox *s, const Grpc__CreateSandboxRequest *req, struct error *e)
{
	pid_t pid;

	if (!req->sandbox_pidns)
		return 0;
	pid = (pid_t)syscall(SYS_clone, (unsigned long)(CLONE_NEWPID | SIGCHLD), NULL, NULL, NULL,
			     NULL);
	if (pid == 0)
		hold();
	if (pid < 0)
		return error_set(e, errno, "the sandbox's pid namespace");
	s->holder = proc_pidfd_open(pid);
	s->pid = ns_open(pid, NS_PID);
	if (s->holder >= 0 && s->pid >= 0)
		return 0;
	kill(pid, SIGKILL);
	return error_plain(e, EIO, "the sandbox's pid namespace cannot be opened");
}

static int write_resolv_conf(struct sandbox *s, const Grpc__CreateSandboxRequest *req,
			     struct error *e)
{
	autofree char *path = xasprintf("%s/sandbox/resolv.conf", s->conf->run_dir);
	autodone(buf) text = BUF_INIT(LIMIT_AGENT_DNS);
	int r = 0;

	if (!req->n_dns)
		return 0;
	for (size_t i = 0; i < req->n_dns && r >= 0; i++)
		r = buf_addf(&text, "%s\n", req->dns[i]);
	if (r >= 0)
		r = file_replace_at(AT_FDCWD, path, buf_ptr(&text), buf_len(&text), 0644);
	return r < 0 ? error_set(e, r, "%s", path) : 0;
}

static int find_hooks(struct sandbox *s, const Grpc__CreateSandboxRequest *req, struct error *e)
{
	return str_empty(req->guest_hook_path) ? 0 : hooks_scan(req->guest_hook_path, &s->hooks, e);
}

static int (*const create_steps[])(struct sandbox *, const Grpc__CreateSandboxRequest *,
				   struct error *) = {
	load_modules, make_dirs, make_namespaces, find_hooks, hold_pidns, write_resolv_conf,
};

/* What was made, but for the storages' own books. */
static void sandbox_undo(struct sandbox *s)
{
	s->ipc = fd_close(s->ipc);
	s->uts = fd_close(s->uts);
	s->net = fd_close(s->net);
	s->pid = fd_close(s->pid);
	if (s->holder >= 0)
		proc_pidfd_signal(s->holder, SIGKILL);
	s->holder = fd_close(s->holder);
	if (s->hooks)
		protobuf_c_message_free_unpacked(&s->hooks->base, NULL);
	s->hooks = NULL;
	free(s->id);
	s->id = NULL;
	s->created = s->creating = false;
}

void sandbox_done(struct sandbox *s)
{
	storages_release(&s->storages, &s->refs, NULL, NULL);
	sandbox_undo(s);
	sharedirs_done(&s->shared);
	storages_done(&s->storages);
}

struct creation {
	struct sandbox *sandbox;
	struct rpc_call *call;
	struct error why;
};

/* Nothing is left: now it can be tried again. */
static void undone(void *data)
{
	struct creation *c = data;

	sandbox_undo(c->sandbox);
	rpc_call_fail(c->call, &c->why);
	free(c);
}

/* The storages are mounted: the last step. */
static void created(void *data, const struct error *e, const struct device_node *devices)
{
	struct creation *c = data;
	struct sandbox *s = c->sandbox;

	if (e) {
		c->why = *e;
		storages_release(&s->storages, &s->refs, undone, c);
		return;
	}
	s->creating = false;
	s->created = true;
	rpc_call_reply_empty(c->call);
	free(c);
}

static int mount_storages(struct sandbox *s, const Grpc__CreateSandboxRequest *req,
			  struct rpc_call *call, struct error *e)
{
	struct creation *c = xnew(struct creation);
	const struct storages_request rq = {
		.storages = req->storages,
		.n_storages = req->n_storages,
		.done = created,
		.data = c,
	};
	int r;

	c->sandbox = s;
	c->call = call;
	s->creating = true;
	r = storages_add(&s->storages, &rq, &s->refs, NULL, e);
	if (r < 0)
		free(c);
	return r;
}

int sandbox_create(struct sandbox *s, const Grpc__CreateSandboxRequest *req, struct rpc_call *call,
		   struct error *e)
{
	int r = check_request(s, req, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(create_steps) && r >= 0; i++)
		r = create_steps[i](s, req, e);
	if (r >= 0) {
		s->id = xstrdup(req->sandbox_id);
		r = mount_storages(s, req, call, e);
	}
	if (r < 0)
		sandbox_undo(s);
	return r;
}

/* --- for containers --- */

/* True if @spec asks for a new namespace of this type, as opposed to none or a given one. */
static bool wants_new(const Grpc__Spec *spec, const char *type)
{
	for (size_t i = 0; i < spec->linux->n_namespaces; i++)
		if (str_eq(spec->linux->namespaces[i]->type, type))
			return str_empty(spec->linux->namespaces[i]->path);
	return false;
}

void sandbox_shared_ns(const struct sandbox *s, const Grpc__Spec *spec, bool pidns,
		       struct ctr_shared_ns *ret)
{
	/* A user namespace may only change, and mount from, what it owns: its names, its queues. */
	bool shares = !wants_new(spec, "user");

	ret->ipc = shares && wants_new(spec, "ipc") ? s->ipc : -1;
	ret->uts = shares && wants_new(spec, "uts") ? s->uts : -1;
	ret->net = wants_new(spec, "network") ? s->net : -1;
	ret->pid = pidns ? s->pid : -1;
}

int sandbox_lend_pidns(struct sandbox *s, pid_t pid, struct error *e)
{
	if (s->pid >= 0)
		return 0;
	s->pid = ns_open(pid, NS_PID);
	return s->pid < 0 ? error_set(e, s->pid, "the sandbox's pid namespace") : 1;
}

void sandbox_return_pidns(struct sandbox *s)
{
	s->pid = fd_close(s->pid);
}
