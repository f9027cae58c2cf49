/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_host - see cgroup_host.h. */
#include "sys/cgroup_host.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"
#include "sys/cgroup.h"
#include "sys/cgroup_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIERARCHIES_MAX 32

/* One mounted hierarchy. */
struct hierarchy {
	char *mount;   /* owned */
	char *device;  /* "0:31" of its superblock, owned */
	char *options; /* controllers among them; "" for version 2; owned */
	bool v2;
};

struct hierarchies {
	struct hierarchy v[HIERARCHIES_MAX];
	size_t n;
};

static void hierarchies_done(struct hierarchies *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].mount);
		free(h->v[i].device);
		free(h->v[i].options);
	}
}
DEFINE_AUTODONE(hierarchies, hierarchies_done);

static bool seen(const struct hierarchies *h, const char *device)
{
	for (size_t i = 0; i < h->n; i++) {
		if (str_eq(h->v[i].device, device))
			return true;
	}
	return false;
}

/* proc(5): "36 35 98:0 /root /mount options tags... - type source super-options" */
static void add_line(struct hierarchies *h, const char *line)
{
	autodone(strv) head = STRV_INIT, tail = STRV_INIT;
	const char *dash = strstr(line, " - ");
	autofree char *front = NULL;
	bool v2;

	if (!dash)
		return;
	front = xstrndup(line, (size_t)(dash - line));
	strv_split(&head, front, " ");
	strv_split(&tail, dash + 3, " ");
	if (head.n < 5 || tail.n < 3)
		return;
	v2 = str_eq(tail.v[0], "cgroup2");
	if ((!v2 && !str_eq(tail.v[0], "cgroup")) || seen(h, head.v[2]) || h->n == HIERARCHIES_MAX)
		return;
	h->v[h->n++] = (struct hierarchy){
		.device = xstrdup(head.v[2]),
		.mount = xstrdup(head.v[4]),
		.options = xstrdup(v2 ? "" : tail.v[2]),
		.v2 = v2,
	};
}

static int find_hierarchies(struct hierarchies *h)
{
	autofree char *text = NULL;
	char *save = NULL;
	int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", LIMIT_PROC_FILE, &text, NULL);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_line(h, line);
	return h->n ? 0 : -ENOENT;
}

static char *dir_in(const struct hierarchy *h, const char *cgroup)
{
	return xasprintf("%s/%s", h->mount, cgroup);
}

static int open_in(const struct hierarchy *h, const char *cgroup)
{
	autofree char *dir = dir_in(h, cgroup);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool has_controller(const struct hierarchy *h, const char *name)
{
	autodone(strv) v = STRV_INIT;

	if (h->v2)
		return !*name;
	strv_split(&v, h->options, ",");
	return strv_contains(&v, name);
}

/* A cpuset of version 1 takes no process before it has CPUs and memory nodes. */
static int inherit_cpuset(int parent, int child)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		autofree char *own = NULL, *above = NULL;
		int r = file_read_at(child, files[i], LIMIT_PROC_FILE, &own, NULL);

		if (r == 0 && own[0] && own[0] != '\n')
			continue;
		if (r == 0)
			r = file_read_at(parent, files[i], LIMIT_PROC_FILE, &above, NULL);
		if (r == 0)
			r = file_write_at(child, files[i], above);
		if (r < 0)
			return r;
	}
	return 0;
}

static int create_v1(const struct hierarchy *h, const char *cgroup)
{
	autodone(strv) parts = STRV_INIT;
	autoclose int fd = open_in(h, "");
	bool cpuset = has_controller(h, "cpuset");
	int r;

	strv_split(&parts, cgroup, "/");
	for (size_t i = 0; fd >= 0 && i < parts.n; i++) {
		autoclose int next = -1;

		if (mkdirat(fd, parts.v[i], 0755) < 0 && errno != EEXIST)
			return -errno;
		next = openat(fd, parts.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		r = cpuset ? inherit_cpuset(fd, next) : 0;
		if (r < 0)
			return r;
		fd_close(fd);
		fd = take_fd(next);
	}
	return fd < 0 ? fd : 0;
}

int cgroup_host_create(const char *cgroup, struct error *e)
{
	autodone(hierarchies) h = { .n = 0 };
	int r = find_hierarchies(&h);

	if (r < 0)
		return error_plain(e, r, "no cgroup file system is mounted");
	for (size_t i = 0; r == 0 && i < h.n; i++) {
		if (h.v[i].v2)
			r = cgroup_make(cgroup, e);
		else if ((r = create_v1(&h.v[i], cgroup)) < 0)
			error_set(e, r, "make cgroup %s in %s", cgroup, h.v[i].mount);
	}
	if (r < 0)
		cgroup_host_remove(cgroup);
	return r;
}

int cgroup_host_join(const char *cgroup, pid_t pid, struct error *e)
{
	autodone(hierarchies) h = { .n = 0 };
	int r = find_hierarchies(&h);

	if (r < 0)
		return error_plain(e, r, "no cgroup file system is mounted");
	for (size_t i = 0; i < h.n; i++) {
		autoclose int fd = open_in(&h.v[i], cgroup);

		r = fd < 0 ? fd : cgroup_dir_join(fd, pid);
		if (r < 0)
			return error_set(e, r, "join cgroup %s in %s", cgroup, h.v[i].mount);
	}
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

static size_t unique(pid_t *v, size_t n)
{
	size_t out = 0;

	if (n)
		qsort(v, n, sizeof(*v), compare_pids);
	for (size_t i = 0; i < n; i++) {
		if (!out || v[out - 1] != v[i])
			v[out++] = v[i];
	}
	return out;
}

int cgroup_host_pids(const char *cgroup, pid_t **ret, size_t *ret_n)
{
	autodone(hierarchies) h = { .n = 0 };
	autofree pid_t *pids = NULL;
	size_t n = 0;
	int r = find_hierarchies(&h);

	for (size_t i = 0; r == 0 && i < h.n; i++) {
		autoclose int fd = open_in(&h.v[i], cgroup);

		if (fd >= 0)
			r = cgroup_dir_pids(fd, &pids, &n);
		else if (fd != -ENOENT)
			r = fd;
		n = unique(pids, n);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(pids);
	*ret_n = n;
	return 0;
}

int cgroup_host_freeze(const char *cgroup, bool on, struct error *e)
{
	autodone(hierarchies) h = { .n = 0 };
	int r = find_hierarchies(&h);

	for (size_t i = 0; r == 0 && i < h.n; i++) {
		autoclose int fd = -1;

		if (!has_controller(&h.v[i], "freezer"))
			continue;
		fd = open_in(&h.v[i], cgroup);
		r = fd < 0 ? fd : file_write_at(fd, "freezer.state", on ? "FROZEN" : "THAWED");
		return r < 0 ? error_set(e, r, "freezer of cgroup %s", cgroup) : 0;
	}
	if (!cgroup_mount())
		return error_plain(e, EOPNOTSUPP, "the host has no freezer");
	return cgroup_freeze(cgroup, on, e);
}

int cgroup_host_kill(const char *cgroup)
{
	autodone(hierarchies) h = { .n = 0 };
	int first = 0, r = find_hierarchies(&h);

	if (r < 0)
		return r;
	for (size_t i = 0; i < h.n; i++) {
		autoclose int fd = open_in(&h.v[i], cgroup);

		r = fd == -ENOENT ? 0 : fd < 0 ? fd : cgroup_dir_kill(fd);
		/* A frozen process of version 1 takes the signal when it is thawed. */
		if (fd >= 0 && has_controller(&h.v[i], "freezer"))
			r = file_write_at(fd, "freezer.state", "THAWED");
		if (r < 0 && !first)
			first = r;
	}
	return first;
}

int cgroup_host_remove(const char *cgroup)
{
	autodone(hierarchies) h = { .n = 0 };
	int first = 0, r = find_hierarchies(&h);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < h.n; i++) {
		autofree char *dir = dir_in(&h.v[i], cgroup);

		r = cgroup_dir_remove(AT_FDCWD, dir);
		if (r < 0 && !first)
			first = r;
	}
	return first;
}

bool cgroup_host_exists(const char *cgroup)
{
	autodone(hierarchies) h = { .n = 0 };

	if (find_hierarchies(&h) < 0)
		return false;
	for (size_t i = 0; i < h.n; i++) {
		autoclose int fd = open_in(&h.v[i], cgroup);

		if (fd >= 0)
			return true;
	}
	return false;
}

char *cgroup_host_dir(const char *cgroup, const char *controller)
{
	autodone(hierarchies) h = { .n = 0 };

	if (find_hierarchies(&h) < 0)
		return NULL;
	for (size_t i = 0; i < h.n; i++) {
		if (has_controller(&h.v[i], controller))
			return dir_in(&h.v[i], cgroup);
	}
	return NULL;
}
