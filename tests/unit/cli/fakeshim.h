/* SPDX-License-Identifier: Apache-2.0 */
/* fakeshim - a Task service with answers of the test's, in a process of its own; and the command
 * line against it. */
#pragma once

#include <sys/types.h>

struct fakeshim {
	char *dir;    /* a new directory: --root is <dir>/root */
	char *socket; /* of the service */
	pid_t pid;
};

/* @status: of all containers, as the Task service names it (CONTAINERD__V1__TYPES__STATUS__*). */
void fakeshim_start(struct fakeshim *f, int status);
/* Ends the service, as if the shim had died. */
void fakeshim_kill(struct fakeshim *f);
void fakeshim_done(struct fakeshim *f);
/* Makes the state of container @id, whose sandbox is @f's. */
void fakeshim_container(const struct fakeshim *f, const char *id, const char *annotations);

struct outcome {
	int status;      /* of the exit, 128 + n for a signal */
	char *out, *err; /* owned */
};
void outcome_done(struct outcome *o);

/* Runs `caisson --root <dir>/root ARGS...` (NULL-terminated) in a child with an empty stdin. */
void fakeshim_cli(const struct fakeshim *f, struct outcome *ret, ...) __attribute__((sentinel));
