/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exe - the agent's own file, out of the containers' reach.
 *
 * A process that gets hold of /proc/PID/exe of a child that sets it up could write to the agent's
 * file. As process 1 the agent runs from a mount that boot has made read-only; elsewhere it
 * executes itself once more, from a read-only copy of the mount that has no place in any tree. That
 * costs no memory, unlike a copy of the file.
 */
#pragma once

#include "base/error.h"

/* Returns at once where the file is read-only already; else executes @argv again, and returns only
 * on failure. */
int exe_protect(char *const *argv, struct error *e);
