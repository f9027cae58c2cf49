/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loopdev - a file as a block device. The device goes when its last user does: the descriptor
 * returned here, or what was mounted meanwhile.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

#define LOOPDEV_PATH_MAX 32

/* The open device, and its path. -errno and a reason. */
int loopdev_attach(const char *file, bool readonly, char ret_path[LOOPDEV_PATH_MAX],
		   struct error *e);
