/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - one virtual machine, the containers in it, their processes.
 *
 * What the services of src/shim are written against. The machine is booted by the first container's
 * creation and lives until the last container is deleted or sandbox_stop. All calls return at once;
 * the outcome comes through a callback from the loop. A dead or silent guest makes requests fail
 * within a bound (SANDBOX_REQUEST_MS and what sandbox.c derives from it); deleting always succeeds.
 *
 * States of the sandbox: NEW -> BOOTING -> READY -> STOPPING -> DEAD (see sandbox.c). States of a
 * process: see process.c.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "oci/oci.h"

#include "agent.pb-c.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct loop;
struct sandbox;
struct container;
struct process;

/* Bound on a request to the guest that is not a boot, a create or a wait. */
#define SANDBOX_REQUEST_MS 5000

enum process_state {
	PROCESS_CREATING,
	PROCESS_CREATED,
	PROCESS_RUNNING,
	PROCESS_PAUSED,
	PROCESS_STOPPED,
};

enum sandbox_event {
	SANDBOX_EVENT_CREATED, /* a container */
	SANDBOX_EVENT_STARTED, /* a process: exec_id "" for the container's own */
	SANDBOX_EVENT_EXITED,
	SANDBOX_EVENT_EXEC_ADDED,
	SANDBOX_EVENT_DELETED,
	SANDBOX_EVENT_OOM,
	SANDBOX_EVENT_PAUSED,
	SANDBOX_EVENT_RESUMED,
};
typedef void sandbox_event_fn(void *data, enum sandbox_event ev, struct process *p);

typedef void sandbox_done_fn(void *data, const struct error *e); /* @e NULL: success */

struct sandbox_params {
	const char *id;   /* name of the directory */
	const char *dir;  /* /run/caisson/<sandbox>, exists; holds all files of the sandbox */
	const char *ns;   /* containerd namespace, "caisson" for the command line */
	int64_t began_us; /* timeline_now when somebody wanted the sandbox; 0: unknown */
	const char *bundle;
	struct config *config; /* taken */
	struct loop *loop;
	sandbox_event_fn *event;
	void *data;
};

struct sandbox *sandbox_new(const struct sandbox_params *p);
void sandbox_free(struct sandbox *s); /* kills the machine and removes everything; afterwards
					 nothing is left on the host */
DEFINE_AUTOPTR(sandbox, sandbox_free);
bool sandbox_empty(const struct sandbox *s); /* no container, none being made */

/* Stdio of a process that an init proxy holds: keeps @fd (taken) for the process @id/@exec_id until
 * its create or exec claims it. @mnt_ns (taken; -1: our own) is the mount namespace in which a
 * container's files are looked up: what was mounted after the sandbox began may be in that one
 * alone. -EEXIST. */
int sandbox_attach_proxy(struct sandbox *s, const char *id, const char *exec_id, pid_t pid, int fd,
			 int mnt_ns, struct error *e);

struct sandbox_mount {
	const char *type, *source;
	const char *target; /* below the root; NULL or "": the root itself */
	const char *const *options;
	size_t noptions;
};

struct container_params {
	const char *id;
	const char *bundle;
	oci_spec *spec;                     /* taken, also on failure; checked by oci_spec_check */
	const struct sandbox_mount *rootfs; /* made on the bundle's rootfs directory, in order; 0:
					       the spec's root.path is ready */
	size_t nrootfs;
	bool terminal;
	const char *in, *out, *err; /* HANDOVER_STDIO, or as in streams.h */
};

/* Checks at once (-EEXIST, -EINVAL ...: @done is not called), then goes on. */
int container_create(struct sandbox *s, const struct container_params *p, sandbox_done_fn *done,
		     void *data, struct error *e);
struct container *sandbox_find(struct sandbox *s, const char *id); /* NULL */
/* Of a stopped or merely created container; a running one is refused with -EBUSY. @done then finds
 * it gone. */
int container_delete(struct container *c, sandbox_done_fn *done, void *data, struct error *e);
int container_pause(struct container *c, bool on, sandbox_done_fn *done, void *data,
		    struct error *e);
int container_update(struct container *c, const oci_resources *r, sandbox_done_fn *done, void *data,
		     struct error *e);
typedef void container_stats_fn(void *data, const struct error *e,
				const Grpc__StatsContainerResponse *r);
/* @processes: list the container's processes as well. */
int container_stats(struct container *c, bool processes, container_stats_fn *fn, void *data,
		    struct error *e);

/* The process of @exec_id ("" or NULL: the container's own) or NULL. */
struct process *container_process(struct container *c, const char *exec_id);

struct exec_params {
	const char *exec_id;
	oci_process *process; /* taken, also on failure */
	bool terminal;
	const char *in, *out, *err;
};
int process_exec(struct container *c, const struct exec_params *p, struct error *e);
int process_start(struct process *p, sandbox_done_fn *done, void *data, struct error *e);
int process_kill(struct process *p, uint32_t signal, bool all, sandbox_done_fn *done, void *data,
		 struct error *e);
int process_resize(struct process *p, uint32_t rows, uint32_t columns, sandbox_done_fn *done,
		   void *data, struct error *e);
int process_close_stdin(struct process *p, sandbox_done_fn *done, void *data, struct error *e);
int process_delete_exec(struct process *p, struct error *e); /* a stopped or never started exec */

/*
 * A pod as an object of its own (pod_object.c), for containerd's sandbox service. It is made before
 * any container; containers then come into its machine, which stays when the last of them goes.
 */
int sandbox_pod_create(struct sandbox *s, const char *id, const char *bundle, oci_spec *spec,
		       struct error *e); /* @spec is taken, also on failure */
int sandbox_pod_start(struct sandbox *s, sandbox_done_fn *done, void *data, struct error *e);
/* Ends what runs in it, and the machine. May be asked for again. */
int sandbox_pod_stop(struct sandbox *s, sandbox_done_fn *done, void *data, struct error *e);
/* For process_status and process_wait; NULL: there is no such pod. */
struct process *sandbox_pod(struct sandbox *s, const char *id, struct timespec *ret_started);
struct sandbox_machine {
	bool ready;
	const char *engine; /* "" while there is none */
	unsigned vcpus;
	uint64_t mem_mib;
	const char *cgroup; /* for sys/cgroup_host.h; NULL: none */
};
void sandbox_machine(const struct sandbox *s, struct sandbox_machine *ret);

struct process_status {
	const char *id, *exec_id, *bundle;
	enum process_state state;
	pid_t pid; /* on the host: the init proxy, or the machine's */
	bool terminal;
	const char *in, *out, *err;
	uint32_t exit_status; /* once STOPPED */
	struct timespec exited_at;
	const struct sandbox_mount *rootfs; /* of the container, until its creation has been told */
	size_t nrootfs;
};
void process_status(const struct process *p, struct process_status *ret);

typedef void process_wait_fn(void *data, uint32_t exit_status, const struct timespec *exited_at);
struct process_waiter;
/* Calls @fn once when the process has ended, from the loop (also if it has already). */
struct process_waiter *process_wait(struct process *p, process_wait_fn *fn, void *data);
void process_wait_cancel(struct process_waiter *w);

/* Removes what a sandbox whose shim died has left: processes by pid and start time, cgroups, the
 * directory. Blocks for at most about 2 s. */
int sandbox_clean_up(const char *dir, struct error *e);
