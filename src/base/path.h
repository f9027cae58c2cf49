/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - file names from outside, resolved inside a root, and checks of identifiers.
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

struct error;

/* openat2(2) with RESOLVE_IN_ROOT: @path (absolute or not) is looked up as if @rootfd were "/". The
 * descriptor or -errno. O_CLOEXEC is added. */
int path_open_in_root(int rootfd, const char *path, int flags, mode_t mode);
/* As above with O_PATH, after creating missing directories below @rootfd with @mode. */
int path_mkdir_in_root(int rootfd, const char *path, mode_t mode);
/* The same two for places nobody may have prepared: a link anywhere in @path is -ELOOP, ".." above
 * @rootfd -EXDEV. */
int path_open_beneath(int rootfd, const char *path, int flags, mode_t mode);
int path_mkdir_beneath(int rootfd, const char *path, mode_t mode);
/* mkdir -p on the host. */
int path_mkdir_all(const char *path, mode_t mode);
/* Removes a tree without crossing mount points or following links: a mount, @path itself included,
 * is left with -EBUSY. -ENOENT counts as success. At most LIMIT_PATH_DEPTH levels. */
int path_remove_tree_at(int dirfd, const char *path);
/* "/proc/self/fd/N" for mount(2) and friends. @buf holds PATH_FD_MAX bytes. */
#define PATH_FD_MAX 32
const char *path_of_fd(int fd, char *buf);
/* The last component; "" for a path that ends in '/'. */
const char *path_base(const char *path);
/* An owned absolute path; @path relative to the working directory. NULL and errno on failure. */
char *path_absolute(const char *path);

/*
 * Another program of this project: beside the running one, in "../<build_dir>" of a build tree,
 * else where it is installed. Owned; the last is returned whether it exists or not.
 */
char *path_own_program(const char *name, const char *build_dir, const char *install_dir);

/*
 * A container, sandbox or exec identifier: 1..LIMIT_ID_MAX characters of [A-Za-z0-9_+.-] (runc's
 * alphabet), not "." or
 * "..". Sets a one-line reason.
 */
int id_check(const char *id, const char *what, struct error *e);
