/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room - a machine that grows with what its containers ask for; see machine.h.
 *
 * With dynamic sizes (static_sandbox_resource_mgmt = false) a machine has the configuration's
 * defaults for itself and the sum of its containers' limits beside. It grows when a container is
 * created or its limits are raised; memory that is not used any more goes back to the host by free
 * page reporting, so it need not shrink. First the VMM gives, then the agent brings online. One
 * change at a time; who comes meanwhile waits, and then sees what is there.
 */
#include "sandbox/internal.h"
#include "sandbox/machine.h"

#include "base/log.h"

#include <errno.h>
#include <math.h>

struct room_waiter {
	struct list link;
	struct sandbox *sandbox;
	sandbox_done_fn *done;
	void *data;
};

struct workload workload_update(struct workload w, const oci_resources *r)
{
	if (r && r->cpu && r->cpu->quota > 0)
		w.cpus = (double)r->cpu->quota /
			 (r->cpu->period ? (double)r->cpu->period : 100000.0);
	else if (r && r->cpu && r->cpu->quota < 0)
		w.cpus = 0;
	if (r && r->memory && r->memory->limit > 0)
		w.mem_bytes = (uint64_t)r->memory->limit;
	else if (r && r->memory && r->memory->limit < 0)
		w.mem_bytes = 0;
	return w;
}

struct workload workload_of(const oci_resources *r)
{
	return workload_update((struct workload){ 0 }, r);
}

static struct hv_size wanted(const struct sandbox *s)
{
	const struct config_hypervisor *h = &s->config->hypervisor;
	double cpus = h->default_vcpus;
	uint64_t bytes = 0;
	struct container *c;

	if (s->config->runtime.static_sandbox_resource_mgmt)
		return (struct hv_size){ .vcpus = s->vcpus, .mem_mib = s->mem_mib };
	list_for_each(c, &s->containers, link) {
		cpus += c->workload.cpus;
		bytes += MIN(c->workload.mem_bytes, UINT64_MAX / 2 - bytes);
	}
	return (struct hv_size){ .vcpus = (unsigned)ceil(MIN(cpus, (double)s->most.vcpus)),
				 .mem_mib = h->default_memory + (bytes >> 20) };
}

/* What it is to have: never less than it has, and no more than it can. */
static struct hv_size next_size(const struct sandbox *s)
{
	struct hv_size w = wanted(s);

	w.vcpus = MAX(MIN(w.vcpus, s->most.vcpus), s->have.vcpus);
	w.mem_mib = MAX(MIN(w.mem_mib, s->most.mem_mib), s->have.mem_mib);
	return w;
}

static bool has(const struct sandbox *s, const struct hv_size *w)
{
	return w->vcpus <= s->have.vcpus && w->mem_mib <= s->have.mem_mib;
}

static int begin(struct sandbox *s, struct error *e);

/* Answers those who waited; what they want beyond this is begun for the first of them. */
static void room_answer(struct sandbox *s, const struct error *e)
{
	struct error own = ERROR_INIT;

	s->room_busy = false;
	if (!e && !list_empty(&s->room_waiters)) {
		int r = begin(s, &own);

		if (r == -EINPROGRESS)
			return;
		e = r < 0 ? &own : NULL;
	}
	while (!list_empty(&s->room_waiters)) {
		struct room_waiter *w = list_entry(s->room_waiters.next, struct room_waiter, link);
		sandbox_done_fn *done = w->done;
		void *data = w->data;

		list_del(&w->link);
		free(w);
		done(data, e);
	}
}

static void online(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct sandbox *s = data;
	struct error why = ERROR_INIT;

	if (e) {
		why = *e;
		error_prefix(&why, "bring processors and memory online");
	} else {
		s->have = s->room_want;
	}
	room_answer(s, e ? &why : NULL);
}

static void given(struct hv *h, const struct error *e, void *data)
{
	Grpc__OnlineCPUMemRequest rq = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	struct sandbox *s = data;
	struct error why = ERROR_INIT;

	if (e) {
		why = *e;
		error_prefix(&why, "make room in the virtual machine");
		room_answer(s, &why);
		return;
	}
	rq.nb_cpus = s->room_want.vcpus - s->have.vcpus;
	rq.wait = true;
	rq.cpu_only = s->room_want.mem_mib == s->have.mem_mib;
	guest_call(s, "OnlineCPUMem", &rq.base, SANDBOX_REQUEST_MS * 2, online, s);
}

/* 0: nothing to do. */
static int begin(struct sandbox *s, struct error *e)
{
	struct hv_size w = next_size(s);
	int r;

	if (has(s, &w))
		return 0;
	if (!s->hv || !(s->hv->ops->caps & HV_CAP_RESIZE))
		return error_plain(e, EOPNOTSUPP, "the machine cannot grow");
	s->room_want = w;
	r = s->hv->ops->resize(s->hv, &w, given, s, e);
	if (r == 0) { /* the VMM has it; the guest may not */
		given(s->hv, NULL, s);
		r = -EINPROGRESS;
	}
	s->room_busy = r == -EINPROGRESS;
	return r;
}

int room_make(struct sandbox *s, sandbox_done_fn *done, void *data, struct error *e)
{
	struct room_waiter *w;
	int r = s->room_busy ? -EINPROGRESS : begin(s, e);

	if (r != -EINPROGRESS)
		return r;
	w = xnew(struct room_waiter);
	*w = (struct room_waiter){ .sandbox = s, .done = done, .data = data };
	list_init(&w->link);
	list_add(&s->room_waiters, &w->link);
	return -EINPROGRESS;
}

/* --- an update that waits for room --- */

struct room_request {
	struct sandbox *sandbox;
	char *id;                 /* the container may be gone by then */
	oci_resources *resources; /* a copy */
	sandbox_done_fn *done;
	void *data;
};

static oci_resources *copy_of(const oci_resources *r)
{
	size_t n = grpc__linux_resources__get_packed_size(r);
	autofree uint8_t *bytes = xcalloc(1, n + 1);

	grpc__linux_resources__pack(r, bytes);
	return grpc__linux_resources__unpack(NULL, n, bytes);
}

static void room_request_free(struct room_request *q)
{
	grpc__linux_resources__free_unpacked(q->resources, NULL);
	free(q->id);
	free(q);
}

static void update_has_room(void *data, const struct error *e)
{
	struct room_request *q = data;
	struct container *c = sandbox_find(q->sandbox, q->id);
	struct error gone = ERROR_INIT;

	if (!e && !c) {
		error_plain(&gone, ESRCH, "the container has been deleted");
		e = &gone;
	}
	if (e)
		q->done(q->data, e);
	else
		container_update_guest(c, q->resources, q->done, q->data);
	room_request_free(q);
}

int room_update(struct container *c, const oci_resources *r, sandbox_done_fn *done, void *data,
		struct error *e)
{
	struct workload before = c->workload;
	struct room_request *q = xnew(struct room_request);
	int n;

	*q = (struct room_request){ .sandbox = c->sandbox,
				    .id = xstrdup(c->id),
				    .resources = copy_of(r),
				    .done = done,
				    .data = data };
	c->workload = workload_update(before, r);
	n = room_make(c->sandbox, update_has_room, q, e);
	if (n == 0)
		update_has_room(q, NULL);
	else if (n != -EINPROGRESS)
		room_request_free(q);
	if (n != 0 && n != -EINPROGRESS) {
		c->workload = before;
		return n;
	}
	return 0;
}

void room_abandon(struct sandbox *s, const void *data)
{
	struct room_waiter *w;

	list_for_each(w, &s->room_waiters, link) {
		if (w->data != data)
			continue;
		list_del(&w->link);
		free(w);
	}
}

void room_forget(struct sandbox *s)
{
	s->room_busy = false;
	if (!list_empty(&s->room_waiters))
		room_answer(s, &s->death);
}
