/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - tap interfaces: what a virtual machine's network card is joined to.
 *
 * A tap is not persistent: it vanishes with the last of its descriptors. Each descriptor is a pair
 * of queues; packets have a virtio-net header in front, so that checksums and segmentation can be
 * left to whoever does them best.
 */
#pragma once

#include <net/if.h>

struct error;

/*
 * A new tap @name with @queues queues (1 .. LIMIT_NET_QUEUES) in the calling thread's network
 * namespace; descriptors, close-on-exec, to @ret_fds. The link is down. -EEXIST: there is a link of
 * that name.
 */
int tap_open(const char *name, unsigned queues, int *ret_fds, struct error *e);

/* The same of a macvtap, whose character device is @path. */
int tap_open_device(const char *path, unsigned queues, int *ret_fds, struct error *e);

/* @n descriptors of /dev/vhost-net to @ret_fds; -ENOENT, -ENODEV: the host has none. */
int tap_open_vhost(unsigned n, int *ret_fds);
