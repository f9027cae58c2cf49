/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - what the commands of `caisson` share: global options, the table of commands, and the way to
 * a container's shim.
 */
#pragma once

#include "base/args.h"
#include "base/error.h"
#include "oci/oci.h"
#include "rpc/ttrpc.h"
#include "store/store.h"

#include "task.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

#define CLI_ROOT "/run/caisson/oci"
#define CLI_RUN_DIR "/run/caisson"
#define CLI_NAMESPACE "caisson" /* of the Task service's metadata */
#define CLI_SHIM_NAME "containerd-shim-caisson-v2"
#define CLI_PROXY_NAME "caisson-proxy"

/* How long a shim may take to answer what needs no work. */
#define CLI_STATE_MS 2000
#define CLI_REQUEST_MS 6000
#define CLI_UPDATE_MS 40000

/* Global options. */
struct cli {
	const char *root, *log, *log_format, *config, *cgroup_manager, *rootless, *criu;
	bool debug, systemd_cgroup, help, version;
	bool default_root; /* of --root */
	char *own_root;    /* what root points to: absolute, owned by main */
	int64_t began_us;  /* timeline_now when the program began; 0: unknown */
};

extern const struct arg_spec cli_globals; /* fills a struct cli */

/* The whole program; its exit status. */
int cli_main(int argc, char **argv);

struct cli_command {
	const char *name, *operands, *summary;
	struct arg_spec options;
	size_t size;  /* of the struct of options */
	int min, max; /* number of operands; max < 0: any */
	bool raw;     /* options are not parsed: all arguments are operands */
	int failure;  /* exit status after an error; 0: 1 */
	/* Returns the exit status, or -errno with a reason. @o is zeroed and filled; @args are the
	 * operands. */
	int (*run)(const struct cli *c, void *o, int nargs, char **args, struct error *e);
};

extern const struct cli_command *const cli_commands[]; /* NULL-terminated */
/* The manual page, as scdoc reads it. */
void cli_print_man(FILE *f);
const struct cli_command *cli_find_command(const char *name);

#define CLI_OPT(s, name, letter, type, field, meta, help)                 \
	{                                                                 \
		name, letter, type, offsetof(struct s, field), meta, help \
	}
#define CLI_OPTIONS(table)                               \
	{                                                \
		.options = table, .n = ARRAY_SIZE(table) \
	}

/* --- a container by id (container.c) --- */

struct cli_container {
	int dirfd; /* <root>/<id> */
	char *dir;
	struct store_container st; /* empty where there is no readable state.json */
	bool known;                /* state.json was read */
};
void cli_container_done(struct cli_container *c);
DEFINE_AUTODONE(cli_container, cli_container_done);
#define CLI_CONTAINER_INIT ((struct cli_container){ .dirfd = -1 })

/* -ENOENT "container does not exist" as runc says it; also where creation never got as far as a
 * state file, unless @any. */
int cli_container_open(const struct cli *c, const char *id, bool any, struct cli_container *ret,
		       struct error *e);
/* Makes <root>/<id>: -EEXIST "container with given ID already exists". */
int cli_container_make(const struct cli *c, const char *id, struct cli_container *ret,
		       struct error *e);
/* Locks it as flock(2) does, until the descriptor is closed. Its creator has it exclusively. */
int cli_container_lock(const struct cli_container *c, int how, struct error *e);
int cli_container_remove(const struct cli *c, const char *id, struct error *e);
/* Name of the sandbox of a container that gets one of its own. Owned. */
char *cli_sandbox_name(const struct cli *c, const char *id);
char *cli_sandbox_dir(const char *sandbox);

/* The names of the directories below --root, sorted; those that are no ids are skipped. */
int cli_container_ids(const struct cli *c, struct strv *ret, struct error *e);
/* Calls @fn for @id, or, where @regex is set, for every container whose id matches the extended
 * regular expression @id; the first failure is reported after all were tried. */
typedef int cli_id_fn(const struct cli *c, const char *id, void *data, struct error *e);
int cli_for_ids(const struct cli *c, const char *id, bool regex, cli_id_fn *fn, void *data,
		struct error *e);
/* As `state` and `list` show it; all strings are borrowed. */
struct oci_state cli_oci_state(const struct cli_container *c, const char *status, pid_t pid,
			       const char *owner);

/* "creating", "created", "running", "paused", "stopped"; asks the shim, within CLI_STATE_MS.
 * *ret_pid may be NULL. */
const char *cli_container_status(const struct cli_container *c, pid_t *ret_pid);

/* --- the timeline (timeline.c) --- */

/* Prints the marks of the sandbox in @dir. */
int cli_timeline(const char *dir, struct error *e);

/* --- the shim (shim.c) --- */

/* Starts the shim of a new sandbox, or -EEXIST. */
int cli_shim_start(const struct cli *c, const char *sandbox, const char *bundle, struct error *e);
/* Has what a dead or silent shim left cleaned up. */
int cli_shim_clean(const char *sandbox, const char *bundle, struct error *e);
/* Connects. The caller frees. -ECONNREFUSED or -ENOENT: it is dead. */
int cli_shim_connect(const char *socket, struct rpc_client **ret, struct error *e);
/* For asynchronous calls on @l. */
int cli_shim_connect_on(struct loop *l, const char *socket, struct rpc_client **ret,
			struct error *e);
/* One call of the Task service. *ret may be NULL. */
int cli_task_call(struct rpc_client *r, const char *method, const ProtobufCMessage *rq,
		  int64_t timeout_ms, ProtobufCMessage **ret, struct error *e);
/* Connects to the container's shim and makes one call with nothing to return. */
int cli_task_request(const struct cli_container *c, const char *method, const ProtobufCMessage *rq,
		     struct error *e);
/* Ends the shim if its sandbox is empty: 0 when it has gone within @timeout_ms; -EBUSY: it has
 * other containers. */
int cli_shim_shutdown(const char *socket, int timeout_ms);

/* --- processes (process.c) --- */

struct cli_stdio {
	bool terminal, detach;
	const char *program; /* path of caisson-proxy; NULL: our own */
	const char *console_socket;
	uint32_t rows, columns; /* of a new terminal; 0: not given */
	bool new_netns;
	const char *netns;
	char *const *args;
	const oci_spec *view; /* see proxy_params */
};
/* Starts an init proxy for @id/@exec_id and hands it over to the shim of @sandbox. The pid or
 * -errno. */
pid_t cli_start_proxy(const char *sandbox, const char *id, const char *exec_id,
		      const struct cli_stdio *io, struct error *e);
/* Ends a proxy whose process was never made. */
void cli_kill_proxy(pid_t pid);
/* Waits for a proxy in the foreground, forwarding signals; with a @terminal on stdin, that is raw
 * meanwhile. Its exit status. */
int cli_wait_proxy(pid_t pid, bool terminal, struct error *e);
int cli_write_pid_file(const char *path, pid_t pid, struct error *e);

/* --- commands used by others --- */

struct create_options {
	const char *bundle, *pid_file, *console_socket;
	const char *config; /* name of the spec's file */
	bool no_pivot, no_new_keyring, detach, no_subreaper, keep;
	int preserve_fds;
};
/* The options of create, which are the first ones of run's. */
enum { CLI_CREATE_OPTIONS = 8, CLI_RUN_OPTIONS = 10 };
extern const struct arg_option cli_run_options[CLI_RUN_OPTIONS];
/* Creates the container; the proxy's pid. *ret_terminal (may be NULL): the process has the terminal
 * on stdin. */
pid_t cli_create(const struct cli *c, const struct create_options *o, const char *id,
		 bool *ret_terminal, struct error *e);
/* Signals that would end the command wait from here on, so that what is being made can be undone.
 */
void cli_defer_signals(void);
int cli_start(const struct cli *c, const char *id, struct error *e);
/* One line of `events`. Owned; NULL if it would be too large. */
struct Io__Containerd__Cgroups__V1__Metrics;
char *cli_stats_json(const char *id, const struct Io__Containerd__Cgroups__V1__Metrics *m);
int cli_delete(const struct cli *c, const char *id, bool force, struct error *e);
