/* SPDX-License-Identifier: Apache-2.0 */
/* resize - a mounted file system grows with its disk; see volume.h. It blocks: for jobs. */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct device_env;

/* The file system that @fd (a directory that can be read) is the root of and that is mounted on
 * @path; @size in bytes, 0: all of the disk. */
int resize_mounted(const struct device_env *env, int fd, const char *path, uint64_t size,
		   struct error *e);
