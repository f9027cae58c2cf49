/* SPDX-License-Identifier: Apache-2.0 */
/* copyfile - see copyfile.h. */
#include "agent/copyfile.h"

#include "agent/agent.h"
#include "agent/job.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_MS 60000
#define SUFFIX ".tmp"

struct copy {
	const char *root; /* owned by the caller of the job */
	const char *path; /* below it */
	const Grpc__CopyFileRequest *rq;
};

/* --- in the job --- */

/* By descriptor: a name may be another file's by now. */
static int set_owner(const Grpc__CopyFileRequest *rq, int fd)
{
	if (fchown(fd, (uid_t)rq->uid, (gid_t)rq->gid) < 0)
		return -errno;
	/* After the owner, whose change takes the set-id bits away. */
	return fchmod(fd, rq->file_mode & 07777) < 0 ? -errno : 0;
}

static int make_directory(const Grpc__CopyFileRequest *rq, int dir, const char *name)
{
	autoclose int fd = -1;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : set_owner(rq, fd);
}

static int make_link(const Grpc__CopyFileRequest *rq, int dir, const char *name, const char *tmp)
{
	autofree char *target = xstrndup((const char *)rq->data.data, rq->data.len);
	int r;

	if (!*target || strlen(target) != rq->data.len)
		return -EINVAL;
	if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(target, dir, tmp) < 0)
		return -errno;
	if (fchownat(dir, tmp, (uid_t)rq->uid, (gid_t)rq->gid, AT_SYMLINK_NOFOLLOW) == 0 &&
	    renameat(dir, tmp, dir, name) == 0)
		return 0;
	r = -errno;
	unlinkat(dir, tmp, 0);
	return r;
}

/* The first piece starts over: one before may have been given up. */
static int write_piece(const Grpc__CopyFileRequest *rq, int dir, const char *name, const char *tmp)
{
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (rq->offset ? 0 : O_TRUNC);
	autoclose int fd = openat(dir, tmp, flags, 0600);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (lseek(fd, rq->offset, SEEK_SET) < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < rq->offset)
		return -ESPIPE; /* a piece before this one is missing */
	r = fd_write_full(fd, rq->data.data, rq->data.len);
	if (r < 0)
		return r;
	if (rq->offset + (int64_t)rq->data.len < rq->file_size)
		return 0;
	if (ftruncate(fd, rq->file_size) < 0)
		return -errno;
	r = set_owner(rq, fd);
	return r < 0 ? r : renameat(dir, tmp, dir, name) < 0 ? -errno : 0;
}

static int copy_in(const Grpc__CopyFileRequest *rq, int dir, const char *name)
{
	autofree char *tmp = xasprintf("%s%s", name, SUFFIX);

	if (S_ISDIR(rq->file_mode))
		return make_directory(rq, dir, name);
	if (S_ISLNK(rq->file_mode))
		return make_link(rq, dir, name, tmp);
	return write_piece(rq, dir, name, tmp);
}

static int copy_work(void *data, struct buf *result, struct error *e)
{
	const struct copy *c = data;
	const char *name = path_base(c->path);
	autofree char *parent = xstrndup(c->path, (size_t)(name - c->path));
	autoclose int root = open(c->root, O_PATH | O_DIRECTORY | O_CLOEXEC), dir = -1;
	mode_t mode = c->rq->dir_mode & 07777;
	int r;

	umask(0);
	dir = root < 0 ? -errno : path_mkdir_in_root(root, parent, mode ? mode : 0755);
	r = dir < 0 ? dir : copy_in(c->rq, dir, name);
	return r < 0 ? error_set(e, r, "copy %.256s", c->path) : 0;
}

/* --- in the agent --- */

static int check_kind(const Grpc__CopyFileRequest *rq, struct error *e)
{
	mode_t kind = rq->file_mode & S_IFMT;

	if (kind && kind != S_IFREG && kind != S_IFDIR && kind != S_IFLNK)
		return error_plain(e, EINVAL, "mode %o is none of a file, directory or link",
				   rq->file_mode);
	if (rq->file_size < 0 || (uint64_t)rq->file_size > LIMIT_AGENT_COPY)
		return error_plain(e, EFBIG, "a file of %lld bytes", (long long)rq->file_size);
	if (S_ISDIR(kind) || S_ISLNK(kind))
		return 0;
	if (rq->offset < 0 || rq->offset > rq->file_size ||
	    rq->data.len > (uint64_t)(rq->file_size - rq->offset))
		return error_plain(e, EINVAL, "%zu bytes at %lld of a file of %lld", rq->data.len,
				   (long long)rq->offset, (long long)rq->file_size);
	return 0;
}

int copyfile_call(struct agent *a, const Grpc__CopyFileRequest *rq, struct rpc_call *call,
		  struct error *e)
{
	autofree char *root = xasprintf("%s/shared/containers", a->conf->run_dir);
	const char *rest = str_skip_prefix(rq->path, root), *name = path_base(rq->path);
	const struct copy c = { .root = root, .path = rest, .rq = rq };
	int r;

	if (!rest || *rest != '/' || !*name || str_eq(name, ".") || str_eq(name, ".."))
		return error_plain(e, EINVAL, "\"%.256s\" is not below %s", rq->path, root);
	if (strlen(name) + strlen(SUFFIX) > NAME_MAX)
		return error_plain(e, ENAMETOOLONG, "a name of %zu bytes", strlen(name));
	r = check_kind(rq, e);
	return r < 0 ? r : job_start_call(&a->jobs, copy_work, &c, COPY_MS, NULL, call, e);
}
