/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume - directories and files of the host in the share, each once for all containers of the
 * sandbox.
 *
 * A pod's containers that mount the same directory get the same one in the guest, so that pipes,
 * sockets, locks and memory maps in it connect them: of two mounts of one directory the guest would
 * make two file systems that know nothing of each other. A volume is what its file of the host is,
 * read-only or not, with the mounts below or without, with ids mapped or not; it is in the share as
 * @volumes/<number> while a container uses it.
 */
#include "sandbox/internal.h"

#include "base/log.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define VOLUMES "@volumes" /* no container's id can be that */

struct volume {
	struct list link;
	struct volume_key key;
	unsigned refs;
	char *target, *guest, *maps; /* maps: the key's */
	bool dir;
};

static struct volume *find(struct sandbox *s, const struct volume_key *k)
{
	struct volume *v;

	list_for_each(v, &s->volumes, link)
		if (v->key.dev == k->dev && v->key.ino == k->ino && v->key.ro == k->ro &&
		    v->key.recursive == k->recursive && str_eq(v->key.maps, k->maps))
			return v;
	return NULL;
}

static const char *hold(struct container *c, struct volume *v)
{
	v->refs++;
	c->volumes = xrealloc(c->volumes, c->nvolumes + 1, sizeof(*c->volumes));
	c->volumes[c->nvolumes++] = v;
	return v->guest;
}

const char *volume_reuse(struct container *c, const struct volume_key *k)
{
	struct volume *v = find(c->sandbox, k);

	return v ? hold(c, v) : NULL;
}

static void volume_free(struct volume *v)
{
	int r = v->dir ? rmdir(v->target) : unlink(v->target);

	if (r < 0 && errno != ENOENT)
		log_warn("remove %s: %s", v->target, strerror(errno));
	list_del(&v->link);
	free(v->target);
	free(v->guest);
	free(v->maps);
	free(v);
}

int volume_add(struct container *c, const struct volume_key *k, int fd, bool dir,
	       const struct strv *options, const char **ret_guest, struct error *e)
{
	autofree char *parent = xasprintf("%s/shared/" VOLUMES, c->sandbox->dir);
	unsigned number = c->sandbox->next_volume++;
	struct volume *v;
	int r;

	if (mkdir(parent, 0755) < 0 && errno != EEXIST)
		return error_set(e, errno, "create %s", parent);
	v = xnew(struct volume);
	*v = (struct volume){ .key = *k, .dir = dir, .maps = k->maps ? xstrdup(k->maps) : NULL };
	v->key.maps = v->maps;
	v->target = xasprintf("%s/%u", parent, number);
	v->guest = xasprintf(GUEST_SHARE_DIR "/" VOLUMES "/%u", number);
	list_init(&v->link);
	list_add(&c->sandbox->volumes, &v->link);
	r = share_attach(fd, v->target, dir, options, e);
	if (r < 0) {
		volume_free(v);
		return r;
	}
	*ret_guest = hold(c, v);
	return 0;
}

void volumes_release(struct container *c)
{
	while (c->nvolumes) {
		struct volume *v = c->volumes[--c->nvolumes];

		if (--v->refs)
			continue;
		if (umount2(v->target, MNT_DETACH) < 0)
			log_warn("unmount %s: %s", v->target, strerror(errno));
		volume_free(v);
	}
	free(c->volumes);
	c->volumes = NULL;
}
