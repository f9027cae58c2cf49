/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_dev - /dev of a container: the nodes every container has, those of the spec, and the usual
 * links.
 *
 * Where a node cannot be made (user namespaces), the agent's own node of that name is bound
 * instead. A privileged container, one that may use every device, gets all nodes of the guest; the
 * host's that engines list for it are left out where the guest has no such device.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct node {
	const char *path;
	mode_t mode; /* with type */
	dev_t dev;
	uid_t uid;
	gid_t gid;
};

static const struct {
	const char *path;
	unsigned int major, minor;
} standard[] = {
	{ "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "core", "/proc/kcore" },
};

static int bind_node(const struct ctr_setup *s, const struct node *n, struct error *e)
{
	autoclose int source = -1, target = -1;
	struct stat st;

	source = mount_clone(AT_FDCWD, n->path, false, e);
	if (source < 0)
		return source;
	if (fstat(source, &st) < 0 || (st.st_mode & S_IFMT) != (n->mode & S_IFMT) ||
	    st.st_rdev != n->dev)
		return error_plain(e, ENODEV, "the guest's node of this name is another device");
	target = ctr_target(s->root, n->path, false, NULL, e);
	return target < 0 ? target : mount_attach(source, target, e);
}

static bool is_node(int dir, const char *name, const struct node *n)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_mode & S_IFMT) == (n->mode & S_IFMT) &&
	       (S_ISFIFO(st.st_mode) || st.st_rdev == n->dev);
}

static int make_node(const struct ctr_setup *s, const struct node *n, struct error *e)
{
	const char *name = path_base(n->path);
	autofree char *parent = xstrndup(n->path, (size_t)(name - n->path));
	autoclose int dir = -1;

	if (n->path[0] != '/' || !*name || str_eq(name, ".") || str_eq(name, ".."))
		return error_plain(e, EINVAL, "not the path of a node");
	dir = ctr_target(s->root, parent, true, NULL, e);
	if (dir < 0)
		return dir;
	if (mknodat(dir, name, n->mode, n->dev) < 0) {
		if (errno == EPERM || (errno == EEXIST && !is_node(dir, name, n)))
			return bind_node(s, n, e);
		return errno == EEXIST ? 0 : error_set(e, errno, "make the node");
	}
	if (fchownat(dir, name, n->uid, n->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, name, n->mode & 07777, 0) < 0)
		return error_set(e, errno, "set owner and mode");
	return 0;
}

static int make_standard(const struct ctr_setup *s, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
		struct node n = {
			.path = standard[i].path,
			.mode = S_IFCHR | 0666,
			.dev = makedev(standard[i].major, standard[i].minor),
		};

		if (make_node(s, &n, e) < 0)
			return error_prefix(e, "device %s", n.path);
	}
	return 0;
}

static int node_type(const char *type, mode_t *ret)
{
	if (str_eq(type, "c") || str_eq(type, "u"))
		*ret = S_IFCHR;
	else if (str_eq(type, "b"))
		*ret = S_IFBLK;
	else if (str_eq(type, "p"))
		*ret = S_IFIFO;
	else
		return -EINVAL;
	return 0;
}

static int make_listed(const struct ctr_setup *s, const Grpc__LinuxDevice *d, struct error *e)
{
	struct node n = {
		.path = d->path,
		.dev = makedev((unsigned int)d->major, (unsigned int)d->minor),
		.uid = d->uid,
		.gid = d->gid,
	};

	if (node_type(d->type, &n.mode) < 0)
		return error_plain(e, EINVAL, "unknown type \"%.8s\"", d->type);
	if (d->major < 0 || d->major > UINT32_MAX || d->minor < 0 || d->minor > UINT32_MAX)
		return error_plain(e, EINVAL, "bad device number");
	n.mode |= d->filemode_set || d->filemode ? d->filemode & 07777 : 0666;
	return make_node(s, &n, e);
}

/* --- privileged containers --- */

/* A rule without any number that allows everything: engines write it for nobody else. */
static bool may_use_all(const Grpc__Linux *l)
{
	const Grpc__LinuxResources *r = l ? l->resources : NULL;

	for (size_t i = 0; r && i < r->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *d = r->devices[i];

		if (d->allow && (str_empty(d->type) || str_eq(d->type, "a")) && !d->major_set &&
		    !d->minor_set && str_eq(d->access, "rwm"))
			return true;
	}
	return false;
}

static bool guest_has(const Grpc__LinuxDevice *d)
{
	autofree char *path = xasprintf("/sys/dev/%s/%lld:%lld",
					str_eq(d->type, "b") ? "block" : "char",
					(long long)d->major, (long long)d->minor);

	return str_eq(d->type, "p") || access(path, F_OK) == 0;
}

/* /dev/console is the machine's, /dev/ptmx and /dev/tty are the container's own. */
static bool is_container_own(const char *name)
{
	static const char *const names[] = { "console", "ptmx", "tty" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

/* One that cannot be made is left out, as the image may have something else of that name. */
static void make_guests(const struct ctr_setup *s)
{
	DIR *d = opendir("/dev");
	const struct dirent *ent;

	while (d && (ent = readdir(d))) {
		autofree char *path = xasprintf("/dev/%s", ent->d_name);
		struct node n = { .path = path };
		struct stat st;

		if (is_container_own(ent->d_name) || lstat(path, &st) < 0 ||
		    !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
			continue;
		n.mode = st.st_mode;
		n.dev = st.st_rdev;
		n.uid = st.st_uid;
		n.gid = st.st_gid;
		make_node(s, &n, NULL);
	}
	if (d)
		closedir(d);
}

static int make_all_listed(const struct ctr_setup *s, const Grpc__Linux *l, struct error *e)
{
	bool privileged = may_use_all(l);
	int r = 0;

	for (size_t i = 0; r == 0 && l && i < l->n_devices; i++) {
		if (privileged && !guest_has(l->devices[i]))
			continue;
		r = make_listed(s, l->devices[i], e);
		if (r < 0)
			error_prefix(e, "device %.128s", l->devices[i]->path);
	}
	if (r == 0 && privileged)
		make_guests(s);
	return r;
}

static int make_links(int dev, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (str_eq(links[i].name, "core") && access(links[i].target, F_OK) < 0)
			continue;
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
			return error_set(e, errno, "link /dev/%s", links[i].name);
	}
	/* A node of the image would open a pty of the guest's devpts, not of the container's. */
	if (unlinkat(dev, "ptmx", 0) < 0 && errno != ENOENT)
		return error_set(e, errno, "replace /dev/ptmx");
	if (symlinkat("pts/ptmx", dev, "ptmx") < 0)
		return error_set(e, errno, "link /dev/ptmx");
	return 0;
}

/* A /dev bound from elsewhere is used as it is. */
static bool has_own_dev(const Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];
		bool bind = str_eq(m->type, "bind");

		for (size_t j = 0; j < m->n_options; j++)
			bind |= str_eq(m->options[j], "bind") || str_eq(m->options[j], "rbind");
		if (bind && (str_eq(m->destination, "/dev") || str_eq(m->destination, "/dev/")))
			return true;
	}
	return false;
}

int ctr_dev_populate(struct ctr_setup *s, struct error *e)
{
	autoclose int dev = -1;
	int r;

	if (has_own_dev(s->spec))
		return 0;
	dev = ctr_target(s->root, "/dev", true, NULL, e);
	r = dev < 0 ? dev : make_standard(s, e);
	if (r == 0)
		r = make_all_listed(s, s->spec->linux, e);
	return r < 0 ? r : make_links(dev, e);
}
