/* SPDX-License-Identifier: Apache-2.0 */
/* mounts - see mounts.h. */
#include "sys/mounts.h"

#include "sys/mounts_data.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum option_kind {
	OPT_ATTR, /* value: MOUNT_ATTR_* to set, clear: to clear */
	OPT_REC_ATTR,
	OPT_PROPAGATION,
	OPT_REC_PROPAGATION,
	OPT_BIND,
	OPT_RBIND,
	OPT_REMOUNT,
	OPT_COPY_UP,
	OPT_IDMAP,
	OPT_RIDMAP,
	OPT_NOTHING, /* the default, or meant for other programs */
};

#define ATTR(s, c) OPT_ATTR, (s), (c)
#define REC(s, c) OPT_REC_ATTR, (s), (c)
#define ATIME MOUNT_ATTR__ATIME

static const struct option {
	const char *name;
	enum option_kind kind;
	uint64_t value, clear;
} options[] = {
	{ "ro", ATTR(MOUNT_ATTR_RDONLY, 0) },
	{ "rw", ATTR(0, MOUNT_ATTR_RDONLY) },
	{ "nosuid", ATTR(MOUNT_ATTR_NOSUID, 0) },
	{ "suid", ATTR(0, MOUNT_ATTR_NOSUID) },
	{ "nodev", ATTR(MOUNT_ATTR_NODEV, 0) },
	{ "dev", ATTR(0, MOUNT_ATTR_NODEV) },
	{ "noexec", ATTR(MOUNT_ATTR_NOEXEC, 0) },
	{ "exec", ATTR(0, MOUNT_ATTR_NOEXEC) },
	{ "nodiratime", ATTR(MOUNT_ATTR_NODIRATIME, 0) },
	{ "diratime", ATTR(0, MOUNT_ATTR_NODIRATIME) },
	{ "nosymfollow", ATTR(MOUNT_ATTR_NOSYMFOLLOW, 0) },
	{ "symfollow", ATTR(0, MOUNT_ATTR_NOSYMFOLLOW) },
	{ "noatime", ATTR(MOUNT_ATTR_NOATIME, ATIME) },
	{ "atime", ATTR(MOUNT_ATTR_RELATIME, ATIME) },
	{ "relatime", ATTR(MOUNT_ATTR_RELATIME, ATIME) },
	{ "norelatime", ATTR(MOUNT_ATTR_STRICTATIME, ATIME) },
	{ "strictatime", ATTR(MOUNT_ATTR_STRICTATIME, ATIME) },
	{ "nostrictatime", ATTR(MOUNT_ATTR_RELATIME, ATIME) },
	{ "rro", REC(MOUNT_ATTR_RDONLY, 0) },
	{ "rrw", REC(0, MOUNT_ATTR_RDONLY) },
	{ "rnosuid", REC(MOUNT_ATTR_NOSUID, 0) },
	{ "rsuid", REC(0, MOUNT_ATTR_NOSUID) },
	{ "rnodev", REC(MOUNT_ATTR_NODEV, 0) },
	{ "rdev", REC(0, MOUNT_ATTR_NODEV) },
	{ "rnoexec", REC(MOUNT_ATTR_NOEXEC, 0) },
	{ "rexec", REC(0, MOUNT_ATTR_NOEXEC) },
	{ "rnodiratime", REC(MOUNT_ATTR_NODIRATIME, 0) },
	{ "rdiratime", REC(0, MOUNT_ATTR_NODIRATIME) },
	{ "rnosymfollow", REC(MOUNT_ATTR_NOSYMFOLLOW, 0) },
	{ "rsymfollow", REC(0, MOUNT_ATTR_NOSYMFOLLOW) },
	{ "rnoatime", REC(MOUNT_ATTR_NOATIME, ATIME) },
	{ "ratime", REC(MOUNT_ATTR_RELATIME, ATIME) },
	{ "rrelatime", REC(MOUNT_ATTR_RELATIME, ATIME) },
	{ "rnorelatime", REC(MOUNT_ATTR_STRICTATIME, ATIME) },
	{ "rstrictatime", REC(MOUNT_ATTR_STRICTATIME, ATIME) },
	{ "rnostrictatime", REC(MOUNT_ATTR_RELATIME, ATIME) },
	{ "shared", OPT_PROPAGATION, MS_SHARED, 0 },
	{ "slave", OPT_PROPAGATION, MS_SLAVE, 0 },
	{ "private", OPT_PROPAGATION, MS_PRIVATE, 0 },
	{ "unbindable", OPT_PROPAGATION, MS_UNBINDABLE, 0 },
	{ "rshared", OPT_REC_PROPAGATION, MS_SHARED, 0 },
	{ "rslave", OPT_REC_PROPAGATION, MS_SLAVE, 0 },
	{ "rprivate", OPT_REC_PROPAGATION, MS_PRIVATE, 0 },
	{ "runbindable", OPT_REC_PROPAGATION, MS_UNBINDABLE, 0 },
	{ "bind", OPT_BIND, 0, 0 },
	{ "rbind", OPT_RBIND, 0, 0 },
	{ "remount", OPT_REMOUNT, 0, 0 },
	{ "tmpcopyup", OPT_COPY_UP, 0, 0 },
	{ "idmap", OPT_IDMAP, 0, 0 },
	{ "ridmap", OPT_RIDMAP, 0, 0 },
	{ "defaults", OPT_NOTHING, 0, 0 },
	{ "notmpcopyup", OPT_NOTHING, 0, 0 },
	{ "async", OPT_NOTHING, 0, 0 },
	{ "loud", OPT_NOTHING, 0, 0 },
	{ "silent", OPT_NOTHING, 0, 0 },
	{ "auto", OPT_NOTHING, 0, 0 },
	{ "noauto", OPT_NOTHING, 0, 0 },
	{ "nofail", OPT_NOTHING, 0, 0 },
	{ "_netdev", OPT_NOTHING, 0, 0 },
};

void mount_opts_done(struct mount_opts *o)
{
	if (o)
		strv_done(&o->data);
}

/* The later of two options about one attribute wins. */
static void set_attr(uint64_t *set, uint64_t *clear, const struct option *opt)
{
	*set = (*set & ~opt->clear) | opt->value;
	/* Access times are one field of several bits: it is cleared whole before it is set. */
	*clear = (*clear & ~(opt->value & ~(uint64_t)ATIME)) | opt->clear;
}

static void apply_option(struct mount_opts *o, const struct option *opt)
{
	switch (opt->kind) {
	case OPT_ATTR:
		set_attr(&o->set, &o->clear, opt);
		break;
	case OPT_REC_ATTR:
		set_attr(&o->rec_set, &o->rec_clear, opt);
		break;
	case OPT_PROPAGATION:
		o->propagation = opt->value;
		break;
	case OPT_REC_PROPAGATION:
		o->rec_propagation = opt->value;
		break;
	case OPT_RBIND:
		o->recursive = true;
		o->bind = true;
		break;
	case OPT_BIND:
		o->bind = true;
		break;
	case OPT_REMOUNT:
		o->remount = true;
		break;
	case OPT_COPY_UP:
		o->copy_up = true;
		break;
	case OPT_RIDMAP:
		o->rec_idmap = true;
		o->idmap = true;
		break;
	case OPT_IDMAP:
		o->idmap = true;
		break;
	case OPT_NOTHING:
		break;
	}
}

static const struct option *find_option(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (str_eq(options[i].name, name))
			return &options[i];
	}
	return NULL;
}

int mount_opts_parse(struct mount_opts *ret, char *const *opts, size_t n, struct error *e)
{
	autodone(strv) words = STRV_INIT;
	autodone(mount_opts) o = MOUNT_OPTS_INIT;

	for (size_t i = 0; i < n; i++)
		strv_split(&words, opts[i], ",");
	for (size_t i = 0; i < words.n; i++) {
		const struct option *opt = find_option(words.v[i]);

		if (opt) {
			apply_option(&o, opt);
			continue;
		}
		strv_add(&o.data, words.v[i]);
	}
	*ret = o;
	o.data = STRV_INIT;
	return 0;
}

uint64_t mount_propagation_parse(const char *name)
{
	const struct option *opt = find_option(name);

	if (!opt)
		return 0;
	if (opt->kind == OPT_PROPAGATION)
		return opt->value;
	return opt->kind == OPT_REC_PROPAGATION ? opt->value | MS_REC : 0;
}

/* Takes the last reason the kernel wrote for the file system context @fs ("e tmpfs: Bad value for
 * 'size'"). */
static int fs_error(int fs, int err, const char *what, struct error *e)
{
	char line[256], last[256] = "";
	ssize_t n;

	while ((n = read(fs, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		if (line[0] == 'e' && line[1] == ' ')
			memcpy(last, line + 2, (size_t)n - 1);
	}
	if (!last[0])
		return error_set(e, err, "%s", what);
	last[strcspn(last, "\n")] = '\0';
	return error_set(e, err, "%s: %s", what, last);
}

static int configure_option(int fs, const char *option, struct error *e)
{
	autofree char *key = xstrdup(option);
	char *value = strchr(key, '=');
	int r;

	if (value && strlen(value + 1) > MOUNT_VALUE_MAX)
		return error_plain(e, EINVAL, "mount option %.32s...: longer than %d characters",
				   option, MOUNT_VALUE_MAX);
	if (value) {
		*value++ = '\0';
		r = fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
	} else {
		r = fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	}
	return r < 0 ? fs_error(fs, errno, option, e) : 0;
}

/* A read-only disk needs a read-only superblock. Elsewhere the mount's attribute does: tmpfs is
 * filled before it is closed, and the superblocks of sysfs and cgroup2 are everybody's. */
static bool is_block_device(const char *source)
{
	struct stat st;

	return !str_empty(source) && stat(source, &st) == 0 && S_ISBLK(st.st_mode);
}

int mount_new(const char *type, const char *source, const struct mount_opts *o, struct error *e)
{
	autoclose int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd, r;

	if (fs < 0 && errno == ENODEV)
		return error_plain(e, ENODEV, "file system \"%s\" is not supported by the kernel",
				   type);
	if (fs < 0)
		return error_set(e, errno, "fsopen %s", type);
	if (!str_empty(source) && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fs_error(fs, errno, "source", e);
	if (((o->set | o->rec_set) & MOUNT_ATTR_RDONLY) && is_block_device(source) &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return fs_error(fs, errno, "ro", e);
	for (size_t i = 0; i < o->data.n; i++) {
		r = configure_option(fs, o->data.v[i], e);
		if (r < 0)
			return r;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_error(fs, errno, type, e);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? fs_error(fs, errno, type, e) : fd;
}

int mount_clone(int dirfd, const char *path, bool recursive, struct error *e)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT;
	int fd;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	fd = open_tree(dirfd, path, flags);
	return fd < 0 ? error_set(e, errno, "bind %s", path) : fd;
}

static int set_attr_fd(int fd, struct mount_attr *a, bool recursive, const char *what,
		       struct error *e)
{
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (!a->attr_set && !a->attr_clr && !a->propagation)
		return 0;
	if (mount_setattr(fd, "", flags, a, sizeof(*a)) < 0)
		return error_set(e, errno, "%s", what);
	return 0;
}

int mount_set(int fd, const struct mount_opts *o, struct error *e)
{
	struct mount_attr rec = { .attr_set = o->rec_set, .attr_clr = o->rec_clear };
	struct mount_attr one = { .attr_set = o->set, .attr_clr = o->clear };
	int r = set_attr_fd(fd, &rec, true, "set recursive mount attributes", e);

	if (r < 0)
		return r;
	return set_attr_fd(fd, &one, false, "set mount attributes", e);
}

int mount_set_readonly(int fd, struct error *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };

	return set_attr_fd(fd, &a, false, "make the mount read-only", e);
}

int mount_set_propagation(int fd, const struct mount_opts *o, struct error *e)
{
	struct mount_attr rec = { .propagation = o->rec_propagation };
	struct mount_attr one = { .propagation = o->propagation };
	int r = set_attr_fd(fd, &rec, true, "set the mount's propagation", e);

	if (r < 0)
		return r;
	return set_attr_fd(fd, &one, false, "set the mount's propagation", e);
}

int mount_set_idmap(int fd, int user, bool recursive, struct error *e)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user };

	return set_attr_fd(fd, &a, recursive,
			   "map the mount's ids (is it supported by its file system?)", e);
}

int mount_attach(int fd, int target, struct error *e)
{
	if (move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_set(e, errno, "attach the mount");
	return 0;
}

int mount_onto(const char *source, int target, const char *type, char *const *opts, size_t n,
	       struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autoclose int fd = -1;
	int r = mount_opts_parse(&o, opts, n, e);

	if (r < 0)
		return r;
	fd = o.bind ? mount_clone(AT_FDCWD, source, o.recursive, e)
		    : mount_new(type, source, &o, e);
	if (fd < 0)
		return fd;
	r = mount_set(fd, &o, e);
	if (r >= 0)
		r = mount_attach(fd, target, e);
	return r < 0 ? r : mount_set_propagation(fd, &o, e);
}

/* 0: they are not that long, and nothing was done; 1: mounted. */
static int mount_long_options(const char *source, const char *target, const char *type,
			      char *const *opts, size_t n, struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autoclose int fd = -1;
	int r = mount_opts_parse(&o, opts, n, e);

	if (r < 0)
		return r;
	if (o.bind || !mount_needs_data(&o))
		return 0;
	fd = mount_by_data(type, source, target, &o, e);
	if (fd < 0)
		return fd;
	r = mount_set(fd, &o, e);
	if (r == 0)
		r = mount_set_propagation(fd, &o, e);
	return r < 0 ? r : 1;
}

int mount_path(const char *source, const char *target, const char *type, char *const *opts,
	       size_t n, struct error *e)
{
	autoclose int to = open(target, O_PATH | O_CLOEXEC);
	int r;

	if (to < 0)
		return error_set(e, errno, "mount %s", target);
	r = mount_long_options(source, target, type, opts, n, e);
	if (r != 0)
		return r < 0 ? error_prefix(e, "mount %s", target) : 0;
	if (mount_onto(source, to, type, opts, n, e) < 0)
		return error_prefix(e, "mount %s", target);
	return 0;
}

int mount_reconfigure(int mount, char *const *opts, size_t n, struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autoclose int fs = fspick(mount, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int r = mount_opts_parse(&o, opts, n, e);

	if (r < 0)
		return r;
	if (fs < 0)
		return error_set(e, errno, "the mounted file system");
	for (size_t i = 0; i < o.data.n; i++) {
		r = configure_option(fs, o.data.v[i], e);
		if (r < 0)
			return r;
	}
	if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return fs_error(fs, errno, "change the file system", e);
	return mount_set(mount, &o, e);
}

int mount_leave_rootfs(struct error *e)
{
	autoclose int copy = mount_clone(AT_FDCWD, "/", false, e);
	autoclose int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (copy < 0)
		return copy;
	if (old < 0)
		return error_set(e, errno, "open /");
	r = mount_attach(copy, old, e);
	if (r < 0)
		return r;
	r = mount_set_readonly(old, e);
	if (r < 0)
		return r;
	if (fchdir(copy) < 0 || chroot(".") < 0)
		return error_set(e, errno, "enter the new root");
	return 0;
}

int mount_pivot(int root, struct error *e)
{
	autoclose int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return error_set(e, errno, "open /");
	if (fchdir(root) < 0)
		return error_set(e, errno, "enter the root file system");
	/* With both arguments ".", the old root ends up on top of the new one, whence it is taken
	 * away. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set(e, errno, "pivot_root");
	if (fchdir(old) < 0)
		return error_set(e, errno, "enter the old root");
	/* So that the unmounting does not propagate. */
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_set(e, errno, "make the old root a slave");
	if (umount2(".", MNT_DETACH) < 0)
		return error_set(e, errno, "drop the old root");
	return chdir("/") < 0 ? error_set(e, errno, "enter /") : 0;
}
