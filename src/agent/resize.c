/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resize - see resize.h.
 *
 * A virtio disk tells the kernel of its new size, a SCSI disk has to be asked. The file systems'
 * ioctls are part of the kernel's interface to programs; XFS has none of its headers among those of
 * the kernel that are installed, so its two structures are here.
 */
#include "agent/resize.h"

#include "agent/device.h"

#include "sys/mountinfo.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define SECTOR 512
#define LOOK_AGAIN_MS 50

/* fs/ext4/ext4.h */
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t)

/* fs/xfs/libxfs/xfs_fs.h */
struct xfs_geometry {
	uint32_t block_size, rt_extent_size, ag_blocks, ag_count, log_blocks, sector_size,
		inode_size, imax_percent;
	uint64_t data_blocks, rt_blocks, rt_extents, log_start;
	uint8_t uuid[16];
	uint32_t stripe_unit, stripe_width;
	int32_t version;
	uint32_t flags, log_sector_size, rt_sector_size, dir_block_size;
};
struct xfs_grow {
	uint64_t new_blocks;
	uint32_t imax_percent;
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW _IOW('X', 110, struct xfs_grow)

/* --- file systems --- */

static int resize_ext4(int fd, uint64_t size, struct error *e)
{
	struct statfs fs;
	uint64_t blocks;

	if (fstatfs(fd, &fs) < 0)
		return error_set(e, errno, "ext4");
	blocks = size / (uint64_t)fs.f_bsize;
	if (ioctl(fd, EXT4_RESIZE_FS, &blocks) < 0)
		return error_set(e, errno, "ext4 of %" PRIu64 " blocks", blocks);
	return 0;
}

static int resize_xfs(int fd, uint64_t size, struct error *e)
{
	struct xfs_geometry now;
	struct xfs_grow grow = { 0 };

	if (ioctl(fd, XFS_GEOMETRY, &now) < 0)
		return error_set(e, errno, "the size of an XFS");
	grow.new_blocks = size / now.block_size;
	grow.imax_percent = now.imax_percent;
	if (grow.new_blocks < now.data_blocks)
		return error_plain(e, EINVAL,
				   "XFS has %" PRIu64 " blocks and cannot become smaller",
				   now.data_blocks);
	if (grow.new_blocks > now.data_blocks && ioctl(fd, XFS_GROW, &grow) < 0)
		return error_set(e, errno, "XFS of %" PRIu64 " blocks", grow.new_blocks);
	return 0;
}

/* A volume is one disk, its first. */
static int resize_btrfs(int fd, uint64_t size, struct error *e)
{
	struct btrfs_ioctl_dev_info_args now = { .devid = 1 };
	struct btrfs_ioctl_vol_args args = { 0 };

	if (ioctl(fd, BTRFS_IOC_DEV_INFO, &now) < 0)
		return error_set(e, errno, "the size of a Btrfs");
	if (size < now.total_bytes)
		return error_plain(e, EINVAL, "Btrfs has %" PRIu64 " bytes: volumes only grow",
				   (uint64_t)now.total_bytes);
	snprintf(args.name, sizeof(args.name), "1:%" PRIu64, size);
	if (ioctl(fd, BTRFS_IOC_RESIZE, &args) < 0)
		return error_set(e, errno, "Btrfs of %" PRIu64 " bytes", size);
	return 0;
}

static const struct resizer {
	const char *name;
	long magic;
	int (*resize)(int fd, uint64_t size, struct error *e);
} resizers[] = {
	{ "ext4", EXT4_SUPER_MAGIC, resize_ext4 },
	{ "XFS", XFS_SUPER_MAGIC, resize_xfs },
	{ "Btrfs", BTRFS_SUPER_MAGIC, resize_btrfs },
};

static const struct resizer *find_resizer(int fd, struct error *e)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0) {
		error_set(e, errno, "statfs");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(resizers); i++)
		if (resizers[i].magic == (long)fs.f_type)
			return &resizers[i];
	error_plain(e, EOPNOTSUPP,
		    "a file system of type 0x%lx cannot be resized (ext4, XFS and Btrfs can)",
		    (unsigned long)fs.f_type);
	return NULL;
}

/* --- the disk --- */

struct lookup {
	const char *path;
	dev_t dev;
};

static int match_mount(const struct mountinfo *m, void *data)
{
	struct lookup *l = data;
	struct stat st;

	/* The last one wins: it lies on top. */
	if (str_eq(m->point, l->path) && stat(m->source, &st) == 0 && S_ISBLK(st.st_mode))
		l->dev = st.st_rdev;
	return 0;
}

/* Btrfs numbers its files' devices by itself. */
static int find_disk(int fd, const char *path, dev_t *ret, struct error *e)
{
	struct lookup l = { .path = path };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(e, errno, "stat");
	if (major(st.st_dev)) {
		*ret = st.st_dev;
		return 0;
	}
	if (mountinfo_read(match_mount, &l) < 0 || !l.dev)
		return error_plain(e, ENODEV, "it is not on a disk");
	*ret = l.dev;
	return 0;
}

static int disk_size(const struct device_env *env, dev_t disk, uint64_t *ret)
{
	autofree char *path =
		xasprintf("%s/dev/block/%u:%u/size", env->sys, major(disk), minor(disk));
	autofree char *text = NULL;
	uint64_t sectors;
	int r = file_read_at(AT_FDCWD, path, 64, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	r = str_to_u64(text, 10, &sectors);
	if (r < 0 || sectors > UINT64_MAX / SECTOR)
		return r < 0 ? r : -ERANGE;
	*ret = sectors * SECTOR;
	return 0;
}

/* Virtio disks have no such file. */
static void rescan(const struct device_env *env, dev_t disk)
{
	autofree char *path =
		xasprintf("%s/dev/block/%u:%u/device/rescan", env->sys, major(disk), minor(disk));

	file_write_at(AT_FDCWD, path, "1");
}

static int wait_size(const struct device_env *env, dev_t disk, uint64_t want, uint64_t *ret,
		     struct error *e)
{
	int64_t end = loop_now_ms() + env->timeout_ms;
	int r;

	rescan(env, disk);
	while ((r = disk_size(env, disk, ret)) == 0 && *ret < want && loop_now_ms() < end)
		poll(NULL, 0, LOOK_AGAIN_MS);
	if (r < 0)
		return error_set(e, r, "the size of disk %u:%u", major(disk), minor(disk));
	if (*ret < want)
		return error_plain(e, ENOSPC,
				   "the disk has %" PRIu64 " bytes, %" PRIu64 " are asked for",
				   *ret, want);
	return 0;
}

int resize_mounted(const struct device_env *env, int fd, const char *path, uint64_t size,
		   struct error *e)
{
	const struct resizer *resizer = find_resizer(fd, e);
	uint64_t disk_bytes = 0;
	dev_t disk = 0;
	int r = resizer ? find_disk(fd, path, &disk, e) : -EOPNOTSUPP;

	if (r >= 0)
		r = wait_size(env, disk, size, &disk_bytes, e);
	return r < 0 ? r : resizer->resize(fd, size ? size : disk_bytes, e);
}
