/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - see view.h.
 *
 * Targets are looked up inside the root file system, whose links are the image's: they lead nowhere
 * else. A mount whose target cannot be made is left out; the guest says why.
 */
#include "cli/view.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_file(int root, const char *path)
{
	autofree char *parent = xstrdup(path);
	autoclose int fd = -1;
	char *slash = strrchr(parent, '/');

	if (slash) {
		*slash = '\0';
		fd = path_mkdir_in_root(root, parent, 0755);
		if (fd < 0)
			return fd;
	}
	return path_open_in_root(root, path, O_CREAT | O_RDONLY | O_NONBLOCK, 0644);
}

/* The target of a mount, made if it is missing. */
static int open_target(int root, const char *path, bool dir)
{
	int fd = path_open_in_root(root, path, O_PATH, 0);

	if (fd != -ENOENT)
		return fd;
	return dir ? path_mkdir_in_root(root, path, 0755) : make_file(root, path);
}

static bool is_below(const char *path, const char *dir)
{
	const char *rest = str_skip_prefix(path, dir);

	return rest && (*rest == '\0' || *rest == '/');
}

/* Sources below these mean the guest's. */
static bool is_machines(const char *source)
{
	return is_below(source, "/proc") || is_below(source, "/sys") || is_below(source, "/dev");
}

static bool is_readonly(const struct mount_opts *o)
{
	return (o->set | o->rec_set) & MOUNT_ATTR_RDONLY;
}

/* A file or directory of the host; devices and sockets of the host are none of the container's. */
static int add_bind(int root, const Grpc__Mount *m, const struct mount_opts *o, struct error *e)
{
	autoclose int fd = -1;
	autoclose int target = -1;
	struct stat st;
	int r;

	if (stat(m->source, &st) < 0)
		return error_set(e, errno, "mount of %s: source %s", m->destination, m->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	target = open_target(root, m->destination, S_ISDIR(st.st_mode));
	if (target < 0)
		return 0;
	fd = mount_clone(AT_FDCWD, m->source, o->recursive, e);
	if (fd < 0)
		return fd;
	r = is_readonly(o) ? mount_set_readonly(fd, e) : 0;
	if (r == 0)
		r = mount_attach(fd, target, e);
	return r < 0 ? error_prefix(e, "mount of %s", m->destination) : 0;
}

static int add_new(int target, const char *type, bool readonly, struct error *e)
{
	struct mount_opts o = MOUNT_OPTS_INIT;
	autoclose int fd = -1;
	int r;

	o.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	if (readonly)
		o.set |= MOUNT_ATTR_RDONLY;
	fd = mount_new(type, type, &o, e);
	if (fd < 0)
		return fd;
	r = mount_set(fd, &o, e);
	return r < 0 ? r : mount_attach(fd, target, e);
}

static int add_mount(int root, const Grpc__Mount *m, struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autoclose int target = -1;
	int r = mount_opts_parse(&o, m->options, m->n_options, e);

	if (r < 0)
		return error_prefix(e, "mount of %s", m->destination);
	if ((o.bind || str_eq(m->type, "bind")) && !is_machines(m->source))
		return add_bind(root, m, &o, e);
	target = open_target(root, m->destination, true);
	return target < 0 ? 0 : add_new(target, "tmpfs", true, e);
}

/* Whoever looks at the container's processes through the pid reads this /proc (podman top). */
static int add_proc(int root, struct error *e)
{
	autoclose int target = open_target(root, "proc", true);

	return target < 0 ? 0 : add_new(target, "proc", false, e);
}

/* On top of itself, so that it is a mount; the old one stays what engines unmount. */
static int add_root(const char *path, struct error *e)
{
	autoclose int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = -1;
	int r;

	if (target < 0)
		return error_set(e, errno, "root file system %s", path);
	fd = mount_clone(AT_FDCWD, path, true, e);
	if (fd < 0)
		return fd;
	r = mount_attach(fd, target, e);
	return r < 0 ? r : take_fd(fd);
}

int view_make(const oci_spec *spec, struct error *e)
{
	autoclose int root = -1;
	int r = 0;

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_set(e, errno, "leave the propagation of mounts");
	root = add_root(spec->root->path, e);
	if (root < 0)
		return root;
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		r = add_mount(root, spec->mounts[i], e);
	if (r == 0)
		r = add_proc(root, e);
	if (r == 0 && spec->root->readonly)
		r = mount_set_readonly(root, e);
	if (r == 0 && fchdir(root) < 0)
		r = error_set(e, errno, "enter the root file system");
	return r;
}
