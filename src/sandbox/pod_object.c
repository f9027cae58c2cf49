/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_object - the pod as an object of its own: it is made before any container, and its machine
 * lives until it is stopped, whatever containers come and go.
 *
 * In the list of containers it is the first one, without files and without a process in the guest:
 * its specification decides the machine's settings, size, cgroup and network as that of a pause
 * container would. States are those of its "process": CREATED, RUNNING while the machine runs,
 * STOPPED with 0 if it was asked to and with 137 if the machine died.
 */
#include "sandbox/internal.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>

/* How long the guest may take to write back. */
#define SYNC_MS 2000

static struct container *find(const struct sandbox *s)
{
	struct container *c;

	list_for_each(c, &s->containers, link)
		if (c->is_pod)
			return c;
	return NULL;
}

int sandbox_pod_create(struct sandbox *s, const char *id, const char *bundle, oci_spec *spec,
		       struct error *e)
{
	struct container *c;
	int r;

	if (!list_empty(&s->containers) || s->state != SANDBOX_NEW) {
		oci_spec_free(spec);
		return error_plain(e, EEXIST, "the sandbox has been made already");
	}
	c = container_new(s, id, bundle, spec);
	c->is_pod = true;
	c->init.state = PROCESS_CREATED;
	r = guest_spec_make(c, e);
	if (r < 0)
		container_free(c);
	return r;
}

int sandbox_pod_start(struct sandbox *s, sandbox_done_fn *done, void *data, struct error *e)
{
	struct container *c = find(s);

	if (!c)
		return error_plain(e, ENOENT, "the sandbox has not been made");
	if (s->state != SANDBOX_NEW)
		return error_plain(e, EBUSY, "the sandbox has been started already");
	c->done = done;
	c->done_data = data;
	list_add(&s->boot_waiters, &c->boot_link);
	sandbox_boot(s);
	return 0;
}

void pod_booted(struct container *c, const struct error *e)
{
	sandbox_done_fn *done = take_ptr(c->done);

	if (e) {
		process_exited(&c->init, 128 + SIGKILL, error_text(e));
	} else {
		c->init.pid = c->sandbox->hv->pid;
		c->init.state = PROCESS_RUNNING;
		c->init.in_guest = true; /* the machine's end is its end */
		clock_gettime(CLOCK_REALTIME, &c->started_at);
		sandbox_save_state(c->sandbox);
	}
	if (done)
		done(c->done_data, e);
}

/* What runs in it has ended with it. */
static void stopped(struct sandbox *s)
{
	struct container *pod = find(s);

	process_exited(&pod->init, 0, NULL);
	sandbox_end_processes(s, "the sandbox was stopped");
	sandbox_stop(s);
}

static void sync_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct container *pod = data;
	struct sandbox *s = pod->sandbox;
	sandbox_done_fn *done = take_ptr(pod->done);

	if (e)
		log_warn("stop: %s", error_text(e));
	stopped(s);
	done(pod->done_data, NULL);
}

int sandbox_pod_stop(struct sandbox *s, sandbox_done_fn *done, void *data, struct error *e)
{
	Grpc__DestroySandboxRequest rq = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct container *pod = find(s);

	if (!pod)
		return error_plain(e, ENOENT, "the sandbox has not been made");
	if (pod->done)
		return error_plain(e, EBUSY, "the sandbox is being started or stopped");
	if (s->state != SANDBOX_READY) {
		stopped(s);
		done(data, NULL);
		return 0;
	}
	pod->done = done;
	pod->done_data = data;
	s->state = SANDBOX_STOPPING;
	error_plain(&s->death, ESRCH, "the sandbox has been stopped");
	guest_call(s, "DestroySandbox", &rq.base, SYNC_MS, sync_replied, pod);
	return 0;
}

const char *pod_hostname(const struct sandbox *s)
{
	const struct container *pod = find(s);

	return pod && !str_empty(pod->spec->hostname) ? pod->spec->hostname : s->id;
}

struct process *sandbox_pod(struct sandbox *s, const char *id, struct timespec *ret_started)
{
	struct container *pod = find(s);

	if (!pod || !str_eq(pod->id, id))
		return NULL;
	if (ret_started)
		*ret_started = pod->started_at;
	return &pod->init;
}

void sandbox_machine(const struct sandbox *s, struct sandbox_machine *ret)
{
	*ret = (struct sandbox_machine){
		.ready = s->state == SANDBOX_READY,
		.engine = s->hv ? s->hv->ops->name : "",
		.vcpus = s->vcpus,
		.mem_mib = s->mem_mib,
		.cgroup = s->cgroup,
	};
}
