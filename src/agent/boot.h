/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot - what the agent does as process 1 of a guest before and after everything else: file
 * systems, kernel modules, limits, the loopback interface; and switching the machine off.
 *
 * Modules are loaded in the order of BOOT_MODULES/load, one "file parameters" a line. A guest whose
 * kernel has all it needs built in has no such file.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

#define BOOT_MODULES "/modules"

/* File systems, descriptors 0 to 2, environment, limits. Call before anything that opens files. */
int boot_prepare(struct error *e);
/* The kernel's command line; owned. */
int boot_cmdline(char **ret, struct error *e);
/*
 * Loads the modules. @loaded is called before the first and after each, until it returns > 0: the
 * host's connection request may be held by the device, so that whoever waits for it should listen
 * before the transport's module is loaded. A module that fails is logged and the rest is tried;
 * -errno only if the list cannot be read or @loaded fails.
 */
int boot_modules(int (*loaded)(void *data, struct error *e), void *data, struct error *e);
/* What can wait until the host can reach us: lo, core dumps, the OOM killer. Failures are logged.
 */
void boot_finish(bool core_dumps);
/* Writes one line to the console and switches the machine off. */
void boot_power_off(const char *why) __attribute__((noreturn));
