/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_dir - see cgroup_dir.h. */
#include "sys/cgroup_dir.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define KILL_ROUNDS                                                                            \
	64 /* a process that forks faster than we read is caught by the freezer or by the next \
	      call */

typedef int child_fn(int dirfd, const char *name, unsigned depth, void *data);

/* Calls @fn for each directory in @fd until one fails. */
static int each_child(int fd, unsigned depth, child_fn *fn, void *data)
{
	int dup = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dup < 0 ? NULL : fdopendir(dup);
	struct dirent *de;
	int r = 0;

	if (!d) {
		fd_close(dup);
		return -errno;
	}
	if (depth > LIMIT_PATH_DEPTH)
		r = -ELOOP;
	while (r == 0 && (de = readdir(d))) {
		if (de->d_type == DT_DIR && !str_eq(de->d_name, ".") && !str_eq(de->d_name, ".."))
			r = fn(fd, de->d_name, depth, data);
	}
	closedir(d);
	return r;
}

int cgroup_dir_join(int fd, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return file_write_at(fd, "cgroup.procs", text);
}

struct pids {
	pid_t *v;
	size_t n;
};

static int add_pids(struct pids *p, char *text)
{
	char *save = NULL;

	for (char *word = strtok_r(text, "\n", &save); word; word = strtok_r(NULL, "\n", &save)) {
		pid_t *v;
		int pid;

		if (str_to_int(word, &pid) < 0 || pid <= 0)
			continue;
		if (p->n == LIMIT_CGROUP_PIDS)
			return -E2BIG;
		v = realloc(p->v, (p->n + 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		p->v = v;
		p->v[p->n++] = pid;
	}
	return 0;
}

static int collect(int fd, unsigned depth, struct pids *p);

static int collect_child(int dirfd, const char *name, unsigned depth, void *data)
{
	autoclose int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* It may have been removed meanwhile. */
	return fd < 0 ? 0 : collect(fd, depth + 1, data);
}

static int collect(int fd, unsigned depth, struct pids *p)
{
	autofree char *text = NULL;
	int r = file_read_at(fd, "cgroup.procs", LIMIT_CGROUP_PIDS * 8, &text, NULL);

	/* EOPNOTSUPP: a threaded group, whose processes the domain above it lists. */
	if (r == 0)
		r = add_pids(p, text);
	else if (r == -EOPNOTSUPP || r == -ENODEV || r == -ENOENT)
		r = 0;
	return r < 0 ? r : each_child(fd, depth, collect_child, p);
}

int cgroup_dir_pids(int fd, pid_t **ret, size_t *ret_n)
{
	struct pids p = { *ret, *ret_n };
	int r = collect(fd, 0, &p);

	*ret = p.v;
	*ret_n = p.n;
	return r;
}

int cgroup_dir_kill(int fd)
{
	for (int round = 0; round < KILL_ROUNDS; round++) {
		struct pids p = { 0 };
		int r = collect(fd, 0, &p);
		size_t alive = 0;

		for (size_t i = 0; i < p.n; i++) {
			if (kill(p.v[i], SIGKILL) == 0)
				alive++;
		}
		free(p.v);
		if (r < 0 || !alive)
			return r;
	}
	return 0;
}

static int remove_child(int dirfd, const char *name, unsigned depth, void *data)
{
	autoclose int fd = -1;
	int r;

	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = each_child(fd, depth + 1, remove_child, data);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_dir_remove(int dirfd, const char *path)
{
	return remove_child(dirfd, path, 0, NULL);
}
