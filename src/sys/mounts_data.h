/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts_data - mounts whose options are too long for fsconfig(2), which takes 255 bytes a value:
 * an overlay of many layers. By mount(2), which takes one page of text; lower directories become
 * relative to the directory they have in common where they would not fit otherwise.
 */
#pragma once

#include "sys/mounts.h"

#define MOUNT_VALUE_MAX 255 /* of fsconfig(2) */

/* True for options that mount_new cannot pass on. */
bool mount_needs_data(const struct mount_opts *o);
/* Mounts on @target, which exists; the descriptor of the mount. The working directory changes for
 * the moment: not for processes with threads. */
int mount_by_data(const char *type, const char *source, const char *target,
		  const struct mount_opts *o, struct error *e);
/* Takes the directory that all of "A:B:C" lie in off them: "/d/1/fs:/d/2/fs" becomes "1/fs:2/fs",
 * *ret_dir "/d". Both owned. False if there is none but "/". */
bool mount_shorten_layers(const char *layers, char **ret_dir, char **ret_layers);
