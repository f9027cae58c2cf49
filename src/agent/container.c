/* SPDX-License-Identifier: Apache-2.0 */
/* container - see container.h. */
#include "agent/container.h"

#include "agent/agent.h"
#include "agent/ctr.h"
#include "agent/hooks.h"
#include "agent/spec_devices.h"

#include "rpc/ttrpc.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/timeline.h"

#include "agent.pb-c.h"

#include <errno.h>

void containers_init(struct containers *cs)
{
	*cs = (struct containers){ 0 };
	list_init(&cs->head);
}

/* --- finding --- */

struct container *container_lookup(struct agent *a, const char *id)
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
	c = container_lookup(a, id);
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
	if (container_lookup(a, req->container_id))
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
