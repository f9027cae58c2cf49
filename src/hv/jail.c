/* SPDX-License-Identifier: Apache-2.0 */
/* jail - see jail.h. */
#include "hv/jail.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Where programs, libraries and firmware live; links (a merged /usr) stay links. What a host does
 * not have is left out. */
static const char *const system_paths[] = {
	"/usr", "/bin",       "/lib",       "/lib32",           "/lib64",
	"/opt", "/nix/store", "/gnu/store", "/etc/ld.so.cache",
};

int jail_init(struct jail *j, const char *root, struct error *e)
{
	*j = JAIL_INIT;
	j->confine = geteuid() == 0;
	j->root = xstrdup(root);
	if (j->confine && mkdir(root, 0700) < 0 && errno != EEXIST)
		return error_set(e, errno, "create %s", root);
	return 0;
}

void jail_done(struct jail *j)
{
	for (size_t i = 0; i < j->n; i++) {
		free(j->entries[i].path);
		free(j->entries[i].target);
	}
	free(j->entries);
	free(j->root);
	*j = JAIL_INIT;
}

static struct jail_entry *jail_add(struct jail *j, enum jail_kind kind, const char *path)
{
	struct jail_entry *en;

	j->entries = xrealloc(j->entries, j->n + 1, sizeof(*j->entries));
	en = &j->entries[j->n++];
	*en = (struct jail_entry){ .kind = kind, .path = xstrdup(path) };
	return en;
}

static void jail_add_host(struct jail *j, const char *path)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (lstat(path, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		jail_add(j, JAIL_DIR, path);
	} else if (S_ISREG(st.st_mode)) {
		jail_add(j, JAIL_FILE, path);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlink(path, target, sizeof(target));
		if (n > 0 && n < (ssize_t)sizeof(target))
			jail_add(j, JAIL_LINK, path)->target = xstrndup(target, (size_t)n);
	}
}

void jail_add_system(struct jail *j)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_paths); i++)
		jail_add_host(j, system_paths[i]);
}

/* Whether @path is below a directory that is in the plan already. */
static bool jail_covers(const struct jail *j, const char *path)
{
	for (size_t i = 0; i < j->n; i++) {
		const char *rest = str_skip_prefix(path, j->entries[i].path);

		if (rest && (j->entries[i].kind == JAIL_DIR || j->entries[i].kind == JAIL_LINK) &&
		    *rest == '/')
			return true;
	}
	return false;
}

void jail_add_file(struct jail *j, const char *path)
{
	if (!jail_covers(j, path))
		jail_add(j, JAIL_FILE, path);
}

void jail_add_data(struct jail *j, const char *path)
{
	jail_add(j, JAIL_DATA, path);
}

int jail_add_node(struct jail *j, const char *path, struct error *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set(e, errno, "%s", path);
	if (!S_ISCHR(st.st_mode))
		return error_plain(e, ENODEV, "%s is not a character device", path);
	jail_add(j, JAIL_NODE, path)->dev = st.st_rdev;
	return 0;
}

/* Below this line: in the child. */

/* Makes the directories above @path, which is relative to the working directory. */
static int make_parents(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* An empty file or directory for a mount. */
static int make_target(const char *path, bool dir)
{
	autoclose int fd = -1;

	if (dir)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = open(path, O_CREAT | O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
	return fd < 0 ? -errno : 0;
}

static int bind_entry(const struct jail_entry *en, const char *to)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
	bool dir = en->kind == JAIL_DIR, data = en->kind == JAIL_DATA;
	int r = make_target(to, dir);

	if (r < 0)
		return r;
	if (data) {
		attr.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		flags &= ~(unsigned long)MS_RDONLY;
	}
	if (mount(en->path, to, NULL, MS_BIND | (dir ? MS_REC : 0), NULL) < 0)
		return -errno;
	if (syscall(SYS_mount_setattr, AT_FDCWD, to, dir ? AT_RECURSIVE : 0, &attr, sizeof(attr)) ==
	    0)
		return 0;
	/* Before Linux 5.12 the mounts below keep their flags; the identity of the VMM can write
	 * nothing there. */
	return mount(NULL, to, NULL, flags, NULL) < 0 ? -errno : 0;
}

static int make_node(const struct jail *j, const struct jail_entry *en, const char *to)
{
	if (mknod(to, S_IFCHR | 0600, en->dev) < 0)
		return -errno;
	return chown(to, j->uid, j->gid) < 0 ? -errno : 0;
}

/* The working directory is the new root. */
static int entry_make(const struct jail *j, const struct jail_entry *en)
{
	const char *to = en->path + 1;
	int r = make_parents(to, 0755);

	if (r < 0)
		return r;
	switch (en->kind) {
	case JAIL_DIR:
	case JAIL_FILE:
	case JAIL_DATA:
		return bind_entry(en, to);
	case JAIL_LINK:
		return symlink(en->target, to) < 0 ? -errno : 0;
	case JAIL_NODE:
		return make_node(j, en, to);
	}
	return -EINVAL;
}

static int enter_cgroup(int dirfd)
{
	autoclose int fd = openat(dirfd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, "0", 1) < 0 ? -errno : 0;
}

static int enter_root(const struct jail *j, struct error *e)
{
	umask(022);
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_set(e, errno, "make namespaces for the VMM");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("caisson", j->root, "tmpfs", MS_NOSUID, "size=64k,mode=0755") < 0 ||
	    chdir(j->root) < 0)
		return error_set(e, errno, "make a root for the VMM in %s", j->root);
	for (size_t i = 0; i < j->n; i++) {
		int r = entry_make(j, &j->entries[i]);

		if (r < 0)
			return error_set(e, r, "put %s into the VMM's root", j->entries[i].path);
	}
	/* Both roots at one place: the old one is then on top and goes away (pivot_root(2)). */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_set(e, errno, "change to the VMM's root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) < 0)
		return error_set(e, errno, "make the VMM's root read-only");
	return 0;
}

int jail_enter(const struct jail *j, struct error *e)
{
	struct rlimit no_core = { 0, 0 };
	int r = j->cgroup_fd >= 0 ? enter_cgroup(j->cgroup_fd) : 0;

	if (r < 0)
		return error_set(e, r, "enter the VMM's cgroup");
	r = j->confine ? enter_root(j, e) : 0;
	if (r < 0)
		return r;
	/* A core dump would hold the guest's memory. */
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return error_set(e, errno, "forbid core dumps");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(e, errno, "PR_SET_NO_NEW_PRIVS");
	return 0;
}
