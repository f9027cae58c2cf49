/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf - the agent's settings: from the kernel command line in a guest ("agent.log=debug"), from a
 * TOML file that "agent.config_file" names, from KATA_AGENT_* in the environment, or from the
 * program's own command line.
 *
 * The names are Kata's, so that a Kata configuration's kernel_params keep their meaning. A name
 * that is not in the table, or that asks for something this agent does not do, is kept for a
 * warning; it is not an error, because the command line may have been written for another agent.
 */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The addresses a host expects (the agent protocol's defaults). */
#define AGENT_RPC_PORT 1024
#define AGENT_LOG_PORT 1025
#define AGENT_CONSOLE_PORT 1026
#define AGENT_STREAM_PORT 1027

#define AGENT_HOTPLUG_S 3
/* What a guest that will be copied says on its console; the host looks for it. */
#define AGENT_TEMPLATE_READY "caisson-agent: ready to be copied"

#define AGENT_RUN_DIR "/run/kata-containers"

struct agent_conf {
	char *server_addr; /* "vsock://CID:PORT" or "unix://PATH" */
	char *run_dir;     /* bundles, share, sandbox files */
	char *policy_file; /* policy.h */
	char *config_file; /* NULL: none was named */
	int log_level;     /* enum log_level */
	uint32_t log_port; /* 0: not served; the next likewise */
	uint32_t stream_port;
	bool debug_console;
	uint32_t debug_console_port; /* 0: the shell is on /dev/console */
	uint32_t pipe_size; /* bytes of the containers' stdio pipes, 0: the kernel's default */
	bool devmode;       /* programs may dump core */
	uint32_t hotplug_timeout_s; /* how long a device is waited for */
	uint32_t idle_reclaim_s; /* how often to look whether the guest rests (idle.h); 0: never */
	bool template; /* this guest will be copied: do what there is to do, then say so on the
			  console */
	struct strv unknown; /* names of agent.* settings that nobody reads, and values that make no
				sense */
};

void agent_conf_init(struct agent_conf *c);
void agent_conf_done(struct agent_conf *c);
DEFINE_AUTODONE(agent_conf, agent_conf_done);

/* Reads the kernel's command line @text. Never fails: what cannot be used is named in @c->unknown,
 * at most LIMIT_AGENT_UNKNOWN of them. */
void agent_conf_parse_cmdline(struct agent_conf *c, const char *text);

/* The settings of a TOML file instead of what was there. Unlike on the command line, a file that
 * cannot be read or understood is an error; a key that nobody knows is a warning. */
int agent_conf_load_file(struct agent_conf *c, const char *path, struct error *e);
/* KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL and KATA_AGENT_POLICY_FILE, where set. */
void agent_conf_apply_env(struct agent_conf *c);
