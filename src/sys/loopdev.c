/* SPDX-License-Identifier: Apache-2.0 */
/* loopdev - see loopdev.h; loop(4). LOOP_CONFIGURE needs Linux 5.8. */
#include "sys/loopdev.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define TRIES 64 /* others look for a free one at the same time */

/* The device, -EBUSY if somebody else was faster. */
static int try_one(int control, int file, bool readonly, char path[LOOPDEV_PATH_MAX])
{
	struct loop_config c = { .fd = (uint32_t)file };
	int n = ioctl(control, LOOP_CTL_GET_FREE);
	autoclose int dev = -1;

	if (n < 0)
		return -errno;
	snprintf(path, LOOPDEV_PATH_MAX, "/dev/loop%d", n);
	dev = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (dev < 0)
		return -errno;
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0);
	if (ioctl(dev, LOOP_CONFIGURE, &c) < 0)
		return -errno;
	return take_fd(dev);
}

int loopdev_attach(const char *file, bool readonly, char ret_path[LOOPDEV_PATH_MAX],
		   struct error *e)
{
	autoclose int fd = open(file, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	autoclose int control = -1;
	int r = -EBUSY;

	if (fd < 0)
		return error_set(e, errno, "open %s", file);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return error_set(e, errno, "open /dev/loop-control");
	for (int i = 0; i < TRIES && r == -EBUSY; i++)
		r = try_one(control, fd, readonly, ret_path);
	return r < 0 ? error_set(e, r, "loop device for %s", file) : r;
}
