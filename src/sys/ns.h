/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns - Linux namespaces by name: the runtime specification's names, the kernel's flags and files,
 * and id maps.
 *
 * What it leaves out: deciding which namespaces a process gets, and forking; that is the caller's.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* In the order in which a process enters them: user first, because it owns the others; mount last,
 * because it takes the paths of the others away. pid and time apply to children. */
enum ns_type { NS_USER, NS_IPC, NS_UTS, NS_NET, NS_PID, NS_CGROUP, NS_TIME, NS_MOUNT, NS_COUNT };

/* "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time": the runtime spec's names; -1
 * if unknown. */
int ns_parse(const char *name);
const char *ns_name(enum ns_type t);
/* CLONE_NEW... */
int ns_flag(enum ns_type t);

/* The namespace of @pid (0: the caller itself), close-on-exec. -ENOENT if the kernel has no such
 * type. */
int ns_open(pid_t pid, enum ns_type t);
/* Opens @path (a bind-mounted or /proc namespace) and makes sure that it is one of type @t. */
int ns_open_path(const char *path, enum ns_type t, struct error *e);
/* setns(2); nothing happens if the caller is in it already. */
int ns_join(int fd, enum ns_type t, struct error *e);
/* Runs @fn in the namespace and comes back. Its result; one of ours if we do not get in, or not
 * back. Not for namespaces of mounts and users. One thread. */
int ns_call(int fd, enum ns_type t, int (*fn)(void *data, struct error *e), void *data,
	    struct error *e);
/* True if both descriptors name one namespace. */
bool ns_same(int a, int b);

struct ns_idmap {
	uint32_t inside, outside, count;
};

#define NS_IDMAP_MAX 340 /* the kernel's limit of lines */

/* Writes the maps of the process @pid, a child in a new user namespace. Groups may be set inside.
 */
int ns_write_idmaps(pid_t pid, const struct ns_idmap *uids, size_t nuids,
		    const struct ns_idmap *gids, size_t ngids, struct error *e);
/* A user namespace with these maps and nothing in it, for id-mapped mounts: a close-on-exec
 * descriptor. */
int ns_new_user(const struct ns_idmap *uids, size_t nuids, const struct ns_idmap *gids,
		size_t ngids, struct error *e);
