/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resize - more vCPUs and more or less memory for a running VM.
 *
 * vCPUs are plugged in one by one where the machine can (q35 under KVM); elsewhere they are there
 * from the start, and the guest's agent brings online what it is told (qemu_spare_vcpus). Memory is
 * a virtio-mem device, whose driver in the guest takes and gives blocks as it is asked to and as it
 * can: it is looked at until it has done so, since QEMU's event about it comes once a second only.
 * Or, where the configuration says so, modules, which only become more.
 */
#include "hv/qemu/state.h"

#include "base/loop.h"
#include "wire/json.h"

#include <errno.h>

#define LOOK_MS 20

static void go_on(struct qemu *q);

static const struct qemu *qemu_of_arg(const void *arg)
{
	return arg;
}

static uint64_t bytes(uint64_t mib)
{
	return mib << 20;
}

static void finish(struct qemu *q, const struct error *e)
{
	struct qemu_resize *z = &q->resize;
	hv_done_fn *done = z->done;

	z->timer = loop_source_free(z->timer);
	z->done = NULL;
	hv_answer(&q->hv, done, e, z->data);
}

static void fail(struct qemu *q, const char *what, const struct error *e)
{
	struct error why = *e;

	error_prefix(&why, "%s", what);
	finish(q, &why);
}

/* --- vCPUs --- */

static void cpu_device(struct json_writer *w, const void *arg)
{
	const struct qemu *q = qemu_of_arg(arg);
	autofree char *id = xasprintf("cpu-%u", q->resize.now.vcpus);

	json_add_str(w, "driver",
		     q->hv.cfg.accel == HV_ACCEL_KVM ? "host-x86_64-cpu" : "max-x86_64-cpu");
	json_add_str(w, "id", id);
	json_add_u64(w, "socket-id", 0);
	json_add_u64(w, "die-id", 0);
	json_add_u64(w, "core-id", q->resize.now.vcpus);
	json_add_u64(w, "thread-id", 0);
}

static const struct qmp_step cpu_steps[] = {
	{ "device_add", cpu_device, false, NULL, NULL },
};

static void cpu_added(const struct error *e, void *data)
{
	struct qemu *q = data;

	if (e) {
		fail(q, "add a vCPU", e);
		return;
	}
	q->resize.now.vcpus++;
	go_on(q);
}

/* --- memory: blocks of a virtio-mem device --- */

static uint64_t blocks_mib(const struct qemu *q, uint64_t mib)
{
	uint64_t more = mib - q->hv.cfg.mem_mib;

	return (more + QEMU_MEM_BLOCK_MIB - 1) / QEMU_MEM_BLOCK_MIB * QEMU_MEM_BLOCK_MIB;
}

#define MEM_PATH "/machine/peripheral/" QEMU_MEM_DEVICE

static void mem_request(struct json_writer *w, const void *arg)
{
	const struct qemu *q = qemu_of_arg(arg);

	json_add_str(w, "path", MEM_PATH);
	json_add_str(w, "property", "requested-size");
	json_add_u64(w, "value", bytes(blocks_mib(q, q->resize.want.mem_mib)));
}

static const struct qmp_step mem_steps[] = {
	{ "qom-set", mem_request, false, NULL, NULL },
};

static void mem_look(struct qemu *q);

static void mem_again(struct loop_source *s, void *data)
{
	mem_look(data);
}

static void mem_late(struct loop_source *s, void *data)
{
	struct qemu *q = data;
	struct error e = ERROR_INIT;

	error_plain(&e, ETIMEDOUT, "the guest has %llu of %llu MiB of memory and changes nothing",
		    (unsigned long long)q->resize.now.mem_mib,
		    (unsigned long long)q->resize.want.mem_mib);
	finish(q, &e);
}

static void mem_seen(const struct json *data, const struct error *e, void *arg)
{
	struct qemu *q = arg;
	struct qemu_resize *z = &q->resize;
	uint64_t size = 0;

	if (!z->done)
		return;
	if (e || json_to_u64(data, &size) < 0) {
		struct error own = ERROR_INIT;

		error_plain(&own, EPROTO, "QEMU does not say how large it is");
		fail(q, "memory of the guest", e ? e : &own);
		return;
	}
	z->now.mem_mib = q->hv.cfg.mem_mib + (size >> 20);
	if (size == bytes(blocks_mib(q, z->want.mem_mib))) {
		z->now.mem_mib = z->want.mem_mib;
		go_on(q);
		return;
	}
	loop_source_free(z->timer);
	z->timer = loop_now_ms() < z->deadline ? loop_add_timer(q->hv.loop, LOOK_MS, mem_again, q)
					       : loop_add_timer(q->hv.loop, 0, mem_late, q);
}

static void mem_look(struct qemu *q)
{
	struct json_writer *w = qmp_client_begin(q->qmp, "qom-get");
	struct error e = ERROR_INIT;

	json_add_str(w, "path", MEM_PATH);
	json_add_str(w, "property", "size");
	if (qmp_client_send(q->qmp, mem_seen, q, &e) < 0)
		fail(q, "memory of the guest", &e);
}

static void mem_requested(const struct error *e, void *data)
{
	struct qemu *q = data;

	if (e) {
		fail(q, "change the guest's memory", e);
		return;
	}
	q->resize.deadline = loop_now_ms() + HV_REMOVE_MS;
	mem_look(q);
}

/* --- memory: modules --- */

static uint64_t dimm_mib(const struct qemu *q)
{
	uint64_t more = q->resize.want.mem_mib - q->resize.now.mem_mib;

	return (more + QEMU_DIMM_BLOCK_MIB - 1) / QEMU_DIMM_BLOCK_MIB * QEMU_DIMM_BLOCK_MIB;
}

static void dimm_name(struct json_writer *w, const char *key, const char *kind, const void *arg)
{
	autofree char *name = xasprintf("%s-%u", kind, qemu_of_arg(arg)->resize.dimms);

	json_add_str(w, key, name);
}

static void dimm_memory(struct json_writer *w, const void *arg)
{
	json_add_str(w, "qom-type", "memory-backend-memfd");
	dimm_name(w, "id", "mem-dimm", arg);
	json_add_u64(w, "size", bytes(dimm_mib(arg)));
	json_add_bool(w, "share", true);
}

static void dimm_memory_id(struct json_writer *w, const void *arg)
{
	dimm_name(w, "id", "mem-dimm", arg);
}

static void dimm_device(struct json_writer *w, const void *arg)
{
	json_add_str(w, "driver", "pc-dimm");
	dimm_name(w, "id", "dimm", arg);
	dimm_name(w, "memdev", "mem-dimm", arg);
}

static const struct qmp_step dimm_steps[] = {
	{ "object-add", dimm_memory, false, "object-del", dimm_memory_id },
	{ "device_add", dimm_device, false, NULL, NULL },
};

static void dimm_added(const struct error *e, void *data)
{
	struct qemu *q = data;

	if (e) {
		fail(q, "add a memory module", e);
		return;
	}
	q->resize.now.mem_mib += dimm_mib(q);
	q->resize.dimms++;
	go_on(q);
}

/* --- both --- */

/* Modules are of whole blocks, so there may be more than was asked for. */
static bool mem_is_there(const struct qemu *q)
{
	const struct qemu_resize *z = &q->resize;

	return q->hv.cfg.mem_dimms ? z->now.mem_mib >= z->want.mem_mib
				   : z->now.mem_mib == z->want.mem_mib;
}

static int next_job(struct qemu *q, struct error *e)
{
	struct qemu_resize *z = &q->resize;

	if (z->now.vcpus < z->want.vcpus)
		return qmp_job_run(&z->job, q->qmp, cpu_steps, ARRAY_SIZE(cpu_steps), -1, q,
				   cpu_added, q, e);
	if (q->hv.cfg.mem_dimms)
		return qmp_job_run(&z->job, q->qmp, dimm_steps, ARRAY_SIZE(dimm_steps), -1, q,
				   dimm_added, q, e);
	return qmp_job_run(&z->job, q->qmp, mem_steps, ARRAY_SIZE(mem_steps), -1, q, mem_requested,
			   q, e);
}

/* The next thing to do, or the end. */
static void go_on(struct qemu *q)
{
	struct qemu_resize *z = &q->resize;
	struct error e = ERROR_INIT;

	if (z->now.vcpus >= z->want.vcpus && mem_is_there(q))
		finish(q, NULL);
	else if (next_job(q, &e) < 0)
		fail(q, "resize the VM", &e);
}

static int check_memory(const struct qemu *q, uint64_t want, struct error *e)
{
	const struct hv_config *c = &q->hv.cfg;
	uint64_t max = MAX(c->max_mem_mib, c->mem_mib), now = q->resize.now.mem_mib;
	uint64_t min = c->mem_dimms ? now : c->mem_mib;

	if (want > max)
		return error_plain(e, ERANGE, "%llu MiB of memory: the VM can have %llu at most%s",
				   (unsigned long long)want, (unsigned long long)max,
				   q->machine->memory ? ""
						      : " (machine type q35 can be given more)");
	if (want < min)
		return error_plain(e, ERANGE, "%llu MiB of memory: the VM has %llu at least",
				   (unsigned long long)want, (unsigned long long)min);
	if (c->mem_dimms && want > now && q->resize.dimms >= LIMIT_HV_DIMMS)
		return error_plain(e, ENOSPC, "all %d slots for memory modules are taken",
				   LIMIT_HV_DIMMS);
	return 0;
}

int qemu_resize(struct hv *h, const struct hv_size *want, hv_done_fn *done, void *data,
		struct error *e)
{
	struct qemu *q = qemu_of(h);
	struct qemu_resize *z = &q->resize;
	int r;

	if (q->state != QEMU_RUNNING)
		return qemu_not_running(e);
	if (z->done)
		return error_plain(e, EBUSY, "the VM is being resized");
	if (want->vcpus > MAX(h->cfg.max_vcpus, h->cfg.vcpus))
		return error_plain(e, ERANGE, "%u vCPUs: the VM can have %u at most", want->vcpus,
				   MAX(h->cfg.max_vcpus, h->cfg.vcpus));
	r = check_memory(q, want->mem_mib, e);
	if (r < 0)
		return r;
	if (qemu_spare_vcpus(&h->cfg, q->machine))
		z->now.vcpus = MAX(z->now.vcpus, want->vcpus);
	z->want = *want;
	if (z->now.vcpus >= want->vcpus && mem_is_there(q))
		return 0;
	r = next_job(q, e);
	if (r < 0)
		return r;
	z->done = done;
	z->data = data;
	return -EINPROGRESS;
}

void qemu_resize_free(struct qemu *q)
{
	loop_source_free(q->resize.timer);
	qmp_job_done(&q->resize.job);
}
