/* SPDX-License-Identifier: Apache-2.0 */
/* tap - see tap.h. */
#include "sys/tap.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define TUN_DEVICE "/dev/net/tun"
#define VHOST_DEVICE "/dev/vhost-net"

static void close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = fd_close(fds[i]);
}

static int open_all(const char *path, unsigned n, int *ret_fds)
{
	for (unsigned i = 0; i < n; i++) {
		ret_fds[i] = open(path, O_RDWR | O_CLOEXEC);
		if (ret_fds[i] < 0) {
			int err = errno;

			close_all(ret_fds, i);
			return -err;
		}
	}
	return 0;
}

/* @name "": a macvtap, which has its own. */
static int attach(int fd, const char *name, unsigned queues, bool first, struct error *e)
{
	struct ifreq ifr = { 0 };
	int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0);

	/* Only the first queue makes the link. */
	if (first && *name)
		flags |= IFF_TUN_EXCL;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = (short)flags;
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return 0;
	if (errno == EBUSY && first)
		return error_plain(e, EEXIST, "there is a network interface %s already", name);
	return error_set(e, errno, "make the tap %s with %u queues", name, queues);
}

static int open_tap(const char *path, const char *name, unsigned queues, int *ret_fds,
		    struct error *e)
{
	int fds[LIMIT_NET_QUEUES], r;

	if (!queues || queues > LIMIT_NET_QUEUES)
		return error_plain(e, EINVAL, "%u queues: 1 to %d are possible", queues,
				   LIMIT_NET_QUEUES);
	r = open_all(path, queues, fds);
	if (r < 0)
		return error_set(e, r, "open %s", path);
	for (unsigned i = 0; i < queues; i++) {
		r = attach(fds[i], name, queues, i == 0, e);
		if (r < 0) {
			close_all(fds, queues);
			return r;
		}
	}
	memcpy(ret_fds, fds, queues * sizeof(*fds));
	return 0;
}

int tap_open(const char *name, unsigned queues, int *ret_fds, struct error *e)
{
	return open_tap(TUN_DEVICE, name, queues, ret_fds, e);
}

int tap_open_device(const char *path, unsigned queues, int *ret_fds, struct error *e)
{
	return open_tap(path, "", queues, ret_fds, e);
}

int tap_open_vhost(unsigned n, int *ret_fds)
{
	return open_all(VHOST_DEVICE, n, ret_fds);
}
