/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod - several containers in one machine: what they share, and what a pod may ask for.
 *
 * A container names the namespaces that it shares by path: /proc/PID/ns/TYPE, PID being the init
 * proxy of another container in this sandbox, or, of CRI-O's pods, a file that pins one on the
 * host. In the guest ipc and uts are the sandbox's and shared by all; a pid namespace is lent by
 * one container to another. The network is the machine's. All other namespaces of the host do not
 * exist in here.
 */
#include "sandbox/internal.h"

#include <errno.h>

/* What a pod asks for by leaving a namespace out. */
static const struct {
	const char *type, *field;
} host_namespaces[] = {
	{ "network", "hostNetwork" },
	{ "pid", "hostPID" },
	{ "ipc", "hostIPC" },
};

int pod_init(struct container *c, struct error *e)
{
	const char *id;
	int r = oci_pod_role(c->spec, &c->role, &id, e);

	if (r < 0 || c->role != OCI_POD_SANDBOX)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(host_namespaces); i++)
		if (!oci_has_namespace(c->spec, host_namespaces[i].type, NULL))
			return error_plain(e, EOPNOTSUPP,
					   "%s is not supported: a pod in a virtual machine cannot "
					   "use the host's %s namespace",
					   host_namespaces[i].field, host_namespaces[i].type);
	return 0;
}

/*
 * Where engines know all containers of a pod by one pid, the machine's, the path does not say whose
 * namespace is meant. In a pod that shares its processes every container joins the pod's; in one
 * that does not, one that joins another's (kubectl debug --target) means the other, if there is but
 * one.
 */
static struct container *guess(struct sandbox *s, const struct container *joining, pid_t pid)
{
	struct container *c, *first = NULL, *only = NULL;
	unsigned n = 0;

	list_for_each(c, &s->containers, link) {
		if (c == joining || c->init.pid != pid)
			continue;
		first = first ? first : c;
		if (c->role != OCI_POD_CONTAINER)
			continue;
		if (c->pidns_of)
			return first;
		if (c->init.state == PROCESS_STOPPED)
			continue;
		only = c;
		n++;
	}
	return n == 1 ? only : first;
}

static struct container *find_pod_sandbox(struct sandbox *s)
{
	struct container *c;

	list_for_each(c, &s->containers, link)
		if (c->role == OCI_POD_SANDBOX)
			return c;
	return NULL;
}

/* Whose namespace @path is; @c itself where the engine has pinned a new one for it. */
static struct container *lender(struct container *c, const char *path)
{
	pid_t pid;

	if (oci_namespace_pid(path, &pid))
		return guess(c->sandbox, c, pid);
	if (c->role == OCI_POD_SANDBOX)
		return c;
	return c->role == OCI_POD_CONTAINER ? find_pod_sandbox(c->sandbox) : NULL;
}

static bool is_shared(const char *type)
{
	return str_eq(type, "ipc") || str_eq(type, "uts") || str_eq(type, "pid");
}

int pod_join(struct container *c, const char *type, const char *path, struct error *e)
{
	const struct container *from = is_shared(type) ? lender(c, path) : NULL;

	if (!from)
		return error_plain(e, EOPNOTSUPP,
				   "cannot join the %s namespace %s: namespaces of the host or of "
				   "another virtual machine do not exist in this one",
				   type, path);
	if (str_eq(type, "pid") && from != c) {
		free(c->pidns_of);
		/* An object of its own has no process to lend one: the first container does. */
		c->pidns_of = xstrdup(from->is_pod ? "" : from->id);
	}
	return 0;
}
