/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container - creation and deletion of a container.
 *
 * Creation waits for the machine (the first container boots it and is shared while it boots), then
 * runs create_steps. Deletion runs delete_steps: every request to the guest in them is bounded and
 * its failure is only logged, so that deleting always succeeds; with the last container goes the
 * machine.
 */
#include "sandbox/internal.h"
#include "sandbox/network.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include <errno.h>
#include <signal.h>

/* How long a guest may take to tidy up what is thrown away anyway. */
#define REMOVE_MS 2000

static void rootfs_free(struct container *c)
{
	for (size_t i = 0; i < c->nrootfs; i++) {
		free((char *)(uintptr_t)c->rootfs[i].type);
		free((char *)(uintptr_t)c->rootfs[i].source);
		free((char *)(uintptr_t)c->rootfs[i].target);
		for (size_t k = 0; k < c->rootfs[i].noptions; k++)
			free((char *)(uintptr_t)c->rootfs[i].options[k]);
		free((void *)(uintptr_t)c->rootfs[i].options);
	}
	free(c->rootfs);
	c->rootfs = NULL;
	c->nrootfs = 0;
}

static void rootfs_copy(struct container *c, const struct sandbox_mount *m, size_t n)
{
	c->rootfs = xnew_array(struct sandbox_mount, n);
	c->nrootfs = n;
	for (size_t i = 0; i < n; i++) {
		const char **options = xnew_array(const char *, m[i].noptions);

		for (size_t k = 0; k < m[i].noptions; k++)
			options[k] = xstrdup(m[i].options[k]);
		c->rootfs[i] = (struct sandbox_mount){
			.type = xstrdup(m[i].type),
			.source = xstrdup(m[i].source),
			.target = xstrdup(m[i].target ? m[i].target : ""),
			.options = options,
			.noptions = m[i].noptions,
		};
	}
}

void container_free(struct container *c)
{
	struct error e;

	if (!c)
		return;
	op_abandon(&c->op);
	hooks_forget(c);
	guest_forget(c->sandbox, c);
	room_abandon(c->sandbox, c);
	list_del(&c->boot_link);
	list_del(&c->link);
	while (!list_empty(&c->execs)) {
		struct process *p = list_entry(c->execs.next, struct process, link);

		process_done(p);
		free(p);
	}
	process_done(&c->init);
	share_container_undo(c);
	rootfs_free(c);
	guest_storages_free(c);
	free(c->pidns_of);
	strv_done(&c->mounts);
	oci_spec_free(c->guest_spec);
	oci_spec_free(c->spec);
	free(c->id);
	free(c->bundle);
	if (c->done) {
		error_plain(&e, ESRCH, "the sandbox has ended");
		c->done(c->done_data, &e);
	}
	free(c);
}

/* --- create --- */

static void create_continue(void *data, const struct error *e)
{
	struct container *c = data;

	op_continue(&c->op, e);
}

static int hook_step(struct container *c, enum oci_hook_kind kind, struct error *e)
{
	int r = hooks_start(c, kind, "creating", create_continue, c, e);

	return r == -ENOENT ? 0 : r;
}

static int create_share(void *data, struct error *e)
{
	struct container *c = data;

	/* The first container was shared while the machine booted. */
	return c->mounts.n ? 0 : share_container(c, e);
}

static int create_prestart(void *data, struct error *e)
{
	struct container *c = data;

	return c->hooks_done ? 0 : hook_step(c, OCI_HOOK_PRESTART, e);
}

static int create_runtime(void *data, struct error *e)
{
	struct container *c = data;

	return c->hooks_done ? 0 : hook_step(c, OCI_HOOK_CREATE_RUNTIME, e);
}

static int create_container_hooks(void *data, struct error *e)
{
	return hook_step(data, OCI_HOOK_CREATE_CONTAINER, e);
}

static int create_network(void *data, struct error *e)
{
	struct container *c = data;

	/* The first container's network is the machine's. */
	return c->hooks_done ? 0 : network_check(c, e);
}

static int create_room(void *data, struct error *e)
{
	struct container *c = data;

	return room_make(c->sandbox, create_continue, c, e);
}

static int create_streams(void *data, struct error *e)
{
	struct container *c = data;

	return process_dial_streams(&c->init, &c->op, e);
}

static void create_streams_undo(void *data)
{
	struct container *c = data;

	process_close_streams(&c->init);
}

static void create_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct container *c = data;

	op_continue(&c->op, e);
}

static int create_guest(void *data, struct error *e)
{
	Grpc__CreateContainerRequest rq = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	struct container *c = data;

	rq.container_id = c->id;
	rq.oci = c->guest_spec;
	rq.storages = c->storages;
	rq.n_storages = c->nstorages;
	rq.sandbox_pidns = c->pidns_of != NULL;
	if (c->pidns_of && *c->pidns_of)
		rq.pidns_container = c->pidns_of;
	rq.stdin_port = c->init.port[STREAM_IN];
	rq.stdout_port = c->init.port[STREAM_OUT];
	rq.stderr_port = c->init.port[STREAM_ERR];
	guest_call(c->sandbox, "CreateContainer", &rq.base,
		   (int64_t)c->sandbox->config->runtime.create_container_timeout * 1000,
		   create_replied, c);
	return -EINPROGRESS;
}

static const struct op_step create_steps[] = {
	{ "share its files", create_share, NULL },
	{ "run prestart hooks", create_prestart, NULL },
	{ "run createRuntime hooks", create_runtime, NULL },
	{ "run createContainer hooks", create_container_hooks, NULL },
	{ "look at its network", create_network, NULL },
	{ "make room for it", create_room, NULL },
	{ "connect its streams", create_streams, create_streams_undo },
	{ "create it in the guest", create_guest, NULL },
};

static void create_fail(struct container *c, const struct error *e)
{
	struct sandbox *s = c->sandbox;
	sandbox_done_fn *done = c->done;
	void *data = c->done_data;
	struct error reason = *e;

	process_fail(&c->init, e);
	c->done = NULL;
	container_free(c);
	if (sandbox_empty(s))
		sandbox_stop(s);
	done(data, &reason);
}

static void create_finished(void *data, const struct error *e)
{
	struct container *c = data;
	sandbox_done_fn *done = c->done;

	if (e) {
		create_fail(c, e);
		return;
	}
	guest_storages_free(c);
	c->init.mnt_ns = fd_close(c->init.mnt_ns);
	c->init.state = PROCESS_CREATED;
	process_hand_over(&c->init);
	process_watch(&c->init);
	sandbox_save_state(c->sandbox);
	sandbox_notify(&c->init, SANDBOX_EVENT_CREATED);
	rootfs_free(c);
	c->done = NULL;
	done(c->done_data, NULL);
}

/* The pod was made for less: the container runs, and its limit limits nothing. */
static void warn_of_size(const struct container *c)
{
	const oci_resources *r = c->spec->linux ? c->spec->linux->resources : NULL;
	struct error e = ERROR_INIT;

	if (r && sandbox_size_allows(c->sandbox, r, &e) < 0)
		log_warn("container %s: %s", c->id, error_text(&e));
}

void container_continue(struct container *c, const struct error *e)
{
	if (c->is_pod) {
		pod_booted(c, e);
		return;
	}
	if (e) {
		create_fail(c, e);
		return;
	}
	warn_of_size(c);
	process_adopt_pid(&c->init);
	op_start(&c->op, c->sandbox->loop, "create", create_steps, ARRAY_SIZE(create_steps),
		 create_finished, c);
	op_trace(&c->op, sandbox_mark_step, c->sandbox);
}

static int create_check(struct sandbox *s, const struct container_params *p, struct error *e)
{
	int r = id_check(p->id, "container id", e);

	if (r < 0)
		return r;
	if (s->state == SANDBOX_DEAD || s->state == SANDBOX_STOPPING)
		return error_plain(e, ESRCH, "the sandbox has ended: %s", error_text(&s->death));
	if (sandbox_find(s, p->id))
		return error_plain(e, EEXIST, "container with given ID already exists: %s", p->id);
	return 0;
}

struct container *container_new(struct sandbox *s, const char *id, const char *bundle,
				oci_spec *spec)
{
	struct container *c = xnew(struct container);

	c->sandbox = s;
	c->id = xstrdup(id);
	c->bundle = xstrdup(bundle);
	c->spec = spec;
	list_init(&c->link);
	list_init(&c->boot_link);
	list_init(&c->execs);
	list_init(&c->hooks);
	process_init(&c->init, c, "");
	list_add(&s->containers, &c->link);
	c->workload = workload_of(spec->linux ? spec->linux->resources : NULL);
	return c;
}

int container_create(struct sandbox *s, const struct container_params *p, sandbox_done_fn *done,
		     void *data, struct error *e)
{
	struct container *c;
	int r = create_check(s, p, e);

	if (r < 0) {
		oci_spec_free(p->spec);
		return r;
	}
	sandbox_mark(s, 0, "Create arrives");
	c = container_new(s, p->id, p->bundle, p->spec);
	c->done = done;
	c->done_data = data;
	rootfs_copy(c, p->rootfs, p->nrootfs);
	r = guest_spec_make(c, e);
	if (r == 0)
		r = process_claim_stdio(&c->init, p->in, p->out, p->err, p->terminal, e);
	if (r < 0) {
		c->done = NULL;
		container_free(c);
		return r;
	}
	if (s->state == SANDBOX_READY) {
		container_continue(c, NULL);
		return 0;
	}
	list_add(&s->boot_waiters, &c->boot_link);
	sandbox_boot(s);
	return 0;
}

/* --- delete --- */

static void delete_continue(void *data, const struct error *e)
{
	struct container *c = data;

	if (e)
		log_warn("delete %s: %s", c->id, error_text(e));
	op_continue(&c->op, NULL);
}

static void delete_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	delete_continue(data, e);
}

static bool is_last(const struct container *c)
{
	const struct sandbox *s = c->sandbox;

	return s->containers.next == &c->link && s->containers.prev == &c->link;
}

/* With the init of a PID namespace all of its processes have ended. */
static bool nothing_runs(const struct container *c)
{
	const char *path = NULL;

	return c->init.state == PROCESS_STOPPED && oci_has_namespace(c->guest_spec, "pid", &path) &&
	       !path;
}

/* What runs is ended in the guest, so that its writes are complete. What does not goes with the
 * machine. */
static int delete_guest(void *data, struct error *e)
{
	Grpc__RemoveContainerRequest rq = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct container *c = data;

	if (c->sandbox->state != SANDBOX_READY || (is_last(c) && nothing_runs(c)))
		return 0;
	rq.container_id = c->id;
	guest_call(c->sandbox, "RemoveContainer", &rq.base, REMOVE_MS, delete_replied, c);
	return -EINPROGRESS;
}

/* Writes that the guest still holds reach the host before the machine is killed. */
static int delete_sync(void *data, struct error *e)
{
	Grpc__DestroySandboxRequest rq = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct container *c = data;

	if (!is_last(c) || c->sandbox->state != SANDBOX_READY)
		return 0;
	c->sandbox->state = SANDBOX_STOPPING;
	guest_call(c->sandbox, "DestroySandbox", &rq.base, REMOVE_MS, delete_replied, c);
	return -EINPROGRESS;
}

static int delete_machine(void *data, struct error *e)
{
	struct container *c = data;

	if (is_last(c))
		sandbox_stop(c->sandbox);
	return 0;
}

static int delete_share(void *data, struct error *e)
{
	share_container_undo(data);
	return 0;
}

static int delete_poststop(void *data, struct error *e)
{
	struct container *c = data;
	int r = hooks_start(c, OCI_HOOK_POSTSTOP, "stopped", delete_continue, c, e);

	return r == -ENOENT ? 0 : r;
}

static const struct op_step delete_steps[] = {
	{ "remove it from the guest", delete_guest, NULL },
	{ "let the guest write back", delete_sync, NULL },
	{ "stop the machine", delete_machine, NULL },
	{ "take its files out of the share", delete_share, NULL },
	{ "run poststop hooks", delete_poststop, NULL },
};

static void delete_finished(void *data, const struct error *e)
{
	struct container *c = data;
	struct sandbox *s = c->sandbox;
	sandbox_done_fn *done = c->done;
	void *done_data = c->done_data;

	if (c->init.state != PROCESS_STOPPED)
		process_exited_now(&c->init, 128 + SIGKILL);
	sandbox_notify(&c->init, SANDBOX_EVENT_DELETED);
	c->done = NULL;
	container_free(c);
	sandbox_save_state(s);
	done(done_data, e);
}

int container_delete(struct container *c, sandbox_done_fn *done, void *data, struct error *e)
{
	int r = process_may_delete(&c->init, e);

	if (r < 0)
		return r;
	if (c->deleting)
		return error_plain(e, EBUSY, "the container is being deleted");
	c->deleting = true;
	c->done = done;
	c->done_data = data;
	op_start(&c->op, c->sandbox->loop, "delete", delete_steps, ARRAY_SIZE(delete_steps),
		 delete_finished, c);
	op_trace(&c->op, sandbox_mark_step, c->sandbox);
	return 0;
}
