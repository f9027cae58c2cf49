/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - where a VMM runs: namespaces of its own and a root that holds what it needs to be
 * executed, and no more.
 *
 * The plan is made by the owner of the sandbox (jail_add_*), while nothing runs; jail_enter carries
 * it out in the child, between fork and exec. The root is a tmpfs of its own mount namespace, so
 * there is nothing to undo. Everything in it but JAIL_DATA is read-only, there is no /proc and no
 * /sys; network, IPC and host name are empty namespaces. Files that hold a guest's data come as
 * descriptors where the VMM takes one.
 *
 * Only root can make namespaces: for others jail_enter drops what it can (new privileges, core
 * dumps) and goes on.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum jail_kind {
	JAIL_DIR,  /* a directory of the host, with what is mounted below it */
	JAIL_FILE, /* one file of the host, under the same name */
	JAIL_DATA, /* one that the VMM writes */
	JAIL_LINK, /* a symbolic link as on the host */
	JAIL_NODE, /* a character device, accessible to the VMM's identity alone */
};

struct jail_entry {
	enum jail_kind kind;
	char *path;   /* absolute */
	char *target; /* JAIL_LINK */
	dev_t dev;    /* JAIL_NODE */
};

struct jail {
	bool confine; /* namespaces and a root; else only what every process can do for itself */
	char *root;   /* an empty directory for the mount */
	struct jail_entry *entries;
	size_t n;
	uid_t uid; /* owner of the nodes */
	gid_t gid;
	int cgroup_fd; /* borrowed; the child enters it first; -1: stays where it is */
};
#define JAIL_INIT ((struct jail){ .cgroup_fd = -1 })

/* @root is created if missing (0700) and may be removed when the VMM has been started. */
int jail_init(struct jail *j, const char *root, struct error *e);
void jail_done(struct jail *j);
DEFINE_AUTODONE(jail, jail_done);

/* The directories of the host that programs and their libraries live in, as the host has them. */
void jail_add_system(struct jail *j);
/* A file by its absolute path. Files below the directories of jail_add_system need not be added,
 * but may. */
void jail_add_file(struct jail *j, const char *path);
/* A file that the VMM's identity may write, under the same name. */
void jail_add_data(struct jail *j, const char *path);
/* A device of the host by its path, as a node of the jail's own. */
int jail_add_node(struct jail *j, const char *path, struct error *e);

/* In the child, as root: only system calls, no allocation. */
int jail_enter(const struct jail *j, struct error *e);
