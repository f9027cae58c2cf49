/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup - see cgroup.h. */
#include "sys/cgroup.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"
#include "sys/cgroup_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* "a-b.slice" lies in "a.slice": systemd.slice(5). "-.slice" is the root. */
static void add_slices(struct strv *parts, const char *slice)
{
	size_t len = strlen(slice) - strlen(".slice");

	for (size_t i = 1; i < len; i++) {
		if (slice[i] == '-')
			strv_addf(parts, "%.*s.slice", (int)i, slice);
	}
	if (!str_eq(slice, "-.slice"))
		strv_add(parts, slice);
}

static int split_systemd(struct strv *parts, const char *path, struct error *e)
{
	const char *first = strchr(path, ':'), *second = strchr(first + 1, ':');
	autofree char *slice = xstrndup(path, (size_t)(first - path));
	int prefix = (int)(second - first - 1);

	if (str_empty(slice)) {
		free(slice);
		slice = xstrdup("system.slice");
	}
	if (!str_ends_with(slice, ".slice") || strchr(slice, '/'))
		return error_plain(e, EINVAL, "cgroupsPath \"%.128s\": \"%.64s\" is not a slice",
				   path, slice);
	add_slices(parts, slice);
	if (prefix)
		strv_addf(parts, "%.*s-%s.scope", prefix, first + 1, second + 1);
	else
		strv_addf(parts, "%s.scope", second + 1);
	return 0;
}

static bool is_systemd_path(const char *path)
{
	const char *colon = strchr(path, ':');

	return path[0] != '/' && colon && strchr(colon + 1, ':') && !strchr(path, '/');
}

static int check_parts(const struct strv *parts, const char *path, struct error *e)
{
	if (!parts->n || parts->n > LIMIT_CGROUP_DEPTH)
		return error_plain(e, EINVAL, "cgroupsPath \"%.128s\": not 1 to %d parts", path,
				   LIMIT_CGROUP_DEPTH);
	for (size_t i = 0; i < parts->n; i++) {
		const char *p = parts->v[i];

		if (str_eq(p, "..") || str_eq(p, ".") || strchr(p, '/') || strchr(p, '\n') ||
		    strlen(p) > LIMIT_ID_MAX)
			return error_plain(e, EINVAL, "cgroupsPath \"%.128s\": bad part \"%.64s\"",
					   path, p);
	}
	return 0;
}

char *cgroup_name(const char *cgroups_path, const char *id, struct error *e)
{
	autodone(strv) parts = STRV_INIT;
	const char *path = str_empty(cgroups_path) ? id : cgroups_path;
	int r = 0;

	if (is_systemd_path(path))
		r = split_systemd(&parts, path, e);
	else
		strv_split(&parts, path, "/");
	if (r < 0 || check_parts(&parts, path, e) < 0)
		return NULL;
	return strv_join(&parts, "/");
}

const char *cgroup_mount(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs st;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (statfs(places[i], &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
			return places[i];
	}
	return NULL;
}

char *cgroup_path(const char *cgroup, const char *file)
{
	const char *mount = cgroup_mount();

	if (!mount)
		return NULL;
	return file ? xasprintf("%s/%s/%s", mount, cgroup, file)
		    : xasprintf("%s/%s", mount, cgroup);
}

static int open_dir(const char *cgroup)
{
	autofree char *path = cgroup_path(cgroup, NULL);
	int fd;

	if (!path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void enable_each(int dirfd, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		autofree char *word = xasprintf("+%s", names->v[i]);

		if (file_write_at(dirfd, "cgroup.subtree_control", word) == -ENOENT)
			return;
	}
}

/* Hands every controller of the directory to its children, all at once if possible: each write that
 * changes something waits for the whole system. One that cannot be handed on (a domain with
 * processes of its own) is no failure here: whoever needs it finds it missing and says so. */
static void enable_controllers(int dirfd)
{
	autofree char *list = NULL, *words = NULL;
	autodone(strv) names = STRV_INIT;

	if (file_read_at(dirfd, "cgroup.controllers", LIMIT_PROC_FILE, &list, NULL) < 0)
		return;
	strv_split(&names, list, " \n");
	if (!names.n)
		return;
	words = strv_join(&names, " +");
	free(list);
	list = xasprintf("+%s", words);
	if (file_write_at(dirfd, "cgroup.subtree_control", list) < 0)
		enable_each(dirfd, &names);
}

int cgroup_make(const char *cgroup, struct error *e)
{
	autodone(strv) parts = STRV_INIT;
	autoclose int fd = open_dir("");

	if (fd < 0)
		return error_plain(e, fd, "no cgroup2 is mounted on /sys/fs/cgroup");
	strv_split(&parts, cgroup, "/");
	for (size_t i = 0; i < parts.n; i++) {
		int next;

		enable_controllers(fd);
		if (mkdirat(fd, parts.v[i], 0755) < 0 && errno != EEXIST)
			return error_set(e, errno, "make cgroup %s", cgroup);
		next = openat(fd, parts.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_set(e, errno, "make cgroup %s", cgroup);
		fd_close(fd);
		fd = next;
	}
	return 0;
}

bool cgroup_has(const char *cgroup, const char *controller)
{
	autofree char *list = NULL;
	autodone(strv) names = STRV_INIT;

	if (cgroup_read(cgroup, "cgroup.controllers", &list) < 0)
		return false;
	strv_split(&names, list, " \n");
	return strv_contains(&names, controller);
}

bool cgroup_exists(const char *cgroup)
{
	autoclose int fd = open_dir(cgroup);

	return fd >= 0;
}

int cgroup_write(const char *cgroup, const char *file, const char *value, struct error *e)
{
	autoclose int fd = open_dir(cgroup);
	int r = fd < 0 ? fd : file_write_at(fd, file, value);

	return r < 0 ? error_set(e, r, "write \"%.64s\" to %s of cgroup %s", value, file, cgroup)
		     : 0;
}

int cgroup_read(const char *cgroup, const char *file, char **ret)
{
	autoclose int fd = open_dir(cgroup);

	return fd < 0 ? fd : file_read_at(fd, file, LIMIT_PROC_FILE, ret, NULL);
}

int cgroup_read_u64(const char *cgroup, const char *file, uint64_t *ret)
{
	autofree char *text = NULL;
	int r = cgroup_read(cgroup, file, &text);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (str_eq(text, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, 10, ret);
}

void cgroup_each_key(char *text, cgroup_key_fn *fn, void *data)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');
		uint64_t value;

		if (!space)
			continue;
		*space = '\0';
		if (str_to_u64(space + 1, 10, &value) == 0)
			fn(line, value, data);
	}
}

struct wanted {
	const char *key;
	uint64_t value;
	bool found;
};

static void take_wanted(const char *key, uint64_t value, void *data)
{
	struct wanted *w = data;

	if (str_eq(key, w->key)) {
		w->value = value;
		w->found = true;
	}
}

int cgroup_read_key(const char *cgroup, const char *file, const char *key, uint64_t *ret)
{
	autofree char *text = NULL;
	struct wanted w = { .key = key };
	int r = cgroup_read(cgroup, file, &text);

	if (r < 0)
		return r;
	cgroup_each_key(text, take_wanted, &w);
	if (!w.found)
		return -ENODATA;
	*ret = w.value;
	return 0;
}

int cgroup_open(const char *cgroup)
{
	return open_dir(cgroup);
}

int cgroup_join(const char *cgroup, pid_t pid, struct error *e)
{
	autoclose int fd = open_dir(cgroup);
	int r = fd < 0 ? fd : cgroup_dir_join(fd, pid);

	return r < 0 ? error_set(e, r, "join cgroup %s", cgroup) : 0;
}

int cgroup_pids(const char *cgroup, pid_t **ret, size_t *ret_n)
{
	autoclose int fd = open_dir(cgroup);

	*ret = NULL;
	*ret_n = 0;
	return fd < 0 ? fd : cgroup_dir_pids(fd, ret, ret_n);
}

int cgroup_kill(const char *cgroup)
{
	autoclose int fd = open_dir(cgroup);
	int r = fd < 0 ? fd : file_write_at(fd, "cgroup.kill", "1");

	/* Linux 5.14 has the file. */
	return r == -ENOENT && fd >= 0 ? cgroup_dir_kill(fd) : r;
}

int cgroup_freeze(const char *cgroup, bool on, struct error *e)
{
	return cgroup_write(cgroup, "cgroup.freeze", on ? "1" : "0", e);
}

int cgroup_frozen(const char *cgroup)
{
	uint64_t frozen;
	int r = cgroup_read_key(cgroup, "cgroup.events", "frozen", &frozen);

	return r < 0 ? r : frozen != 0;
}

int cgroup_remove(const char *cgroup)
{
	autofree char *path = cgroup_path(cgroup, NULL);

	return path ? cgroup_dir_remove(AT_FDCWD, path) : 0;
}
