/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - the configuration of a VM from the files of configuration.
 *
 * What is left to the caller: name, dir, cgroup_fd, uid and gid, and the sizes where they are not
 * the defaults.
 */
#pragma once

#include "config/config.h"
#include "hv/hv.h"

/* Ports of the agent in the guest that the kernel's command line names. */
#define HV_AGENT_LOG_PORT 1025
#define HV_AGENT_CONSOLE_PORT 1026

#define HV_SLOTS_MAX 15

/* The agent says this on the console of a guest that will be copied (src/agent/conf.h). */
#define HV_TEMPLATE_READY "caisson-agent: ready to be copied"

/* Unprivileged ids for VMM and devices, one per owner's pid: outside of what distributions hand
 * out. */
#define HV_JAIL_UID_BASE 1879048192u

struct hv_settings {
	struct hv_config cfg; /* borrows from the configuration */
	char *cmdline;        /* owned: cfg.cmdline */
};
void hv_settings_done(struct hv_settings *s);
DEFINE_AUTODONE(hv_settings, hv_settings_done);

/* For a guest that boots for one sandbox. */
void hv_settings_init(struct hv_settings *s, const struct config *c, const struct hv_probe *p);
/* For guests that are copies of a template, and for the template: sizes are the defaults, with room
 * to grow as the machine type allows. */
void hv_settings_init_template(struct hv_settings *s, const struct config *c,
			       const struct hv_probe *p);

/* What a guest may grow to: default_maxmemory within the host's memory, 0: unknown. */
uint64_t hv_max_mem_mib(const struct config *c);
/* 0: VMM and devices keep the identity of their owner. */
uid_t hv_jail_uid(const struct config *c);
