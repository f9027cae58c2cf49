/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl - kernel parameters by name, below a /proc that the caller trusts.
 */
#pragma once

#include <stdbool.h>

struct error;

/* The namespace that keeps other containers out of the way of @name ("net.ipv4.ip_forward", "kernel/shm_rmid_forced"): NS_NET, NS_IPC, NS_UTS or NS_USER
 * (ns.h); -EINVAL if there is none, and setting it would change the whole kernel. */
int sysctl_namespace(const char *name);
/* Writes @value to sys/<name> below the directory @procfd. Dots separate; where a name has a slash, slashes do. */
int sysctl_set(int procfd, const char *name, const char *value, struct error *e);
