/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_dir - what is the same in every cgroup hierarchy: a directory with cgroup.procs and
 * directories below it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

int cgroup_dir_join(int fd, pid_t pid);
/* Appends the pids in the directory and below to *ret (realloc'd, the caller's; also on failure).
 * At most LIMIT_CGROUP_PIDS in all, then -E2BIG. */
int cgroup_dir_pids(int fd, pid_t **ret, size_t *ret_n);
/* SIGKILL to everything in it and below, until no new process shows up. */
int cgroup_dir_kill(int fd);
/* Removes a directory and those below. 0 if absent. */
int cgroup_dir_remove(int dirfd, const char *path);
