/* SPDX-License-Identifier: Apache-2.0 */
/* users - see users.h. */
#include "sys/users.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#define FIELDS_MAX 7

enum {
	PASSWD_NAME,
	PASSWD_PASSWORD,
	PASSWD_UID,
	PASSWD_GID,
	PASSWD_GECOS,
	PASSWD_HOME,
	PASSWD_SHELL
};
enum { GROUP_NAME, GROUP_PASSWORD, GROUP_GID, GROUP_MEMBERS };

void user_done(struct user *u)
{
	if (!u)
		return;
	free(u->groups);
	free(u->home);
	*u = USER_INIT;
}

/* A regular file of the container. Pipes and devices it may have put there would block us. */
static int read_database(int rootfd, const char *path, char **ret)
{
	autoclose int fd = path_open_in_root(rootfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return fd_read_all(fd, LIMIT_USER_FILE, ret, NULL);
}

/* Splits the line at *@next into colon-separated fields; returns their number, -1 at the end.
 * Missing ones are "". */
static int next_entry(char **next, const char *f[FIELDS_MAX])
{
	static const char *const empty = "";
	char *line = *next, *end;
	int n = 0;

	if (!line || !*line)
		return -1;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*next = end ? end + 1 : NULL;
	for (int i = 0; i < FIELDS_MAX; i++)
		f[i] = empty;
	while (line && n < FIELDS_MAX) {
		char *colon = strchr(line, ':');

		if (colon)
			*colon = '\0';
		f[n++] = line;
		line = colon ? colon + 1 : NULL;
	}
	return n;
}

static bool member_of(const char *members, const char *name)
{
	autodone(strv) v = STRV_INIT;

	strv_split(&v, members, ",");
	return strv_contains(&v, name);
}

static int add_group(struct user *u, gid_t gid, struct error *e)
{
	for (size_t i = 0; i < u->ngroups; i++) {
		if (u->groups[i] == gid)
			return 0;
	}
	if (u->ngroups == LIMIT_USER_GROUPS)
		return error_plain(e, E2BIG, "more than %d additional groups", LIMIT_USER_GROUPS);
	u->groups = xrealloc(u->groups, u->ngroups + 1, sizeof(*u->groups));
	u->groups[u->ngroups++] = gid;
	return 0;
}

/* Finds the user by name, or else by number. *@ret_name is its name, owned, NULL if it is only a
 * number. */
static int find_user(char *passwd, const char *want, struct user *u, char **ret_name)
{
	const char *f[FIELDS_MAX];
	bool numeric = str_to_u32(want, 10, &u->uid) == 0;
	uint32_t uid, gid;
	char *next = passwd;

	while (next_entry(&next, f) >= 0) {
		if (str_to_u32(f[PASSWD_UID], 10, &uid) < 0 ||
		    str_to_u32(f[PASSWD_GID], 10, &gid) < 0)
			continue;
		if (!str_eq(f[PASSWD_NAME], want) && !(numeric && uid == u->uid))
			continue;
		u->uid = uid;
		u->gid = gid;
		u->home = str_empty(f[PASSWD_HOME]) ? NULL : xstrdup(f[PASSWD_HOME]);
		*ret_name = xstrdup(f[PASSWD_NAME]);
		return 0;
	}
	return numeric ? 0 : -ENOENT;
}

static int find_group(const char *groups, const char *want, gid_t *ret)
{
	autofree char *copy = xstrdup(groups);
	const char *f[FIELDS_MAX];
	char *next = copy;
	uint32_t gid;

	while (next_entry(&next, f) >= 0) {
		if (str_eq(f[GROUP_NAME], want) && str_to_u32(f[GROUP_GID], 10, &gid) == 0) {
			*ret = gid;
			return 0;
		}
	}
	return str_to_u32(want, 10, ret) < 0 ? -ENOENT : 0;
}

static int add_memberships(const char *groups, const char *name, struct user *u, struct error *e)
{
	autofree char *copy = xstrdup(groups);
	const char *f[FIELDS_MAX];
	char *next = copy;
	uint32_t gid;
	int r = 0;

	while (r == 0 && next_entry(&next, f) >= 0) {
		if (str_to_u32(f[GROUP_GID], 10, &gid) == 0 && member_of(f[GROUP_MEMBERS], name))
			r = add_group(u, gid, e);
	}
	return r;
}

static int read_or_empty(int rootfd, const char *path, char **ret, struct error *e)
{
	int r = read_database(rootfd, path, ret);

	if (r == -ENOENT || r == -ENOTDIR) {
		*ret = xstrdup("");
		return 0;
	}
	return r < 0 ? error_set(e, r, "read the container's %s", path) : 0;
}

static int resolve_groups(const char *groups, const char *group, char *const *extra, size_t nextra,
			  const char *name, struct user *u, struct error *e)
{
	gid_t gid;
	int r = 0;

	if (!str_empty(group) && find_group(groups, group, &u->gid) < 0)
		return error_plain(e, ENOENT, "no group \"%.64s\" in the container's /etc/group",
				   group);
	if (str_empty(group) && name)
		r = add_memberships(groups, name, u, e);
	for (size_t i = 0; r == 0 && i < nextra; i++) {
		if (find_group(groups, extra[i], &gid) < 0)
			return error_plain(e, ENOENT,
					   "no group \"%.64s\" in the container's /etc/group",
					   extra[i]);
		r = add_group(u, gid, e);
	}
	return r;
}

int user_resolve(int rootfd, const char *name, const char *group, char *const *extra, size_t nextra,
		 struct user *ret, struct error *e)
{
	autofree char *passwd = NULL, *groups = NULL, *found = NULL;
	autodone(user) u = USER_INIT;
	int r = read_or_empty(rootfd, "/etc/passwd", &passwd, e);

	if (r == 0)
		r = read_or_empty(rootfd, "/etc/group", &groups, e);
	if (r < 0)
		return r;
	if (find_user(passwd, str_empty(name) ? "0" : name, &u, &found) < 0)
		return error_plain(e, ENOENT, "no user \"%.64s\" in the container's /etc/passwd",
				   name);
	r = resolve_groups(groups, group, extra, nextra, found, &u, e);
	if (r < 0)
		return r;
	*ret = u;
	u = USER_INIT;
	return 0;
}

char *user_home(int rootfd, uid_t uid)
{
	autofree char *passwd = NULL;
	const char *f[FIELDS_MAX];
	uint32_t id;
	char *next;

	if (read_database(rootfd, "/etc/passwd", &passwd) < 0)
		return NULL;
	next = passwd;
	while (next_entry(&next, f) >= 0) {
		if (str_to_u32(f[PASSWD_UID], 10, &id) == 0 && id == uid &&
		    f[PASSWD_HOME][0] == '/')
			return xstrdup(f[PASSWD_HOME]);
	}
	return NULL;
}
