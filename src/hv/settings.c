/* SPDX-License-Identifier: Apache-2.0 */
/* settings - see settings.h. */
#include "hv/settings.h"

#include "base/str.h"

#include <math.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* Room in a template for what cannot be saved or comes later: vsock, share, network interfaces,
 * disks. */
#define TEMPLATE_SLOTS 10

/* Extra kernel parameters: the agent's, then the configuration's, which win. */
static char *cmdline(const struct config *c, const char *own)
{
	const struct config_agent *agent = &c->agent;
	autodone(strv) words = STRV_INIT;

	strv_addf(&words, "agent.log_vport=%d", HV_AGENT_LOG_PORT);
	if (agent->enable_debug)
		strv_add(&words, "agent.log=debug");
	if (agent->debug_console)
		strv_addf(&words, "agent.debug_console agent.debug_console_vport=%d",
			  HV_AGENT_CONSOLE_PORT);
	if (agent->container_pipe_size)
		strv_addf(&words, "agent.container_pipe_size=%u", agent->container_pipe_size);
	if (own)
		strv_add(&words, own);
	if (!str_empty(c->hypervisor.kernel_params))
		strv_add(&words, c->hypervisor.kernel_params);
	return strv_join(&words, " ");
}

static void init(struct hv_settings *s, const struct config *c, const struct hv_probe *p,
		 const char *more)
{
	const struct config_hypervisor *h = &c->hypervisor;

	s->cmdline = cmdline(c, more);
	s->cfg = (struct hv_config){
		.path = h->path,
		.machine = h->machine_type,
		.kernel = h->kernel,
		.initrd = h->initrd,
		.image = h->image,
		.verity = h->kernel_verity_params,
		.cmdline = s->cmdline,
		.cpu_features = h->cpu_features,
		.accel = p->accel,
		.debug = h->enable_debug,
		.cgroup_fd = -1,
		.seccomp = h->seccompsandbox,
		.free_page_reporting = h->reclaim_guest_freed_memory,
		.entropy = h->entropy_source,
		.hotplug_slots = h->pcie_root_port,
		.mem_dimms = !h->enable_virtio_mem,
	};
}

void hv_settings_init(struct hv_settings *s, const struct config *c, const struct hv_probe *p)
{
	init(s, c, p, NULL);
}

void hv_settings_init_template(struct hv_settings *s, const struct config *c,
			       const struct hv_probe *p)
{
	const struct config_hypervisor *h = &c->hypervisor;

	init(s, c, p, "agent.template");
	s->cfg.vcpus = (unsigned)ceil(h->default_vcpus);
	s->cfg.max_vcpus = h->default_maxvcpus;
	s->cfg.mem_mib = h->default_memory;
	/* ACPI's way of telling a guest of a device is the fastest, and q35 has it. */
	if (str_empty(h->machine_type))
		s->cfg.machine = "q35";
	if (str_eq(s->cfg.machine, "q35"))
		s->cfg.max_mem_mib = hv_max_mem_mib(c);
	s->cfg.hotplug_slots = MIN(h->pcie_root_port + TEMPLATE_SLOTS, HV_SLOTS_MAX);
}

void hv_settings_done(struct hv_settings *s)
{
	free(s->cmdline);
	*s = (struct hv_settings){ 0 };
}

uint64_t hv_max_mem_mib(const struct config *c)
{
	uint64_t max = c->hypervisor.default_maxmemory, host;
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return max;
	host = (uint64_t)si.totalram * si.mem_unit >> 20;
	return max && max < host ? max : host;
}

uid_t hv_jail_uid(const struct config *c)
{
	return c->hypervisor.rootless ? HV_JAIL_UID_BASE + (uid_t)getpid() : 0;
}
