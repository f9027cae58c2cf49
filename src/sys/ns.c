/* SPDX-License-Identifier: Apache-2.0 */
/* ns - see ns.h. */
#include "sys/ns.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	const char *name; /* in the runtime spec */
	const char *file; /* in /proc/PID/ns; time: what the next exec enters */
	int flag;
} namespaces[NS_COUNT] = {
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_NET] = { "network", "net", CLONE_NEWNET },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_TIME] = { "time", "time_for_children", CLONE_NEWTIME },
	[NS_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
};

int ns_parse(const char *name)
{
	for (size_t i = 0; i < NS_COUNT; i++) {
		if (str_eq(name, namespaces[i].name))
			return (int)i;
	}
	return -1;
}

const char *ns_name(enum ns_type t)
{
	return namespaces[t].name;
}

int ns_flag(enum ns_type t)
{
	return namespaces[t].flag;
}

int ns_open(pid_t pid, enum ns_type t)
{
	char path[64];
	int fd;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, namespaces[t].file);
	else
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[t].file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int ns_open_path(const char *path, enum ns_type t, struct error *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int flag;

	if (fd < 0)
		return error_set(e, errno, "open %s namespace %s", namespaces[t].name, path);
	flag = ioctl(fd, NS_GET_NSTYPE);
	if (flag < 0)
		return error_plain(e, EINVAL, "%s is not a namespace", path);
	if (flag != namespaces[t].flag)
		return error_plain(e, EINVAL, "%s is not a %s namespace", path, namespaces[t].name);
	return take_fd(fd);
}

bool ns_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

int ns_join(int fd, enum ns_type t, struct error *e)
{
	autoclose int own = ns_open(0, t);

	/* Entering one's own user namespace again is refused (EINVAL); the others are only a waste.
	 */
	if (own >= 0 && ns_same(own, fd))
		return 0;
	if (setns(fd, namespaces[t].flag) < 0)
		return error_set(e, errno, "join %s namespace", namespaces[t].name);
	return 0;
}

int ns_call(int fd, enum ns_type t, int (*fn)(void *data, struct error *e), void *data,
	    struct error *e)
{
	autoclose int own = ns_open(0, t);
	int r, back;

	if (own < 0)
		return error_set(e, own, "open the own %s namespace", namespaces[t].name);
	r = ns_join(fd, t, e);
	if (r < 0)
		return r;
	r = fn(data, e);
	back = ns_join(own, t, r < 0 ? NULL : e);
	return r < 0 ? r : back < 0 ? back : r;
}

static int write_idmap(pid_t pid, const char *file, const struct ns_idmap *m, size_t n,
		       struct error *e)
{
	autodone(buf) b = BUF_INIT(NS_IDMAP_MAX * 36);
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	if (n > NS_IDMAP_MAX)
		return error_plain(e, EINVAL, "%s: %zu lines, at most %d are possible", file, n,
				   NS_IDMAP_MAX);
	for (size_t i = 0; i < n; i++) {
		r = buf_addf(&b, "%u %u %u\n", m[i].inside, m[i].outside, m[i].count);
		if (r < 0)
			return error_set(e, r, "%s", file);
	}
	r = file_write_at(AT_FDCWD, path, buf_str(&b));
	return r < 0 ? error_set(e, r, "write %s", file) : 0;
}

int ns_write_idmaps(pid_t pid, const struct ns_idmap *uids, size_t nuids,
		    const struct ns_idmap *gids, size_t ngids, struct error *e)
{
	int r;

	if (!nuids || !ngids)
		return error_plain(e, EINVAL, "a user namespace needs uid and gid mappings");
	r = write_idmap(pid, "uid_map", uids, nuids, e);
	if (r < 0)
		return r;
	return write_idmap(pid, "gid_map", gids, ngids, e);
}

int ns_new_user(const struct ns_idmap *uids, size_t nuids, const struct ns_idmap *gids,
		size_t ngids, struct error *e)
{
	int fd, r;
	/* The child exists only to hold the namespace while its maps are written. */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid < 0)
		return error_set(e, errno, "make a user namespace");
	if (pid == 0) {
		for (;;)
			pause();
	}
	r = ns_write_idmaps(pid, uids, nuids, gids, ngids, e);
	fd = r < 0 ? r : ns_open(pid, NS_USER);
	if (fd < 0 && r == 0)
		error_set(e, fd, "open the user namespace");
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}
