/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootstrap - what `start` is told and what it answers: the bytes on its stdin, the sandbox that a
 * bundle belongs to, names of sockets and directories, the forms of the answer.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "oci/oci.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stdin said. All strings are owned and NULL where nothing was said. */
struct bootstrap {
	char *config_path; /* of runtimeoptions.v1.Options */
	char *config_body; /* of the same; NUL-terminated, a configuration.toml itself */
	char *ttrpc_address, *socket_dir;
	bool debug;
	bool params;   /* BootstrapParams: containerd 2.3 or later */
	char *unknown; /* type of options that mean nothing to us */
};
#define BOOTSTRAP_INIT ((struct bootstrap){ 0 })
void bootstrap_done(struct bootstrap *b);
DEFINE_AUTODONE(bootstrap, bootstrap_done);

/*
 * Empty, a google.protobuf.Any with the runtime's options (before containerd 2.3), or
 * BootstrapParams, which are recognised by the @id and @ns of the command line in them. -EPROTO for
 * anything else.
 */
int bootstrap_parse(const void *p, size_t n, const char *id, const char *ns, struct bootstrap *ret,
		    struct error *e);

/* The sandbox that the container @id with this spec is to join; @id itself if it makes its own. By
 * the annotations of a pod's engine (oci_pod_role). -EINVAL when they make no sense. *ret is part
 * of @s or @id. */
int bootstrap_sandbox(const oci_spec *s, const char *id, const char **ret, struct error *e);

/* <dir>/<sha256 of address/namespace/sandbox>, containerd's convention; @dir NULL: its default. */
char *bootstrap_socket(const char *dir, const char *address, const char *ns, const char *sandbox);
/* Name of the sandbox's directory: sandboxes of other namespaces, of other containerds and of the
 * command line may have the same id. Without an address (the command line) it is the id. */
char *bootstrap_name(const char *address, const char *ns, const char *sandbox);

/* What `start` prints: the bare address for a containerd that does not say which versions it takes
 * (@max_version NULL or not a number above 1, and no BootstrapParams), else JSON with version 2 or
 * 3. Owned. */
char *bootstrap_answer(const struct bootstrap *b, const char *max_version, const char *socket);
