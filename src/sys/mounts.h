/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts - mounts by descriptor: options by table, detached mounts, attaching, the root.
 *
 * A mount is made detached (mount_new, mount_clone), given its attributes, and then put on a target
 * that was opened before: no path is looked up twice, so nobody can swap one in between. Built on
 * the mount API of Linux 5.12 (fsopen, open_tree, move_mount, mount_setattr); older kernels get
 * ENOSYS. (The plural: <sys/mount.h> is the C library's.)
 */
#pragma once

#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* The options of one mount, sorted by what they concern. */
struct mount_opts {
	uint64_t set, clear;         /* MOUNT_ATTR_* of the mount itself */
	uint64_t rec_set, rec_clear; /* of the mount and all below it: rro, rnosuid, ... */
	uint64_t propagation, rec_propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; 0:
						  as it comes */
	bool bind, recursive;                  /* bind, rbind */
	bool remount;
	bool copy_up; /* tmpcopyup: a new tmpfs starts with what it covers */
	bool idmap, rec_idmap;
	struct strv data; /* of the file system and its superblock: "size=64k", "sync" */
};
#define MOUNT_OPTS_INIT ((struct mount_opts){ 0 })
void mount_opts_done(struct mount_opts *o);
DEFINE_AUTODONE(mount_opts, mount_opts_done);

/* Options as in fstab(5), config.json and Storage messages; a comma separates as well. Unknown ones
 * are data. */
int mount_opts_parse(struct mount_opts *ret, char *const *options, size_t n, struct error *e);

/* A detached mount of a new file system with its own attributes. The kernel's own reason is in the
 * error. */
int mount_new(const char *type, const char *source, const struct mount_opts *o, struct error *e);
/* A detached copy of the mount at @path (relative to @dirfd; "" for @dirfd itself). */
int mount_clone(int dirfd, const char *path, bool recursive, struct error *e);
/* The attributes of @o for the mount @fd, detached or not; recursive ones to all below. */
int mount_set(int fd, const struct mount_opts *o, struct error *e);
int mount_set_readonly(int fd, struct error *e);
/* The propagation of @o for the attached mount @fd. */
int mount_set_propagation(int fd, const struct mount_opts *o, struct error *e);
/* Maps the ids of the detached mount @fd by the user namespace @user. */
int mount_set_idmap(int fd, int user, bool recursive, struct error *e);
/* Puts the detached mount @fd on @target (O_PATH). @fd then names the attached mount. */
int mount_attach(int fd, int target, struct error *e);

/* All in one for trusted paths: mounts @source on @target, which exists. "bind" and "rbind" among
 * the options bind. */
int mount_path(const char *source, const char *target, const char *type, char *const *options,
	       size_t n, struct error *e);

/* The same on the open @target (O_PATH). */
int mount_onto(const char *source, int target, const char *type, char *const *options, size_t n,
	       struct error *e);
/* Other options for the file system whose mount @mount is the root of ("size=1g"); attributes of
 * the mount that are not named stay. */
int mount_reconfigure(int mount, char *const *options, size_t n, struct error *e);

/* Copies what is in the directory @from into @to: files, directories, links, nodes, with owner and
 * mode. */
int mount_copy_tree(int from, int to, struct error *e);

/*
 * At boot, in the initial root (initramfs or not) and before any other mount: makes the mount the
 * program came from read-only and enters a writable bind mount of it that lies on top, so that
 * pivot_root(2) works for children.
 */
int mount_leave_rootfs(struct error *e);
/* Makes the mount @root, which lies somewhere below "/", the root of this mount namespace and drops
 * the old one. */
int mount_pivot(int root, struct error *e);
/* "shared", "rslave", ... to MS_ flags; 0 if unknown. */
uint64_t mount_propagation_parse(const char *name);
