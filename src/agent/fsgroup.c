/* SPDX-License-Identifier: Apache-2.0 */
/* fsgroup - see fsgroup.h. */
#include "agent/fsgroup.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_RW 0660
#define MODE_RO 0440
#define MODE_DIR (S_ISGID | 0110)

struct walk {
	gid_t group;
	mode_t mode;    /* at least these bits */
	uint64_t mount; /* the volume's; the files of an overlay may have several devices */
	struct error *e;
};

static mode_t wanted(const struct walk *w, mode_t mode)
{
	return w->mode | (S_ISDIR(mode) ? MODE_DIR : 0);
}

static int set_one(const struct walk *w, int fd, const struct stat *st)
{
	char path[PATH_FD_MAX];
	mode_t mode = (st->st_mode | wanted(w, st->st_mode)) & 07777;

	if (st->st_gid != w->group &&
	    fchownat(fd, "", (uid_t)-1, w->group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode))
		return 0;
	/* Changing the owner takes S_ISGID away from files: the mode comes last, and always. */
	return chmod(path_of_fd(fd, path), mode) < 0 ? -errno : 0;
}

static int mount_id(int fd, uint64_t *ret)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &sx) < 0)
		return -errno;
	*ret = sx.stx_mnt_id;
	return 0;
}

static int walk_directory(const struct walk *w, int dir, unsigned depth);

static int walk_entry(const struct walk *w, int dir, const char *name, unsigned depth)
{
	autoclose int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	uint64_t mount;
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(w->e, errno, "%s", name);
	if (fstat(fd, &st) < 0 || mount_id(fd, &mount) < 0)
		return error_set(w->e, errno, "%s", name);
	if (mount != w->mount)
		return 0;
	r = set_one(w, fd, &st);
	if (r < 0)
		return error_set(w->e, r, "group of %s", name);
	return S_ISDIR(st.st_mode) ? walk_directory(w, fd, depth + 1) : 0;
}

static int walk_directory(const struct walk *w, int dir, unsigned depth)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = error_set(w->e, errno, "read a directory");
		fd_close(fd);
		return r;
	}
	if (depth > LIMIT_PATH_DEPTH)
		r = error_plain(w->e, ENAMETOOLONG, "more than %d directories deep",
				LIMIT_PATH_DEPTH);
	for (struct dirent *de; r == 0 && (de = readdir(d));)
		if (!str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = walk_entry(w, dirfd(d), de->d_name, depth);
	closedir(d);
	return r;
}

int fsgroup_apply(int root, gid_t group, bool read_only, bool unless_root_matches, struct error *e)
{
	struct walk w = { .group = group, .mode = read_only ? MODE_RO : MODE_RW, .e = e };
	struct stat st;
	int r;

	if (fstat(root, &st) < 0 || mount_id(root, &w.mount) < 0)
		return error_set(e, errno, "the volume's root");
	if (unless_root_matches && st.st_gid == group &&
	    (st.st_mode & wanted(&w, st.st_mode)) == wanted(&w, st.st_mode))
		return 0;
	/* The root comes last: where it matches, all below it does. */
	r = S_ISDIR(st.st_mode) ? walk_directory(&w, root, 0) : 0;
	if (r == 0 && (r = set_one(&w, root, &st)) < 0)
		error_set(e, r, "group of the volume's root");
	return r < 0 ? error_prefix(e, "group %u", (unsigned)group) : 0;
}
