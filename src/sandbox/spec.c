/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec - the spec as the guest gets it.
 *
 * The guest's copy loses what belongs to the host: host hooks (hooks.c runs them), namespace paths,
 * host CPU numbers, LSM labels of the host's policies. Mounts are share.c's. What no virtual
 * machine can give has been refused by oci_spec_check.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "sys/caps.h"
#include "sys/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void set_string(char **field, const char *value)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = *value ? xstrdup(value) : (char *)(uintptr_t)protobuf_c_empty_string;
}

static oci_spec *spec_copy(const oci_spec *spec)
{
	size_t n = grpc__spec__get_packed_size(spec);
	autofree uint8_t *bytes = xcalloc(n, 1);

	grpc__spec__pack(spec, bytes);
	return grpc__spec__unpack(NULL, n, bytes);
}

/* Frees the hooks of one kind. */
static void drop_hooks(size_t *n, Grpc__Hook ***hooks)
{
	for (size_t i = 0; i < *n; i++)
		protobuf_c_message_free_unpacked(&(*hooks)[i]->base, NULL);
	free(*hooks);
	*hooks = NULL;
	*n = 0;
}

/* startContainer hooks are looked up and run in the container; all others name programs of the
 * host. */
static void drop_host_hooks(Grpc__Hooks *h)
{
	if (!h)
		return;
	drop_hooks(&h->n_prestart, &h->prestart);
	drop_hooks(&h->n_createruntime, &h->createruntime);
	drop_hooks(&h->n_createcontainer, &h->createcontainer);
	drop_hooks(&h->n_poststart, &h->poststart);
	drop_hooks(&h->n_poststop, &h->poststop);
}

/* The container's network is the machine's; every other namespace is made in the guest. */
static int rewrite_namespaces(struct container *c, Grpc__Linux *l, struct error *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		Grpc__LinuxNamespace *ns = l->namespaces[i];
		int r;

		if (str_eq(ns->type, "network")) {
			protobuf_c_message_free_unpacked(&ns->base, NULL);
			continue;
		}
		r = *ns->path ? pod_join(c, ns->type, ns->path, e) : 0;
		if (r < 0) {
			/* The rest moves down, so that the spec stays whole. */
			memmove(&l->namespaces[kept], &l->namespaces[i],
				(l->n_namespaces - i) * sizeof(*l->namespaces));
			l->n_namespaces -= i - kept;
			return r;
		}
		set_string(&ns->path, "");
		l->namespaces[kept++] = ns;
	}
	l->n_namespaces = kept;
	return 0;
}

static int rewrite_linux(struct container *c, Grpc__Linux *l, struct error *e)
{
	int r;

	if (!l)
		return 0;
	r = rewrite_namespaces(c, l, e);
	if (r < 0)
		return r;
	if (c->sandbox->config->runtime.disable_guest_seccomp && l->seccomp) {
		protobuf_c_message_free_unpacked(&l->seccomp->base, NULL);
		l->seccomp = NULL;
	}
	set_string(&l->cgroupspath, "");
	set_string(&l->mountlabel, "");
	if (l->resources && l->resources->cpu) {
		set_string(&l->resources->cpu->cpus, "");
		set_string(&l->resources->cpu->mems, "");
	}
	return 0;
}

static void warn_of_names(char *const *names, size_t n, struct strv *told)
{
	for (size_t i = 0; i < n; i++) {
		if (cap_parse(names[i]) >= 0 || strv_contains(told, names[i]))
			continue;
		log_warn("process.capabilities: \"%.64s\" is unknown and cannot be granted",
			 names[i]);
		strv_add(told, names[i]);
	}
}

/* Says what of a process's wishes no kernel can grant; it runs without. */
static void warn_of_capabilities(const Grpc__Process *p)
{
	const Grpc__LinuxCapabilities *c = p->capabilities;
	autodone(strv) told = STRV_INIT;

	if (!c)
		return;
	warn_of_names(c->bounding, c->n_bounding, &told);
	warn_of_names(c->effective, c->n_effective, &told);
	warn_of_names(c->inheritable, c->n_inheritable, &told);
	warn_of_names(c->permitted, c->n_permitted, &told);
	warn_of_names(c->ambient, c->n_ambient, &told);
}

static void rewrite_process(Grpc__Process *p)
{
	warn_of_capabilities(p);
	set_string(&p->apparmorprofile, "");
	set_string(&p->selinuxlabel, "");
}

int guest_spec_make(struct container *c, struct error *e)
{
	oci_spec *s = spec_copy(c->spec);
	int r = s ? pod_init(c, e) : error_plain(e, ENOMEM, "copy the spec");

	if (r < 0) {
		oci_spec_free(s);
		return r;
	}
	c->guest_spec = s;
	drop_host_hooks(s->hooks);
	if (s->process)
		rewrite_process(s->process);
	r = rewrite_linux(c, s->linux, e);
	if (r < 0)
		return r;
	autofree char *root = xasprintf("%s/%s/rootfs", GUEST_SHARE_DIR, c->id);
	set_string(&s->root->path, root);
	return 0;
}

void guest_spec_set_mount(Grpc__Mount *m, const char *type, const char *source)
{
	set_string(&m->type, type);
	set_string(&m->source, source);
}

/* --- storages --- */

Grpc__Storage *guest_storage_add(struct container *c, const char *driver, const char *source,
				 const char *fstype, const char *mount_point)
{
	Grpc__Storage *st = xnew(Grpc__Storage);

	grpc__storage__init(st);
	set_string(&st->driver, driver);
	set_string(&st->source, source);
	set_string(&st->fstype, fstype);
	set_string(&st->mount_point, mount_point);
	c->storages = xrealloc(c->storages, c->nstorages + 1, sizeof(*c->storages));
	c->storages[c->nstorages++] = st;
	return st;
}

void guest_storage_option(Grpc__Storage *st, char *option)
{
	st->options = xrealloc(st->options, st->n_options + 1, sizeof(*st->options));
	st->options[st->n_options++] = option;
}

void guest_storages_free(struct container *c)
{
	for (size_t i = 0; i < c->nstorages; i++)
		protobuf_c_message_free_unpacked(&c->storages[i]->base, NULL);
	free(c->storages);
	c->storages = NULL;
	c->nstorages = 0;
}

/* --- the network namespace --- */

/* True if the network namespace of this thread has an interface besides lo. */
static int has_interfaces(bool *ret, struct error *e)
{
	autofree char *text = NULL;
	char *save = NULL, *line;
	int r = file_read_at(AT_FDCWD, "/proc/thread-self/net/dev", LIMIT_PROC_FILE, &text, NULL);

	if (r < 0)
		return error_set(e, r, "read /proc/thread-self/net/dev");
	*ret = false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue; /* the two lines of headings */
		*colon = '\0';
		line += strspn(line, " ");
		if (!str_eq(line, "lo"))
			*ret = true;
	}
	return 0;
}

/* Looks into the namespace by entering it for a moment. */
static int netns_has_interfaces(int fd, bool *ret, struct error *e)
{
	autoclose int own = ns_open(0, NS_NET);
	int r, back;

	if (own < 0)
		return error_set(e, own, "open the own network namespace");
	r = ns_join(fd, NS_NET, e);
	if (r < 0)
		return r;
	r = has_interfaces(ret, e);
	back = ns_join(own, NS_NET, r < 0 ? NULL : e);
	return r < 0 ? r : back;
}

/*
 * Virtual machines have no network yet: a container whose engine gave it one must not come up
 * silently without. The namespace is the one the spec names, or that of the init proxy, where hooks
 * may have built one.
 */
int guest_network_check(struct container *c, struct error *e)
{
	const char *path = NULL;
	autoclose int fd = -1;
	bool found = false;
	int r;

	if (!oci_has_namespace(c->spec, "network", &path))
		return 0;
	fd = str_empty(path) ? ns_open(c->init.pid, NS_NET) : ns_open_path(path, NS_NET, e);
	if (fd < 0)
		return str_empty(path) ? error_set(e, fd, "network namespace of the init proxy %d",
						   (int)c->init.pid)
				       : fd;
	autoclose int own = ns_open(0, NS_NET);
	if (own >= 0 && ns_same(own, fd))
		return 0; /* the host's: the guest has its own anyway */
	r = netns_has_interfaces(fd, &found, e);
	if (r < 0)
		return r;
	if (found)
		return error_plain(e, EOPNOTSUPP,
				   "networks are not supported yet: the container's network "
				   "namespace has interfaces (use "
				   "--network none)");
	return 0;
}
