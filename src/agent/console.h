/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console - the debug console: a shell in the guest itself for every connection to its port.
 *
 * Off unless agent.debug_console is on the kernel's command line: whoever reaches the port is root
 * of the guest. At most LIMIT_AGENT_CONSOLES shells at once; a connection that ends hangs its shell
 * up. A guest without a shell says so. Where the policy forbids ExecProcessRequest there is no
 * console either.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>

struct console;
struct loop;
struct policy;
struct relay_set;

/* Owns @listen_fd, also on failure; @policy is kept by reference. NULL and a reason. */
struct console *console_new(struct loop *l, struct relay_set *relays, const struct policy *policy,
			    int listen_fd, struct error *e);
/* One shell on the terminal @path instead. */
struct console *console_on_device(const struct policy *policy, const char *path, struct error *e);
/* A child of the agent has ended. NULL is fine. */
void console_reaped(struct console *c, pid_t pid);
void console_free(struct console *c);
