/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_root - the container's root file system: its mounts, what is hidden in it, and entering it.
 *
 * Everything is done from outside, with the agent's own root still in place, on descriptors that
 * were looked up inside the container's root (ctr_target). The agent's /proc and /dev serve where
 * the kernel needs a name; the container's are never trusted. Sources of bind mounts are names in
 * the guest that the runtime chose.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/cgroup.h"
#include "sys/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* One mount of the spec on its way. */
struct entry {
	const Grpc__Mount *m;
	struct mount_opts o;
	int source; /* the detached mount */
	int target;
	bool directory, made;
	bool late_readonly;
};

static bool on_file_system(int fd, unsigned long magic)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (unsigned long)st.f_type == magic;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What others put over single files of /proc to show a container its own figures (lxcfs). */
static bool may_cover_in_proc(const char *path)
{
	static const char *const names[] = {
		"/proc/cpuinfo", "/proc/diskstats",
		"/proc/meminfo", "/proc/stat",
		"/proc/swaps",   "/proc/uptime",
		"/proc/loadavg", "/proc/slabinfo",
		"/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(path, names[i]))
			return true;
	}
	return false;
}

/* Two paths to one place: equal but for repeated slashes. */
static bool same_path(const char *a, const char *b)
{
	for (;;) {
		while (*a == '/' && (a[1] == '/' || !a[1]))
			a++;
		while (*b == '/' && (b[1] == '/' || !b[1]))
			b++;
		if (*a != *b)
			return false;
		if (!*a)
			return true;
		a++;
		b++;
	}
}

static int check_target(const struct ctr_setup *s, const struct entry *en, struct error *e)
{
	const char *type = en->m->type;
	autofree char *path = ctr_target_path(s, en->target);

	if (!path)
		return error_set(e, errno, "find out where the destination is");
	if (str_eq(path, "/"))
		return error_plain(e, EINVAL, "the destination is the root itself");
	/* A link in the image could otherwise lead the kernel's files to where nobody masks them.
	 */
	if ((str_eq(type, "proc") || str_eq(type, "sysfs")) && !same_path(path, en->m->destination))
		return error_plain(e, EINVAL,
				   "filesystem \"%s\" must be mounted on an ordinary directory",
				   type);
	if (str_eq(path, "/proc") && !str_eq(type, "proc") &&
	    !(en->o.bind && on_file_system(en->source, PROC_SUPER_MAGIC)))
		return error_plain(e, EPERM, "only a proc file system can be mounted on /proc");
	if (on_file_system(en->target, PROC_SUPER_MAGIC) && !str_eq(path, "/proc") &&
	    !may_cover_in_proc(path))
		return error_plain(e, EPERM, "%.128s cannot be mounted over: it is inside /proc",
				   path);
	return 0;
}

static char *bind_source(const struct ctr_setup *s, const Grpc__Mount *m)
{
	if (m->source[0] == '/' || str_empty(s->rq->bundle))
		return xstrdup(m->source);
	return xasprintf("%s/%s", s->rq->bundle, m->source);
}

static int make_bind(const struct ctr_setup *s, struct entry *en, struct error *e)
{
	autofree char *source = bind_source(s, en->m);

	en->source = mount_clone(AT_FDCWD, source, en->o.recursive, e);
	if (en->source < 0)
		return en->source;
	en->directory = is_directory(en->source);
	return 0;
}

/* Cgroup2 from inside: its root is the container's group. Without a namespace that is a part of the
 * agent's view. */
static int make_cgroup(const struct ctr_setup *s, struct entry *en, struct error *e)
{
	autofree char *own = NULL;

	/* Options of version 1 ("cpuset", "name=systemd") have no meaning here. */
	strv_done(&en->o.data);
	if (ctr_ns_is_new(s, NS_CGROUP) || s->join[NS_CGROUP] >= 0) {
		en->source = mount_new("cgroup2", "cgroup", &en->o, e);
		return en->source;
	}
	own = cgroup_path(s->cgroup, NULL);
	en->source = mount_clone(AT_FDCWD, own, false, e);
	return en->source;
}

/* The kernel gives a new sysfs only to the owner of the network namespace, which a container with a
 * user namespace in the sandbox's network is not: it gets the one there is. */
static int make_sysfs(const struct ctr_setup *s, struct entry *en, struct error *e)
{
	en->source = mount_new("sysfs", en->m->source, &en->o, e);
	if (en->source == -EPERM && (s->clone_flags & CLONE_NEWUSER || s->join[NS_USER] >= 0)) {
		error_clear(e);
		en->source = mount_clone(AT_FDCWD, "/sys", true, e);
	}
	return en->source;
}

/* A tmpfs looks like the directory it covers, unless told otherwise. */
static void tmpfs_mode(struct entry *en, const struct stat *covered)
{
	for (size_t i = 0; i < en->o.data.n; i++) {
		if (str_skip_prefix(en->o.data.v[i], "mode="))
			return;
	}
	if (!en->made)
		strv_addf(&en->o.data, "mode=%04o", covered->st_mode & 07777);
}

static int make_tmpfs(struct ctr_setup *s, struct entry *en, struct error *e)
{
	autoclose int from = -1, to = -1;
	struct stat st;

	if (fstat(en->target, &st) < 0)
		return error_set(e, errno, "destination");
	tmpfs_mode(en, &st);
	en->source =
		mount_new("tmpfs", str_empty(en->m->source) ? "tmpfs" : en->m->source, &en->o, e);
	if (en->source < 0 || !en->o.copy_up)
		return en->source;
	from = openat(en->target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(en->source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0)
		return error_set(e, errno, "tmpcopyup");
	return mount_copy_tree(from, to, e);
}

static int make_new(struct ctr_setup *s, struct entry *en, struct error *e)
{
	const char *type = en->m->type;

	if (str_eq(type, "cgroup") || str_eq(type, "cgroup2"))
		return make_cgroup(s, en, e);
	if (str_eq(type, "sysfs"))
		return make_sysfs(s, en, e);
	if (str_eq(type, "tmpfs"))
		return make_tmpfs(s, en, e);
	en->source = mount_new(type, en->m->source, &en->o, e);
	return en->source;
}

/* Later mounts may need directories in a tmpfs: it is closed for writing when all are in place. */
static void postpone_readonly(struct entry *en)
{
	if (!str_eq(en->m->type, "tmpfs") || en->o.bind || !(en->o.set & MOUNT_ATTR_RDONLY))
		return;
	en->o.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	en->late_readonly = true;
}

static int attach(struct ctr_setup *s, struct entry *en, int idmap, struct error *e)
{
	int r = 0;

	if (idmap >= 0)
		r = mount_set_idmap(en->source, idmap, en->o.rec_idmap, e);
	if (r == 0)
		r = mount_set(en->source, &en->o, e);
	if (r == 0)
		r = mount_attach(en->source, en->target, e);
	if (r == 0)
		r = mount_set_propagation(en->source, &en->o, e);
	if (r == 0 && en->late_readonly)
		s->late_readonly[s->nlate_readonly++] = take_fd(en->source);
	return r;
}

/* Changes the attributes of a mount that is there. */
static int remount(struct ctr_setup *s, struct entry *en, struct error *e)
{
	int r;

	if (en->o.data.n)
		return error_plain(e, EINVAL,
				   "remount with \"%.64s\": only mount attributes can be changed",
				   en->o.data.v[0]);
	en->target = path_open_in_root(s->root, en->m->destination, O_PATH, 0);
	if (en->target < 0)
		return error_set(e, en->target, "destination");
	r = mount_set(en->target, &en->o, e);
	return r < 0 ? r : mount_set_propagation(en->target, &en->o, e);
}

static int do_mount(struct ctr_setup *s, struct entry *en, int idmap, struct error *e)
{
	const Grpc__Mount *m = en->m;
	int r = mount_opts_parse(&en->o, m->options, m->n_options, e);

	if (r < 0)
		return r;
	if (str_eq(m->type, "bind"))
		en->o.bind = true;
	if (en->o.remount)
		return remount(s, en, e);
	if (en->o.bind)
		r = make_bind(s, en, e);
	if (r == 0) {
		en->target = ctr_target(s->root, m->destination, en->directory, &en->made, e);
		r = en->target < 0 ? en->target : check_target(s, en, e);
	}
	if (r < 0)
		return r;
	postpone_readonly(en);
	if (!en->o.bind)
		r = make_new(s, en, e);
	return r < 0 ? r : attach(s, en, idmap, e);
}

static int mount_one(struct ctr_setup *s, const Grpc__Mount *m, int idmap, struct error *e)
{
	struct entry en = { .m = m, .source = -1, .target = -1, .directory = true };
	int r = do_mount(s, &en, idmap, e);

	fd_close(en.source);
	fd_close(en.target);
	mount_opts_done(&en.o);
	return r < 0 ? error_prefix(e, "mount \"%.128s\" to rootfs at \"%.128s\"",
				    str_empty(m->source) ? m->type : m->source, m->destination)
		     : 0;
}

static bool wants_idmap(const Grpc__Mount *m)
{
	for (size_t i = 0; i < m->n_options; i++) {
		if (str_eq(m->options[i], "idmap") || str_eq(m->options[i], "ridmap"))
			return true;
	}
	return m->n_uidmappings || m->n_gidmappings;
}

/* The mount's own maps, or else those of the container. */
static int new_idmap(const struct ctr_setup *s, const Grpc__Mount *m, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	bool own = m->n_uidmappings || m->n_gidmappings;
	Grpc__LinuxIDMapping **u = own ? m->uidmappings : l->uidmappings;
	Grpc__LinuxIDMapping **g = own ? m->gidmappings : l->gidmappings;
	size_t nu = own ? m->n_uidmappings : l->n_uidmappings;
	size_t ng = own ? m->n_gidmappings : l->n_gidmappings;
	struct ns_idmap uids[NS_IDMAP_MAX], gids[NS_IDMAP_MAX];

	if (nu > NS_IDMAP_MAX || ng > NS_IDMAP_MAX)
		return error_plain(e, E2BIG, "more than %d id mappings", NS_IDMAP_MAX);
	for (size_t i = 0; i < nu; i++)
		uids[i] = (struct ns_idmap){ u[i]->containerid, u[i]->hostid, u[i]->size };
	for (size_t i = 0; i < ng; i++)
		gids[i] = (struct ns_idmap){ g[i]->containerid, g[i]->hostid, g[i]->size };
	return ns_new_user(uids, nu, gids, ng, e);
}

int ctr_root_idmaps(struct ctr_setup *s, struct error *e)
{
	size_t n = s->spec->n_mounts;

	if (n > LIMIT_CTR_MOUNTS)
		return error_plain(e, E2BIG, "more than %d mounts", LIMIT_CTR_MOUNTS);
	for (size_t i = 0; i < n; i++) {
		const Grpc__Mount *m = s->spec->mounts[i];

		if (!wants_idmap(m))
			continue;
		if (!s->idmaps) {
			s->idmaps = xnew_array(int, n);
			for (size_t j = 0; j < n; j++)
				s->idmaps[j] = -1;
		}
		s->idmaps[i] = new_idmap(s, m, e);
		if (s->idmaps[i] < 0)
			return error_prefix(e, "mount at \"%.128s\"", m->destination);
	}
	return 0;
}

int ctr_root_open(struct ctr_setup *s, struct error *e)
{
	const Grpc__Root *root = s->spec->root;
	autofree char *path = NULL;
	autoclose int at = -1;

	if (!root || str_empty(root->path))
		return error_plain(e, EINVAL, "the spec has no root file system");
	path = root->path[0] == '/' ? xstrdup(root->path)
				    : xasprintf("%s/%s", s->rq->bundle, root->path);
	/* Nothing that happens in here goes back to the agent's mounts. */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_set(e, errno, "make the mounts slaves");
	at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return error_set(e, errno, "root file system %.256s", path);
	s->root = mount_clone(at, "", true, e);
	if (s->root < 0 || mount_attach(s->root, at, e) < 0)
		return error_prefix(e, "root file system %.256s", path);
	return 0;
}

int ctr_root_mounts(struct ctr_setup *s, struct error *e)
{
	s->late_readonly = xnew_array(int, s->spec->n_mounts + 1);
	for (size_t i = 0; i < s->spec->n_mounts; i++) {
		int r = mount_one(s, s->spec->mounts[i], s->idmaps ? s->idmaps[i] : -1, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* An empty tmpfs for the first directory, and copies of that one for the others. */
static int hide_directory(int target, int *tmpfs, struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autoclose int fd = -1;
	int r;

	if (*tmpfs >= 0) {
		fd = mount_clone(*tmpfs, "", false, e);
		return fd < 0 ? fd : mount_attach(fd, target, e);
	}
	o.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	strv_add(&o.data, "nr_inodes=2");
	strv_add(&o.data, "mode=555");
	fd = mount_new("tmpfs", "tmpfs", &o, e);
	r = fd < 0 ? fd : mount_set(fd, &o, e);
	if (r == 0)
		r = mount_attach(fd, target, e);
	if (r == 0)
		*tmpfs = take_fd(fd);
	return r;
}

static int hide(const struct ctr_setup *s, const char *path, int *tmpfs, struct error *e)
{
	autoclose int target = path_open_in_root(s->root, path, O_PATH, 0);
	autoclose int null = -1;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return error_set(e, target, "open");
	if (is_directory(target))
		return hide_directory(target, tmpfs, e);
	/* By its name: the descriptor of before belongs to the agent's mount namespace, whose
	 * mounts cannot be cloned here. */
	null = mount_clone(AT_FDCWD, "/dev/null", false, e);
	return null < 0 ? null : mount_attach(null, target, e);
}

static int make_readonly(const struct ctr_setup *s, const char *path, struct error *e)
{
	autoclose int target = path_open_in_root(s->root, path, O_PATH, 0);
	autoclose int copy = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return error_set(e, target, "open");
	copy = mount_clone(target, "", true, e);
	r = copy < 0 ? copy : mount_set_readonly(copy, e);
	return r < 0 ? r : mount_attach(copy, target, e);
}

int ctr_root_hide(struct ctr_setup *s, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	autoclose int tmpfs = -1;

	for (size_t i = 0; l && i < l->n_readonlypaths; i++) {
		if (make_readonly(s, l->readonlypaths[i], e) < 0)
			return error_prefix(e, "read-only path %.256s", l->readonlypaths[i]);
	}
	for (size_t i = 0; l && i < l->n_maskedpaths; i++) {
		if (hide(s, l->maskedpaths[i], &tmpfs, e) < 0)
			return error_prefix(e, "masked path %.256s", l->maskedpaths[i]);
	}
	for (size_t i = 0; i < s->nlate_readonly; i++) {
		int r = mount_set_readonly(s->late_readonly[i], e);

		if (r < 0)
			return r;
		s->late_readonly[i] = fd_close(s->late_readonly[i]);
	}
	return 0;
}

/* runc makes a missing working directory, and engines count on it. */
static int make_cwd(const struct ctr_setup *s, struct error *e)
{
	const char *cwd = s->process->cwd;
	autoclose int fd = -1;

	if (str_empty(cwd))
		return 0;
	fd = ctr_target(s->root, cwd, true, NULL, e);
	return fd < 0 ? error_prefix(e, "working directory") : 0;
}

int ctr_root_enter(struct ctr_setup *s, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	uint64_t propagation;
	int r = make_cwd(s, e);

	if (r == 0 && s->spec->root->readonly)
		r = mount_set_readonly(s->root, e);
	if (r == 0)
		r = mount_pivot(s->root, e);
	if (r < 0)
		return r;
	if (!l || str_empty(l->rootfspropagation))
		return 0;
	propagation = mount_propagation_parse(l->rootfspropagation);
	if (!propagation)
		return error_plain(e, EINVAL, "unknown rootfsPropagation \"%.32s\"",
				   l->rootfspropagation);
	if (mount(NULL, "/", NULL, propagation, NULL) < 0)
		return error_set(e, errno, "set the propagation of / to %s", l->rootfspropagation);
	return 0;
}
