/* SPDX-License-Identifier: Apache-2.0 */
/* pod - what a Kubernetes engine says of a container's place in a pod, by annotations. */
#include "oci/oci.h"

#include "base/path.h"

#include <errno.h>

/* containerd's CRI plugin; CRI-O. */
static const struct {
	const char *type, *sandbox;
} engines[] = {
	{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
	{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
};

int oci_pod_role(const oci_spec *s, enum oci_pod_role *ret, const char **ret_sandbox,
		 struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		const char *type = oci_annotation(s, engines[i].type);
		const char *sandbox = oci_annotation(s, engines[i].sandbox);

		if (!type)
			continue;
		if (!str_eq(type, "sandbox") && !str_eq(type, "container"))
			return error_plain(e, EINVAL,
					   "annotation %s is \"%.64s\" (sandbox or container)",
					   engines[i].type, type);
		if (id_check(sandbox ? sandbox : "", engines[i].sandbox, e) < 0)
			return -EINVAL;
		*ret = str_eq(type, "sandbox") ? OCI_POD_SANDBOX : OCI_POD_CONTAINER;
		*ret_sandbox = sandbox;
		return 0;
	}
	*ret = OCI_POD_NONE;
	*ret_sandbox = NULL;
	return 0;
}

bool oci_namespace_pid(const char *path, pid_t *ret)
{
	const char *digits = str_skip_prefix(path, "/proc/");
	autofree char *number = NULL;
	size_t n = digits ? strcspn(digits, "/") : 0;
	uint32_t pid;

	if (!n || !str_skip_prefix(digits + n, "/ns/"))
		return false;
	number = xstrndup(digits, n);
	if (str_to_u32(number, 10, &pid) < 0 || !pid || pid > INT32_MAX)
		return false;
	*ret = (pid_t)pid;
	return true;
}
