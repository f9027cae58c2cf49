/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci - the runtime spec: load, check, state, features, hooks.
 *
 * The message grpc.Spec of proto/oci.proto *is* the in-memory spec: JSON keys are matched to its fields without case and underscores (the
 * alias: ociVersion -> Version). Follows the OCI runtime spec 1.0 to 1.2; what a VM cannot give is refused by oci_spec_check with
 * a line that names the field.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include "oci.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct Grpc__Spec oci_spec; /* names from protobuf-c, shortened once, here */
typedef struct Grpc__Process oci_process;
typedef struct Grpc__LinuxResources oci_resources;

/* Reads <bundle>/config.json (at most LIMIT_CONFIG_JSON). Errors carry file, line/column or key path ("linux.resources.memory.limit: not a number").
 * The caller frees with oci_spec_free. */
int oci_spec_load(const char *bundle, oci_spec **ret, struct error *e);
int oci_spec_parse(const char *json, size_t len, const char *origin, oci_spec **ret, struct error *e);
void oci_spec_free(oci_spec *s);
/* process.json of exec; resources of update; @origin names the source in errors. Freed with protobuf_c_message_free_unpacked. */
int oci_process_parse(const char *json, size_t len, const char *origin, oci_process **ret, struct error *e);
int oci_resources_parse(const char *json, size_t len, const char *origin, oci_resources **ret, struct error *e);
/* Back to JSON (for config.json in the guest's bundle, the Task service's Any values). Owned. */
char *oci_process_to_json(const oci_process *p);
char *oci_resources_to_json(const oci_resources *r);

/* What the specification demands: version 1.x, args, absolute cwd, rootfs present, mounts' destinations, known namespaces ... @bundle makes root.path
 * absolute in place. */
int oci_spec_check(oci_spec *s, const char *bundle, struct error *e);
int oci_process_check(const oci_process *p, struct error *e);

const char *oci_annotation(const oci_spec *s, const char *key); /* NULL if absent */
bool oci_has_namespace(const oci_spec *s, const char *type, const char **ret_path);

/* The default config.json that `spec` writes: a shell in a terminal, as `runc spec`. Owned. */
char *oci_default_config(bool rootless);
/* The JSON of `features` (runtime spec features.md). Owned. */
char *oci_features_json(void);

/* The state of a container as JSON (ociVersion, id, status, pid, bundle, annotations); also what hooks get on stdin. */
struct oci_state {
	const char *id, *status, *bundle, *annotations_json;
	pid_t pid;
};
char *oci_state_json(const struct oci_state *st);

enum oci_hook_kind {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
};
/* Number of hooks of this kind. */
size_t oci_hooks_count(const oci_spec *s, enum oci_hook_kind kind);
/*
 * Runs the hooks of a kind in order with the state on stdin, each bounded by its timeout. The first failure ends it for the kinds that fail a
 * container; failures of poststart and poststop hooks are logged and the rest run. @netns_fd >= 0: they run in that network
 * namespace. Blocks.
 */
int oci_hooks_run(const oci_spec *s, enum oci_hook_kind kind, const struct oci_state *st, int netns_fd, struct error *e);
