/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts_copy - copies a directory into a new tmpfs (option tmpcopyup).
 *
 * Owner, mode and times are kept; hard links become files of their own; extended attributes and
 * sockets are left out. Depth is bounded by LIMIT_PATH_DEPTH, size by the tmpfs.
 */
#include "sys/mounts.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_children(int from, int to, unsigned depth, struct error *e);

static int copy_meta(int to, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	/* Owner first: chown clears set-user-ID bits. */
	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 ||
	    futimens(to, times) < 0)
		return -errno;
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	autoclose int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	autoclose int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, MIB(1))) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return copy_meta(out, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_node(int to, const char *name, const struct stat *st)
{
	if (mknodat(to, name, st->st_mode, st->st_rdev) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int copy_dir(int from, int to, const char *name, const struct stat *st, unsigned depth,
		    struct error *e)
{
	autoclose int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclose int out = -1;
	int r;

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return error_set(e, errno, "copy directory %s", name);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return error_set(e, errno, "copy directory %s", name);
	r = copy_children(in, out, depth + 1, e);
	if (r < 0)
		return r;
	r = copy_meta(out, st);
	return r < 0 ? error_set(e, r, "copy directory %s", name) : 0;
}

static int copy_entry(int from, int to, const char *name, unsigned depth, struct error *e)
{
	struct stat st;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(e, errno, "copy %s", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_dir(from, to, name, &st, depth, e);
	case S_IFREG:
		r = copy_file(from, to, name, &st);
		break;
	case S_IFLNK:
		r = copy_link(from, to, name, &st);
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
		r = copy_node(to, name, &st);
		break;
	}
	return r < 0 ? error_set(e, r, "copy %s", name) : 0;
}

static int copy_children(int from, int to, unsigned depth, struct error *e)
{
	int dup = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *de;
	int r = 0;

	if (!d) {
		fd_close(dup);
		return error_set(e, errno, "read the directory to copy");
	}
	if (depth > LIMIT_PATH_DEPTH)
		r = error_plain(e, ELOOP, "copy: more than %d levels of directories",
				LIMIT_PATH_DEPTH);
	while (r == 0 && (de = readdir(d))) {
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = copy_entry(from, to, de->d_name, depth, e);
	}
	closedir(d);
	return r;
}

int mount_copy_tree(int from, int to, struct error *e)
{
	struct stat st;
	int r = copy_children(from, to, 0, e);

	if (r < 0)
		return r;
	if (fstat(from, &st) < 0)
		return error_set(e, errno, "copy");
	r = copy_meta(to, &st);
	return r < 0 ? error_set(e, r, "copy") : 0;
}
