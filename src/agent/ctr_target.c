/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_target - places inside a container's root, made on the way.
 *
 * The root's contents belong to the container or its image and are hostile: every lookup is bound
 * to the root by openat2(2), and what is made is made in a directory held open, never through a
 * link.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */

static int target(int root, const char *path, bool directory, bool *ret_made, unsigned int *budget);

/* "a/b/c" -> "a/b" and "c", in one string; trailing slashes do not count. */
static char *split(char *path, char **ret_base)
{
	size_t n = strlen(path);
	char *slash;

	while (n && path[n - 1] == '/')
		path[--n] = '\0';
	slash = strrchr(path, '/');
	if (!slash) {
		*ret_base = path;
		return NULL;
	}
	*slash = '\0';
	*ret_base = slash + 1;
	return path;
}

static int make_entry(int dir, const char *name, bool directory)
{
	autoclose int fd = -1;

	if (directory)
		return mkdirat(dir, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 && errno != EEXIST ? -errno : 0;
}

/* Where @name in the directory @parent is a link, makes what it points to. */
static int make_linked(int root, int dir, const char *parent, const char *name, bool directory,
		       bool *ret_made, unsigned int *budget)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir, name, text, sizeof(text) - 1);
	autofree char *path = NULL;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	path = text[0] == '/' ? xstrdup(text) : xasprintf("%s/%s", parent ? parent : "", text);
	return target(root, path, directory, ret_made, budget);
}

static int target(int root, const char *path, bool directory, bool *ret_made, unsigned int *budget)
{
	autofree char *copy = xstrdup(path);
	autoclose int dir = -1;
	char *parent, *base;
	int fd = path_open_in_root(root, path, O_PATH, 0);
	int r;

	if (fd != -ENOENT)
		return fd;
	if (strlen(path) >= PATH_MAX || !*budget)
		return -ELOOP;
	--*budget;
	parent = split(copy, &base);
	if (str_eq(base, ".") || str_eq(base, "..") || !*base)
		return -ENOENT;
	dir = target(root, parent ? parent : "/", true, NULL, budget);
	if (dir < 0)
		return dir;
	r = make_linked(root, dir, parent, base, directory, ret_made, budget);
	/* EINVAL: not a link. */
	if (r >= 0 || (r != -ENOENT && r != -EINVAL))
		return r;
	r = make_entry(dir, base, directory);
	if (r < 0)
		return r;
	if (ret_made)
		*ret_made = true;
	return path_open_in_root(root, path, O_PATH, 0);
}

int ctr_target(int root, const char *path, bool directory, bool *ret_made, struct error *e)
{
	unsigned int budget = LIMIT_PATH_DEPTH + LINKS_MAX;
	autoclose int fd = -1;
	struct stat st;

	if (ret_made)
		*ret_made = false;
	fd = target(root, path, directory, ret_made, &budget);
	if (fd < 0)
		return error_set(e, fd, "%.256s in the root file system", path);
	if (fstat(fd, &st) < 0)
		return error_set(e, errno, "%.256s in the root file system", path);
	if (directory && !S_ISDIR(st.st_mode))
		return error_plain(e, ENOTDIR, "%.256s in the root file system is not a directory",
				   path);
	if (!directory && S_ISDIR(st.st_mode))
		return error_plain(e, EISDIR, "%.256s in the root file system is a directory",
				   path);
	return take_fd(fd);
}

static char *read_fd_path(const struct ctr_setup *s, int fd)
{
	char name[PATH_FD_MAX], text[PATH_MAX];
	ssize_t n;

	path_of_fd(fd, name);
	n = readlinkat(s->proc, name + strlen("/proc/"), text, sizeof(text) - 1);
	if (n < 0)
		return NULL;
	text[n] = '\0';
	return xstrdup(text);
}

char *ctr_target_path(const struct ctr_setup *s, int fd)
{
	autofree char *root = read_fd_path(s, s->root), *path = read_fd_path(s, fd);
	const char *rest;

	if (!root || !path)
		return NULL;
	rest = str_eq(root, "/") ? path : str_skip_prefix(path, root);
	if (!rest || (*rest && *rest != '/')) {
		errno = EXDEV;
		return NULL;
	}
	return xstrdup(*rest ? rest : "/");
}
