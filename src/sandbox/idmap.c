/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap - mounts that map the ids of their files (uidMappings, gidMappings, the options idmap and
 * ridmap), as containers with a user namespace have them.
 *
 * The map is put on the host's side of the share, where the file systems can do it: the guest's
 * virtio-fs cannot. The file server then finds the mapped ids on the files, and so does the guest,
 * in which the container's user namespace has the same maps as it would have on the host. What is
 * not shared but made in the guest keeps its maps and is the agent's to map.
 */
#include "sandbox/internal.h"

#include "base/buf.h"
#include "base/fd.h"
#include "sys/mounts.h"
#include "sys/ns.h"

#include <errno.h>

#define MAPS_TEXT_MAX (2 * NS_IDMAP_MAX * 36)

struct maps {
	Grpc__LinuxIDMapping **u, **g;
	size_t nu, ng;
};

static bool is_idmap_option(const char *option)
{
	return str_eq(option, "idmap") || str_eq(option, "ridmap");
}

static bool has_option(const Grpc__Mount *m, const char *option)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (str_eq(m->options[i], option))
			return true;
	return false;
}

/* The mount's own maps, or else those of the container. False: it maps nothing. */
static bool find_maps(const struct container *c, const Grpc__Mount *m, struct maps *ret)
{
	const Grpc__Linux *l = c->spec->linux;

	if (m->n_uidmappings || m->n_gidmappings)
		*ret = (struct maps){ m->uidmappings, m->gidmappings, m->n_uidmappings,
				      m->n_gidmappings };
	else if (l && (has_option(m, "idmap") || has_option(m, "ridmap")))
		*ret = (struct maps){ l->uidmappings, l->gidmappings, l->n_uidmappings,
				      l->n_gidmappings };
	else
		return false;
	return true;
}

static void add_maps(struct buf *b, char kind, Grpc__LinuxIDMapping *const *m, size_t n)
{
	for (size_t i = 0; i < n && i < NS_IDMAP_MAX; i++)
		buf_addf(b, "%c%u:%u:%u ", kind, m[i]->containerid, m[i]->hostid, m[i]->size);
}

char *idmap_text(const struct container *c, const Grpc__Mount *m)
{
	autodone(buf) b = BUF_INIT(MAPS_TEXT_MAX);
	struct maps maps;

	if (!find_maps(c, m, &maps))
		return NULL;
	buf_add_str(&b, has_option(m, "ridmap") ? "r " : "");
	add_maps(&b, 'u', maps.u, maps.nu);
	add_maps(&b, 'g', maps.g, maps.ng);
	return xstrdup(buf_str(&b));
}

static void convert(Grpc__LinuxIDMapping *const *m, size_t n, struct ns_idmap *ret)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct ns_idmap){ m[i]->containerid, m[i]->hostid, m[i]->size };
}

int idmap_apply(const struct container *c, const Grpc__Mount *m, int fd, struct error *e)
{
	struct ns_idmap uids[NS_IDMAP_MAX], gids[NS_IDMAP_MAX];
	autoclose int user = -1;
	struct maps maps;

	if (!find_maps(c, m, &maps))
		return 0;
	if (maps.nu > NS_IDMAP_MAX || maps.ng > NS_IDMAP_MAX)
		return error_plain(e, E2BIG, "mount of %s: more than %d id mappings",
				   m->destination, NS_IDMAP_MAX);
	convert(maps.u, maps.nu, uids);
	convert(maps.g, maps.ng, gids);
	user = ns_new_user(uids, maps.nu, gids, maps.ng, e);
	if (user < 0 || mount_set_idmap(fd, user, has_option(m, "ridmap"), e) < 0)
		return error_prefix(e, "mount of %s", m->destination);
	return 0;
}

static void drop_maps(Grpc__LinuxIDMapping ***m, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		protobuf_c_message_free_unpacked(&(*m)[i]->base, NULL);
	free(*m);
	*m = NULL;
	*n = 0;
}

void idmap_drop(Grpc__Mount *m)
{
	size_t kept = 0;

	drop_maps(&m->uidmappings, &m->n_uidmappings);
	drop_maps(&m->gidmappings, &m->n_gidmappings);
	for (size_t i = 0; i < m->n_options; i++) {
		if (is_idmap_option(m->options[i]))
			free(m->options[i]);
		else
			m->options[kept++] = m->options[i];
	}
	m->n_options = kept;
}
