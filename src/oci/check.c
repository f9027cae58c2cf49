/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - a spec against the specification, and against what a virtual machine can give.
 *
 * One small function per section; each error starts with the key it is about. What the guest alone
 * can know (does a file exist in the container, does its kernel have a feature) is left to the
 * guest.
 */
#include "oci/internal.h"

#include "oci/names.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

static void replace_string(char **field, char *value)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = value;
}

static int check_version(oci_spec *s, struct error *e)
{
	const char *v = s->ociversion;

	if (str_empty(v))
		return error_plain(e, EINVAL, "ociVersion: missing");
	if (!str_skip_prefix(v, "1."))
		return error_plain(e, EOPNOTSUPP,
				   "ociVersion: \"%s\" is not supported (%s to %s are)", v,
				   OCI_VERSION_MIN, OCI_VERSION);
	return 0;
}

static int check_user(const Grpc__User *u, struct error *e)
{
	if (u && u->has_umask_case && u->umask > 0777)
		return error_plain(e, EINVAL, "process.user.umask: 0%o is more than 0777",
				   u->umask);
	return 0;
}

static int check_rlimit(const oci_process *p, size_t i, struct error *e)
{
	const Grpc__POSIXRlimit *l = p->rlimits[i];

	if (!oci_name_known(oci_names_rlimits, l->type))
		return error_plain(e, EINVAL, "process.rlimits[%zu].type: \"%s\" is unknown", i,
				   l->type);
	if (l->soft > l->hard)
		return error_plain(
			e, EINVAL,
			"process.rlimits[%zu]: the soft limit of %s is above the hard one", i,
			l->type);
	for (size_t k = 0; k < i; k++) {
		if (str_eq(p->rlimits[k]->type, l->type))
			return error_plain(e, EINVAL,
					   "process.rlimits[%zu].type: %s is given twice", i,
					   l->type);
	}
	return 0;
}

int oci_process_check(const oci_process *p, struct error *e)
{
	int r;

	if (!p->n_args || str_empty(p->args[0]))
		return error_plain(e, EINVAL, "process.args: no program to run");
	if (str_empty(p->cwd))
		return error_plain(e, EINVAL, "process.cwd: missing");
	if (p->cwd[0] != '/')
		return error_plain(e, EINVAL, "process.cwd: \"%s\" is not absolute", p->cwd);
	if (p->oomscoreadj < -1000 || p->oomscoreadj > 1000)
		return error_plain(e, EINVAL, "process.oomScoreAdj: %lld is not in -1000..1000",
				   (long long)p->oomscoreadj);
	r = check_user(p->user, e);
	for (size_t i = 0; r == 0 && i < p->n_rlimits; i++)
		r = check_rlimit(p, i, e);
	return r;
}

static int check_process(oci_spec *s, struct error *e)
{
	if (!s->process)
		return error_plain(e, EINVAL, "process: missing");
	return oci_process_check(s->process, e);
}

static int check_root(oci_spec *s, const char *bundle, struct error *e)
{
	struct stat st;

	if (!s->root || str_empty(s->root->path))
		return error_plain(e, EINVAL, "root.path: missing");
	if (s->root->path[0] != '/')
		replace_string(&s->root->path, xasprintf("%s/%s", bundle, s->root->path));
	if (stat(s->root->path, &st) < 0)
		return error_set(e, errno, "root.path: %s", s->root->path);
	if (!S_ISDIR(st.st_mode))
		return error_plain(e, ENOTDIR, "root.path: %s is not a directory", s->root->path);
	return 0;
}

static int check_mounts(oci_spec *s, struct error *e)
{
	for (size_t i = 0; i < s->n_mounts; i++) {
		Grpc__Mount *m = s->mounts[i];

		if (str_empty(m->destination))
			return error_plain(e, EINVAL, "mounts[%zu].destination: missing", i);
		if (m->destination[0] != '/')
			replace_string(&m->destination, xasprintf("/%s", m->destination));
	}
	return 0;
}

static int check_hooks(oci_spec *s, struct error *e)
{
	for (int kind = OCI_HOOK_PRESTART; s->hooks && kind <= OCI_HOOK_POSTSTOP; kind++) {
		size_t n;
		Grpc__Hook *const *hooks = oci_hooks_of(s, kind, &n);

		for (size_t i = 0; i < n; i++) {
			if (str_empty(hooks[i]->path) || hooks[i]->path[0] != '/')
				return error_plain(e, EINVAL,
						   "hooks.%s[%zu].path: \"%s\" is not absolute",
						   oci_hook_name(kind), i, hooks[i]->path);
			if (hooks[i]->timeout < 0)
				return error_plain(e, EINVAL, "hooks.%s[%zu].timeout: below 0",
						   oci_hook_name(kind), i);
		}
	}
	return 0;
}

static int check_namespaces(oci_spec *s, struct error *e)
{
	const Grpc__Linux *l = s->linux;

	for (size_t i = 0; l && i < l->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = l->namespaces[i];

		if (!oci_name_known(oci_names_namespaces, ns->type))
			return error_plain(e, EINVAL,
					   "linux.namespaces[%zu].type: \"%s\" is unknown", i,
					   ns->type);
		if (!str_empty(ns->path) && ns->path[0] != '/')
			return error_plain(e, EINVAL,
					   "linux.namespaces[%zu].path: \"%s\" is not absolute", i,
					   ns->path);
		for (size_t k = 0; k < i; k++) {
			if (str_eq(l->namespaces[k]->type, ns->type))
				return error_plain(e, EINVAL,
						   "linux.namespaces[%zu].type: %s is given twice",
						   i, ns->type);
		}
	}
	return 0;
}

/* Settings that would do nothing without the namespace they are for. */
static int check_namespace_settings(oci_spec *s, struct error *e)
{
	const Grpc__Linux *l = s->linux;

	if (!l)
		return 0;
	if ((l->n_uidmappings || l->n_gidmappings) && !oci_has_namespace(s, "user", NULL))
		return error_plain(
			e, EINVAL,
			"linux.uidMappings, linux.gidMappings: there is no user namespace");
	if (l->n_timeoffsets && !oci_has_namespace(s, "time", NULL))
		return error_plain(e, EINVAL, "linux.timeOffsets: there is no time namespace");
	return 0;
}

/* Names have keys of their own in the spec, and two values for one thing are a mistake. */
static int check_sysctls(oci_spec *s, struct error *e)
{
	const Grpc__Linux *l = s->linux;

	for (size_t i = 0; l && i < l->n_sysctl; i++) {
		const char *name = l->sysctl[i]->key, *value = l->sysctl[i]->value;

		if (str_empty(name))
			return error_plain(e, EINVAL, "linux.sysctl: a parameter without a name");
		if (str_eq(name, "kernel.hostname"))
			return error_plain(e, EINVAL,
					   "linux.sysctl: kernel.hostname conflicts with the "
					   "spec's own hostname");
		if (str_eq(name, "kernel.domainname") && !str_empty(s->domainname) &&
		    !str_eq(value, s->domainname))
			return error_plain(e, EINVAL,
					   "linux.sysctl: kernel.domainname is \"%s\", but "
					   "domainname is \"%s\"",
					   value, s->domainname);
	}
	return 0;
}

static int check_devices(oci_spec *s, struct error *e)
{
	const Grpc__Linux *l = s->linux;

	for (size_t i = 0; l && i < l->n_devices; i++) {
		const Grpc__LinuxDevice *d = l->devices[i];
		static const char *const types[] = { "b", "c", "p", "u", NULL };

		if (str_empty(d->path) || d->path[0] != '/')
			return error_plain(e, EINVAL,
					   "linux.devices[%zu].path: \"%s\" is not absolute", i,
					   d->path);
		if (!oci_name_known(types, d->type))
			return error_plain(
				e, EINVAL,
				"linux.devices[%zu].type: \"%s\" is not one of b, c, p, u", i,
				d->type);
		if (d->major < 0 || d->major > UINT32_MAX || d->minor < 0 || d->minor > UINT32_MAX)
			return error_plain(e, ERANGE,
					   "linux.devices[%zu]: device number out of range", i);
	}
	return 0;
}

static int check_propagation(oci_spec *s, struct error *e)
{
	if (s->linux && !str_empty(s->linux->rootfspropagation) &&
	    !oci_name_known(oci_names_propagations, s->linux->rootfspropagation))
		return error_plain(e, EINVAL, "linux.rootfsPropagation: \"%s\" is unknown",
				   s->linux->rootfspropagation);
	return 0;
}

static int check_action(const char *action, const char *where, struct error *e)
{
	if (str_eq(action, "SCMP_ACT_NOTIFY"))
		return error_plain(e, EOPNOTSUPP,
				   "%s: SCMP_ACT_NOTIFY is not supported: a guest cannot notify a "
				   "process of the host",
				   where);
	if (!oci_name_known(oci_names_seccomp_actions, action))
		return error_plain(e, EINVAL, "%s: \"%s\" is unknown", where, action);
	return 0;
}

static int check_syscall(const Grpc__LinuxSyscall *sc, size_t i, struct error *e)
{
	char where[64];
	int r;

	snprintf(where, sizeof(where), "linux.seccomp.syscalls[%zu].action", i);
	r = check_action(sc->action, where, e);
	if (r < 0)
		return r;
	if (!sc->n_names)
		return error_plain(e, EINVAL, "linux.seccomp.syscalls[%zu].names: empty", i);
	for (size_t k = 0; k < sc->n_args; k++) {
		if (!oci_name_known(oci_names_seccomp_operators, sc->args[k]->op))
			return error_plain(
				e, EINVAL,
				"linux.seccomp.syscalls[%zu].args[%zu].op: \"%s\" is unknown", i, k,
				sc->args[k]->op);
		if (sc->args[k]->index > 5)
			return error_plain(e, EINVAL,
					   "linux.seccomp.syscalls[%zu].args[%zu].index: above 5",
					   i, k);
	}
	return 0;
}

static int check_seccomp_names(const Grpc__LinuxSeccomp *sec, struct error *e)
{
	for (size_t i = 0; i < sec->n_architectures; i++) {
		if (!oci_name_known(oci_names_seccomp_archs, sec->architectures[i]))
			return error_plain(e, EINVAL,
					   "linux.seccomp.architectures[%zu]: \"%s\" is unknown", i,
					   sec->architectures[i]);
	}
	for (size_t i = 0; i < sec->n_flags; i++) {
		if (!oci_name_known(oci_names_seccomp_flags, sec->flags[i]))
			return error_plain(e, EINVAL, "linux.seccomp.flags[%zu]: \"%s\" is unknown",
					   i, sec->flags[i]);
	}
	return 0;
}

static int check_seccomp(oci_spec *s, struct error *e)
{
	const Grpc__LinuxSeccomp *sec = s->linux ? s->linux->seccomp : NULL;
	int r;

	if (!sec)
		return 0;
	r = check_seccomp_names(sec, e);
	if (r < 0)
		return r;
	r = check_action(sec->defaultaction, "linux.seccomp.defaultAction", e);
	for (size_t i = 0; r == 0 && i < sec->n_syscalls; i++)
		r = check_syscall(sec->syscalls[i], i, e);
	return r;
}

/* Limits by major and minor numbers: those of the host, which mean nothing or another device
 * inside. */
int oci_resources_check(const oci_resources *r, struct error *e)
{
	const Grpc__LinuxBlockIO *b = r->blockio;

	if (b && b->n_weightdevice + b->n_throttlereadbpsdevice + b->n_throttlewritebpsdevice +
			 b->n_throttlereadiopsdevice + b->n_throttlewriteiopsdevice)
		return error_plain(e, EOPNOTSUPP,
				   "linux.resources.blockIO: limits of single devices are not "
				   "supported: the host's devices do not exist in the guest");
	return 0;
}

static int check_resources(oci_spec *s, struct error *e)
{
	return s->linux && s->linux->resources ? oci_resources_check(s->linux->resources, e) : 0;
}

/* What no guest can be given. */
static int check_possible(oci_spec *s, struct error *e)
{
	const Grpc__Linux *l = s->linux;

	if (!l)
		return 0;
	if (l->intelrdt)
		return error_plain(e, EOPNOTSUPP,
				   "linux.intelRdt: not supported: a guest cannot partition the "
				   "host's caches");
	if (l->n_netdevices)
		return error_plain(e, EOPNOTSUPP,
				   "linux.netDevices: not supported: a device of the host cannot "
				   "move into a guest");
	if (l->memorypolicy)
		return error_plain(e, EOPNOTSUPP,
				   "linux.memoryPolicy: not supported: a guest does not have the "
				   "host's memory nodes");
	if (l->seccomp && !str_empty(l->seccomp->listenerpath))
		return error_plain(e, EOPNOTSUPP,
				   "linux.seccomp.listenerPath: not supported: a guest cannot "
				   "notify a process of the host");
	return 0;
}

typedef int check_fn(oci_spec *s, struct error *e);

int oci_spec_check(oci_spec *s, const char *bundle, struct error *e)
{
	static check_fn *const checks[] = {
		check_version, check_process,    check_mounts,
		check_hooks,   check_namespaces, check_namespace_settings,
		check_sysctls, check_devices,    check_propagation,
		check_seccomp, check_resources,  check_possible,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](s, e);

		if (r < 0)
			return r;
	}
	return check_root(s, bundle, e);
}
