/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share - what a sandbox's containers see of the host's files.
 *
 * <dir>/shared is served to the guest by virtio-fs under the tag kataShared. In it are the root
 * file system of every container, <container>/rootfs, and the volumes (volume.c). All are bind
 * mounts in the shim's own mount namespace: they propagate to the file server's, and when the shim
 * and its children are dead the kernel has removed them.
 * Sources that mean the machine and not the host (below /dev, /proc, /sys, and device nodes) stay
 * as they are and are the guest's own.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "sys/mounts.h"
#include "sys/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

/* --- the namespace of whoever asked --- */

/*
 * What was mounted after the sandbox began does not reach our namespace where the host's mounts are
 * not shared. So a container's sources are looked up in the namespace of the caller, and copied
 * there to a mount that is nowhere yet.
 */
static int visit_begin(const struct container *c, int *ret_own, struct error *e)
{
	autoclose int own = -1;
	int r;

	*ret_own = -1;
	if (c->init.mnt_ns < 0)
		return 0;
	own = ns_open(0, NS_MOUNT);
	if (own < 0)
		return error_set(e, own, "open the own mount namespace");
	r = ns_join(c->init.mnt_ns, NS_MOUNT, e);
	if (r == 0)
		*ret_own = take_fd(own);
	return r;
}

static void visit_end(int own)
{
	struct error e = ERROR_INIT;

	if (own < 0)
		return;
	if (ns_join(own, NS_MOUNT, &e) < 0) {
		/* Whatever we did next would be done to the host; the kernel removes all that we
		 * have. */
		log_error("%s", error_text(&e));
		_exit(1);
	}
	fd_close(own);
}

int share_attach(int fd, const char *target, bool dir, const struct strv *options, struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autoclose int to = -1;
	int r = make_target(target, dir, e);

	if (r == 0)
		r = mount_opts_parse(&o, options->v, options->n, e);
	if (r < 0)
		return r;
	to = open(target, O_PATH | O_CLOEXEC);
	if (to < 0)
		return error_set(e, errno, "open %s", target);
	r = mount_set(fd, &o, e);
	if (r == 0)
		r = mount_attach(fd, to, e);
	if (r < 0)
		return error_prefix(e, "mount %s", target);
	r = mount_set_propagation(fd, &o, e);
	if (r < 0)
		umount2(target, MNT_DETACH);
	return r;
}

/* --- the mounts of the spec --- */

/* What a mount's source turned out to be. */
struct source {
	int fd; /* a detached copy of it, to become a volume; -1: none is needed */
	bool dir;
	struct volume_key key;
	const char *guest; /* a volume that is there already */
};

static int find_source(struct container *c, const char *path, Grpc__Mount *m, struct source *src,
		       struct error *e)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return error_set(e, errno, "mount of %s: source %s", m->destination, path);
	if (is_guests_own(path, &st))
		return 0;
	r = memvol_take(c, path, m, e);
	if (r != 0)
		return MIN(r, 0);
	if (S_ISSOCK(st.st_mode))
		log_warn("%s: a socket of the host cannot be connected to from the guest (%s)",
			 m->destination, path);
	src->dir = S_ISDIR(st.st_mode);
	src->key.dev = st.st_dev;
	src->key.ino = st.st_ino;
	src->guest = volume_reuse(c, &src->key);
	if (!src->guest)
		src->fd = mount_clone(AT_FDCWD, path, src->key.recursive, e);
	return src->guest ? 0 : MIN(src->fd, 0);
}

static int share_mount(struct container *c, const char *path, Grpc__Mount *m, struct error *e)
{
	autodone(strv) options = STRV_INIT;
	autofree char *maps = NULL;
	struct source src = { .fd = -1 };
	int r, own;

	if (!is_bind(m))
		return 0;
	host_options(m, &options);
	maps = idmap_text(c, m);
	src.key.maps = maps;
	src.key.ro = strv_contains(&options, "ro");
	src.key.recursive = strv_contains(&options, "rbind");
	r = visit_begin(c, &own, e);
	if (r < 0)
		return r;
	r = find_source(c, path, m, &src, e);
	visit_end(own);
	if (r == 0 && src.fd >= 0)
		r = idmap_apply(c, m, src.fd, e);
	if (r == 0 && src.fd >= 0)
		r = volume_add(c, &src.key, src.fd, src.dir, &options, &src.guest, e);
	fd_close(src.fd);
	if (r == 0 && src.guest) {
		idmap_drop(m);
		guest_spec_set_mount(m, "bind", src.guest);
	}
	return r;
}

/* --- a container --- */

/* containerd leaves mounting the rootfs to the shim: in its own mount namespace, on the bundle's
 * directory. */
static int mount_rootfs(struct container *c, const struct sandbox_mount *m, size_t n,
			struct error *e)
{
	const char *root = c->spec->root->path;

	for (size_t i = 0; i < n; i++) {
		char *target = NULL;
		int r = rootfs_mount(&m[i], root, &target, e);

		if (r < 0)
			return error_prefix(e, "mount the root file system");
		strv_take(&c->mounts, target);
	}
	return 0;
}

static int clone_rootfs(const char *path, struct error *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set(e, errno, "root file system %s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set(e, ENOTDIR, "root file system %s", path);
	return mount_clone(AT_FDCWD, path, true, e);
}

static int share_rootfs(struct container *c, const char *dir, struct error *e)
{
	autofree char *target = xasprintf("%s/rootfs", dir);
	autodone(strv) options = STRV_INIT;
	autoclose int fd = -1;
	int own = -1;
	/* One that we mounted ourselves is nowhere else. */
	int r = c->nrootfs ? 0 : visit_begin(c, &own, e);

	if (r < 0)
		return r;
	fd = clone_rootfs(c->spec->root->path, e);
	visit_end(own);
	if (fd < 0)
		return fd;
	strv_add(&options, "rbind");
	strv_add(&options, "rslave");
	r = share_attach(fd, target, true, &options, e);
	if (r == 0)
		strv_add(&c->mounts, target);
	return r;
}

int share_container(struct container *c, struct error *e)
{
	autofree char *dir = xasprintf("%s/shared/%s", c->sandbox->dir, c->id);
	int r;

	if (mkdir(dir, 0755) < 0)
		return error_set(e, errno, "create %s", dir);
	r = mount_rootfs(c, c->rootfs, c->nrootfs, e);
	if (r == 0)
		r = share_rootfs(c, dir, e);
	for (size_t i = 0; r == 0 && i < c->guest_spec->n_mounts; i++)
		r = share_mount(c, c->spec->mounts[i]->source, c->guest_spec->mounts[i], e);
	return r;
}

void share_container_undo(struct container *c)
{
	autofree char *dir = xasprintf("%s/shared/%s", c->sandbox->dir, c->id);
	int r;

	volumes_release(c);
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
