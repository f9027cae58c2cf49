/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - Kata's configuration.toml, its drop-ins and annotations, by one table of keys.
 *
 * Sections [hypervisor.NAME], [agent.kata], [runtime] and [factory]. The table (keys.c) has a row
 * for every key that Kata 4.1 knows: {section, key, type, offset, default, annotation, limits,
 * help}. The loader, annotations, `caisson env`, the documented template, the man page and the
 * table in docs/configuration.md come from it.
 *
 * Nothing that is set and has no effect goes unsaid: a Kata key that Caisson does not support yet
 * is a row without an offset, and setting it to anything but Kata's default gives one warning that
 * names it; a value of a supported key that Caisson cannot serve yet gives a warning and leaves
 * what was there; a key that nobody knows gives a warning. Where ignoring a key would take
 * protection away (confidential guests, hashes of the guest's files, policies) it is an error
 * instead. A key of the wrong type or out of range is an error with file:line:column.
 *
 * States: config_load makes one; config_annotate changes it; then it is read only. One thread.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct config_origin;

/* All strings: NULL where the value is "". */
struct config_hypervisor {
	char *name; /* of the section in force: "qemu" */
	char *path; /* the VMM */
	char *kernel;
	char *initrd; /* not both initrd and image */
	char *image;
	char *kernel_verity_params; /* of the image; NULL: it is not checked */
	char *machine_type;         /* NULL: the driver's choice */
	char *kernel_params;        /* appended to the driver's own */
	char *cpu_features;         /* appended to -cpu MODEL, */
	char *guest_hook_path;      /* a directory of the guest; NULL: none */
	char *seccompsandbox; /* of QEMU's -sandbox; NULL: the driver's default (on, all denied) */
	struct strv enable_annotations, valid_hypervisor_paths;
	double default_vcpus;       /* > 0, at most the host's CPUs */
	uint32_t default_maxvcpus;  /* 1 .. the host's CPUs */
	uint32_t default_memory;    /* MiB */
	uint32_t default_maxmemory; /* MiB; 0 or more than the host has: the host's */
	bool enable_virtio_mem;     /* memory grows by virtio-mem, else by modules */
	double overhead_vcpus;      /* added to limits in static sizing */
	uint32_t overhead_memory;   /* MiB, likewise */
	bool rootless;              /* VMM under an unprivileged uid */
	char *shared_fs;            /* "virtio-fs" */
	char *virtio_fs_daemon;     /* NULL: the first that is installed */
	char *virtio_fs_cache;      /* "never", "metadata", "auto", "always" */
	struct strv valid_virtio_fs_daemon_paths, virtio_fs_extra_args;
	uint32_t virtio_fs_queue_size; /* a power of two */
	bool reclaim_guest_freed_memory;
	bool enable_debug;
	char *entropy_source;
	struct strv valid_entropy_sources;
	uint32_t pcie_root_port; /* devices that can be added to a running guest */
	bool disable_vhost_net;
	uint64_t rx_rate_limiter_max_rate; /* bits a second into the guest; 0: no limit */
	uint64_t tx_rate_limiter_max_rate; /* out of it */
	uint32_t network_queues;           /* of a network interface; 0: one a vCPU */
};

struct config_agent {
	bool enable_debug;
	uint32_t reconnect_timeout_ms; /* until the agent of a booting guest answers */
	struct strv kernel_modules;    /* "NAME PARAMETERS" each */
	bool debug_console;
	uint32_t container_pipe_size; /* bytes; 0: the guest's default */
	char *policy;                 /* base64 of a policy; NULL: none */
};

struct config_runtime {
	bool enable_debug;
	bool disable_guest_seccomp;
	bool sandbox_cgroup_only;
	char *internetworking_model;       /* "tcfilter", "macvtap", "none" */
	bool static_sandbox_resource_mgmt; /* sized once; else grows with its containers */
	uint32_t create_container_timeout; /* s */
};

struct config_factory {
	bool enable_template;
	char *template_path;
};

struct config {
	char *path;           /* the main file, or NULL: built-in defaults */
	struct strv files;    /* all that were read, in order */
	struct strv warnings; /* one printable line each, for the caller to log once */
	struct config_hypervisor hypervisor;
	struct config_agent agent;
	struct config_runtime runtime;
	struct config_factory factory;
	struct config_origin *origins; /* where each row's value came from; private */
};

void config_free(struct config *c);
DEFINE_AUTOPTR(config, config_free);

/*
 * Search order: @path (from --config), @option_path (annotation or shim option ConfigPath),
 * $CAISSON_CONF_FILE, /etc/caisson/configuration.toml,
 * /usr/share/defaults/caisson/configuration.toml, /etc/kata-containers/configuration.toml, then
 * built-in defaults. The first three may be NULL or "". A file that was named and cannot be read is
 * an error (-errno); so are malformed TOML and bad values (-EINVAL, file:line:column) and more than
 * LIMIT_CONFIG_FILES files (-E2BIG). config.d/NAME.toml beside the file are merged in name order.
 */
int config_load(const char *path, const char *option_path, struct config **ret, struct error *e);

/*
 * Applies one annotation. 0: applied, or not one of io.katacontainers.config.*, or one that is
 * known and not supported yet (then a warning was added). -ENOENT: unknown, a warning was added;
 * the caller goes on. Anything else refuses the container, and @c is as before: -EPERM (not enabled
 * by enable_annotations, a path not among the valid_* globs, or never accepted from an annotation),
 * -EINVAL (type, range), -EOPNOTSUPP (not supported yet, and must not be ignored).
 */
int config_annotate(struct config *c, const char *key, const char *value, struct error *e);

/* The configuration in force: every supported key with its value and where that came from
 * ("default", a file with line, "annotation"). For `caisson env`. The JSON (owned) has "files",
 * "warnings", the sections as objects, and "origins" by full key. */
void config_print_toml(const struct config *c, FILE *f);
char *config_to_json(const struct config *c); /* NULL: larger than LIMIT_CONFIG_ENV */

/* Made from the table: the documented configuration.toml, the list of keys for the man page (scdoc)
 * and for docs/configuration.md. */
void config_print_template(FILE *f);
void config_print_man(FILE *f);
void config_print_markdown(FILE *f);
