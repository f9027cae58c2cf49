/* SPDX-License-Identifier: Apache-2.0 */
/* shim - what the files of src/shim share. */
#pragma once

#include "base/error.h"
#include "base/list.h"
#include "rpc/ttrpc.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>

#define SHIM_RUN_DIR "/run/caisson"

/* The command line of containerd's shims, and ours: -socket, -config. */
struct shim_options {
	const char *ns, *id, *address, *publish_binary, *bundle, *socket, *config;
	bool debug, version, info, help;
	const char *began;
	int64_t began_us; /* @began, or when this program did */
};

struct shim {
	struct loop *loop;
	struct sandbox *sandbox;
	struct rpc_server *server;
	struct loop_source *idle_timer, *term, *intr;
	int io_listener; /* SOCK_SEQPACKET: init proxies are handed over here */
	struct loop_source *io_source;
	struct list io_clients;
	char *dir, *socket;
	bool used; /* a container has been created */
};

/* start.c */
int shim_start(const struct shim_options *o,
	       struct error *e); /* prints the address; the daemon is left behind */
int shim_delete(const struct shim_options *o,
		struct error *e); /* cleans up after a dead shim; prints a DeleteResponse */
/* <SHIM_RUN_DIR>/<sandbox>; owned. */
char *shim_sandbox_dir(const struct shim_options *o);

/* serve.c: the daemon. Takes the listeners. */
int shim_serve(const struct shim_options *o, struct config *cfg, const char *dir,
	       const char *socket, int task_listener, int io_listener);
void shim_quit_soon(struct shim *s);
void shim_restart_idle_timer(struct shim *s);

/* task.c */
void shim_add_task_services(struct shim *s);

/* io.c */
int shim_io_init(struct shim *s);
void shim_io_done(struct shim *s);

/* metrics.c: the agent's statistics as containerd's; version 1 or 2 of io.containerd.cgroups. */
struct Google__Protobuf__Any;
void metrics_fill_v1(const Grpc__StatsContainerResponse *r, struct Google__Protobuf__Any *ret);
void metrics_fill_v2(const Grpc__StatsContainerResponse *r, struct Google__Protobuf__Any *ret);
