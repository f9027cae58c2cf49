/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci - the runtime spec: load, check, state, features, hooks.
 *
 * The message grpc.Spec of proto/oci.proto *is* the in-memory spec: its field names are the keys of
 * config.json, and wire/pbjson.h moves one into the other. Follows the OCI runtime spec 1.0 to 1.3
 * (OCI_VERSION); what a VM cannot give is refused by oci_spec_check with a line that names the
 * field.
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
#include <time.h>

struct json_writer;

#define OCI_VERSION_MIN "1.0.0"
#define OCI_VERSION "1.3.0"

typedef struct Grpc__Spec oci_spec; /* names from protobuf-c, shortened once, here */
typedef struct Grpc__Process oci_process;
typedef struct Grpc__LinuxResources oci_resources;

/*
 * Reads <bundle>/config.json (at most LIMIT_CONFIG_JSON). Errors start with the origin and carry
 * the place ("config.json:3:7: ...") or the key ("config.json: linux.resources.memory.limit: not an
 * integer"). Keys that the specification does not know are logged at level debug and skipped, as it
 * demands. Nothing is checked beyond types: see oci_spec_check. The caller frees with
 * oci_spec_free.
 */
int oci_spec_load(const char *bundle, oci_spec **ret, struct error *e);
int oci_spec_parse(const char *json, size_t len, const char *origin, oci_spec **ret,
		   struct error *e);
void oci_spec_free(oci_spec *s);
/* process.json of exec; resources of update; @origin names the source in errors. */
int oci_process_parse(const char *json, size_t len, const char *origin, oci_process **ret,
		      struct error *e);
void oci_process_free(oci_process *p);
int oci_resources_parse(const char *json, size_t len, const char *origin, oci_resources **ret,
			struct error *e);
void oci_resources_free(oci_resources *r);
/* Back to JSON, compact (for config.json in the guest's bundle, the Task service's Any values).
 * Owned; NULL if it would be longer than LIMIT_CONFIG_JSON. */
char *oci_spec_to_json(const oci_spec *s);
char *oci_process_to_json(const oci_process *p);
char *oci_resources_to_json(const oci_resources *r);

/*
 * What the specification demands: version 1.x, a process, root.path a directory, known names,
 * absolute paths, no namespace twice ... and what a VM can give. @bundle (absolute) makes root.path
 * absolute in place; relative mount destinations become absolute, as runc has it.
 */
int oci_spec_check(oci_spec *s, const char *bundle, struct error *e);
/* The same for resources alone, as an update brings them. */
int oci_resources_check(const oci_resources *r, struct error *e);
/* The same for a process alone; paths in errors start at "process". */
int oci_process_check(const oci_process *p, struct error *e);

const char *oci_annotation(const oci_spec *s, const char *key); /* NULL if absent */
/* The annotations as one JSON object, "{}" without any. Owned. */
char *oci_annotations_json(const oci_spec *s);
/* *ret_path (may be NULL) is the namespace's path, NULL if it is to be a new one. */
bool oci_has_namespace(const oci_spec *s, const char *type, const char **ret_path);

/* pod.c: what the annotations of containerd's CRI plugin and of CRI-O say. */
enum oci_pod_role {
	OCI_POD_NONE,      /* a container of its own */
	OCI_POD_SANDBOX,   /* the pod's first: it stands for the pod */
	OCI_POD_CONTAINER, /* another one in the pod *ret_sandbox */
};
/* *ret_sandbox is borrowed, NULL for OCI_POD_NONE. -EINVAL: an annotation makes no sense. */
int oci_pod_role(const oci_spec *s, enum oci_pod_role *ret, const char **ret_sandbox,
		 struct error *e);
/* True for "/proc/PID/ns/...": engines name another container's namespace by the pid of its init.
 */
bool oci_namespace_pid(const char *path, pid_t *ret);

/* The default config.json that `spec` writes: a shell in a terminal, as `runc spec`. @rootless:
 * with a user namespace that maps the caller to root. Owned. */
char *oci_default_config(bool rootless);
/* The JSON of `features` (runtime spec features.md). Owned. */
char *oci_features_json(void);

/* The state of a container. */
struct oci_state {
	const char *id, *status, *bundle;
	const char *annotations_json; /* a JSON object; NULL and "{}" leave the key out */
	pid_t pid;                    /* 0: none */
	/* only for oci_state_print_json: */
	const char *rootfs, *owner; /* NULL is "" */
	const char *created;        /* RFC 3339, see oci_format_time; NULL is "" */
};
/* The specification's state on one line (ociVersion, id, status, pid, bundle, annotations): what
 * hooks get on stdin. Owned; NULL if the annotations are no JSON object. */
char *oci_state_json(const struct oci_state *st);
/* What the command `state` prints: runc's keys, order and indentation. Owned; NULL as above. */
char *oci_state_print_json(const struct oci_state *st);
/* The same as an element of an array that is being written, for lists. -errno if the annotations
 * are no JSON object. */
int oci_state_write(struct json_writer *w, const struct oci_state *st);

/* RFC 3339 in UTC as Go prints it (RFC3339Nano): nanoseconds without trailing zeros. @buf holds
 * OCI_TIME_MAX bytes and is returned. */
#define OCI_TIME_MAX 40
const char *oci_format_time(const struct timespec *t, char *buf);

enum oci_hook_kind {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
};
/* "createRuntime" */
const char *oci_hook_name(enum oci_hook_kind kind);
/* Number of hooks of this kind. */
size_t oci_hooks_count(const oci_spec *s, enum oci_hook_kind kind);
/*
 * Runs the hooks of a kind in order with the state on stdin, each bounded by its timeout. The first
 * failure ends it for the kinds that fail a container, and the error ends in what the hook printed;
 * failures of poststart and poststop hooks are logged and the rest run. @netns_fd >= 0: they run in
 * that network namespace. Hooks without env inherit ours, as under runc. Blocks.
 */
int oci_hooks_run(const oci_spec *s, enum oci_hook_kind kind, const struct oci_state *st,
		  int netns_fd, struct error *e);
