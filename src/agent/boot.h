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
#include "base/mem.h"

#include <stdbool.h>

#define BOOT_MODULES "/modules"

/* File systems, descriptors 0 to 2, environment, limits. Call before anything that opens files. */
int boot_prepare(struct error *e);
/* The kernel's command line; owned. */
int boot_cmdline(char **ret, struct error *e);
/*
 * A list of modules, BOOT_MODULES/<name>, of which one is loaded at a time: a module takes
 * milliseconds. One that fails is logged, and the rest goes on.
 */
struct boot_list {
	char *text, *next; /* what has not been loaded yet starts at next */
};
#define BOOT_LIST_INIT ((struct boot_list){ 0 })
/* A list that is not there is empty. */
int boot_list_open(struct boot_list *l, const char *name, struct error *e);
/* Loads the next one; false if there was none. */
bool boot_list_load(struct boot_list *l);
void boot_list_done(struct boot_list *l);
DEFINE_AUTODONE(boot_list, boot_list_done);

/*
 * Loads those of "load". @loaded is called before the first and after each, until it returns > 0:
 * the host's connection request may be held by the device, so that whoever waits for it should
 * listen before the transport's module is loaded. -errno if the list cannot be read or @loaded
 * fails.
 */
int boot_modules(int (*loaded)(void *data, struct error *e), void *data, struct error *e);
/* False while a program that asks for random numbers would have to wait. */
bool boot_random_ready(void);
/* What can wait until the host can reach us: lo, the OOM killer. Failures are logged.
 */
void boot_finish(void);
/* Whether programs may dump core. 0 or -errno. */
int boot_core_dumps(bool on);
/* Writes one line to the console and switches the machine off. */
void boot_power_off(const char *why) __attribute__((noreturn));
