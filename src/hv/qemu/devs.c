/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devs - the devices a VM starts with: checked, copied and opened when they are added, connected
 * when the VM starts.
 */
#include "hv/qemu/state.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static char *dup_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

void qemu_dev_copy(struct hv_dev *to, const struct hv_dev *from)
{
	*to = *from;
	to->id = xstrdup(from->id);
	to->socket = dup_or_null(from->socket);
	to->tag = dup_or_null(from->tag);
	to->path = dup_or_null(from->path);
	to->mac = dup_or_null(from->mac);
}

void qemu_dev_close(struct hv_dev *d)
{
	int fds[HV_DEV_FDS];
	size_t n = hv_dev_fds(d, fds);

	for (size_t i = 0; i < n; i++)
		fd_close(fds[i]);
	d->fd = -1;
	d->nmore_fds = d->nvhost_fds = 0;
}

void qemu_dev_done(struct hv_dev *d)
{
	free((char *)d->id);
	free((char *)d->socket);
	free((char *)d->tag);
	free((char *)d->path);
	free((char *)d->mac);
	qemu_dev_close(d);
	*d = (struct hv_dev){ .fd = -1 };
}

int qemu_dev_open(const struct hv_dev *d, int *ret_fd, struct error *e)
{
	bool vhost = d->type == HV_DEV_VHOST_USER_VSOCK || d->type == HV_DEV_VHOST_USER_FS;
	int fd = d->fd;

	if (fd < 0 && d->type == HV_DEV_BLK && d->path) {
		fd = open(d->path, (d->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (fd < 0)
			return error_set(e, errno, "open disk %s", d->path);
	}
	if (fd < 0 && !(vhost && d->socket))
		return error_plain(e, EINVAL, "device %s has nothing behind it", d->id);
	*ret_fd = fd;
	return 0;
}

int qemu_dev_connect(struct hv_dev *d, struct error *e)
{
	if (d->fd >= 0)
		return 0;
	d->fd = unix_connect(d->socket, SOCK_STREAM);
	if (d->fd < 0)
		return error_set(e, d->fd, "connect device %s to %s", d->id, d->socket);
	return 0;
}

int qemu_dev_add_cold(struct qemu *q, const struct hv_dev *d, struct error *e)
{
	int fd = -1, r;

	if (q->ndevs >= LIMIT_HV_DEVICES)
		return error_plain(e, ENOSPC, "device %s: a VM takes %d at most", d->id,
				   LIMIT_HV_DEVICES);
	for (size_t i = 0; i < q->ndevs; i++)
		if (str_eq(q->devs[i].id, d->id))
			return error_plain(e, EEXIST, "device %s is there already", d->id);
	r = qemu_dev_open(d, &fd, e);
	if (r < 0)
		return r;
	qemu_dev_copy(&q->devs[q->ndevs], d);
	q->devs[q->ndevs++].fd = fd;
	return 0;
}
