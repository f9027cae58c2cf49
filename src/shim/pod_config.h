/* SPDX-License-Identifier: Apache-2.0 */
/* pod_config - what containerd's sandbox service says of a pod, as a runtime specification. */
#pragma once

#include "base/error.h"
#include "oci/oci.h"

typedef struct Containerd__Runtime__Sandbox__V1__CreateSandboxRequest pod_request;

/*
 * The specification that decides the pod's machine: namespaces as the pod has them, its host name,
 * size, cgroup and annotations. From the request's options, a runtime.v1.PodSandboxConfig; without
 * them from its own fields alone. -EOPNOTSUPP: it wants a namespace of the host.
 */
int pod_config_spec(const pod_request *rq, oci_spec **ret, struct error *e);
