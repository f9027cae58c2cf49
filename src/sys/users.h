/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users - names, ids and home directories from a container's own /etc/passwd and /etc/group.
 *
 * The files are read below a root directory and belong to the container: lines that do not parse
 * are passed over. No NSS.
 */
#pragma once

#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* additional ones, owned */
	size_t ngroups;
	char *home; /* owned; NULL if the passwd file does not tell */
};
#define USER_INIT ((struct user){ 0 })
void user_done(struct user *u);
DEFINE_AUTODONE(user, user_done);

/*
 * Resolves @name ("root", "0") with the primary group from passwd, else 0, and the groups that list
 * it as a member.
 * @group, if not empty, replaces the primary one; then only @extra are additional. -ENOENT for
 * unknown names.
 */
int user_resolve(int rootfd, const char *name, const char *group, char *const *extra, size_t nextra,
		 struct user *ret, struct error *e);
/* The home directory of @uid, owned; NULL if there is none. */
char *user_home(int rootfd, uid_t uid);
