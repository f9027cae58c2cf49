/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - Kata's configuration.toml, its drop-ins and annotations, by one table of keys.
 *
 * Sections [hypervisor.NAME], [agent.kata], [runtime], [factory]. Each row of the table (config_keys) is {section, key, type, offset, default,
 * annotation, limits, help}; loader, `caisson env`, annotation overrides, the documented template and the man page come from it. Kata keys
 * that Caisson does not support yet are in the table without an offset: setting one to anything but its default gives one warning that
 * names it. Keys nobody knows give a warning by name too.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct config_hypervisor {
	char *name; /* "qemu": of the section in force */
	char *path, *kernel, *initrd, *image, *machine_type, *kernel_params, *cpu_features, *seccompsandbox;
	struct strv enable_annotations, valid_hypervisor_paths;
	double default_vcpus; /* after 0 -> 1, < 0 -> all */
	uint32_t default_maxvcpus;
	uint32_t default_memory; /* MiB */
	double overhead_vcpus;
	uint32_t overhead_memory; /* MiB added to limits in static sizing */
	bool rootless; /* VMM under an unprivileged uid; our default true */
	char *shared_fs, *virtio_fs_daemon, *virtio_fs_cache;
	struct strv valid_virtio_fs_daemon_paths, virtio_fs_extra_args;
	uint32_t virtio_fs_queue_size, virtio_fs_cache_size;
	bool reclaim_guest_freed_memory; /* our default true */
	bool enable_debug;
	char *entropy_source;
};

struct config_agent {
	bool enable_debug, debug_console_enabled;
	uint32_t dial_timeout_ms, reconnect_timeout_ms; /* per attempt; in all */
	struct strv kernel_modules;
};

struct config_runtime {
	bool enable_debug;
	char *internetworking_model;
	bool disable_guest_seccomp; /* our default false */
	bool sandbox_cgroup_only, static_sandbox_resource_mgmt, disable_new_netns;
	uint32_t create_container_timeout; /* s */
	struct strv sandbox_bind_mounts;
};

struct config {
	char *path; /* the main file, or NULL: built-in defaults */
	struct strv files; /* all that were read, in order */
	struct strv warnings; /* one line each, for the caller to log once */
	struct config_hypervisor hypervisor;
	struct config_agent agent;
	struct config_runtime runtime;
};

void config_free(struct config *c);
DEFINE_AUTOPTR(config, config_free);

/*
 * Search order: @path (from --config), @option_path (annotation or shim option ConfigPath), $CAISSON_CONF_FILE,
 * /etc/caisson/configuration.toml, /usr/share/defaults/caisson/configuration.toml, /etc/kata-containers/configuration.toml, then built-in
 * defaults. A file that was named and cannot be read is an error; so is malformed TOML (file:line:column). config.d/NAME.toml beside the
 * file are merged in name order.
 */
int config_load(const char *path, const char *option_path, struct config **ret, struct error *e);

/* Applies one annotation io.katacontainers.config.*. -EPERM: not enabled or value not among the valid_* globs (with the reason); -ENOENT: unknown,
 * added to the warnings; other annotations are ignored with 0. */
int config_annotate(struct config *c, const char *key, const char *value, struct error *e);

/* Where a value came from is kept: "default", a file name or "annotation". For `caisson env`. */
void config_print_toml(const struct config *c, FILE *f);
char *config_to_json(const struct config *c);
/* The documented configuration.toml, made from the table. */
void config_print_template(FILE *f);
