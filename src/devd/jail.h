/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - gives up everything a device process does not need, before it looks at the first byte of a
 * guest.
 *
 * What stays: the descriptors that are open already, unix sockets in one directory, and the system
 * calls of a data path. The steps are a table (jail.c), run once and in order; none can be undone.
 * A step that this process has no right to take (not root, or root of a container) is named in the
 * log and left out, as is one that the kernel does not know; the last ones, which every process may
 * take for itself, are never left out. Any other failure ends the start.
 *
 * Afterwards "." and "/" are the given directory, read-only, without what is mounted below it. A
 * guest's connection to host port P is a connect to "<name>_P" there with the identity given here:
 * a socket that guests shall reach belongs to that uid, or lets others write.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* A system call that stays; with @mask, only where the argument number @arg masked with it is
 * @value. */
struct jail_call {
	int nr; /* SCMP_SYS() */
	unsigned arg;
	uint64_t mask, value;
};

struct jail_plan {
	int dir; /* descriptor of the directory; close it after that: it leads out */
	uid_t uid;
	gid_t gid;                     /* both 0: stay who we are */
	unsigned nofile;               /* RLIMIT_NOFILE, as far as the hard limit goes */
	const struct jail_call *calls; /* beside those every device process needs */
	size_t ncalls;
};

int jail_enter(const struct jail_plan *p, struct error *e);
