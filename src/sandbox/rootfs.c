/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs - the mounts that make a container's root file system, where the engine leaves them to the
 * runtime: overlay and bind, and images (ext4, erofs, ...) in files or on block devices.
 *
 * They are made in this process's mount namespace: the host does not see them, and they are gone
 * when the sandbox's processes are.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/loopdev.h"
#include "sys/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where below @root it belongs. Owned; NULL and a reason if there is no such directory. */
static char *target_of(const struct sandbox_mount *m, const char *root, struct error *e)
{
	autoclose int dir = -1, fd = -1;
	char path[PATH_MAX], link[PATH_FD_MAX];
	ssize_t n;

	if (str_empty(m->target) || str_eq(m->target, "/"))
		return xstrdup(root);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -errno : path_open_in_root(dir, m->target, O_PATH | O_DIRECTORY, 0);
	if (fd < 0) {
		error_set(e, fd, "%s in the root file system", m->target);
		return NULL;
	}
	n = readlink(path_of_fd(fd, link), path, sizeof(path));
	if (n < 0 || n == sizeof(path)) {
		error_set(e, n < 0 ? errno : ENAMETOOLONG, "%s", m->target);
		return NULL;
	}
	return xstrndup(path, (size_t)n);
}

/* An image in a file needs a loop device, whether the engine says so or not. */
static bool needs_loop(const struct sandbox_mount *m, bool said)
{
	struct stat st;

	return said || (!str_eq(m->type, "bind") && *m->source == '/' &&
			stat(m->source, &st) == 0 && S_ISREG(st.st_mode));
}

int rootfs_mount(const struct sandbox_mount *m, const char *root, char **ret_target,
		 struct error *e)
{
	autofree char *target = target_of(m, root, e);
	autodone(strv) options = STRV_INIT;
	char device[LOOPDEV_PATH_MAX];
	const char *source = m->source;
	bool loop = false, ro = false, bind = false;
	autoclose int dev = -1;
	int r;

	if (!target)
		return e ? e->code : -ENOENT;
	for (size_t i = 0; i < m->noptions; i++) {
		loop = loop || str_eq(m->options[i], "loop");
		ro = ro || str_eq(m->options[i], "ro");
		bind = bind || str_eq(m->options[i], "bind") || str_eq(m->options[i], "rbind");
		if (!str_eq(m->options[i], "loop"))
			strv_add(&options, m->options[i]);
	}
	if (!bind && needs_loop(m, loop)) {
		dev = loopdev_attach(m->source, ro || str_eq(m->type, "erofs"), device, e);
		if (dev < 0)
			return dev;
		source = device;
	}
	r = mount_path(source, target, m->type, options.v, options.n, e);
	if (r == 0)
		*ret_target = take_ptr(target);
	return r;
}
