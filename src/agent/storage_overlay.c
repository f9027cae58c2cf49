/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage_overlay - overlays: of directories the host names ("overlayfs"), and of disks that hold
 * one layer each ("erofs.multi-layer").
 *
 * The kernel is given descriptors ("/proc/self/fd/N"), not the host's paths: what was checked is
 * what is used, and any number of layers fits into the options.
 *
 * Of several layers one is the upper one (X-kata.overlay-upper): its storage's mount point is where
 * the overlay comes to lie. The others are below it in the order of the request, the top one first.
 * Once the overlay is mounted it holds them by itself, so that nothing is left to be taken apart
 * but the overlay. dm-verity is not supported.
 */
#include "agent/storage_driver.h"

#include "sys/kmod.h"
#include "sys/mounts.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPT_LOCAL_UPPER "io.katacontainers.fs-opt.overlay-rw"
#define OPT_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="
#define OPT_PREFIX "io.katacontainers."
#define OPT_UPPER "X-kata.overlay-upper"
#define OPT_LOWER "X-kata.overlay-lower"
#define OPT_LAYERED "X-kata.multi-layer=true"
#define OPT_MKDIR "X-kata.mkdir.path="
#define OPT_GPT "X-kata.gpt-partitioned"
#define OPT_PARTITION "X-kata.partition-number"
#define FIRST_MOUNT "{{ mount 0 }}"
#define NEW_MODE 0755

struct layers {
	int lower[LIMIT_AGENT_LAYERS];
	size_t n;
	int upper, work;
};

static void layers_init(struct layers *l)
{
	l->n = 0;
	l->upper = l->work = -1;
}

static void layers_done(struct layers *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_close(l->lower[i]);
	fd_close(l->upper);
	fd_close(l->work);
}
DEFINE_AUTODONE(layers, layers_done);

/* --- mounting --- */

static int add_path(struct buf *data, const char *before, int fd)
{
	char name[PATH_FD_MAX];

	return buf_addf(data, "%s%s", before, path_of_fd(fd, name));
}

/* "lowerdir=A:B,upperdir=C,workdir=D,more" */
static int overlay_data(struct buf *data, const struct layers *l, const struct strv *more)
{
	int r = 0;

	for (size_t i = 0; i < l->n && r >= 0; i++)
		r = add_path(data, i ? ":" : "lowerdir=", l->lower[i]);
	if (r >= 0 && l->upper >= 0)
		r = add_path(data, ",upperdir=", l->upper);
	if (r >= 0 && l->upper >= 0)
		r = add_path(data, ",workdir=", l->work);
	for (size_t i = 0; i < more->n && r >= 0; i++)
		r = buf_addf(data, ",%s", more->v[i]);
	return r;
}

/* By mount(2): an option of fsconfig(2) takes no more than 255 bytes. */
static int mount_overlay(int target, const char *data, struct error *e)
{
	char name[PATH_FD_MAX];
	autofree char *dir = NULL;

	path_of_fd(target, name);
	if (mount("overlay", name, "overlay", 0, data) == 0)
		return 0;
	dir = errno == ENODEV ? kmod_dir() : NULL;
	if (dir && kmod_load(dir, "overlay", NULL, e) < 0)
		return error_prefix(e, "overlay");
	if (dir && mount("overlay", name, "overlay", 0, data) == 0)
		return 0;
	return error_set(e, errno, "mount an overlay (%s)", data);
}

static int overlay_make(const struct storage_place *at, const char *path, const struct layers *l,
			const struct strv *options, struct error *e)
{
	autodone(mount_opts) o = MOUNT_OPTS_INIT;
	autodone(buf) data = BUF_INIT(LIMIT_AGENT_STORAGE_OPTIONS);
	autoclose int target = storage_target(at, path, e), root = -1;
	int r = target < 0 ? target : mount_opts_parse(&o, options->v, options->n, e);

	if (r < 0)
		return r;
	if (overlay_data(&data, l, &o.data) < 0)
		return error_plain(e, E2BIG, "%zu layers and their options are too many", l->n);
	r = mount_overlay(target, buf_str(&data), e);
	if (r < 0)
		return r;
	/* Now this is what is mounted there. */
	root = path_open_beneath(at->root, path, O_PATH | O_DIRECTORY, 0);
	return root < 0 ? error_set(e, root, "%s", path) : mount_set(root, &o, e);
}

/* --- directories of the host's choice --- */

static int open_lower(const struct storage_place *at, const char *list, struct layers *l,
		      struct error *e)
{
	autodone(strv) paths = STRV_INIT;

	strv_split(&paths, list, ":");
	for (size_t i = 0; i < paths.n; i++) {
		if (l->n == LIMIT_AGENT_LAYERS)
			return error_plain(e, E2BIG, "more than %d layers", LIMIT_AGENT_LAYERS);
		l->lower[l->n] = storage_open(at, paths.v[i], e);
		if (l->lower[l->n] < 0)
			return l->lower[l->n];
		l->n++;
	}
	return 0;
}

/* Directories of the container's own, gone with it. */
static int local_upper(const struct storage_place *at, struct layers *l, struct error *e)
{
	autofree char *upper = xasprintf("%s/upper", at->id), *work = xasprintf("%s/work", at->id);

	l->upper = storage_target(at, upper, e);
	if (l->upper < 0)
		return l->upper;
	l->work = storage_target(at, work, e);
	return l->work < 0 ? l->work : 0;
}

static int open_upper(const struct storage_place *at, const Grpc__Storage *rq, struct layers *l,
		      struct error *e)
{
	const char *upper = storage_option(rq, "upperdir"), *work = storage_option(rq, "workdir");

	if (storage_has_option(rq, OPT_LOCAL_UPPER))
		return local_upper(at, l, e);
	if (!upper)
		return 0;
	l->upper = storage_open(at, upper, e);
	if (l->upper < 0)
		return l->upper;
	l->work = storage_open(at, work, e);
	return l->work < 0 ? l->work : 0;
}

static int create_directories(const struct storage_place *at, const Grpc__Storage *rq,
			      struct error *e)
{
	for (size_t i = 0; i < rq->n_driver_options; i++) {
		const char *path = str_skip_prefix(rq->driver_options[i], OPT_DIRECTORY);
		const char *rest = path ? str_skip_prefix(path, at->run_dir) : NULL;
		int fd;

		if (!rest || *rest != '/')
			return error_plain(e, EINVAL, "\"%.256s\" is not below %s",
					   path ? path : "", at->run_dir);
		fd = storage_target(at, rest + 1, e);
		if (fd < 0)
			return fd;
		fd_close(fd);
	}
	return 0;
}

int storage_overlay_check(const Grpc__Storage *rq, struct error *e)
{
	bool upper = storage_option(rq, "upperdir"), work = storage_option(rq, "workdir");

	if (str_empty(storage_option(rq, "lowerdir")))
		return error_plain(e, EINVAL, "an overlay without lowerdir=");
	if (upper != work)
		return error_plain(e, EINVAL, "an overlay with one of upperdir= and workdir=");
	if (upper && storage_has_option(rq, OPT_LOCAL_UPPER))
		return error_plain(e, EINVAL, "an overlay with both upperdir= and %s",
				   OPT_LOCAL_UPPER);
	return 0;
}

/* What is left for the kernel. */
static void other_options(const Grpc__Storage *rq, struct strv *ret)
{
	static const char *const ours[] = { "lowerdir=", "upperdir=", "workdir=", OPT_PREFIX,
					    "X-kata." };

	for (size_t i = 0; i < rq->n_options; i++) {
		bool is_ours = false;

		for (size_t j = 0; j < ARRAY_SIZE(ours); j++)
			is_ours |= !!str_skip_prefix(rq->options[i], ours[j]);
		if (!is_ours)
			strv_add(ret, rq->options[i]);
	}
}

int storage_overlay_mount(const struct storage_place *at, const struct storage_request *sr,
			  const char *path, struct error *e)
{
	autodone(strv) options = STRV_INIT;
	autodone(layers) l;
	int r;

	layers_init(&l);
	if (!at->id && storage_has_option(sr->rq, OPT_LOCAL_UPPER))
		return error_plain(e, EINVAL, "%s is for a container's storage", OPT_LOCAL_UPPER);
	r = create_directories(at, sr->rq, e);
	if (r >= 0)
		r = open_lower(at, storage_option(sr->rq, "lowerdir"), &l, e);
	if (r >= 0)
		r = open_upper(at, sr->rq, &l, e);
	other_options(sr->rq, &options);
	return r < 0 ? r : overlay_make(at, path, &l, &options, e);
}

/* --- disks with a layer each --- */

bool storage_is_layered(const Grpc__Storage *rq)
{
	return str_eq(rq->driver, "erofs.multi-layer") || storage_has_option(rq, OPT_LAYERED);
}

static bool is_upper(const Grpc__Storage *rq)
{
	return storage_has_option(rq, OPT_UPPER) ||
	       (str_eq(rq->fstype, "ext4") && !storage_has_option(rq, OPT_LOWER));
}

bool storage_is_layer(const Grpc__Storage *rq)
{
	return storage_is_layered(rq) && !is_upper(rq);
}

static bool known_option(const char *o)
{
	static const char *const known[] = { OPT_UPPER, OPT_LOWER,   OPT_LAYERED,
					     OPT_MKDIR, OPT_GPT "=", OPT_PARTITION "=" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_skip_prefix(o, known[i]))
			return true;
	return !str_skip_prefix(o, "X-kata.");
}

static int partition_number(const Grpc__Storage *rq, uint32_t *ret, struct error *e)
{
	const char *text = storage_option(rq, OPT_PARTITION);

	*ret = 0;
	if (text && (str_to_u32(text, 10, ret) < 0 || !*ret || *ret > 128))
		return error_plain(e, EINVAL, "\"%.32s\" is not a partition's number", text);
	return 0;
}

int storage_layers_check(const Grpc__Storage *rq, struct error *e)
{
	const char *driver = str_eq(rq->driver, "erofs.multi-layer") ? "blk" : rq->driver;
	uint32_t number;
	int r = device_check(driver, rq->source, e);

	if (r >= 0 && str_empty(rq->fstype))
		return error_plain(e, EINVAL, "a layer's file system type is missing");
	for (size_t i = 0; i < rq->n_options && r >= 0; i++) {
		if (str_skip_prefix(rq->options[i], "X-kata.dmverity"))
			return error_plain(e, EOPNOTSUPP,
					   "layers with dm-verity are not supported (%.64s)",
					   rq->options[i]);
		if (!known_option(rq->options[i]))
			return error_plain(e, EOPNOTSUPP,
					   "a layer's option \"%.64s\" is not supported",
					   rq->options[i]);
	}
	return r < 0 ? r : partition_number(rq, &number, e);
}

/* Mounts the disk below the scratch directory and opens its root. */
static int mount_layer(const struct storage_place *at, const Grpc__Storage *rq, const char *path,
		       bool lower, struct error *e)
{
	autodone(strv) options = STRV_INIT;
	autoclose int target = storage_target(at, path, e);
	struct device_node disk;
	uint32_t number;
	int r = target < 0 ? target : storage_disk(at, rq, &disk, e), fd;

	if (r >= 0)
		r = partition_number(rq, &number, e);
	if (r >= 0 && number)
		r = device_partition(&at->env, &disk, number, &disk, e);
	if (r < 0)
		return r;
	storage_options_without(rq, "X-kata.", &options);
	if (lower)
		strv_add(&options, "ro");
	r = storage_mount_type(rq->fstype, disk.path, target, &options, e);
	if (r < 0)
		return error_prefix(e, "layer %s", rq->source);
	fd = path_open_beneath(at->root, path, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? error_set(e, fd, "layer %s", rq->source) : fd;
}

/* "{{ mount 0 }}/upper", maybe with ":MODE" behind it: a directory in the upper layer. */
static int make_asked(const Grpc__Storage *rq, int upper, struct error *e)
{
	for (size_t i = 0; i < rq->n_options; i++) {
		const char *text = str_skip_prefix(rq->options[i], OPT_MKDIR);
		const char *rest = text ? str_skip_prefix(text, FIRST_MOUNT "/") : NULL;
		autofree char *path = xstrdup(rest ? rest : "");
		char *colon = strchr(path, ':');
		uint32_t mode = NEW_MODE;
		int fd;

		if (!text)
			continue;
		if (colon)
			*colon++ = '\0';
		if (!*path || (colon && (str_to_u32(colon, 8, &mode) < 0 || mode > 07777)))
			return error_plain(e, EINVAL, "\"%.128s\" is not %s/PATH[:MODE]", text,
					   FIRST_MOUNT);
		fd = path_mkdir_beneath(upper, path, mode);
		if (fd < 0)
			return error_set(e, fd, "create %s in the upper layer", path);
		fd_close(fd);
	}
	return 0;
}

static int mount_upper(const struct storage_place *at, const Grpc__Storage *rq, const char *scratch,
		       struct layers *l, struct error *e)
{
	autofree char *path = xasprintf("%s/upper", scratch);
	autoclose int root = mount_layer(at, rq, path, false, e);
	int r = root < 0 ? root : make_asked(rq, root, e);

	if (r < 0)
		return r;
	l->upper = path_mkdir_beneath(root, "upper", NEW_MODE);
	l->work = path_mkdir_beneath(root, "work", NEW_MODE);
	if (l->upper < 0 || l->work < 0)
		return error_plain(e, EIO, "upper and work directory of %s cannot be made",
				   rq->source);
	return 0;
}

static int mount_lower(const struct storage_place *at, const struct storage_request *sr,
		       const char *scratch, struct layers *l, struct error *e)
{
	for (size_t i = 0; i < sr->n_all; i++) {
		autofree char *path = xasprintf("%s/lower-%zu", scratch, i);

		if (!storage_is_layer(sr->all[i]))
			continue;
		if (l->n == LIMIT_AGENT_LAYERS)
			return error_plain(e, E2BIG, "more than %d layers", LIMIT_AGENT_LAYERS);
		l->lower[l->n] = mount_layer(at, sr->all[i], path, true, e);
		if (l->lower[l->n] < 0)
			return l->lower[l->n];
		l->n++;
	}
	return l->n ? 0 : error_plain(e, EINVAL, "there are no layers below %s", sr->rq->source);
}

/* A file system of its own, so that all layers go with it at once, whatever happens. */
static int scratch_open(const struct storage_place *at, const char *path, struct error *e)
{
	const struct strv none = STRV_INIT;
	autoclose int target = storage_target(at, path, e);
	int r = target < 0 ? target : storage_mount_type("tmpfs", "layers", target, &none, e);

	return r;
}

static void scratch_close(const struct storage_place *at, const char *path)
{
	static const struct storage_driver nothing = { .name = "layers", .quick = true };

	storage_unmount(&nothing, at, path);
}

int storage_layers_mount(const struct storage_place *at, const struct storage_request *sr,
			 const char *path, struct error *e)
{
	autofree char *scratch = xasprintf("%s/layers", at->id ? at->id : "sandbox");
	autodone(strv) options = STRV_INIT;
	autodone(layers) l;
	int r;

	layers_init(&l);
	scratch_close(at, scratch); /* of one that was killed in between */
	r = scratch_open(at, scratch, e);
	if (r >= 0)
		r = mount_upper(at, sr->rq, scratch, &l, e);
	if (r >= 0)
		r = mount_lower(at, sr, scratch, &l, e);
	if (r >= 0)
		r = overlay_make(at, path, &l, &options, e);
	scratch_close(at, scratch);
	return r;
}
