/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - state files: a JSON object with "version", written by temporary + fsync + rename, read
 * with checks.
 *
 * Two kinds: the OCI command line's <root>/<container>/state.json and the shim's
 * /run/caisson/<sandbox>/state.json. Each is described by a table of fields {key, type, offset}, so
 * that reading, writing and unknown-version errors are one piece of code.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What `caisson` knows of a container: <root>/<id>/state.json */
struct store_container {
	char *id;
	char *bundle;       /* absolute */
	char *sandbox;      /* name of the directory under /run/caisson */
	char *socket;       /* the shim's Task socket */
	char *created;      /* RFC 3339, UTC, nanoseconds */
	char *owner;        /* uid of the creator as a decimal number, for list */
	char *rootfs;       /* absolute path of the rootfs on the host */
	int64_t pid;        /* init proxy; 0 before create has ended */
	uint64_t pid_start; /* its start time, see proc_start_time */
	char *annotations;  /* JSON object text, "{}" */
	bool terminal;
};

/* A process the sandbox started and that must be gone after delete. */
struct store_process {
	char *name; /* "qemu", "virtiofsd", "devd-vsock", "shim" */
	int64_t pid;
	uint64_t start_time;
};

/* Enough to clean up after a shim that died: /run/caisson/<sandbox>/state.json */
struct store_sandbox {
	char *id;
	char *ns; /* containerd namespace, or "caisson" for the command line */
	char *bundle;
	char *config_path;
	char *engine;        /* "qemu" */
	struct strv cgroups; /* absolute cgroup directories made by the sandbox */
	struct strv containers;
	char *netns;       /* path of the network namespace the machine is joined to; "": none */
	struct strv links; /* its interfaces, in the order of their taps */
	struct store_process *processes;
	size_t nprocesses;
};

void store_container_done(struct store_container *c);
DEFINE_AUTODONE(store_container, store_container_done);
void store_sandbox_done(struct store_sandbox *s);
DEFINE_AUTODONE(store_sandbox, store_sandbox_done);

/* @dirfd: the directory of the state file, which is named "state.json". Absent: -ENOENT. Damaged or
 * of a newer version: -EINVAL and the reason. */
int store_container_load(int dirfd, struct store_container *ret, struct error *e);
int store_container_save(int dirfd, const struct store_container *c, struct error *e);
int store_sandbox_load(int dirfd, struct store_sandbox *ret, struct error *e);
int store_sandbox_save(int dirfd, const struct store_sandbox *s, struct error *e);
