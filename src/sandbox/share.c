/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share - what a sandbox's containers see of the host's files.
 *
 * <dir>/shared is served to the guest by virtio-fs under the tag kataShared. In it every container
 * has a directory with its rootfs and its bind mounts:   <container>/rootfs
 * <container>/mounts/<number> All are bind mounts in the shim's own mount namespace: they propagate
 * to the file server's, and when the shim and its children are dead the kernel has removed them.
 * Sources that mean the machine and not the host (below /dev, /proc, /sys, and device nodes) stay
 * as they are and are the guest's own.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "sys/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int share_init(struct sandbox *s, struct error *e)
{
	autofree char *dir = xasprintf("%s/shared", s->dir);
	char *bind[] = { "bind" };
	int r;

	/* Root of a container's user namespace is somebody else in the guest and has to get
	 * through; on the host nobody but root gets here. */
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return error_set(e, errno, "create %s", dir);
	r = mount_path(dir, dir, "none", bind, 1, e);
	if (r < 0)
		return r;
	s->share_mounted = true;
	/* A peer group of its own, so that what is mounted below reaches the file server's
	 * namespace and nothing else. */
	if (mount(NULL, dir, NULL, MS_PRIVATE, NULL) < 0 ||
	    mount(NULL, dir, NULL, MS_SHARED, NULL) < 0)
		return error_set(e, errno, "share mounts below %s", dir);
	return 0;
}

void share_done(struct sandbox *s)
{
	autofree char *dir = xasprintf("%s/shared", s->dir);

	if (s->share_mounted && umount2(dir, MNT_DETACH) < 0)
		log_warn("unmount %s: %s", dir, strerror(errno));
	s->share_mounted = false;
}

/* --- one bind mount --- */

static bool is_bind(const Grpc__Mount *m)
{
	if (str_eq(m->type, "bind"))
		return true;
	for (size_t i = 0; i < m->n_options; i++)
		if (str_eq(m->options[i], "bind") || str_eq(m->options[i], "rbind"))
			return true;
	return false;
}

static bool is_below(const char *path, const char *dir)
{
	const char *rest = str_skip_prefix(path, dir);

	return rest && (*rest == '\0' || *rest == '/');
}

/* Devices and kernel file systems are the machine's own. */
static bool is_guests_own(const char *source, const struct stat *st)
{
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return true;
	return is_below(source, "/proc") || is_below(source, "/sys") ||
	       (is_below(source, "/dev") && !is_below(source, "/dev/shm"));
}

/* What the mount options mean for the host's side: where it binds and whether it may be written. */
static void host_options(const Grpc__Mount *m, struct strv *ret)
{
	bool rec = true, ro = false;

	for (size_t i = 0; i < m->n_options; i++) {
		rec = str_eq(m->options[i], "bind")    ? false
		      : str_eq(m->options[i], "rbind") ? true
						       : rec;
		ro = str_eq(m->options[i], "ro") || str_eq(m->options[i], "rro") ? true
		     : str_eq(m->options[i], "rw")                               ? false
										 : ro;
	}
	strv_add(ret, rec ? "rbind" : "bind");
	strv_add(ret, rec ? "rprivate" : "private");
	if (ro)
		strv_add(ret, "ro");
}

static int make_target(const char *target, bool dir, struct error *e)
{
	int r = dir ? mkdir(target, 0755) : mknod(target, S_IFREG | 0644, 0);

	if (r < 0 && errno != EEXIST)
		return error_set(e, errno, "create %s", target);
	return 0;
}

static int share_bind(struct container *c, const char *source, const char *target, bool dir,
		      const struct strv *options, struct error *e)
{
	int r = make_target(target, dir, e);

	if (r == 0)
		r = mount_path(source, target, "none", options->v, options->n, e);
	if (r < 0)
		return r;
	strv_add(&c->mounts, target);
	return 0;
}

static void set_option(Grpc__Mount *m, char *option)
{
	for (size_t i = 0; i < m->n_options; i++)
		free(m->options[i]);
	m->options = xrealloc(m->options, 5, sizeof(*m->options));
	m->options[0] = xstrdup("nosuid");
	m->options[1] = xstrdup("noexec");
	m->options[2] = xstrdup("nodev");
	m->options[3] = xstrdup("mode=1777");
	m->options[4] = option;
	m->n_options = 5;
}

/* An engine's /dev/shm is a tmpfs on the host, for one container: memory, so it belongs in the
 * guest. Same size. */
static bool share_shm(Grpc__Mount *m)
{
	struct statfs fs;

	if (!str_eq(m->destination, "/dev/shm") || statfs(m->source, &fs) < 0 ||
	    fs.f_type != TMPFS_MAGIC)
		return false;
	set_option(m, xasprintf("size=%llu",
				(unsigned long long)fs.f_blocks * (unsigned long long)fs.f_bsize));
	guest_spec_set_mount(m, "tmpfs", "shm");
	return true;
}

static int share_mount(struct container *c, size_t i, Grpc__Mount *m, struct error *e)
{
	autofree char *target = NULL;
	autofree char *guest = NULL;
	autodone(strv) options = STRV_INIT;
	struct stat st;

	if (!is_bind(m))
		return 0;
	if (stat(m->source, &st) < 0)
		return error_set(e, errno, "mount of %s: source %s", m->destination, m->source);
	if (is_guests_own(m->source, &st) || share_shm(m))
		return 0;
	if (S_ISSOCK(st.st_mode))
		log_warn("%s: a socket of the host cannot be connected to from the guest (%s)",
			 m->destination, m->source);
	target = xasprintf("%s/shared/%s/mounts/%zu", c->sandbox->dir, c->id, i);
	guest = xasprintf("%s/%s/mounts/%zu", GUEST_SHARE_DIR, c->id, i);
	host_options(m, &options);
	guest_spec_set_mount(m, "bind", guest);
	return share_bind(c, c->spec->mounts[i]->source, target, S_ISDIR(st.st_mode), &options, e);
}

/* --- a container --- */

/* containerd leaves mounting the rootfs to the shim: in its own mount namespace, on the bundle's
 * directory. */
static int mount_rootfs(struct container *c, const struct sandbox_mount *m, size_t n,
			struct error *e)
{
	const char *root = c->spec->root->path;

	for (size_t i = 0; i < n; i++) {
		autodone(strv) options = STRV_INIT;
		int r;

		for (size_t k = 0; k < m[i].noptions; k++)
			strv_add(&options, m[i].options[k]);
		r = mount_path(m[i].source, root, m[i].type, options.v, options.n, e);
		if (r < 0)
			return error_prefix(e, "mount the root file system");
		strv_add(&c->mounts, root);
	}
	return 0;
}

static int share_rootfs(struct container *c, const char *dir, struct error *e)
{
	autofree char *target = xasprintf("%s/rootfs", dir);
	autodone(strv) options = STRV_INIT;
	struct stat st;

	if (stat(c->spec->root->path, &st) < 0)
		return error_set(e, errno, "root file system %s", c->spec->root->path);
	if (!S_ISDIR(st.st_mode))
		return error_set(e, ENOTDIR, "root file system %s", c->spec->root->path);
	strv_add(&options, "rbind");
	strv_add(&options, "rslave");
	return share_bind(c, c->spec->root->path, target, true, &options, e);
}

int share_container(struct container *c, struct error *e)
{
	autofree char *dir = xasprintf("%s/shared/%s", c->sandbox->dir, c->id);
	autofree char *mounts = xasprintf("%s/mounts", dir);
	int r;

	if (mkdir(dir, 0755) < 0 || mkdir(mounts, 0755) < 0)
		return error_set(e, errno, "create %s", dir);
	r = mount_rootfs(c, c->rootfs, c->nrootfs, e);
	if (r == 0)
		r = share_rootfs(c, dir, e);
	for (size_t i = 0; r == 0 && i < c->guest_spec->n_mounts; i++)
		r = share_mount(c, i, c->guest_spec->mounts[i], e);
	return r;
}

void share_container_undo(struct container *c)
{
	autofree char *dir = xasprintf("%s/shared/%s", c->sandbox->dir, c->id);
	int r;

	while (c->mounts.n) {
		char *target = c->mounts.v[--c->mounts.n];

		if (umount2(target, MNT_DETACH) < 0)
			log_warn("unmount %s: %s", target, strerror(errno));
		free(target);
		c->mounts.v[c->mounts.n] = NULL;
	}
	r = path_remove_tree_at(AT_FDCWD, dir);
	if (r < 0)
		log_warn("remove %s: %s", dir, strerror(-r));
}
