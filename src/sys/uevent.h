/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uevent - what the kernel says about devices that come and go, over netlink.
 *
 * A message is "ACTION@DEVPATH" and then KEY=VALUE, each ended by a NUL. Only the kernel's own are
 * taken: udev's (which start with "libudev") and those of other senders are dropped. Whoever waits
 * for a device opens the socket first, looks in sysfs next, and then listens.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

#define UEVENT_MAX 8192 /* the kernel's own bound is 2048 and the header */

/* Points into the message. */
struct uevent {
	const char *action;    /* "add", "remove", "change", "online", ... */
	const char *devpath;   /* below /sys, starts with '/' */
	const char *subsystem; /* "" if it was not said; the next likewise */
	const char *devname;   /* below /dev */
	unsigned major, minor; /* where has_dev */
	bool has_dev;
};

/* @n bytes at @msg; the last of them must be a NUL. -EINVAL if it is no message of the kernel's. */
int uevent_parse(const char *msg, size_t n, struct uevent *ret);

/* A netlink socket, non-blocking and close-on-exec. */
int uevent_open(struct error *e);
/* One message into @buf (UEVENT_MAX bytes). 1: *ret is filled; 0: one that is of no interest;
 * -EAGAIN: none is there; -ENOBUFS: some were lost, look at sysfs again. */
int uevent_recv(int fd, char *buf, struct uevent *ret);
