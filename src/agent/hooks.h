/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks - programs of the guest that run at points of a container's life.
 *
 * They come with the specification or, for all containers, from the directory that the host names
 * (guest_hook_path: executables in its prestart, poststart and poststop). prestart and
 * createRuntime hooks run when the container's namespaces are there and before its root is entered,
 * poststart hooks before StartContainer is answered, poststop hooks before RemoveContainer is; the
 * others are run by the set-up in the container itself (ctr_child.c). A hook may take its time: a
 * process of its own runs them, and the agent hears of the end.
 *
 * Hooks find the specification in config.json of the bundle, as the runtime spec has it.
 */
#pragma once

#include "base/error.h"

#include "oci/oci.h"

#include <stdint.h>

struct agent;
struct container;
struct hook_run;

/* The kinds that run here and that @spec has, as bits 1 << enum oci_hook_kind. */
uint32_t hooks_kinds(const oci_spec *spec);
#define HOOKS_CREATE (1U << OCI_HOOK_PRESTART | 1U << OCI_HOOK_CREATE_RUNTIME)
#define HOOKS_POSTSTART (1U << OCI_HOOK_POSTSTART)
#define HOOKS_POSTSTOP (1U << OCI_HOOK_POSTSTOP)

/* Writes config.json for them. */
int hooks_prepare(const struct container *c, const oci_spec *spec, struct error *e);

/* @why is NULL unless a hook failed whose failure counts. The run is over and freed afterwards. */
typedef void hooks_done_fn(void *data, const struct error *why);

/* Runs the hooks of @kinds that the container's specification has; @pid 0: no process is left. NULL
 * and a reason if they cannot be run. */
struct hook_run *hooks_start(struct container *c, uint32_t kinds, const char *status, pid_t pid,
			     hooks_done_fn *done, void *data, struct error *e);
/* Kills what runs; @done is not called. */
void hook_run_free(struct hook_run *h);

/* The hooks of the directory @dir, owned by *ret (freed with protobuf-c). Kinds without a directory
 * have none; at most LIMIT_AGENT_HOOKS of a kind. */
int hooks_scan(const char *dir, Grpc__Hooks **ret, struct error *e);
/* A copy of @spec with @more behind its own hooks; the caller frees it. NULL: no memory. */
oci_spec *hooks_merge(const oci_spec *spec, const Grpc__Hooks *more);
