/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy - the init proxy: the host's pid of a process in a guest.
 *
 * `caisson-proxy --fd N [--terminal] [--controlling] [--root] -- ARGS...` is how create and exec
 * start it; ARGS are the command of the container, which the proxy shows as its own. See
 * rpc/handover.h for what it says to the shim. It is a small program of its own, because there is
 * one for every process in every container.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* The whole program. Returns only if its arguments are wrong. */
int proxy_main(int argc, char **argv);

struct proxy_params {
	const char *program; /* path of caisson-proxy; NULL: our own */
	char *const *args;   /* command of the container, for the title */
	int tty;       /* slave of a pty: becomes 0, 1, 2 and the controlling terminal; -1: stdio is
			  inherited */
	bool terminal; /* the inherited stdin is a terminal to relay on */
	bool new_netns;    /* the spec asks for a network namespace without a path: hooks find one
			      through the proxy's pid */
	const char *netns; /* path of a network namespace to live in; NULL: none */
	const struct Grpc__Spec
		*view; /* of a container whose files are to be seen through the
			  proxy's pid (view.h); NULL: of a process beside its init */
};

/* Forks and executes the proxy, in a session of its own. *ret_sock is the shim's end of the pair,
 * the caller's. The pid or -errno. */
pid_t proxy_spawn(const struct proxy_params *p, int *ret_sock, struct error *e);
