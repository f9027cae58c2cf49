/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kmod - loading kernel modules without modprobe.
 *
 * Names are resolved with modules.dep and modules.builtin of a module directory; aliases, softdeps
 * and modprobe.d are left out. Files may be compressed if the kernel can decompress them (5.17).
 */
#pragma once

#include <stddef.h>

struct error;

/* Loads one file; fine if it is loaded already. @params: "a=1 b=2" or NULL. */
int kmod_load_file(const char *path, const char *params, struct error *e);
/* Loads @name with what it depends on from @dir (/lib/modules/<release>). '-' and '_' are the same
 * in names. */
int kmod_load(const char *dir, const char *name, const char *params, struct error *e);
/* "/lib/modules/<release of the running kernel>", owned. */
char *kmod_dir(void);
