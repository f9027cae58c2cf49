/* SPDX-License-Identifier: Apache-2.0 */
/* shim - what the files of src/shim share. */
#pragma once

#include "base/error.h"
#include "base/list.h"
#include "rpc/ttrpc.h"
#include "sandbox/sandbox.h"
#include "shim/bootstrap.h"

#include <stdbool.h>

#define SHIM_RUN_DIR "/run/caisson"

/* The command line of containerd's shims, and ours: -config. */
struct shim_options {
	const char *ns, *id, *address, *publish_binary, *bundle, *socket, *config;
	bool debug, version, info, help;
	const char *began;
	int64_t began_us; /* @began, or when this program did */
};

/* What an action works on: made from the command line, the environment, stdin and the bundle. */
struct shim_plan {
	const struct shim_options *options;
	struct bootstrap boot; /* of start */
	char *bundle;          /* absolute */
	char *sandbox;         /* its id, as the engine has it */
	char *name, *dir;      /* <SHIM_RUN_DIR>/<name> is the sandbox's directory */
	char *socket;
	bool member; /* of a sandbox that another container's start makes */
};
void shim_plan_done(struct shim_plan *p);
DEFINE_AUTODONE(shim_plan, shim_plan_done);
/* By containerd, not by our command line. */
static inline bool shim_for_engine(const struct shim_options *o)
{
	return o->address && *o->address;
}

struct publisher;

struct shim {
	struct loop *loop;
	struct sandbox *sandbox;
	struct rpc_server *server;
	struct publisher *publisher; /* NULL: nobody wants events */
	struct loop_source *idle_timer, *term, *intr;
	int io_listener; /* SOCK_SEQPACKET: init proxies are handed over here */
	struct loop_source *io_source;
	struct list io_clients;
	const char *socket;
	bool quitting;
};

/* main.c: bounded by LIMIT_SHIM_STDIN; nothing where it is a terminal. */
int shim_read_stdin(char **ret, size_t *ret_len, struct error *e);

/* plan.c: for start or delete. @ret is zeroed before. */
int shim_plan_make(const struct shim_options *o, bool start, struct shim_plan *ret,
		   struct error *e);

/* start.c: prints the address; the daemon is left behind. */
int shim_start(const struct shim_options *o, struct error *e);
/* delete.c: cleans up after a dead shim; prints a DeleteResponse. */
int shim_delete(const struct shim_options *o, struct error *e);
/* info.c: prints a RuntimeInfo. */
int shim_info(const struct shim_options *o, struct error *e);

/* serve.c: the daemon. Takes the configuration and the listeners. */
int shim_serve(const struct shim_plan *p, struct config *cfg, int task_listener, int io_listener);
/* When containerd has been told everything, or does not listen. */
void shim_quit_soon(struct shim *s);
void shim_restart_idle_timer(struct shim *s);

/* events.c: a sandbox_event_fn; @data is the shim. */
void shim_event(void *data, enum sandbox_event ev, struct process *p);

/* task.c */
void shim_add_task_services(struct shim *s);

/* sandbox_service.c */
void shim_add_sandbox_service(struct shim *s);

/* io.c */
int shim_io_init(struct shim *s);
void shim_io_done(struct shim *s);

/* metrics.c: the agent's statistics as containerd's; version 1 or 2 of io.containerd.cgroups. */
struct Google__Protobuf__Any;
void metrics_fill_v1(const Grpc__StatsContainerResponse *r, struct Google__Protobuf__Any *ret);
void metrics_fill_v2(const Grpc__StatsContainerResponse *r, struct Google__Protobuf__Any *ret);
/* Of a group of the host (NULL: there is none), in the version that the host has. The value is the
 * caller's. */
int metrics_of_cgroup(const char *cgroup, struct Google__Protobuf__Any *ret, struct error *e);
