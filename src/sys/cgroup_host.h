/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_host - the group on the host that holds a sandbox's processes, whatever hierarchies the
 * host has.
 *
 * A host mounts version 2, version 1 hierarchies, or both (hybrid). One name (cgroup_name,
 * sys/cgroup.h) stands for the group in all of them: make, join, list and remove act on every
 * hierarchy found in /proc/self/mountinfo. Limits are not set here: the sandbox's own come from its
 * size. systemd is not asked; its scopes become plain groups at the place where it would have put
 * them.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;

/* Makes the group in every hierarchy; undone if one of them refuses. -EROFS and the like name the
 * hierarchy. */
int cgroup_host_create(const char *cgroup, struct error *e);
int cgroup_host_join(const char *cgroup, pid_t pid, struct error *e);
/* The pids in it and below, each once, at most LIMIT_CGROUP_PIDS. The caller frees. */
int cgroup_host_pids(const char *cgroup, pid_t **ret, size_t *ret_n);
/* Freezes or thaws, where a freezer exists; -EOPNOTSUPP where none does. */
int cgroup_host_freeze(const char *cgroup, bool on, struct error *e);
/* SIGKILL to all in it. */
int cgroup_host_kill(const char *cgroup);
/* Removes it and what is nested in it; parents stay, they may be others'. 0 if there is none;
 * -EBUSY while processes live in it. */
int cgroup_host_remove(const char *cgroup);
bool cgroup_host_exists(const char *cgroup);
/* The group's directory in the hierarchy of @controller ("memory", "pids", ...; "" for version 2).
 * NULL if there is none. Owned. */
char *cgroup_host_dir(const char *cgroup, const char *controller);
