/* SPDX-License-Identifier: Apache-2.0 */
/* paths - see paths.h. */
#include "hv/qemu/paths.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_FILE "/etc/caisson/configuration.toml"

/* Debian and most others, own builds, RHEL. PATH is not asked: engines call without one. */
static const char *const programs[] = {
	"/usr/bin/qemu-system-x86_64",
	"/usr/local/bin/qemu-system-x86_64",
	"/usr/libexec/qemu-kvm",
};

/* Why the configured file cannot be used, and what to do. */
static int refuse(const char *what, const char *path, const char *key, int err, struct error *e)
{
	if (err == ENOENT || err == ENOTDIR)
		return error_plain(e, err,
				   "%s %s not found (set hypervisor.qemu.%s in " CONFIG_FILE ")",
				   what, path, key);
	return error_set(e, err, "%s %s (hypervisor.qemu.%s)", what, path, key);
}

static int resolve(const char *what, const char *path, const char *key, char **ret, struct error *e)
{
	autofree char *real = realpath(path, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return refuse(what, path, key, errno, e);
	if (!S_ISREG(st.st_mode))
		return error_plain(e, EINVAL, "%s %s is not a regular file (hypervisor.qemu.%s)",
				   what, path, key);
	*ret = take_ptr(real);
	return 0;
}

int qemu_find_program(const char *path, char **ret, struct error *e)
{
	int r;

	for (size_t i = 0; str_empty(path) && i < ARRAY_SIZE(programs); i++)
		if (access(programs[i], X_OK) == 0)
			path = programs[i];
	if (str_empty(path))
		return error_plain(e, ENOENT,
				   "QEMU not found (install the package qemu-system-x86, or set "
				   "hypervisor.qemu.path "
				   "in " CONFIG_FILE ")");
	r = resolve("QEMU", path, "path", ret, e);
	if (r == 0 && access(*ret, X_OK) < 0) {
		r = refuse("QEMU", path, "path", errno, e);
		free(take_ptr(*ret));
	}
	return r;
}

/* The VMM opens it itself, under its own identity. */
static int check_readable(const char *what, const char *path, const struct hv_config *c,
			  struct error *e)
{
	struct stat st;
	mode_t need = S_IROTH;

	if (!c->uid)
		return access(path, R_OK) < 0 ? error_set(e, errno, "%s %s", what, path) : 0;
	if (stat(path, &st) < 0)
		return error_set(e, errno, "%s %s", what, path);
	if (st.st_uid == c->uid)
		need = S_IRUSR;
	else if (st.st_gid == c->gid)
		need = S_IRGRP;
	if (st.st_mode & need)
		return 0;
	return error_plain(e, EACCES,
			   "%s %s is not readable by the VMM's user (uid %u): chmod a+r it", what,
			   path, (unsigned)c->uid);
}

/* ELF, or the boot protocol's "HdrS" (Documentation/x86/boot.rst). */
static int check_kernel(const char *path, struct error *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[0x206] = { 0 };

	if (fd < 0)
		return error_set(e, errno, "guest kernel %s", path);
	if (fd_read_full(fd, head, sizeof(head)) < 0)
		return error_set(e, errno, "read guest kernel %s", path);
	if (memcmp(head, "\177ELF", 4) == 0 || memcmp(head + 0x202, "HdrS", 4) == 0)
		return 0;
	return error_plain(
		e, ENOEXEC,
		"guest kernel %s is neither an ELF vmlinux nor a bzImage (hypervisor.qemu.kernel)",
		path);
}

int qemu_find_kernel(const struct hv_config *c, char **ret, struct error *e)
{
	autofree char *path = NULL;
	int r;

	if (str_empty(c->kernel))
		return error_plain(
			e, ENOENT,
			"no guest kernel is configured (set hypervisor.qemu.kernel in " CONFIG_FILE
			")");
	r = resolve("guest kernel", c->kernel, "kernel", &path, e);
	if (r == 0)
		r = check_readable("guest kernel", path, c, e);
	if (r == 0)
		r = check_kernel(path, e);
	if (r == 0)
		*ret = take_ptr(path);
	return r;
}

int qemu_find_initrd(const struct hv_config *c, char **ret, struct error *e)
{
	autofree char *path = NULL;
	int r;

	*ret = NULL;
	if (str_empty(c->initrd))
		return 0;
	r = resolve("guest initrd", c->initrd, "initrd", &path, e);
	if (r == 0)
		r = check_readable("guest initrd", path, c, e);
	if (r == 0)
		*ret = take_ptr(path);
	return r;
}

int qemu_image_root(const char *image, const char **ret, struct error *e)
{
	autoclose int fd = open(image, O_RDONLY | O_CLOEXEC);
	unsigned char sector[512] = { 0 };

	if (fd < 0)
		return refuse("guest image", image, "image", errno, e);
	if (fd_read_full(fd, sector, sizeof(sector)) < 0)
		return error_set(e, errno, "read guest image %s", image);
	/* The signature of an MBR, which a GPT has too. */
	*ret = sector[510] == 0x55 && sector[511] == 0xaa ? "/dev/vda1" : "/dev/vda";
	return 0;
}
