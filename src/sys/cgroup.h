/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup - control groups of version 2: one group and its files.
 *
 * A group is named by its path relative to the cgroup2 mount, without "/" at either end. Names are
 * checked when they are made (cgroup_name); everything here trusts them. What the values mean is
 * the caller's business.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct strv;

/*
 * The group for linux.cgroupsPath and the container id: "/a/b" -> "a/b"; systemd's
 * "a-b.slice:prefix:name" -> "a.slice/a-b.slice/prefix-name.scope" ("system.slice" where the slice
 * is empty); empty -> the id. NULL with a reason for "..", empty parts and over-long ones. Owned.
 */
char *cgroup_name(const char *cgroups_path, const char *id, struct error *e);

/* Where cgroup2 is mounted: "/sys/fs/cgroup", "/sys/fs/cgroup/unified", or NULL. Looked up at every
 * call. */
const char *cgroup_mount(void);
/* <mount>/<cgroup>[/<file>]; NULL without cgroup2. Owned. */
char *cgroup_path(const char *cgroup, const char *file);

/* Makes the group with its parents and gives it every controller there is. Fine if it exists. */
int cgroup_make(const char *cgroup, struct error *e);
/* True if the group has this controller. */
bool cgroup_has(const char *cgroup, const char *controller);
bool cgroup_exists(const char *cgroup);

int cgroup_write(const char *cgroup, const char *file, const char *value, struct error *e);
/* A whole file of at most LIMIT_PROC_FILE; owned, NUL-terminated. */
int cgroup_read(const char *cgroup, const char *file, char **ret);
/* A file with one number; "max" is UINT64_MAX. */
int cgroup_read_u64(const char *cgroup, const char *file, uint64_t *ret);
/* The number behind @key in a file of "key number" lines; -ENODATA if it is not there. */
int cgroup_read_key(const char *cgroup, const char *file, const char *key, uint64_t *ret);
/* Calls @fn for each "key number" line of @text. */
typedef void cgroup_key_fn(const char *key, uint64_t value, void *data);
void cgroup_each_key(char *text, cgroup_key_fn *fn, void *data);

/* The group's directory, close-on-exec, or -errno. */
int cgroup_open(const char *cgroup);
/* Moves @pid (0: the caller) into the group. */
int cgroup_join(const char *cgroup, pid_t pid, struct error *e);
/* The pids in the group and below it, at most LIMIT_CGROUP_PIDS. The caller frees. */
int cgroup_pids(const char *cgroup, pid_t **ret, size_t *ret_n);
/* SIGKILL to all of them, also while frozen. */
int cgroup_kill(const char *cgroup);
int cgroup_freeze(const char *cgroup, bool on, struct error *e);
/* 1 if frozen, 0 if not (yet), -errno. */
int cgroup_frozen(const char *cgroup);
/* Removes the group and those below. 0 if there is none, -EBUSY while processes live in it. */
int cgroup_remove(const char *cgroup);
