/* SPDX-License-Identifier: Apache-2.0 */
/* watch_copy - one directory made like another; see watch.h. Happens in a job. */
#include "agent/watch.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".caisson-new"
#define DEPTH_MAX 8

struct mirror {
	size_t entries;
	uint64_t bytes;
	struct error *e;
};

static bool same_time(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       (S_ISDIR(a->st_mode) || (a->st_size == b->st_size && same_time(a, b)));
}

/* Owner, mode and time. */
static int set_attributes(int to, const char *name, const struct stat *st)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_link(int from, int to, const char *name, const char *tmp)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, tmp) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name, const char *tmp)
{
	autoclose int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autoclose int out = -1;
	autofree char *data = NULL;
	size_t n;
	int r;

	if (in < 0)
		return -errno;
	r = fd_read_all(in, LIMIT_AGENT_WATCHED_BYTES, &data, &n);
	if (r < 0)
		return r;
	out = openat(to, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return out < 0 ? -errno : fd_write_full(out, data, n);
}

static int replace(int from, int to, const char *name, const struct stat *st)
{
	char tmp[NAME_MAX + 1];
	int r;

	snprintf(tmp, sizeof(tmp), "%s", TEMPORARY);
	path_remove_tree_at(to, tmp);
	r = S_ISLNK(st->st_mode) ? copy_link(from, to, name, tmp) : copy_file(from, to, name, tmp);
	if (r >= 0)
		r = set_attributes(to, tmp, st);
	if (r >= 0 && renameat(to, tmp, to, name) < 0)
		r = -errno;
	return r;
}

static int mirror_directory(struct mirror *m, int from, int to, unsigned depth);

static int enter_directory(struct mirror *m, int from, int to, const char *name,
			   const struct stat *st, unsigned depth)
{
	autoclose int in = -1, out = -1;
	struct stat now;
	int r;

	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || out < 0)
		return -errno;
	r = mirror_directory(m, in, out, depth + 1);
	if (r < 0 || fstat(out, &now) < 0)
		return r < 0 ? r : -errno;
	return same_file(&now, st) ? 0 : set_attributes(to, name, st);
}

static int count(struct mirror *m, const struct stat *st, unsigned depth)
{
	m->bytes += S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	if (++m->entries > LIMIT_AGENT_WATCHED || m->bytes > LIMIT_AGENT_WATCHED_BYTES ||
	    depth > DEPTH_MAX)
		return error_plain(m->e, EFBIG, "more than %d entries or %zu bytes",
				   LIMIT_AGENT_WATCHED, LIMIT_AGENT_WATCHED_BYTES);
	return 0;
}

static int mirror_entry(struct mirror *m, int from, int to, const char *name, const struct stat *st,
			unsigned depth)
{
	struct stat now;
	bool there = fstatat(to, name, &now, AT_SYMLINK_NOFOLLOW) == 0;
	int r = 0;

	/* Something else of this name cannot be replaced by rename. */
	if (there && (S_ISDIR(now.st_mode) != S_ISDIR(st->st_mode))) {
		r = path_remove_tree_at(to, name);
		there = false;
	}
	if (r < 0)
		return r;
	if (S_ISDIR(st->st_mode))
		return enter_directory(m, from, to, name, st, depth);
	return there && same_file(&now, st) ? 0 : replace(from, to, name, st);
}

/* One pass for each kind: directories, files, links. Nodes and sockets are left out. */
static int mirror_kind(struct mirror *m, DIR *from, int to, mode_t kind, unsigned depth)
{
	int r = 0;

	rewinddir(from);
	for (struct dirent *de; r == 0 && (de = readdir(from));) {
		struct stat st;

		if (str_eq(de->d_name, ".") || str_eq(de->d_name, ".."))
			continue;
		if (fstatat(dirfd(from), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (st.st_mode & S_IFMT) != kind)
			continue;
		r = count(m, &st, depth);
		if (r == 0)
			r = mirror_entry(m, dirfd(from), to, de->d_name, &st, depth);
		if (r < 0 && r != -EFBIG)
			error_set(m->e, r, "copy %s", de->d_name);
	}
	return r;
}

static int remove_gone(struct mirror *m, int from, int to)
{
	int fd = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_close(fd);
		return error_set(m->e, EIO, "read the copy");
	}
	for (struct dirent *de; r == 0 && (de = readdir(d));) {
		if (str_eq(de->d_name, ".") || str_eq(de->d_name, "..") ||
		    faccessat(from, de->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			continue;
		r = path_remove_tree_at(to, de->d_name);
		if (r < 0)
			error_set(m->e, r, "remove %s", de->d_name);
	}
	closedir(d);
	return r;
}

static int mirror_directory(struct mirror *m, int from, int to, unsigned depth)
{
	static const mode_t kinds[] = { S_IFDIR, S_IFREG, S_IFLNK };
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = error_set(m->e, errno, "read a directory");
		fd_close(fd);
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
		r = mirror_kind(m, d, to, kinds[i], depth);
	if (r == 0)
		r = remove_gone(m, from, to);
	closedir(d);
	return r;
}

int watch_mirror(int from, int to, struct error *e)
{
	struct mirror m = { .e = e };

	return mirror_directory(&m, from, to, 0);
}
