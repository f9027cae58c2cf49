/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths - the files QEMU needs by name: found, resolved to absolute names without links, and
 * checked, so that what is missing is said in one line with the key to set, instead of in QEMU's
 * words after the start.
 */
#pragma once

#include "hv/hv.h"

/* All results are owned by the caller. */

/* @path, or where distributions put it. */
int qemu_find_program(const char *path, char **ret, struct error *e);
/* An ELF vmlinux or a bzImage that the VMM's identity may read. */
int qemu_find_kernel(const struct hv_config *c, char **ret, struct error *e);
/* *ret is NULL where none is configured. */
int qemu_find_initrd(const struct hv_config *c, char **ret, struct error *e);

/* "/dev/vda1" for an image with a partition table, "/dev/vda" without. Static storage. */
int qemu_image_root(const char *image, const char **ret, struct error *e);
