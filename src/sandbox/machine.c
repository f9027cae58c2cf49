/* SPDX-License-Identifier: Apache-2.0 */
/* machine - see machine.h. What is particular to copies is in clone.c. */
#include "sandbox/machine.h"

#include "base/log.h"
#include "hv/settings.h"
#include "hv/template.h"
#include "sandbox/internal.h"
#include "sandbox/network.h"
#include "sys/cgroup_host.h"

#include <errno.h>

static const struct hv_ops *machine_driver(struct sandbox *s, struct error *e)
{
	const struct hv_ops *ops = hv_driver(s->config->hypervisor.name);

	if (!ops)
		error_plain(e, EOPNOTSUPP, "hypervisor \"%s\" is not supported (supported: qemu)",
			    s->config->hypervisor.name);
	return ops;
}

static int machine_new(struct sandbox *s, const struct hv_ops *ops, struct error *e)
{
	autodone(hv_settings) hs = { 0 };
	struct hv_config *hc = &hs.cfg;

	if (s->template) {
		hv_settings_init_template(&hs, s->config, &s->probe);
		hc->restore = s->template;
	} else {
		hv_settings_init(&hs, s->config, &s->probe);
		hc->vcpus = hc->max_vcpus = s->vcpus;
		hc->mem_mib = s->mem_mib;
	}
	if (!s->template && !s->config->runtime.static_sandbox_resource_mgmt) {
		hc->max_vcpus = MAX(s->vcpus, s->config->hypervisor.default_maxvcpus);
		hc->max_mem_mib = hv_max_mem_mib(s->config);
	}
	hc->name = s->id;
	hc->dir = s->dir;
	hc->uid = hc->gid = s->jail_uid;
	hc->cgroup_fd = s->cgroup_fd;
	s->have = (struct hv_size){ .vcpus = hc->vcpus, .mem_mib = hc->mem_mib };
	s->most = (struct hv_size){ .vcpus = MAX(hc->vcpus, hc->max_vcpus),
				    .mem_mib = MAX(hc->mem_mib, hc->max_mem_mib) };
	s->hv = hv_new(ops, hc, s->loop, sandbox_vmm_event, s, e);
	return s->hv ? 0 : e->code;
}

int machine_devices(struct sandbox *s, struct error *e)
{
	struct hv_dev vsock = { .type = HV_DEV_VHOST_USER_VSOCK, .id = "vsock", .fd = s->vsock_fd };
	struct hv_dev share = {
		.type = HV_DEV_VHOST_USER_FS,
		.id = "share",
		.fd = s->fs_fd,
		.tag = GUEST_SHARE_TAG,
		.queue_size = s->config->hypervisor.virtio_fs_queue_size,
		.queues = 1,
	};
	int r = machine_add(s, &vsock, e);

	if (r < 0)
		return r;
	s->vsock_fd = -1;
	r = machine_add(s, &share, e);
	if (r < 0)
		return r;
	s->fs_fd = -1;
	return network_devices(s, e);
}

static void enter_cgroup(struct sandbox *s, pid_t pid)
{
	struct error e = ERROR_INIT;

	if (s->cgroup && pid > 0 && cgroup_host_join(s->cgroup, pid, &e) < 0)
		log_warn("%s", error_text(&e));
}

static int start(struct sandbox *s, struct error *e)
{
	const struct hv_ops *ops = machine_driver(s, e);
	int r = ops ? machine_new(s, ops, e) : -EOPNOTSUPP;

	if (r == 0 && !s->template)
		r = machine_devices(s, e);
	if (r == 0)
		r = ops->prepare(s->hv, e);
	if (r == 0)
		r = ops->start(s->hv, e);
	if (r < 0)
		return error_prefix(e, "start the virtual machine");
	enter_cgroup(s, s->hv->pid);
	oom_expose(s->hv->pid);
	sandbox_save_state(s);
	return 0;
}

int machine_boot(struct sandbox *s, struct error *e)
{
	s->clone = CLONE_NONE;
	free(take_ptr(s->template));
	return start(s, e);
}

int machine_start(struct sandbox *s, struct error *e)
{
	int r;

	log_info("engine: %s: %s", s->config->hypervisor.name, s->probe.why);
	/* Engines ask for the cgroup of the pid that they know, to say what the container uses. */
	enter_cgroup(s, sandbox_first(s)->init.pid);
	if (!s->template)
		return start(s, e);
	r = start(s, e);
	if (r == 0) {
		s->clone = CLONE_LOADING;
		return 0;
	}
	log_warn("template: %s; the machine boots instead", error_text(e));
	error_clear(e);
	template_spoil(s->template);
	hv_free(take_ptr(s->hv));
	return machine_boot(s, e);
}
