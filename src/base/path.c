/* SPDX-License-Identifier: Apache-2.0 */
/* path - see path.h. */
#include "base/path.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int open_fn(int rootfd, const char *path, int flags, mode_t mode);

static int open_resolved(int rootfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	long r;

	/* EAGAIN: a rename raced with the walk; the kernel asks to try again. */
	do
		r = syscall(SYS_openat2, rootfd, *path ? path : ".", &how, sizeof(how));
	while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : (int)r;
}

int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path, flags, mode, RESOLVE_IN_ROOT);
}

int path_open_beneath(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path + strspn(path, "/"), flags, mode,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static int make_directories(open_fn *open_at, int rootfd, const char *path, mode_t mode)
{
	autofree char *copy = xstrdup(path);
	autoclose int fd = open_at(rootfd, ".", O_PATH | O_DIRECTORY, 0);
	size_t depth = 0;
	char *save = NULL;

	if (fd < 0)
		return fd;
	/* Every prefix is looked up again from the root, so that links inside the root are followed
	 * as the container would. */
	for (char *c = strtok_r(copy, "/", &save); c; c = strtok_r(NULL, "/", &save)) {
		autofree char *prefix = xstrndup(path, (size_t)(c - copy) + strlen(c));
		int next;

		if (++depth > LIMIT_PATH_DEPTH)
			return -ENAMETOOLONG;
		next = open_at(rootfd, prefix, O_PATH | O_DIRECTORY, 0);
		if (next == -ENOENT) {
			if (mkdirat(fd, c, mode) < 0 && errno != EEXIST)
				return -errno;
			next = open_at(rootfd, prefix, O_PATH | O_DIRECTORY, 0);
		}
		if (next < 0)
			return next;
		fd_close(fd);
		fd = next;
	}
	return take_fd(fd);
}

int path_mkdir_in_root(int rootfd, const char *path, mode_t mode)
{
	return make_directories(path_open_in_root, rootfd, path, mode);
}

int path_mkdir_beneath(int rootfd, const char *path, mode_t mode)
{
	return make_directories(path_open_beneath, rootfd, path, mode);
}

int path_mkdir_all(const char *path, mode_t mode)
{
	autofree char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(copy, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	return stat(copy, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* A directory of @dirfd itself: no mount on it, be it of the same file system, and no link. */
static int open_own_directory(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	if (fd < 0)
		return errno == EXDEV ? -EBUSY : -errno;
	return (int)fd;
}

static int remove_children(int fd, unsigned depth);

static int remove_entry(int dirfd, const char *name, unsigned depth)
{
	int r, fd;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = open_own_directory(dirfd, name);
	if (fd < 0)
		return fd;
	r = remove_children(fd, depth + 1);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return r < 0 ? r : -errno;
	return 0;
}

/* Owns @fd. Goes on after an error and returns the first. */
static int remove_children(int fd, unsigned depth)
{
	DIR *d = depth > LIMIT_PATH_DEPTH ? NULL : fdopendir(fd);
	struct dirent *de;
	int first = 0;

	if (!d) {
		fd_close(fd);
		return depth > LIMIT_PATH_DEPTH ? -ELOOP : -errno;
	}
	while ((de = readdir(d))) {
		int r;

		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		r = remove_entry(dirfd(d), de->d_name, depth);
		if (r < 0 && !first)
			first = r;
	}
	closedir(d);
	return first;
}

int path_remove_tree_at(int dirfd, const char *path)
{
	autofree char *copy = xstrdup(path), *dir = NULL;
	autoclose int parent = -1;
	const char *name;

	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	name = path_base(copy);
	if (name == copy)
		return remove_entry(dirfd, copy, 0);
	/* Only what lies on the way to it may be a mount. */
	dir = xstrndup(copy, MAX((size_t)(name - copy) - 1, (size_t)1));
	parent = openat(dirfd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : -errno;
	return remove_entry(parent, name, 0);
}

const char *path_of_fd(int fd, char *buf)
{
	snprintf(buf, PATH_FD_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_absolute(const char *path)
{
	char cwd[PATH_MAX];

	if (path[0] == '/')
		return xstrdup(path);
	if (!getcwd(cwd, sizeof(cwd)))
		return NULL;
	if (str_empty(path) || str_eq(path, "."))
		return xstrdup(cwd);
	return xasprintf("%s/%s", str_eq(cwd, "/") ? "" : cwd, path);
}

char *path_own_program(const char *name, const char *build_dir, const char *install_dir)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int dir;

	if (n <= 0)
		return xasprintf("%s/%s", install_dir, name);
	self[n] = '\0';
	dir = (int)(path_base(self) - self);
	for (int build = 0; build < 2; build++) {
		char *path = build ? xasprintf("%.*s../%s/%s", dir, self, build_dir, name)
				   : xasprintf("%.*s%s", dir, self, name);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return xasprintf("%s/%s", install_dir, name);
}

int id_check(const char *id, const char *what, struct error *e)
{
	static const char alphabet[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
	size_t n = id ? strlen(id) : 0;

	if (!n)
		return error_plain(e, EINVAL, "%s must not be empty", what);
	if (n > LIMIT_ID_MAX)
		return error_plain(e, EINVAL,
				   "%s is too long: %zu characters, at most %d are allowed", what,
				   n, LIMIT_ID_MAX);
	if (strspn(id, alphabet) != n || str_eq(id, ".") || str_eq(id, ".."))
		return error_plain(e, EINVAL,
				   "invalid %s \"%.64s\": use letters, digits and _ + - .", what,
				   id);
	return 0;
}
