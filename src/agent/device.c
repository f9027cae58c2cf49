/* SPDX-License-Identifier: Apache-2.0 */
/* device - see device.h. */
#include "agent/device.h"

#include "sys/kmod.h"
#include "sys/pcipath.h"
#include "sys/uevent.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 200 /* should the kernel's word be lost */
#define MODULES_MAX 3

struct search {
	const struct device_env *env;
	const char *where;
	int sys; /* O_PATH of env->sys */
};

struct device_driver {
	const char *name;
	const char *refused; /* why, where it is not supported */
	const char *modules[MODULES_MAX];
	int (*check)(const char *where, struct error *e);
	/* The name of the block device, -ENOENT while it is not there. */
	int (*find)(const struct search *s, char ret[DEVICE_NAME_MAX]);
};

/* --- names --- */

static const char *dev_name(const char *where)
{
	return str_skip_prefix(where, "/dev/");
}

static int check_dev(const char *where, struct error *e)
{
	const char *name = dev_name(where);

	if (!name || !*name || strlen(name) >= DEVICE_NAME_MAX || strchr(name, '/') || *name == '.')
		return error_plain(e, EINVAL, "\"%.64s\" is not the name of a device (/dev/NAME)",
				   where);
	return 0;
}

static int check_blk(const char *where, struct error *e)
{
	struct pci_path p;

	return dev_name(where) ? check_dev(where, e) : pci_path_parse(where, &p, e);
}

static int parse_scsi(const char *where, uint32_t *id, uint32_t *lun)
{
	autofree char *text = xstrdup(where);
	char *colon = strchr(text, ':');

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	return str_to_u32(text, 10, id) < 0 || str_to_u32(colon + 1, 10, lun) < 0 ? -EINVAL : 0;
}

static int check_scsi(const char *where, struct error *e)
{
	uint32_t id, lun;

	if (parse_scsi(where, &id, &lun) < 0)
		return error_plain(e, EINVAL, "\"%.64s\" is not a SCSI address (ID:LUN)", where);
	return 0;
}

/* --- searching sysfs --- */

/* The first entry of the directory "<at>/block": a device has one disk. */
static int first_disk(int at, char ret[DEVICE_NAME_MAX])
{
	int fd = openat(at, "block", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -ENOENT;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_close(fd);
		return -ENOENT;
	}
	for (struct dirent *de; r < 0 && (de = readdir(d));)
		if (*de->d_name != '.' && strlen(de->d_name) < DEVICE_NAME_MAX)
			r = snprintf(ret, DEVICE_NAME_MAX, "%s", de->d_name);
	closedir(d);
	return r < 0 ? r : 0;
}

/* In each directory below @at whose name @match likes. */
static int find_disk(int at, bool (*match)(const char *name, const void *want), const void *want,
		     char ret[DEVICE_NAME_MAX])
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -ENOENT;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_close(fd);
		return -ENOENT;
	}
	for (struct dirent *de; r < 0 && (de = readdir(d));) {
		autoclose int child = -1;

		if (match(de->d_name, want))
			child = openat(at, de->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (child >= 0)
			r = first_disk(child, ret);
	}
	closedir(d);
	return r;
}

static bool is_virtio(const char *name, const void *want)
{
	const char *n = str_skip_prefix(name, "virtio");
	uint32_t number;

	return n && str_to_u32(n, 10, &number) == 0;
}

static int find_name(const struct search *s, char ret[DEVICE_NAME_MAX])
{
	autofree char *path = xasprintf("class/block/%s", dev_name(s->where));

	if (faccessat(s->sys, path, F_OK, 0) < 0)
		return -ENOENT;
	snprintf(ret, DEVICE_NAME_MAX, "%s", dev_name(s->where));
	return 0;
}

/* A virtio disk has its driver's device in between; an NVMe one would not, and is not looked for.
 */
static int find_blk(const struct search *s, char ret[DEVICE_NAME_MAX])
{
	struct pci_path p;
	autoclose int device = -1;

	if (dev_name(s->where))
		return find_name(s, ret);
	if (pci_path_parse(s->where, &p, NULL) < 0)
		return -EINVAL;
	device = pci_path_open(s->sys, &p);
	return device < 0 ? device : find_disk(device, is_virtio, NULL, ret);
}

struct scsi_address {
	uint32_t id, lun;
};

/* "HOST:0:ID:LUN" */
static bool is_scsi(const char *name, const void *want)
{
	const struct scsi_address *a = want;
	char tail[32];

	snprintf(tail, sizeof(tail), ":0:%u:%u", a->id, a->lun);
	return strchr(name, ':') && str_eq(strchr(name, ':'), tail);
}

/* Adapters that are not told look for nothing by themselves. */
static void scan_scsi(const struct search *s, const struct scsi_address *a)
{
	int fd = openat(s->sys, "class/scsi_host", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char text[32];

	if (!d) {
		fd_close(fd);
		return;
	}
	snprintf(text, sizeof(text), "0 %u %u", a->id, a->lun);
	for (struct dirent *de; (de = readdir(d));) {
		autofree char *path = NULL;
		int r;

		if (!str_skip_prefix(de->d_name, "host"))
			continue;
		path = xasprintf("%s/scan", de->d_name);
		r = file_write_at(dirfd(d), path, text);
		if (r < 0)
			log_warn("scan scsi %s: %s", de->d_name, strerror(-r));
	}
	closedir(d);
}

static int find_scsi(const struct search *s, char ret[DEVICE_NAME_MAX])
{
	struct scsi_address a;
	autoclose int devices = -1;
	int r;

	if (parse_scsi(s->where, &a.id, &a.lun) < 0)
		return -EINVAL;
	devices = openat(s->sys, "bus/scsi/devices", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = devices < 0 ? -ENOENT : find_disk(devices, is_scsi, &a, ret);
	if (r == -ENOENT)
		scan_scsi(s, &a);
	return r;
}

static const struct device_driver drivers[] = {
	{ "blk", NULL, { "virtio_pci", "virtio_blk" }, check_blk, find_blk },
	{ "mmioblk", NULL, { "virtio_mmio", "virtio_blk" }, check_dev, find_name },
	{ "scsi", NULL, { "virtio_pci", "virtio_scsi", "sd_mod" }, check_scsi, find_scsi },
	{ "nvdimm", NULL, { "nfit", "virtio_pmem", "nd_pmem" }, check_dev, find_name },
	{ "blk-ccw", "channel devices exist on s390x only", { NULL }, NULL, NULL },
	{ "vfio-pci", "there is no driver for it in the guest", { NULL }, NULL, NULL },
	{ "vfio-pci-gk", "there is no driver for it in the guest", { NULL }, NULL, NULL },
	{ "vfio-ap", "adjunct processors exist on s390x only", { NULL }, NULL, NULL },
	{ "vfio-ap-cold", "adjunct processors exist on s390x only", { NULL }, NULL, NULL },
};

static const struct device_driver *find_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (str_eq(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

const char *device_driver_name(size_t i)
{
	return i < ARRAY_SIZE(drivers) && !drivers[i].refused ? drivers[i].name : NULL;
}

int device_check(const char *driver, const char *where, struct error *e)
{
	const struct device_driver *d = find_driver(driver);

	if (!d)
		return error_plain(e, EOPNOTSUPP, "devices of type \"%.64s\" are not supported",
				   driver);
	if (d->refused)
		return error_plain(e, EOPNOTSUPP, "devices of type %s are not supported: %s",
				   d->name, d->refused);
	return d->check(where, e);
}

const char *device_where(const Grpc__Device *d)
{
	const struct device_driver *driver = find_driver(d->type);
	bool by_name = driver && driver->find == find_name;

	return (by_name || str_empty(d->id)) && !str_empty(d->vm_path) ? d->vm_path : d->id;
}

/* --- waiting --- */

/* What the first of them that could not be loaded said, for the case that the device does not come.
 * A kernel that has them built in need not have a list of its modules. */
static void load_modules(const struct device_driver *d, struct error *why)
{
	autofree char *dir = kmod_dir();

	for (size_t i = 0; i < MODULES_MAX && d->modules[i]; i++) {
		struct error e = ERROR_INIT;

		if (kmod_load(dir, d->modules[i], NULL, &e) >= 0)
			continue;
		log_debug("%s", e.text);
		if (!why->code)
			*why = e;
	}
}

/* The node comes a moment after the entry in sysfs. */
static int open_node(const struct device_env *env, const char *name, struct device_node *ret)
{
	struct device_node n;
	struct stat st;

	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.path, sizeof(n.path), "%s/%s", env->dev, name);
	if (lstat(n.path, &st) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	n.major = major(st.st_rdev);
	n.minor = minor(st.st_rdev);
	*ret = n;
	return 0;
}

static int look(const struct device_driver *d, const struct search *s, struct device_node *ret)
{
	char name[DEVICE_NAME_MAX];
	int r = d->find(s, name);

	return r < 0 ? r : open_node(s->env, name, ret);
}

static void wait_uevent(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[UEVENT_MAX];
	struct uevent u;

	if (poll(&p, 1, MIN(timeout_ms, LOOK_AGAIN_MS)) <= 0)
		return;
	/* One look for all that was said. */
	while (uevent_recv(fd, buf, &u) != -EAGAIN)
		;
}

int device_wait(const struct device_env *env, const char *driver, const char *where,
		struct device_node *ret, struct error *e)
{
	const struct device_driver *d = find_driver(driver);
	int64_t end = loop_now_ms() + env->timeout_ms, left;
	struct search s = { .env = env, .where = where };
	autoclose int events = uevent_open(e), sys = -1;
	struct error module = ERROR_INIT;
	int r = device_check(driver, where, e);

	if (r < 0 || events < 0)
		return r < 0 ? r : events;
	sys = s.sys = open(env->sys, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sys < 0)
		return error_set(e, errno, "%s", env->sys);
	r = look(d, &s, ret);
	if (r == -ENOENT)
		load_modules(d, &module);
	while ((r = look(d, &s, ret)) == -ENOENT && (left = end - loop_now_ms()) > 0)
		wait_uevent(events, (int)left);
	if (r == -ENOENT)
		return error_plain(e, ENODEV, "device %s %s did not appear within %d ms%s%s%s",
				   driver, where, env->timeout_ms, module.code ? " (" : "",
				   module.text, module.code ? ")" : "");
	return r < 0 ? error_set(e, r, "device %s %s", driver, where) : 0;
}

/* --- partitions --- */

int device_partition(const struct device_env *env, const struct device_node *n, unsigned number,
		     struct device_node *ret, struct error *e)
{
	autofree char *dir = xasprintf("%s/class/block/%s", env->sys, n->name);
	DIR *d = opendir(dir);
	int r = -ENOENT;

	for (struct dirent *de; d && r == -ENOENT && (de = readdir(d));) {
		autofree char *path = NULL, *text = NULL;
		uint32_t value;

		if (!str_skip_prefix(de->d_name, n->name) || strlen(de->d_name) >= DEVICE_NAME_MAX)
			continue;
		path = xasprintf("%s/%s/partition", dir, de->d_name);
		if (file_read_at(AT_FDCWD, path, 32, &text, NULL) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (str_to_u32(text, 10, &value) == 0 && value == number)
			r = open_node(env, de->d_name, ret);
	}
	if (d)
		closedir(d);
	return r < 0 ? error_set(e, r, "partition %u of %s", number, n->path) : 0;
}
