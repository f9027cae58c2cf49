/* SPDX-License-Identifier: Apache-2.0 */
/* storage - see storage.h. */
#include "agent/storage.h"

#include "sys/mounts.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct storage_driver {
	const char *name;
	const char *fstype; /* NULL: nothing is mounted, the directory is all */
	/* Checks what is special to the driver; NULL: nothing. */
	int (*check)(const Grpc__Storage *rq, struct error *e);
};

struct storage {
	struct list link;
	const struct storage_driver *driver;
	char *mount_point;
	unsigned refs;
	bool shared;
};

static int check_tag(const Grpc__Storage *rq, struct error *e)
{
	return str_empty(rq->source) ? error_plain(e, EINVAL, "a virtio-fs storage has no tag") : 0;
}

static int check_tmpfs(const Grpc__Storage *rq, struct error *e)
{
	if (str_empty(rq->fstype) || str_eq(rq->fstype, "tmpfs"))
		return 0;
	return error_plain(e, EOPNOTSUPP, "ephemeral storage of type %s is not supported",
			   rq->fstype);
}

static const struct storage_driver drivers[] = {
	{ "virtio-fs", "virtiofs", check_tag },
	{ "ephemeral", "tmpfs", check_tmpfs },
	{ "local", NULL, NULL },
};

const char *storage_driver_name(size_t i)
{
	return i < ARRAY_SIZE(drivers) ? drivers[i].name : NULL;
}

static const struct storage_driver *find_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(name, drivers[i].name))
			return &drivers[i];
	return NULL;
}

void storages_init(struct storages *s, const char *run_dir)
{
	*s = (struct storages){ .run_dir = run_dir };
	list_init(&s->head);
}

static struct storage *lookup(struct storages *s, const char *mount_point)
{
	struct storage *st;

	list_for_each(st, &s->head, link)
		if (str_eq(st->mount_point, mount_point))
			return st;
	return NULL;
}

/* Below the run directory, no "..", without slashes at the end; NULL and a reason. */
static char *clean_mount_point(const struct storages *s, const char *path, struct error *e)
{
	const char *rest = str_skip_prefix(path, s->run_dir);
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (!rest || *rest != '/' || n <= strlen(s->run_dir) || strstr(rest, "/../") ||
	    str_ends_with(rest, "/..")) {
		error_plain(e, EINVAL, "storage mount point \"%s\" is not below %s", path,
			    s->run_dir);
		return NULL;
	}
	return xstrndup(path, n);
}

static int check_storage(const struct storages *s, const Grpc__Storage *rq,
			 const struct storage_driver *d, struct error *e)
{
	size_t bytes = 0;

	if (!d)
		return error_plain(e, EOPNOTSUPP, "storage driver \"%s\" is not supported",
				   rq->driver);
	if (s->n >= LIMIT_AGENT_STORAGES)
		return error_plain(e, ENOBUFS, "more than %d storages", LIMIT_AGENT_STORAGES);
	if (rq->n_driver_options)
		return error_plain(e, EOPNOTSUPP,
				   "storage driver %s: option \"%s\" is not supported", d->name,
				   rq->driver_options[0]);
	if (rq->fs_group)
		return error_plain(e, EOPNOTSUPP,
				   "storage %s: a group for the volume is not supported",
				   rq->mount_point);
	for (size_t i = 0; i < rq->n_options; i++)
		bytes += strlen(rq->options[i]) + 1;
	if (bytes > LIMIT_AGENT_STORAGE_OPTIONS)
		return error_plain(e, E2BIG, "storage %s: options of %zu bytes", rq->mount_point,
				   bytes);
	return d->check ? d->check(rq, e) : 0;
}

/* A scratch directory knows one option: mode=OCTAL. */
static int make_local(const Grpc__Storage *rq, const char *path, struct error *e)
{
	uint32_t mode = 0755;

	for (size_t i = 0; i < rq->n_options; i++) {
		const char *text = str_skip_prefix(rq->options[i], "mode=");

		if (!text || str_to_u32(text, 8, &mode) < 0 || mode > 07777)
			return error_plain(e, EINVAL, "storage %s: option \"%s\" is not understood",
					   path, rq->options[i]);
	}
	return chmod(path, mode) < 0 ? error_set(e, errno, "mode of %s", path) : 0;
}

static int storage_mount(const struct storage_driver *d, const Grpc__Storage *rq, const char *path,
			 struct error *e)
{
	int r = path_mkdir_all(path, 0755);

	if (r < 0)
		return error_set(e, r, "create %s", path);
	if (!d->fstype)
		return make_local(rq, path, e);
	r = mount_path(rq->source, path, d->fstype, rq->options, rq->n_options, e);
	return r < 0 ? error_prefix(e, "storage %s", path) : 0;
}

static int storage_add(struct storages *s, const Grpc__Storage *rq, struct strv *refs,
		       struct error *e)
{
	const struct storage_driver *d = find_driver(rq->driver);
	autofree char *path = clean_mount_point(s, rq->mount_point, e);
	struct storage *st = path ? lookup(s, path) : NULL;
	int r = path ? check_storage(s, rq, d, e) : -EINVAL;

	if (r >= 0 && !st)
		r = storage_mount(d, rq, path, e);
	if (r < 0)
		return r;
	if (!st) {
		st = xnew(struct storage);
		st->driver = d;
		st->mount_point = take_ptr(path);
		list_add(&s->head, &st->link);
		s->n++;
	}
	st->shared = st->shared || rq->shared;
	st->refs++;
	strv_add(refs, st->mount_point);
	return 0;
}

int storages_add(struct storages *s, Grpc__Storage *const *list, size_t n, struct strv *refs,
		 struct error *e)
{
	int r = 0;

	if (n > LIMIT_AGENT_STORAGES)
		return error_plain(e, ENOBUFS, "%zu storages in one request", n);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = storage_add(s, list[i], refs, e);
	return r;
}

static void storage_free(struct storages *s, struct storage *st)
{
	int r = 0;

	if (st->driver->fstype && umount2(st->mount_point, MNT_DETACH) < 0)
		r = -errno;
	if (r >= 0)
		r = path_remove_tree_at(AT_FDCWD, st->mount_point);
	if (r < 0)
		log_warn("storage %s: %s", st->mount_point, strerror(-r));
	list_del(&st->link);
	s->n--;
	free(st->mount_point);
	free(st);
}

void storages_release(struct storages *s, struct strv *refs)
{
	for (size_t i = refs->n; i-- > 0;) {
		struct storage *st = lookup(s, refs->v[i]);

		if (st && --st->refs == 0 && !st->shared)
			storage_free(s, st);
	}
	strv_done(refs);
}

void storages_done(struct storages *s)
{
	/* The last one first: it may lie in an earlier one. */
	while (!list_empty(&s->head))
		storage_free(s, list_entry(s->head.prev, struct storage, link));
}
