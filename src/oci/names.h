/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - the words of the runtime spec that this runtime understands: what is checked and what
 * `features` lists come from the same tables. Private to src/oci.
 */
#pragma once

#include <stdbool.h>

/* Each ends in NULL and is sorted. */
extern const char *const oci_names_namespaces[];
extern const char *const oci_names_capabilities[];
extern const char *const oci_names_mount_options[];
extern const char *const oci_names_seccomp_actions[];
extern const char *const oci_names_seccomp_operators[];
extern const char *const oci_names_seccomp_archs[];
extern const char *const oci_names_seccomp_flags[];
extern const char *const oci_names_propagations[];
extern const char *const oci_names_rlimits[];
extern const char *const oci_names_hooks[]; /* by enum oci_hook_kind, not sorted */

bool oci_name_known(const char *const *names, const char *name);
