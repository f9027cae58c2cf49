/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_devices - a container's devices get the numbers they have in this guest.
 *
 * The host's specification has the host's device numbers. For each device of the request the one
 * with its path among linux.devices gets the guest's type and numbers, and so do the cgroup rules
 * that name the old ones. A device that the specification does not list is an error.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

struct device_node;
typedef struct Grpc__Device Grpc__Device;
typedef struct Grpc__Spec Grpc__Spec;

/* @nodes: where each of @devices is. On failure @spec may be half changed. */
int spec_set_devices(Grpc__Spec *spec, Grpc__Device *const *devices,
		     const struct device_node *nodes, size_t n, struct error *e);
