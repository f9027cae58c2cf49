/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec - the spec as the guest gets it.
 *
 * The guest's copy loses what belongs to the host: host hooks (hooks.c runs them), namespace paths,
 * host CPU numbers, LSM labels of the host's policies. Mounts are share.c's. What no virtual
 * machine can give has been refused by oci_spec_check.
 */
#include "sandbox/internal.h"

#include "base/log.h"
#include "sys/caps.h"

#include <errno.h>

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
