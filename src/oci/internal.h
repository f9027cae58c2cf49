/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of src/oci share and nobody else needs.
 */
#pragma once

#include "oci/oci.h"

/* The hooks of a kind. */
Grpc__Hook *const *oci_hooks_of(const oci_spec *s, enum oci_hook_kind kind, size_t *ret_n);
