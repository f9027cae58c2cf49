/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl - kernel parameters by name, below a /proc that the caller trusts.
 *
 * There is no list of what may be set: the kernel is the sandbox's own.
 */
#pragma once

struct error;

/* Writes @value to sys/<name> below the directory @procfd. Dots separate; if the first separator is
 * a slash, slashes do (sysctl(8)). */
int sysctl_set(int procfd, const char *name, const char *value, struct error *e);
