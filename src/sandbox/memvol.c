/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memvol - host tmpfs mounts that belong to a container or pod become tmpfs of the guest, of the
 * same size, mode and owner.
 *
 * An engine's /dev/shm is one, and an emptyDir of Kubernetes whose medium is Memory, or a directory
 * in one (subPath): memory, so it belongs in the guest, where processes can share it. Whoever names
 * the same file system of the host gets the same one in the guest: it is named after the host's,
 * and stays as long as the machine, so that what a pod keeps in it outlives the container that
 * wrote it. Other tmpfs mounts of the host (Secrets, for one) are shared as files are, and so is a
 * single file of such an emptyDir. An emptyDir of huge pages becomes one of the guest's huge pages,
 * which the agent takes from the machine's memory: as many as the volume's size, or the container's
 * limit for pages of that size, says.
 */
#include "sandbox/internal.h"

#include "base/limits.h"
#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* What is known of the file system that a source lies in. */
struct origin {
	unsigned major, minor;
	const char *path; /* of the source, without links */
	size_t depth;     /* of the deepest mount of it that the source is below */
	char *inside;     /* the source's path in the file system */
	char *emptydir;   /* where the kubelet has mounted it as an emptyDir, NULL: it is none */
};

static void origin_done(struct origin *o)
{
	free(o->inside);
	free(o->emptydir);
}
DEFINE_AUTODONE(origin, origin_done);

static const char *below(const char *path, const char *dir)
{
	const char *rest = str_eq(dir, "/") ? path : str_skip_prefix(path, dir);

	return rest && (*rest == '\0' || *rest == '/') ? rest : NULL;
}

static int look_at_mount(const struct mountinfo *m, void *data)
{
	struct origin *o = data;
	const char *rest;

	if (m->major != o->major || m->minor != o->minor)
		return 0;
	if (strstr(m->point, "/volumes/kubernetes.io~empty-dir/") && str_eq(m->root, "/") &&
	    !o->emptydir)
		o->emptydir = xstrdup(m->point);
	rest = below(o->path, m->point);
	if (!rest || (o->inside && strlen(m->point) < o->depth))
		return 0;
	o->depth = strlen(m->point);
	free(o->inside);
	o->inside = xasprintf("%s%s", str_eq(m->root, "/") ? "" : m->root, rest);
	return 0;
}

/* --- the guest's file system --- */

static void add_flags(Grpc__Storage *st, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		const char *option;
	} table[] = {
		{ ST_NOSUID, "nosuid" },
		{ ST_NODEV, "nodev" },
		{ ST_NOEXEC, "noexec" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (flags & table[i].flag)
			guest_storage_option(st, xstrdup(table[i].option));
}

static void add_options(Grpc__Storage *st, const struct statfs *fs, const struct stat *root)
{
	add_flags(st, (unsigned long)fs->f_flags);
	guest_storage_option(st, xasprintf("mode=%o", root->st_mode & 07777));
	if (root->st_uid)
		guest_storage_option(st, xasprintf("uid=%u", root->st_uid));
	if (root->st_gid)
		guest_storage_option(st, xasprintf("gid=%u", root->st_gid));
	if (fs->f_blocks)
		guest_storage_option(st, xasprintf("size=%llu",
						   (unsigned long long)fs->f_blocks *
							   (unsigned long long)fs->f_bsize));
}

/* One for every file system of the host: its id is random, device numbers come again. */
static char *guest_path(const struct statfs *fs, const struct stat *st)
{
	return xasprintf("%s/mem-%08x%08x-%u-%u", GUEST_SANDBOX_DIR, (unsigned)fs->f_fsid.__val[0],
			 (unsigned)fs->f_fsid.__val[1], major(st->st_dev), minor(st->st_dev));
}

static Grpc__Storage *find_storage(struct container *c, const char *path)
{
	for (size_t i = 0; i < c->nstorages; i++)
		if (str_eq(c->storages[i]->mount_point, path))
			return c->storages[i];
	return NULL;
}

static bool is_huge(const struct statfs *fs)
{
	return fs->f_type == HUGETLBFS_MAGIC;
}

/* The container's limit for pages of @page bytes, as the specification writes their sizes: "2MB",
 * "1GB". */
static uint64_t huge_limit(const struct container *c, uint64_t page)
{
	const Grpc__LinuxResources *r = c->spec->linux ? c->spec->linux->resources : NULL;
	autofree char *name = page >> 30 ? xasprintf("%lluGB", (unsigned long long)page >> 30)
					 : xasprintf("%lluMB", (unsigned long long)page >> 20);

	for (size_t i = 0; r && i < r->n_hugepagelimits; i++)
		if (str_eq(r->hugepagelimits[i]->pagesize, name))
			return r->hugepagelimits[i]->limit;
	return 0;
}

static int add_huge(struct container *c, const char *path, const struct statfs *fs, struct error *e)
{
	uint64_t page = (uint64_t)fs->f_bsize, size = (uint64_t)fs->f_blocks * page;
	Grpc__Storage *st;

	if (!size)
		size = huge_limit(c, page);
	if (!size)
		return error_plain(e, EINVAL,
				   "an emptyDir of huge pages has no size, and the container no "
				   "limit for pages of %llu KiB",
				   (unsigned long long)page >> 10);
	st = guest_storage_add(c, "ephemeral", "nodev", "hugetlbfs", path);
	st->shared = true;
	guest_storage_option(st, xasprintf("pagesize=%llu", (unsigned long long)page));
	guest_storage_option(st, xasprintf("size=%llu", (unsigned long long)size));
	return 0;
}

static int add_memory(struct container *c, const char *path, const struct statfs *fs,
		      const struct stat *root, struct error *e)
{
	Grpc__Storage *st;

	if (find_storage(c, path))
		return 0;
	if (is_huge(fs))
		return add_huge(c, path, fs, e);
	st = guest_storage_add(c, "ephemeral", "tmpfs", "tmpfs", path);
	st->shared = true;
	add_options(st, fs, root);
	return 0;
}

/* A directory in it, which the kubelet made on the host alone. */
static void add_directory(struct container *c, const char *path, const struct stat *dir)
{
	Grpc__Storage *st;

	if (find_storage(c, path))
		return;
	st = guest_storage_add(c, "local", "local", "local", path);
	st->shared = true;
	guest_storage_option(st, xasprintf("mode=%o", dir->st_mode & 07777));
}

/* --- which mounts --- */

/* 1 and the place in the guest's file system ("" for all of it); 0: it is not for the guest. */
static int find_place(const char *source, const char *destination, const struct stat *st,
		      char **ret_inside, struct stat *ret_root, struct error *e)
{
	autofree char *real = realpath(source, NULL);
	autodone(origin)
		o = { .major = major(st->st_dev), .minor = minor(st->st_dev), .path = real };
	int r;

	*ret_root = *st;
	*ret_inside = NULL;
	if (str_eq(destination, "/dev/shm"))
		return 1;
	if (!real)
		return error_set(e, errno, "mount of %s: source %s", destination, source);
	r = mountinfo_read(look_at_mount, &o);
	if (r < 0)
		return error_set(e, r, "read /proc/self/mountinfo");
	if (!o.emptydir || !o.inside || stat(o.emptydir, ret_root) < 0)
		return 0;
	*ret_inside = take_ptr(o.inside);
	return 1;
}

int memvol_take(struct container *c, const char *source, Grpc__Mount *m, struct error *e)
{
	autofree char *path = NULL, *inside = NULL, *whole = NULL;
	struct stat st, root;
	struct statfs fs;
	int r;

	if (statfs(source, &fs) < 0 || stat(source, &st) < 0)
		return error_set(e, errno, "mount of %s: source %s", m->destination, source);
	if ((fs.f_type != TMPFS_MAGIC && !is_huge(&fs)) || !S_ISDIR(st.st_mode))
		return 0;
	r = find_place(source, m->destination, &st, &inside, &root, e);
	if (r <= 0)
		return r;
	path = guest_path(&fs, &st);
	r = add_memory(c, path, &fs, &root, e);
	if (r < 0)
		return error_prefix(e, "mount of %s", m->destination);
	whole = xasprintf("%s%s", path, inside ? inside : "");
	if (!str_empty(inside))
		add_directory(c, whole, &st);
	guest_spec_set_mount(m, "bind", whole);
	return 1;
}
