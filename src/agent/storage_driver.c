/* SPDX-License-Identifier: Apache-2.0 */
/* storage_driver - see storage_driver.h. */
#include "agent/storage_driver.h"

#include "agent/fsgroup.h"
#include "agent/storage.h"

#include "sys/kmod.h"
#include "sys/mounts.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MKFS_MS 300000
#define MKFS_OUTPUT 4096

/* --- helpers --- */

const char *storage_option(const Grpc__Storage *rq, const char *key)
{
	for (size_t i = 0; i < rq->n_options; i++) {
		const char *value = str_skip_prefix(rq->options[i], key);

		if (value && *value == '=')
			return value + 1;
	}
	return NULL;
}

bool storage_has_option(const Grpc__Storage *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_options; i++)
		if (str_eq(rq->options[i], name))
			return true;
	return false;
}

void storage_options_without(const Grpc__Storage *rq, const char *prefix, struct strv *ret)
{
	for (size_t i = 0; i < rq->n_options; i++)
		if (!str_skip_prefix(rq->options[i], prefix))
			strv_add(ret, rq->options[i]);
}

int storage_open(const struct storage_place *at, const char *path, struct error *e)
{
	const char *rest = str_skip_prefix(path, at->run_dir);
	int fd;

	if (!rest || *rest != '/')
		return error_plain(e, EINVAL, "\"%.256s\" is not below %s", path, at->run_dir);
	fd = path_open_beneath(at->root, rest, O_PATH, 0);
	return fd < 0 ? error_set(e, fd, "%.256s", path) : fd;
}

int storage_target(const struct storage_place *at, const char *path, struct error *e)
{
	int fd = path_mkdir_beneath(at->root, path, 0755);

	return fd < 0 ? error_set(e, fd, "create %s/%.256s", at->run_dir, path) : fd;
}

int storage_mount_type(const char *type, const char *source, int target, const struct strv *options,
		       struct error *e)
{
	autofree char *dir = NULL;
	int r = mount_onto(source, target, type, options->v, options->n, e);

	if (r != -ENODEV)
		return r;
	dir = kmod_dir();
	if (kmod_load(dir, type, NULL, NULL) < 0)
		return r;
	return mount_onto(source, target, type, options->v, options->n, e);
}

int storage_disk(const struct storage_place *at, const Grpc__Storage *rq, struct device_node *ret,
		 struct error *e)
{
	/* A layer may name no driver of its own: it is a disk at a PCI path. */
	const char *driver = storage_is_layered(rq) &&
					     device_check(rq->driver, rq->source, NULL) < 0
				     ? "blk"
				     : rq->driver;

	return device_wait(&at->env, driver, rq->source, ret, e);
}

/* --- disks --- */

static int check_disk(const Grpc__Storage *rq, struct error *e)
{
	if (str_empty(rq->fstype))
		return error_plain(e, EINVAL, "a disk's file system type is missing");
	return device_check(rq->driver, rq->source, e);
}

/* The program is the guest's own, if it has one. */
static int make_file_system(const struct device_node *n, const char *type, struct error *e)
{
	char *argv[] = { (char *)"mkfs.ext4", (char *)"-q",    (char *)"-F", (char *)"-m",
			 (char *)"0",         (char *)n->path, NULL };
	struct proc_spec ps = PROC_SPEC_INIT;
	autofree char *out = NULL;
	int r;

	if (!str_eq(type, "ext4"))
		return error_plain(e, EOPNOTSUPP, "only ext4 can be created, not %s", type);
	ps.argv = argv;
	r = proc_run(&ps, NULL, 0, MKFS_MS, MKFS_OUTPUT, &out, e);
	if (r == -ENOENT)
		return error_plain(e, EOPNOTSUPP, "the guest has no mkfs.ext4");
	if (r > 0)
		return error_plain(e, EIO, "mkfs.ext4 %s failed with %d", n->path, r);
	return r;
}

static bool has_driver_option(const Grpc__Storage *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_driver_options; i++)
		if (str_eq(rq->driver_options[i], name))
			return true;
	return false;
}

static int mount_disk(const struct storage_place *at, const struct storage_request *sr,
		      const char *path, struct error *e)
{
	const struct strv options = { sr->rq->options, sr->rq->n_options };
	autoclose int target = storage_target(at, path, e);
	struct device_node n;
	int r = target < 0 ? target : storage_disk(at, sr->rq, &n, e);

	if (r >= 0 && has_driver_option(sr->rq, "create_filesystem"))
		r = make_file_system(&n, sr->rq->fstype, e);
	return r < 0 ? r : storage_mount_type(sr->rq->fstype, n.path, target, &options, e);
}

/* --- the share --- */

static int check_tag(const Grpc__Storage *rq, struct error *e)
{
	return str_empty(rq->source) ? error_plain(e, EINVAL, "a virtio-fs storage has no tag") : 0;
}

static int mount_share(const struct storage_place *at, const struct storage_request *sr,
		       const char *path, struct error *e)
{
	const struct strv options = { sr->rq->options, sr->rq->n_options };
	autoclose int target = storage_target(at, path, e);

	return target < 0 ? target
			  : storage_mount_type("virtiofs", sr->rq->source, target, &options, e);
}

/* --- bind mounts --- */

static int check_bind(const Grpc__Storage *rq, struct error *e)
{
	return str_empty(rq->source) ? error_plain(e, EINVAL, "a bind mount has no source") : 0;
}

/* A file to put a mount of a file on. */
static int target_file(const struct storage_place *at, const char *path, struct error *e)
{
	const char *name = path_base(path);
	autofree char *parent = xstrndup(path, (size_t)(name - path));
	autoclose int dir = storage_target(at, parent, e);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return error_set(e, errno, "create %s/%.256s", at->run_dir, path);
	fd_close(fd);
	fd = path_open_beneath(dir, name, O_PATH | O_NOFOLLOW, 0);
	return fd < 0 ? error_set(e, fd, "%s/%.256s", at->run_dir, path) : fd;
}

static int mount_bind(const struct storage_place *at, const struct storage_request *sr,
		      const char *path, struct error *e)
{
	autodone(strv) options = STRV_INIT;
	autoclose int source = storage_open(at, sr->rq->source, e), target = -1;
	char name[PATH_FD_MAX];
	struct stat st;

	if (source < 0)
		return source;
	if (fstat(source, &st) < 0)
		return error_set(e, errno, "%s", sr->rq->source);
	target = S_ISDIR(st.st_mode) ? storage_target(at, path, e) : target_file(at, path, e);
	if (target < 0)
		return target;
	strv_add(&options, "bind");
	for (size_t i = 0; i < sr->rq->n_options; i++)
		strv_add(&options, sr->rq->options[i]);
	return mount_onto(path_of_fd(source, name), target, NULL, options.v, options.n, e);
}

/* --- the table --- */

#define DISK .disk = true, .check = check_disk, .mount = mount_disk

static const struct storage_driver drivers[] = {
	{ "virtio-fs", .quick = true, .check = check_tag, .mount = mount_share },
	{ "ephemeral", .quick = true, .check = storage_ephemeral_check,
	  .mount = storage_ephemeral_mount, .unmounted = storage_ephemeral_unmounted },
	{ "local", .quick = true, .scratch = true, .check = storage_local_check,
	  .mount = storage_local_make },
	{ "bind", .check = check_bind, .mount = mount_bind },
	{ "overlayfs", .check = storage_overlay_check, .mount = storage_overlay_mount },
	{ "watchable-bind", .check = check_bind, .mount = storage_watch_mount },
	{ "blk", DISK },
	{ "mmioblk", DISK },
	{ "scsi", DISK },
	{ "nvdimm", DISK },
	{ "erofs.multi-layer", .disk = true, .check = storage_layers_check,
	  .mount = storage_layers_mount },
	{ "blk-ccw", .refused = "channel devices exist on s390x only" },
	{ "image_guest_pull", .refused = "nothing in the guest pulls images; share the image's "
					 "file system instead" },
	{ "9p", .refused = "use virtio-fs" },
};

const char *storage_driver_name(size_t i)
{
	return i < ARRAY_SIZE(drivers) && !drivers[i].refused ? drivers[i].name : NULL;
}

const struct storage_driver *storage_driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(name, drivers[i].name))
			return &drivers[i];
	return NULL;
}

/* --- checking --- */

static int check_driver_options(const struct storage_driver *d, const Grpc__Storage *rq,
				struct error *e)
{
	for (size_t i = 0; i < rq->n_driver_options; i++) {
		const char *o = rq->driver_options[i];

		if (d->mount == mount_disk && str_eq(o, "create_filesystem"))
			continue;
		if (d->mount == storage_overlay_mount &&
		    str_skip_prefix(o, "io.katacontainers.volume.overlayfs.create_directory="))
			continue;
		return error_plain(e, EOPNOTSUPP,
				   "storage driver %s: option \"%.128s\" is not supported", d->name,
				   o);
	}
	return 0;
}

static int check_sizes(const Grpc__Storage *rq, struct error *e)
{
	size_t bytes = 0;

	for (size_t i = 0; i < rq->n_options; i++)
		bytes += strlen(rq->options[i]) + 1;
	if (bytes > LIMIT_AGENT_STORAGE_OPTIONS ||
	    rq->n_driver_options > LIMIT_AGENT_STORAGE_DRIVER)
		return error_plain(e, E2BIG,
				   "storage %.256s: options of %zu bytes, %zu for the driver",
				   rq->mount_point, bytes, rq->n_driver_options);
	return 0;
}

int storage_driver_check(const Grpc__Storage *rq, const struct storage_driver **ret,
			 struct error *e)
{
	const char *name = storage_is_layered(rq) ? "erofs.multi-layer" : rq->driver;
	const struct storage_driver *d = storage_driver_find(name);
	int r = check_sizes(rq, e);

	if (r < 0)
		return r;
	if (!d)
		return error_plain(e, EOPNOTSUPP, "storage driver \"%.64s\" is not supported",
				   rq->driver);
	if (d->refused)
		return error_plain(e, EOPNOTSUPP, "storage driver %s is not supported: %s", d->name,
				   d->refused);
	r = check_driver_options(d, rq, e);
	if (r >= 0 && d->check)
		r = d->check(rq, e);
	if (r >= 0)
		*ret = d;
	return r;
}

/* --- mounting and unmounting --- */

bool storage_is_slow(const struct storage_driver *d, const Grpc__Storage *rq)
{
	return !d->quick || rq->fs_group;
}

static int set_group(const struct storage_place *at, const Grpc__Storage *rq, const char *path,
		     struct error *e)
{
	bool mismatch = rq->fs_group->group_change_policy ==
			TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch;
	autoclose int root = path_open_beneath(at->root, path, O_PATH, 0);

	if (root < 0)
		return error_set(e, root, "%s", path);
	return fsgroup_apply(root, rq->fs_group->group_id, storage_has_option(rq, "ro"), mismatch,
			     e);
}

int storage_mount(const struct storage_driver *d, const struct storage_place *at,
		  const struct storage_request *sr, const char *path, struct error *e)
{
	int watch = d->mount(at, sr, path, e), r = watch;

	if (r >= 0 && sr->rq->fs_group)
		r = set_group(at, sr->rq, path, e);
	return r < 0 ? error_prefix(e, "storage %s/%.256s", at->run_dir, path) : watch;
}

/* Its contents are on their way to the disk before the host may take it out. */
static int detach(const struct storage_driver *d, const struct storage_place *at, int mount)
{
	char name[PATH_FD_MAX];
	struct statfs fs = { 0 };
	int r;

	if (!d->quick) {
		autoclose int dir = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir >= 0 && syncfs(dir) < 0)
			log_warn("sync a storage: %s", strerror(errno));
	}
	if (d->unmounted && fstatfs(mount, &fs) < 0)
		return -errno;
	r = umount2(path_of_fd(mount, name), MNT_DETACH) < 0 ? -errno : 0;
	if (r == 0 && d->unmounted)
		d->unmounted(at, fs.f_blocks, (uint64_t)fs.f_bsize);
	/* Nothing had been mounted there yet. */
	return r == -EINVAL ? 0 : r;
}

static int remove_target(const struct storage_driver *d, const struct storage_place *at,
			 const char *path)
{
	const char *name = path_base(path);
	autofree char *parent = xstrndup(path, (size_t)(name - path));
	autoclose int dir = path_open_beneath(at->root, parent, O_PATH | O_DIRECTORY, 0);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (d->scratch)
		return path_remove_tree_at(dir, name);
	/* What else is in it is not ours; nor is a directory of a share nobody may change. */
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno == ENOTDIR)
		return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	return 0;
}

int storage_unmount(const struct storage_driver *d, const struct storage_place *at,
		    const char *path)
{
	int fd = path_open_beneath(at->root, path, O_PATH | O_NOFOLLOW, 0), r = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (!d->scratch)
		r = detach(d, at, fd);
	fd_close(fd);
	return r < 0 ? r : remove_target(d, at, path);
}
