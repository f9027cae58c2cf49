/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verity - a guest image that the kernel checks block by block: what the configuration says about
 * its hash tree (kernel_verity_params), as the parameter with which the guest's kernel sets up
 * dm-verity itself (Documentation/admin-guide/device-mapper/dm-init.rst, verity.rst).
 *
 * Data in one partition, the tree without a superblock in another; SHA-256. The text may come from
 * an annotation: nothing of it is used that is not a number or hexadecimal.
 */
#pragma once

#include "base/error.h"

#define VERITY_ROOT "/dev/dm-0"

/* "root_hash=HEX,salt=HEX,data_blocks=N,data_block_size=N,hash_block_size=N" in any order;
 * *ret is 'dm-mod.create="..."', owned. */
int verity_param(const char *text, const char *data, const char *hashes, char **ret,
		 struct error *e);
