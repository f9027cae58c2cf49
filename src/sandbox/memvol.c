/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memvol - host tmpfs mounts that belong to a container or pod become tmpfs of the guest, of the
 * same size, mode and owner.
 *
 * An engine's /dev/shm is one: memory, so it belongs in the guest, where processes can share it.
 * Whoever names the same file system of the host gets the same one in the guest: it is named after
 * the host's, and stays as long as the machine, so that what a pod keeps in it outlives the
 * container that wrote it. Other tmpfs mounts of the host (secrets, for one) are shared as files
 * are.
 */
#include "sandbox/internal.h"

#include "base/limits.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

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

int memvol_take(struct container *c, const char *source, Grpc__Mount *m, struct error *e)
{
	autofree char *path = NULL;
	struct statfs fs;
	struct stat st;

	if (!str_eq(m->destination, "/dev/shm"))
		return 0;
	if (statfs(source, &fs) < 0 || stat(source, &st) < 0)
		return error_set(e, errno, "mount of %s: source %s", m->destination, source);
	if (fs.f_type != TMPFS_MAGIC || !S_ISDIR(st.st_mode))
		return 0;
	path = guest_path(&fs, &st);
	if (!find_storage(c, path)) {
		Grpc__Storage *storage = guest_storage_add(c, "ephemeral", "tmpfs", "tmpfs", path);

		storage->shared = true;
		add_options(storage, &fs, &st);
	}
	guest_spec_set_mount(m, "bind", path);
	return 1;
}
