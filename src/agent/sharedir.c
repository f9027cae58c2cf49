/* SPDX-License-Identifier: Apache-2.0 */
/* sharedir - see sharedir.h. */
#include "agent/sharedir.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

struct sharedir {
	struct list link;
	char *path;
	unsigned refs;
};

void sharedirs_init(struct sharedirs *s)
{
	*s = (struct sharedirs){ 0 };
	list_init(&s->head);
}

static struct sharedir *lookup(struct sharedirs *s, const char *path)
{
	struct sharedir *d;

	list_for_each(d, &s->head, link)
		if (str_eq(d->path, path))
			return d;
	return NULL;
}

static void sharedir_free(struct sharedirs *s, struct sharedir *d)
{
	/* EINVAL: it has no mount of its own. */
	if (umount2(d->path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		log_warn("unmount %s: %s", d->path, strerror(errno));
	list_del(&d->link);
	s->n--;
	free(d->path);
	free(d);
}

int sharedir_hold(struct sharedirs *s, const char *path, struct strv *refs, struct error *e)
{
	struct sharedir *d = lookup(s, path);
	autoclose int fd = -1;

	if (!d) {
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC); /* the look */
		if (fd < 0 && errno == ENOTDIR)
			return 0;
		if (fd < 0)
			return error_set(e, errno, "open %s", path);
		if (s->n >= LIMIT_AGENT_SHAREDIRS)
			return error_plain(e, ENOBUFS, "more than %d shared directories",
					   LIMIT_AGENT_SHAREDIRS);
		d = xnew(struct sharedir);
		d->path = xstrdup(path);
		list_init(&d->link);
		list_add(&s->head, &d->link);
		s->n++;
	}
	d->refs++;
	strv_add(refs, path);
	return 0;
}

void sharedirs_release(struct sharedirs *s, struct strv *refs)
{
	for (size_t i = refs->n; i-- > 0;) {
		struct sharedir *d = lookup(s, refs->v[i]);

		if (d && --d->refs == 0)
			sharedir_free(s, d);
	}
	strv_done(refs);
}

void sharedirs_done(struct sharedirs *s)
{
	struct sharedir *d;

	list_for_each(d, &s->head, link)
		sharedir_free(s, d);
}
