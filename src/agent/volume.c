/* SPDX-License-Identifier: Apache-2.0 */
/* volume - see volume.h. */
#include "agent/volume.h"

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/resize.h"

#include "rpc/ttrpc.h"

#include "sys/mountinfo.h"
#include "sys/mounts.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define ASK_MS 30000
#define RESIZE_MS 300000

struct volume_job {
	const struct agent_conf *conf;
	const struct device_env *env;
	const char *path;
	uint64_t size;
};

/* For reading, so that ioctls work. */
static int open_volume(const struct agent_conf *conf, const char *path, int flags, struct error *e)
{
	const char *rest = str_skip_prefix(path, conf->run_dir);
	autoclose int root = -1;
	int fd;

	if (!rest || *rest != '/')
		return error_plain(e, EINVAL, "\"%.256s\" is not below %s", path, conf->run_dir);
	root = open(conf->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = root < 0 ? -errno : path_open_beneath(root, rest, flags, 0);
	return fd < 0 ? error_set(e, fd, "volume %.256s", path) : fd;
}

/* --- statistics --- */

static int stats_work(void *data, struct buf *result, struct error *e)
{
	const struct volume_job *j = data;
	autoclose int fd = open_volume(j->conf, j->path, O_PATH, e);
	struct statfs fs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) < 0)
		return error_set(e, errno, "volume %.256s", j->path);
	return buf_add(result, &fs, sizeof(fs));
}

static void stats_reply(struct rpc_call *call, const char *result, size_t n)
{
	Grpc__VolumeStatsResponse resp = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeUsage bytes = GRPC__VOLUME_USAGE__INIT, inodes = GRPC__VOLUME_USAGE__INIT;
	Grpc__VolumeUsage *usage[] = { &bytes, &inodes };
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	struct statfs fs;
	uint64_t block;

	if (n != sizeof(fs)) {
		rpc_call_failf(call, EIO, "half an answer");
		return;
	}
	memcpy(&fs, result, sizeof(fs));
	block = (uint64_t)fs.f_bsize;
	bytes.unit = GRPC__VOLUME_USAGE__UNIT__BYTES;
	bytes.total = fs.f_blocks * block;
	bytes.available = fs.f_bavail * block;
	bytes.used = (fs.f_blocks - fs.f_bfree) * block;
	inodes.unit = GRPC__VOLUME_USAGE__UNIT__INODES;
	inodes.total = fs.f_files;
	inodes.available = fs.f_ffree;
	inodes.used = fs.f_files - fs.f_ffree;
	resp.usage = usage;
	resp.n_usage = ARRAY_SIZE(usage);
	resp.volume_condition = &condition;
	rpc_call_reply(call, &resp.base);
}

int volume_stats(struct agent *a, const Grpc__VolumeStatsRequest *rq, struct rpc_call *call,
		 struct error *e)
{
	const struct volume_job j = { .conf = a->conf, .path = rq->volume_guest_path };

	return job_start_call(&a->jobs, stats_work, &j, ASK_MS, stats_reply, call, e);
}

/* --- another size --- */

static int resize_work(void *data, struct buf *result, struct error *e)
{
	const struct volume_job *j = data;
	autoclose int fd = open_volume(j->conf, j->path, O_RDONLY | O_DIRECTORY, e);
	int r = fd < 0 ? fd : resize_mounted(j->env, fd, j->path, j->size, e);

	return r < 0 ? error_prefix(e, "resize %.256s", j->path) : 0;
}

int volume_resize(struct agent *a, const Grpc__ResizeVolumeRequest *rq, struct rpc_call *call,
		  struct error *e)
{
	const struct volume_job j = { .conf = a->conf,
				      .env = &a->sandbox.storages.env,
				      .path = rq->volume_guest_path,
				      .size = rq->size };

	return job_start_call(&a->jobs, resize_work, &j, RESIZE_MS, NULL, call, e);
}

/* --- the share --- */

static int touch(const struct mountinfo *m, void *data)
{
	const char *rest = str_skip_prefix(m->point, data);
	struct stat st;

	/* What it says does not matter: that it was asked does. */
	if (rest && (!*rest || *rest == '/') && stat(m->point, &st) < 0)
		return 0;
	return 0;
}

static int touch_work(void *data, struct buf *result, struct error *e)
{
	const struct volume_job *j = data;
	autofree char *share = xasprintf("%s/shared/containers", j->conf->run_dir);
	int r = mountinfo_read(touch, share);

	return r < 0 ? error_set(e, r, "the list of mounts") : 0;
}

int volume_touch_shares(struct agent *a, struct rpc_call *call, struct error *e)
{
	const struct volume_job j = { .conf = a->conf };

	return job_start_call(&a->jobs, touch_work, &j, ASK_MS, NULL, call, e);
}

/* --- tmpfs --- */

static int check_ephemeral(struct agent *a, const Grpc__Storage *st, struct error *e)
{
	if (!str_eq(st->driver, "ephemeral") ||
	    (!str_empty(st->fstype) && !str_eq(st->fstype, "tmpfs")))
		return error_plain(e, EOPNOTSUPP,
				   "storage %.256s: only an ephemeral tmpfs can be changed",
				   st->mount_point);
	if (st->n_options > LIMIT_AGENT_STORAGE_DRIVER)
		return error_plain(e, E2BIG, "storage %.256s: %zu options", st->mount_point,
				   st->n_options);
	if (!storages_mounted(&a->sandbox.storages, st->mount_point, "ephemeral"))
		return error_plain(e, ENOENT, "storage %.256s is not mounted", st->mount_point);
	return 0;
}

static int change_ephemeral(struct agent *a, const Grpc__Storage *st, struct error *e)
{
	autoclose int fd = open_volume(a->conf, st->mount_point, O_PATH | O_DIRECTORY, e);
	autodone(strv) options = STRV_INIT;
	int r;

	for (size_t i = 0; i < st->n_options; i++)
		if (!str_skip_prefix(st->options[i], "fsgid="))
			strv_add(&options, st->options[i]);
	r = fd < 0 ? fd : mount_reconfigure(fd, options.v, options.n, e);
	return r < 0 ? error_prefix(e, "storage %.256s", st->mount_point) : 0;
}

int volume_update_ephemeral(struct agent *a, const Grpc__UpdateEphemeralMountsRequest *rq,
			    struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < rq->n_storages && r >= 0; i++)
		r = check_ephemeral(a, rq->storages[i], e);
	for (size_t i = 0; i < rq->n_storages && r >= 0; i++)
		r = change_ephemeral(a, rq->storages[i], e);
	return r;
}
