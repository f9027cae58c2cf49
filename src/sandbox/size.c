/* SPDX-License-Identifier: Apache-2.0 */
/*
 * size - how many CPUs and how much memory a machine starts with. With dynamic sizes room.c says
 * how it goes on.
 *
 * A limit of the workload plus what the guest itself needs; without a limit the configuration's
 * default. The workload is the pod's, where the engine says so in annotations, else the container's
 * spec. The limit itself is enforced in the guest's cgroup.
 */
#include "sandbox/internal.h"

#include <errno.h>
#include <math.h>
#include <sys/sysinfo.h>

/* A guest with less cannot boot; one with more than the host has makes no sense. */
#define SIZE_MEM_MIN_MIB 64

static int64_t annotation_number(const oci_spec *s, const char *key)
{
	const char *text = oci_annotation(s, key);
	int64_t v = 0;

	return text && str_to_i64(text, 10, &v) == 0 ? v : 0;
}

/* Of the pod, where the engine says so, else of its first container. */
static struct workload workload_of_pod(const oci_spec *spec)
{
	int64_t quota = annotation_number(spec, "io.kubernetes.cri.sandbox-cpu-quota");
	int64_t period = annotation_number(spec, "io.kubernetes.cri.sandbox-cpu-period");
	int64_t mem = annotation_number(spec, "io.kubernetes.cri.sandbox-memory");
	struct workload w = workload_of(spec->linux ? spec->linux->resources : NULL);

	if (quota > 0 && period > 0)
		w.cpus = (double)quota / (double)period;
	if (mem > 0)
		w.mem_bytes = (uint64_t)mem;
	return w;
}

static uint64_t host_mem_mib(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? 0 : (uint64_t)si.totalram * si.mem_unit >> 20;
}

int sandbox_size(struct sandbox *s, const oci_spec *spec, struct error *e)
{
	const struct config_hypervisor *h = &s->config->hypervisor;
	struct workload w = workload_of_pod(spec);
	uint64_t host_mib = host_mem_mib();

	if (!s->config->runtime.static_sandbox_resource_mgmt) {
		w = workload_of(spec->linux ? spec->linux->resources : NULL);
		s->vcpus = (unsigned)ceil(MIN(w.cpus + h->default_vcpus, h->default_maxvcpus));
		s->mem_mib = h->default_memory + (w.mem_bytes >> 20);
	} else {
		s->vcpus =
			(unsigned)ceil(w.cpus > 0 ? w.cpus + h->overhead_vcpus : h->default_vcpus);
		s->vcpus = MIN(MAX(s->vcpus, 1u), h->default_maxvcpus);
		s->mem_mib = w.mem_bytes ? (w.mem_bytes >> 20) + h->overhead_memory
					 : h->default_memory;
	}
	if (s->mem_mib < SIZE_MEM_MIN_MIB)
		return error_plain(
			e, EINVAL,
			"%llu MiB of memory are too little for a virtual machine (at least %d)",
			(unsigned long long)s->mem_mib, SIZE_MEM_MIN_MIB);
	/* A limit above the host's memory limits nothing. */
	if (host_mib && s->mem_mib > host_mib)
		s->mem_mib = host_mib;
	return 0;
}

int sandbox_size_allows(const struct sandbox *s, const oci_resources *r, struct error *e)
{
	int64_t quota = r->cpu ? r->cpu->quota : 0;
	int64_t period = r->cpu && r->cpu->period ? (int64_t)r->cpu->period : 100000;
	int64_t mem = r->memory ? r->memory->limit : 0;
	bool fixed = s->config->runtime.static_sandbox_resource_mgmt;
	struct hv_size most = fixed ? s->have : s->most;
	const char *has = fixed ? "has" : "can have", *since = fixed ? " since its start" : "";

	if (mem > 0 && (uint64_t)mem >> 20 > most.mem_mib)
		return error_plain(e, EINVAL,
				   "a memory limit of %llu MiB is more than the virtual machine "
				   "%s: %llu MiB%s",
				   (unsigned long long)mem >> 20, has,
				   (unsigned long long)most.mem_mib, since);
	if (quota > 0 && (double)quota > (double)period * most.vcpus)
		return error_plain(e, EINVAL,
				   "a limit of %.2f processors is more than the virtual machine "
				   "%s: %u%s",
				   (double)quota / (double)period, has, most.vcpus, since);
	return 0;
}
