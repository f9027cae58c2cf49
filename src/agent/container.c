/* SPDX-License-Identifier: Apache-2.0 */
/* container - see container.h. */
#include "agent/container.h"

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/ctr.h"
#include "agent/hooks.h"
#include "agent/spec_devices.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/timeline.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REMOVE_AGAIN_MS 100 /* in case nothing tells that a cgroup has become empty */

void containers_init(struct containers *cs)
{
	*cs = (struct containers){ 0 };
	list_init(&cs->head);
}

/* --- finding --- */

static struct container *lookup(struct agent *a, const char *id)
{
	struct container *c;

	list_for_each(c, &a->containers.head, link)
		if (str_eq(c->id, id))
			return c;
	return NULL;
}

int container_find(struct agent *a, const char *id, struct container **ret, struct error *e)
{
	struct container *c;
	int r = id_check(id, "container id", e);

	if (r < 0)
		return r;
	c = lookup(a, id);
	if (!c || c->removing)
		return error_plain(e, ENOENT, "container %s does not exist", id);
	*ret = c;
	return 0;
}

struct process *container_init_process(struct container *c)
{
	struct process *p;

	list_for_each(p, &c->processes, link)
		if (!*p->exec_id)
			return p;
	return NULL;
}

static struct process *lookup_process(struct container *c, const char *exec_id)
{
	struct process *p;

	list_for_each(p, &c->processes, link)
		if (!p->gone && str_eq(p->exec_id, exec_id))
			return p;
	return NULL;
}

int container_find_process(struct container *c, const char *exec_id, struct process **ret,
			   struct error *e)
{
	bool init = str_empty(exec_id) || str_eq(exec_id, c->id);
	int r = init ? 0 : id_check(exec_id, "exec id", e);
	struct process *p;

	if (r < 0)
		return r;
	p = lookup_process(c, init ? "" : exec_id);
	if (!p)
		return error_plain(e, ENOENT, "container %s has no process %s", c->id,
				   init ? "yet" : exec_id);
	*ret = p;
	return 0;
}

int container_find_both(struct agent *a, const char *id, const char *exec_id, struct process **ret,
			struct error *e)
{
	struct container *c;
	int r = container_find(a, id, &c, e);

	return r < 0 ? r : container_find_process(c, exec_id, ret, e);
}

/* --- making --- */

static int remember_spec(struct container *c, const Grpc__Spec *spec, struct error *e)
{
	size_t n = protobuf_c_message_get_packed_size(&spec->base);

	c->spec = mem_try_calloc(1, n ? n : 1);
	if (!c->spec)
		return error_plain(e, ENOMEM, "no memory for a specification of %zu bytes", n);
	c->spec_len = protobuf_c_message_pack(&spec->base, c->spec);
	return 0;
}

static int check_spec(const Grpc__Spec *s, struct error *e)
{
	if (!s || !s->process || !s->process->n_args)
		return error_plain(e, EINVAL, "the specification has no process to run");
	if (!s->root || str_empty(s->root->path) || *s->root->path != '/')
		return error_plain(e, EINVAL, "the specification has no absolute root.path");
	if (!s->linux)
		return error_plain(e, EINVAL, "the specification has no linux section");
	return 0;
}

/* What the protocol has and this agent does not do is refused, not skipped. */
static int check_request(struct agent *a, const Grpc__CreateContainerRequest *req, struct error *e)
{
	int r = id_check(req->container_id, "container id", e);

	if (r < 0)
		return r;
	if (str_eq(req->container_id, "shared") || str_eq(req->container_id, "sandbox"))
		return error_plain(e, EINVAL, "container id %s is reserved", req->container_id);
	if (!a->sandbox.created)
		return error_plain(e, EBUSY, "there is no sandbox yet (CreateSandbox comes first)");
	if (lookup(a, req->container_id))
		return error_plain(e, EEXIST, "container %s exists already", req->container_id);
	if (a->containers.n >= LIMIT_AGENT_CONTAINERS ||
	    a->containers.nprocesses >= LIMIT_AGENT_PROCESSES)
		return error_plain(e, ENOBUFS, "too many containers or processes: %u, %u",
				   a->containers.n, a->containers.nprocesses);
	if (req->n_shared_mounts)
		return error_plain(e, EOPNOTSUPP,
				   "shared mounts between containers are not supported");
	return check_spec(req->oci, e);
}

static struct container *container_new(struct agent *a, const char *id)
{
	struct container *c = xnew(struct container);

	c->agent = a;
	c->id = xstrdup(id);
	c->bundle = xasprintf("%s/%s", a->conf->run_dir, id);
	c->watch[0] = c->watch[1] = -1;
	list_init(&c->processes);
	c->pins = CTR_PINS_INIT;
	pending_list_init(&c->removers, LIMIT_AGENT_WAITERS);
	pending_list_init(&c->freezers, LIMIT_AGENT_WAITERS);
	list_add(&a->containers.head, &c->link);
	a->containers.n++;
	return c;
}

/* What it mounts from the share, unless that is a storage, which is held as such. */
static int hold_volumes(struct container *c, const Grpc__Spec *spec, struct error *e)
{
	autofree char *share = xasprintf("%s/shared/", c->agent->conf->run_dir);
	struct sandbox *s = &c->agent->sandbox;
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r >= 0; i++) {
		const char *source = spec->mounts[i]->source;

		if (str_skip_prefix(source, share) && !storages_mounted(&s->storages, source, NULL))
			r = sharedir_hold(&s->shared, source, &c->shared, e);
	}
	return r;
}

static int container_prepare(struct container *c, const Grpc__CreateContainerRequest *req,
			     struct error *e)
{
	c->cgroup = ctr_cgroup_path(c->id, req->oci, e);
	if (!c->cgroup)
		return -EINVAL;
	if (path_mkdir_all(c->bundle, 0700) < 0)
		return error_set(e, errno, "create %s", c->bundle);
	return 0;
}

/* The pid namespace of the container @id, which its init keeps alive. */
static int borrow_pidns(struct container *c, const char *id, int *ret_fd, struct error *e)
{
	struct container *from;
	const struct process *init;
	int r = container_find(c->agent, id, &from, e);

	if (r < 0)
		return r;
	init = container_init_process(from);
	if (!init || init->state == PROCESS_SETTING_UP || init->state == PROCESS_EXITED)
		return error_plain(e, EBUSY,
				   "the pid namespace of container %s cannot be joined: its first "
				   "process does not run",
				   id);
	/* Where it has none of its own it is in the guest's. */
	*ret_fd = from->pins.ns[NS_PID];
	return 0;
}

static int container_launch(struct container *c, const Grpc__CreateContainerRequest *req,
			    const Grpc__Spec *spec, struct rpc_call *call, struct error *e)
{
	bool borrows = !str_empty(req->pidns_container);
	bool shares = req->sandbox_pidns && !borrows;
	const struct process_request pr = {
		.exec_id = "",
		.process = spec->process,
		.port = { req->stdin_port, req->stdout_port, req->stderr_port },
	};
	struct ctr_request rq = {
		.id = c->id,
		.spec = spec,
		.bundle = c->bundle,
		.string_user = req->string_user,
	};

	sandbox_shared_ns(&c->agent->sandbox, spec, shares, &rq.shared);
	if (borrows) {
		int r = borrow_pidns(c, req->pidns_container, &rq.shared.pid, e);

		if (r < 0)
			return r;
	}
	c->has_cgroup = true;
	c->lends_pidns = !borrows && c->agent->sandbox.pid < 0 &&
			 (req->sandbox_pidns || c->agent->containers.n == 1);
	return process_create(c, &pr, &rq, NULL, call, e);
}

int container_ready(struct container *c, struct process *init, struct error *e)
{
	int r = ctr_pins_open(init->pid, &c->pins, e);

	if (r < 0)
		return r;
	events_watch(&c->agent->events, c);
	if (!c->lends_pidns)
		return 0;
	r = sandbox_lend_pidns(&c->agent->sandbox, init->pid, e);
	c->lends_pidns = r > 0;
	return r;
}

/* With the guest's own hooks in its specification. */
static int launch_with_hooks(struct container *c, const Grpc__CreateContainerRequest *req,
			     struct rpc_call *call, struct error *e)
{
	const Grpc__Hooks *more = c->agent->sandbox.hooks;
	oci_spec *merged = more ? hooks_merge(req->oci, more) : NULL;
	const oci_spec *spec = merged ? merged : req->oci;
	int r = more && !merged ? error_plain(e, ENOMEM, "no memory for the specification") : 0;

	if (r == 0)
		r = remember_spec(c, spec, e);
	if (r == 0)
		c->hook_kinds = hooks_kinds(spec);
	if (r == 0 && c->hook_kinds)
		r = hooks_prepare(c, spec, e);
	if (r == 0)
		r = container_launch(c, req, spec, call, e);
	oci_spec_free(merged);
	return r;
}

/* The devices are there and the storages are mounted, or not. */
static void storages_ready(void *data, const struct error *e, const struct device_node *nodes)
{
	struct container *c = data;
	struct rpc_call *call = take_ptr(c->call);
	const Grpc__CreateContainerRequest *req = c->req;
	struct error why = ERROR_INIT;
	int r = error_copy(&why, e);

	c->op = NULL;
	if (!e && c->removing)
		r = error_plain(&why, ECANCELED, "the container is being removed");
	/* The request is ours until it is answered. */
	if (r >= 0)
		r = spec_set_devices(req->oci, req->devices, nodes, req->n_devices, &why);
	if (r >= 0)
		r = hold_volumes(c, req->oci, &why);
	if (r >= 0)
		r = launch_with_hooks(c, req, call, &why);
	if (r >= 0)
		return;
	container_failed(c, call, &why);
	container_settle(c);
}

static int mount_storages(struct container *c, const Grpc__CreateContainerRequest *req,
			  struct rpc_call *call, struct error *e)
{
	const struct storages_request rq = {
		.id = c->id,
		.devices = req->devices,
		.n_devices = req->n_devices,
		.storages = req->storages,
		.n_storages = req->n_storages,
		.done = storages_ready,
		.data = c,
	};

	c->req = req;
	c->call = call;
	return storages_add(&c->agent->sandbox.storages, &rq, &c->storages, &c->op, e);
}

int container_create(struct agent *a, const Grpc__CreateContainerRequest *req,
		     struct rpc_call *call, struct error *e)
{
	struct container *c;
	struct error why = ERROR_INIT;
	int64_t began = timeline_now();
	int r = check_request(a, req, e);

	if (r < 0)
		return r;
	c = container_new(a, req->container_id);
	r = container_prepare(c, req, &why);
	marks_add(&a->marks, began, "look at the container's specification");
	if (r >= 0)
		r = mount_storages(c, req, call, &why);
	if (r < 0)
		container_failed(c, call, &why);
	return 0;
}

/* --- exec --- */

static unsigned count_waited(const struct container *c)
{
	struct process *p;
	unsigned n = 0;

	list_for_each(p, &c->processes, link)
		n += p->state == PROCESS_EXITED && p->waited && *p->exec_id;
	return n;
}

/* Makes room: exec'd processes whose end somebody knows are forgotten, the oldest first, and
 * @exec_id may be used again. */
static void forget_waited(struct container *c, const char *exec_id)
{
	unsigned n = count_waited(c);
	struct process *p;

	list_for_each(p, &c->processes, link) {
		if (p->state != PROCESS_EXITED || !p->waited || !*p->exec_id)
			continue;
		if (n > LIMIT_AGENT_EXITED || str_eq(p->exec_id, exec_id)) {
			process_free(p);
			n--;
		}
	}
}

static int check_exec(struct container *c, const Grpc__ExecProcessRequest *req,
		      struct process **ret_init, struct error *e)
{
	struct process *init = container_init_process(c);
	int r = id_check(req->exec_id, "exec id", e);

	if (r < 0)
		return r;
	if (str_eq(req->exec_id, c->id) || lookup_process(c, req->exec_id))
		return error_plain(e, EEXIST, "container %s has a process %s already", c->id,
				   req->exec_id);
	if (c->agent->containers.nprocesses >= LIMIT_AGENT_PROCESSES)
		return error_plain(e, ENOBUFS, "too many processes: %u",
				   c->agent->containers.nprocesses);
	if (!init || init->state == PROCESS_SETTING_UP || init->state == PROCESS_EXITED)
		return error_plain(e, EBUSY, "container %s is not running", c->id);
	if (!req->process || !req->process->n_args)
		return error_plain(e, EINVAL, "exec: there is no process to run");
	*ret_init = init;
	return 0;
}

int container_exec(struct agent *a, const Grpc__ExecProcessRequest *req, struct rpc_call *call,
		   struct error *e)
{
	const struct process_request pr = {
		.exec_id = req->exec_id,
		.process = req->process,
		.port = { req->stdin_port, req->stdout_port, req->stderr_port },
	};
	struct ctr_request rq = { .string_user = req->string_user, .shared = CTR_SHARED_NS_NONE };
	struct container *c;
	struct process *init = NULL;
	Grpc__Spec *spec;
	int r = container_find(a, req->container_id, &c, e);

	if (r < 0)
		return r;
	forget_waited(c, req->exec_id);
	r = check_exec(c, req, &init, e);
	if (r < 0)
		return r;
	spec = grpc__spec__unpack(NULL, c->spec_len, c->spec);
	if (!spec)
		return error_plain(e, ENOMEM, "no memory for the container's specification");
	rq.id = c->id;
	rq.spec = spec;
	rq.bundle = c->bundle;
	r = process_create(c, &pr, &rq, init, call, e);
	grpc__spec__free_unpacked(spec, NULL);
	return r;
}

/* --- freezing --- */

static void thawed_or_frozen(struct container *c)
{
	struct pending *p;

	if (!pending_first(&c->freezers) || ctr_cgroup_frozen(c->cgroup) != c->frozen)
		return;
	while ((p = pending_first(&c->freezers)))
		rpc_call_reply_empty(pending_take(p));
}

int container_freeze(struct container *c, bool on, struct rpc_call *call, struct error *e)
{
	int r = ctr_cgroup_freeze(c->cgroup, on, e);

	if (r < 0)
		return r;
	if (c->frozen != on)
		pending_fail_all(&c->freezers, ECANCELED,
				 "the container was asked for the opposite");
	c->frozen = on;
	r = pending_add(&c->freezers, call, NULL, e);
	if (r >= 0)
		thawed_or_frozen(c);
	return r;
}

/* --- removing --- */

void container_kill(struct container *c)
{
	struct process *p;
	int r = c->has_cgroup ? ctr_cgroup_kill(c->cgroup) : 0;

	if (r < 0 && r != -ENOENT)
		log_warn("container %s: kill its cgroup: %s", c->id, strerror(-r));
	/* Those that have not got into the cgroup yet. */
	list_for_each(p, &c->processes, link) {
		if (p->state != PROCESS_EXITED)
			kill(p->pid, SIGKILL);
	}
}

int container_signal_all(struct container *c, int sig, struct error *e)
{
	autofree pid_t *pids = NULL;
	size_t n = 0;
	int r = ctr_cgroup_pids(c->cgroup, &pids, &n);

	if (r < 0)
		return error_set(e, r, "processes of container %s", c->id);
	for (size_t i = 0; i < n; i++)
		if (pids[i] > 0 && kill(pids[i], sig) < 0 && errno != ESRCH)
			r = error_set(e, errno, "signal %d to process %d", sig, (int)pids[i]);
	return r;
}

static void container_free(struct container *c)
{
	struct process *p;

	list_for_each(p, &c->processes, link)
		process_free(p);
	events_unwatch(&c->agent->events, c);
	loop_source_free(c->remove_again);
	loop_source_free(c->remove_timeout);
	if (c->lends_pidns)
		sandbox_return_pidns(&c->agent->sandbox);
	storages_release(&c->agent->sandbox.storages, &c->storages, NULL, NULL);
	sharedirs_release(&c->agent->sandbox.shared, &c->shared);
	list_del(&c->link);
	c->agent->containers.n--;
	ctr_pins_done(&c->pins);
	pending_fail_all(&c->freezers, ENOENT, "the container was removed");
	hook_run_free(c->hooks);
	free(c->spec);
	free(c->cgroup);
	free(c->bundle);
	free(c->id);
	free(c->failure);
	free(c);
}

void containers_done(struct containers *cs)
{
	struct container *c;

	list_for_each(c, &cs->head, link) {
		container_kill(c);
		if (c->failed_call)
			rpc_call_fail(take_ptr(c->failed_call), c->failure);
		pending_fail_all(&c->removers, ECANCELED, "the agent ends");
		container_free(c);
	}
}

static bool all_reaped(const struct container *c)
{
	struct process *p;

	if (c->op)
		return false;
	list_for_each(p, &c->processes, link)
		if (p->state != PROCESS_EXITED)
			return false;
	return true;
}

static void removed(void *data);

static void on_poststop(void *data, const struct error *why)
{
	struct container *c = data;

	c->hooks = NULL;
	removed(c);
}

/* True if the removal goes on when they are over. */
static bool run_poststop_hooks(struct container *c)
{
	struct error e = ERROR_INIT;

	if (!(c->hook_kinds & HOOKS_POSTSTOP) || c->hooks_ran)
		return false;
	c->hooks_ran = true;
	c->hooks = hooks_start(c, HOOKS_POSTSTOP, "stopped", 0, on_poststop, c, &e);
	if (!c->hooks)
		log_warn("container %s: %s", c->id, e.text);
	return c->hooks;
}

static void removed(void *data)
{
	struct container *c = data;
	struct pending *p;
	int r;

	if (run_poststop_hooks(c))
		return;
	r = path_remove_tree_at(AT_FDCWD, c->bundle);

	if (r < 0)
		log_warn("container %s: remove %s: %s", c->id, c->bundle, strerror(-r));
	while ((p = pending_first(&c->removers)))
		rpc_call_reply_empty(pending_take(p));
	if (c->failed_call)
		rpc_call_fail(take_ptr(c->failed_call), c->failure);
	container_free(c);
}

static void try_remove(struct container *c)
{
	int r = all_reaped(c) ? 0 : -EBUSY;

	if (c->releasing)
		return;
	if (r == 0 && c->has_cgroup)
		r = ctr_cgroup_remove(c->cgroup);
	if (r == -EBUSY) {
		if (loop_timer_set(c->remove_again, REMOVE_AGAIN_MS) < 0)
			log_error("container %s: timer: %s", c->id, strerror(errno));
		return;
	}
	if (r < 0)
		log_warn("container %s: remove its cgroup: %s", c->id, strerror(-r));
	c->releasing = true;
	storages_release(&c->agent->sandbox.storages, &c->storages, removed, c);
}

static void on_again(struct loop_source *s, void *data)
{
	try_remove(data);
}

void container_settle(struct container *c)
{
	thawed_or_frozen(c);
	if (c->removing)
		loop_timer_set(c->remove_again, 0);
}

static int begin_remove(struct container *c, struct error *e)
{
	if (c->removing)
		return 0;
	c->remove_again = loop_add_timer(c->agent->loop, 0, on_again, c);
	if (!c->remove_again)
		return error_set(e, errno, "timer");
	c->removing = true;
	container_kill(c);
	if (c->op)
		storages_cancel(&c->agent->sandbox.storages, c->op);
	return 0;
}

void container_failed(struct container *c, struct rpc_call *call, const struct error *why)
{
	c->failed_call = call;
	c->failure = xmemdup(why, sizeof(*why));
	/* Without a timer it stays until the host removes it. */
	if (begin_remove(c, NULL) < 0)
		rpc_call_fail(take_ptr(c->failed_call), why);
}

static void on_timeout(struct loop_source *s, void *data)
{
	struct container *c = data;
	struct process *p;
	unsigned n = 0;

	list_for_each(p, &c->processes, link)
		n += p->state != PROCESS_EXITED;
	log_warn("container %s: %u processes do not end", c->id, n);
	pending_fail_all(&c->removers, ETIMEDOUT, "the container's processes do not end");
}

int container_remove(struct agent *a, const char *id, uint32_t timeout_s, struct rpc_call *call,
		     struct error *e)
{
	struct container *c;
	int r = id_check(id, "container id", e);

	if (r < 0)
		return r;
	c = lookup(a, id);
	if (!c)
		return error_plain(e, ENOENT, "container %s does not exist", id);
	r = begin_remove(c, e);
	if (r < 0)
		return r;
	if (timeout_s) {
		loop_source_free(c->remove_timeout);
		c->remove_timeout =
			loop_add_timer(a->loop, (int64_t)timeout_s * 1000, on_timeout, c);
	}
	return pending_add(&c->removers, call, NULL, e);
}

/* --- children --- */

static struct process *process_of_pid(struct agent *a, pid_t pid)
{
	struct container *c;
	struct process *p;

	list_for_each(c, &a->containers.head, link)
		list_for_each(p, &c->processes, link)
			if (p->state != PROCESS_EXITED && p->pid == pid)
				return p;
	return NULL;
}

/* What a set-up had to say before it ended comes first. */
static void sync_all(struct agent *a)
{
	struct container *c;
	struct process *p;

	list_for_each(c, &a->containers.head, link)
		list_for_each(p, &c->processes, link)
			process_sync(p);
}

static void reaped(struct agent *a, pid_t pid, int status)
{
	struct process *p = process_of_pid(a, pid);
	struct container *c;

	if (!p) { /* a shell of the debug console, or an orphan of some container */
		console_reaped(a->console, pid);
		return;
	}
	c = p->ctr;
	events_look(&a->events, c);
	/* In a pid namespace that others share, the kernel does not end the rest. */
	if (p == container_init_process(c))
		container_kill(c);
	process_exited(p, status);
	if (p->gone)
		process_free(p);
	container_settle(c);
}

void containers_reap(struct agent *a)
{
	int status;
	pid_t pid;

	sync_all(a);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(a, pid, status);
}
