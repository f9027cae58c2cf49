/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devd - caisson-devd serves one virtio device to one VMM over vhost-user, in a jail.
 *
 * One command for each device (main.c has the table). devd_run opens everything the device needs,
 * enters the jail, and serves until the front-end disconnects or SIGTERM comes; it never
 * daemonises.
 */
#pragma once

#include "base/args.h"

struct error;
struct jail_plan;
struct loop;
struct virtio_device;

/* Options that every device command has; embedded first as "common". */
struct devd_options {
	bool help, version, capabilities, debug;
	const char *socket; /* listen here for the front-end, or */
	int fd;             /* use this socket, listening or connected; -1: not given */
	uint64_t uid, gid;  /* 0: stay */
	int log_fd;
};

#define DEVD_DEFAULTS                 \
	{                             \
		.fd = -1, .log_fd = 2 \
	}
#define DEVD_OPTION(type, text, kind, member, metavar, help)                \
	{                                                                   \
		text, 0, kind, offsetof(type, common.member), metavar, help \
	}
#define DEVD_OPTIONS(type)                                                                     \
	DEVD_OPTION(type, "socket", ARG_STRING, socket, "PATH",                                \
		    "listen for the VMM on this unix socket"),                                 \
		DEVD_OPTION(type, "fd", ARG_INT, fd, "N",                                      \
			    "a socket that listens for the VMM, or is connected to it"),       \
		DEVD_OPTION(type, "uid", ARG_U64, uid, "U", "become this user (needs root)"),  \
		DEVD_OPTION(type, "gid", ARG_U64, gid, "G", "become this group (needs root)"), \
		DEVD_OPTION(type, "log-fd", ARG_INT, log_fd, "N",                              \
			    "where the log goes; 2 if not given"),                             \
		DEVD_OPTION(type, "debug", ARG_BOOL, debug, NULL, "log more"),                 \
		DEVD_OPTION(type, "print-capabilities", ARG_BOOL, capabilities, NULL,          \
			    "print the kind of device as JSON"),                               \
		DEVD_OPTION(type, "help", ARG_BOOL, help, NULL, "print this"),                 \
		DEVD_OPTION(type, "version", ARG_BOOL, version, NULL, "print the version")

struct devd_command {
	const char *name;    /* the type that --print-capabilities says */
	const char *summary; /* one line */
	struct arg_spec spec;
	const void *defaults; /* options before parsing, starting with a struct devd_options */
	size_t options_size;
	/* Makes the device from its options, which start with a struct devd_options, and fills in
	 * the plan's directory, calls and number of descriptors. NULL with a reason. */
	struct virtio_device *(*open)(const void *options, struct loop *l, struct jail_plan *plan,
				      struct error *e);
};

extern const struct devd_command devd_vsock;

/* For open: the directory of @path, and in *ret_name the last component. The descriptor or -errno.
 */
int devd_open_directory(const char *path, const char **ret_name, struct error *e);

/* Serves @c until the end. 0 after a disconnect or SIGTERM, -errno with a reason. */
int devd_run(const struct devd_command *c, const void *options, struct error *e);
