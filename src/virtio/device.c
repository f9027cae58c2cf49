/* SPDX-License-Identifier: Apache-2.0 */
/* device - see device.h. */
#include "virtio/device.h"

#include "base/log.h"

#include <errno.h>

void virtio_attach(struct virtio_device *d, const struct virtio_host_ops *ops, void *host,
		   struct gmem *mem)
{
	d->host_ops = ops;
	d->host = host;
	d->mem = mem;
}

int virtio_set_features(struct virtio_device *d, uint64_t features)
{
	if (features & ~d->ops->features)
		return -EINVAL;
	d->features = features;
	return 0;
}

void virtio_read_config(const struct virtio_device *d, size_t off, void *to, size_t len)
{
	memset(to, 0, len);
	if (off < d->config_size)
		memcpy(to, (const char *)d->config + off, MIN(len, d->config_size - off));
}

int virtio_start_queue(struct virtio_device *d, unsigned q, uint16_t next_avail)
{
	int r = vq_map(&d->queue[q], d->mem);

	if (r < 0)
		return r;
	vq_start(&d->queue[q], next_avail, d->features);
	d->queue[q].broken = d->broken;
	virtio_kick(d, q);
	return 0;
}

void virtio_kick(struct virtio_device *d, unsigned q)
{
	if (!d->broken)
		d->ops->kick(d, q);
}

void virtio_reset(struct virtio_device *d)
{
	for (unsigned q = 0; q < d->ops->nqueues; q++)
		vq_init(&d->queue[q]);
	d->broken = false;
	d->features = 0;
	d->ops->reset(d);
}

void virtio_free(struct virtio_device *d)
{
	if (d)
		d->ops->free(d);
}

void virtio_publish(struct virtio_device *d, unsigned q)
{
	if (vq_publish(&d->queue[q]))
		d->host_ops->interrupt(d, q);
}

void virtio_break(struct virtio_device *d, unsigned q)
{
	if (d->broken)
		return;
	d->broken = true;
	for (unsigned i = 0; i < d->ops->nqueues; i++)
		d->queue[i].broken = true;
	log_warn("%s: the guest broke the rules of queue %u: the device stops until it is reset",
		 d->ops->name, q);
	d->host_ops->broken(d);
}
