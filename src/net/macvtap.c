/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macvtap - the model for interfaces that are their own hardware address: a macvtap on top, in
 * passthru mode.
 *
 * Passthru gives the macvtap the interface's hardware address and every packet for it; broadcasts
 * reach the namespace's stack as well, whose answers are those the guest would give. Its character
 * device is looked up in a sysfs of the namespace (the host's shows only the host's interfaces),
 * and its node is made in a tmpfs; both are mounted nowhere and vanish when they are closed.
 */
#include "net/model.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A file system that is attached nowhere; the descriptor of its root. */
static int detached_mount(const char *type, struct error *e)
{
	autoclose int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_set(e, errno, "make a %s", type);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? error_set(e, errno, "mount a %s", type) : fd;
}

/* "MAJOR:MINOR" of the macvtap with this index. */
static int device_number(int index, dev_t *ret, struct error *e)
{
	autofree char *path = xasprintf("class/macvtap/tap%d/dev", index), *text = NULL;
	autoclose int sys = detached_mount("sysfs", e);
	unsigned major, minor;
	int r;

	if (sys < 0)
		return sys;
	r = file_read_at(sys, path, LIMIT_PROC_FILE, &text, NULL);
	if (r < 0)
		return error_set(e, r, "device number of the macvtap");
	if (sscanf(text, "%u:%u", &major, &minor) != 2)
		return error_plain(e, EPROTO, "device number of the macvtap: \"%.32s\"", text);
	*ret = makedev(major, minor);
	return 0;
}

static int open_device(struct net_nic *nic, int index, struct error *e)
{
	autofree char *path = NULL;
	autoclose int dir = -1;
	dev_t dev = 0;
	int r = device_number(index, &dev, e);

	if (r < 0)
		return r;
	dir = detached_mount("tmpfs", e);
	if (dir < 0)
		return dir;
	if (mknodat(dir, "tap", S_IFCHR | 0600, dev) < 0)
		return error_set(e, errno, "make the macvtap's device");
	path = xasprintf("/proc/self/fd/%d/tap", dir);
	return tap_open_device(path, nic->queues, nic->fds, e);
}

static const char *macvtap_unfit(const struct rtnl_link *l)
{
	static const char *const stacked[] = { "macvlan", "macvtap", "ipvlan", "ipvtap", "tun" };

	for (size_t i = 0; i < ARRAY_SIZE(stacked); i++)
		if (str_eq(l->kind, stacked[i]))
			return "a macvtap does not go on top of a macvlan, ipvlan or tap";
	return l->master ? "the interface is the port of a bridge or bond" : NULL;
}

static int macvtap_join(struct net *n, struct net_nic *nic, struct error *e)
{
	int r = rtnl_macvlan_add(&n->nl, "macvtap", nic->tap, nic->link.index,
				 MACVLAN_MODE_PASSTHRU, e);
	struct rtnl_link tap;

	nic->joined = r == 0;
	if (r == 0)
		r = rtnl_link_by_name(&n->nl, nic->tap, &tap, e);
	if (r == 0)
		r = net_tap_ready(n, nic, tap.index, e);
	return r < 0 ? r : open_device(nic, tap.index, e);
}

const struct net_model net_macvtap = {
	.name = "macvtap",
	.unfit = macvtap_unfit,
	.join = macvtap_join,
};
