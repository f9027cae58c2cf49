/* SPDX-License-Identifier: Apache-2.0 */
/* pcipath - see pcipath.h. */
#include "sys/pcipath.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define SLOTS 0x20
#define FUNCTIONS 8
#define HEX_DIGITS 2

static int take_hex(const char *text, uint32_t *ret)
{
	if (!*text || strlen(text) > HEX_DIGITS ||
	    strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		return -EINVAL;
	return str_to_u32(text, 16, ret);
}

static int take_step(char *text, struct pci_path *p, bool first)
{
	char *dot = strchr(text, '.');
	uint32_t slot, function = 0;

	if (dot)
		*dot++ = '\0';
	if (take_hex(text, &slot) < 0 || (dot && take_hex(dot, &function) < 0))
		return -EINVAL;
	if (first && slot >= SLOTS && !dot) {
		p->bus = (uint8_t)slot;
		return 0;
	}
	if (slot >= SLOTS || function >= FUNCTIONS || p->n == PCI_PATH_MAX)
		return -EINVAL;
	p->step[p->n].slot = (uint8_t)slot;
	p->step[p->n++].function = (uint8_t)function;
	return 0;
}

int pci_path_parse(const char *text, struct pci_path *ret, struct error *e)
{
	autofree char *copy = xstrdup(text);
	struct pci_path p = { 0 };
	char *rest = copy, *word;
	int r = 0;

	for (bool first = true; r == 0 && (word = strsep(&rest, "/")); first = false)
		r = take_step(word, &p, first);
	if (r < 0 || !p.n)
		return error_plain(e, EINVAL,
				   "\"%.64s\" is not a PCI path (slots as two hexadecimal digits, "
				   "\"02/03\")",
				   text);
	*ret = p;
	return 0;
}

/* The entry of @dir for which @match says yes, opened; -ENOENT. */
static int open_matching(int dir, bool (*match)(const char *name, const void *want),
			 const void *want)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -ENOENT;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	for (struct dirent *de; r == -ENOENT && (de = readdir(d));) {
		if (!match(de->d_name, want))
			continue;
		r = openat(dir, de->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (r < 0)
			r = -errno;
	}
	closedir(d);
	return r;
}

/* "pci0000:20" for bus 0x20; other domains are those of controllers with buses of their own. */
static bool is_root_bus(const char *name, const void *want)
{
	const char *rest = str_skip_prefix(name, "pci0000:");
	uint32_t bus;

	return rest && take_hex(rest, &bus) == 0 && bus == *(const uint8_t *)want;
}

/* "0000:01:1f.2" for slot 0x1f, function 2, on any bus. */
static bool is_device(const char *name, const void *want)
{
	const char *colon = strrchr(name, ':');
	char tail[8];

	snprintf(tail, sizeof(tail), "%02x.%x", ((const uint8_t *)want)[0],
		 ((const uint8_t *)want)[1]);
	return colon && colon != strchr(name, ':') && str_eq(colon + 1, tail);
}

/* Below /sys/devices, or below a host bridge that is a platform device. */
static int open_root_bus(int sys, const struct pci_path *p)
{
	autoclose int devices = openat(sys, "devices", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int platform = -1;
	int fd = devices < 0 ? -errno : open_matching(devices, is_root_bus, &p->bus);
	DIR *d;

	if (fd != -ENOENT)
		return fd;
	platform = openat(devices, "platform", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = platform < 0 ? NULL : fdopendir(dup(platform));
	for (struct dirent *de; d && fd == -ENOENT && (de = readdir(d));) {
		autoclose int bridge = -1;

		if (*de->d_name != '.')
			bridge = openat(platform, de->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd = bridge < 0 ? -ENOENT : open_matching(bridge, is_root_bus, &p->bus);
	}
	if (d)
		closedir(d);
	return fd;
}

int pci_path_open(int sys, const struct pci_path *p)
{
	autoclose int fd = open_root_bus(sys, p);

	for (size_t i = 0; i < p->n && fd >= 0; i++) {
		const uint8_t want[] = { p->step[i].slot, p->step[i].function };
		int next = open_matching(fd, is_device, want);

		if (next < 0)
			return next;
		fd_close(fd);
		fd = next;
	}
	return take_fd(fd);
}
