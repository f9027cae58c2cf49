/* SPDX-License-Identifier: Apache-2.0 */
/* internal - what the files of src/sandbox share and nobody else sees. */
#pragma once

#include "base/list.h"
#include "hv/hv.h"
#include "hv/settings.h"
#include "net/net.h"
#include "rpc/handover.h"
#include "rpc/hvsock.h"
#include "rpc/ttrpc.h"
#include "sandbox/machine.h"
#include "sandbox/op.h"
#include "sandbox/sandbox.h"
#include "sandbox/streams.h"
#include "store/store.h"

/* Paths in the guest, as Kata's agent has them. */
#define GUEST_SHARE_TAG "kataShared"
#define GUEST_SHARE_DIR "/run/kata-containers/shared/containers"
#define GUEST_SANDBOX_DIR "/run/kata-containers/sandbox"

#define AGENT_PORT 1024
#define AGENT_LOG_PORT HV_AGENT_LOG_PORT
#define AGENT_STREAM_PORT 1027
#define GUEST_CID 3

enum sandbox_state { SANDBOX_NEW, SANDBOX_BOOTING, SANDBOX_READY, SANDBOX_STOPPING, SANDBOX_DEAD };

/* A device process beside the VMM. */
struct volume;

struct daemon {
	const char *name; /* "devd-vsock", "virtiofsd" */
	struct sandbox *sandbox;
	pid_t pid;
	int word; /* of proc_spawn_end while it gets going; else 0 */
	struct loop_source *child;
};

/* A network namespace that is followed (network_watch.c). */
struct network_watch {
	struct nl events;
	struct loop_source *io, *timer;
	struct op op;
	size_t at;           /* the interface at hand */
	bool changed, again; /* again: something happened while a change was on its way */
};

struct sandbox {
	char *id, *dir, *ns, *bundle;
	struct config *config;
	struct loop *loop;
	sandbox_event_fn *event;
	void *event_data;

	enum sandbox_state state;
	struct error death; /* why it is DEAD, for those who ask later */
	struct op boot;
	struct list boot_waiters; /* of struct container: created while booting */
	struct list containers, attached;

	struct hv *hv;
	struct hv_probe probe;
	struct daemon vsock_daemon, fs_daemon;
	int vsock_fd, fs_fd; /* our ends of the vhost-user sockets, until the driver has them */
	int dirfd, cgroup_fd;
	char *cgroup; /* the host cgroup's path for sys/cgroup, NULL: none made */
	uid_t jail_uid;
	unsigned vcpus;
	uint64_t mem_mib;
	struct hv_size have, most; /* of the machine: now, and what it can get */
	struct hv_size room_want;  /* what it is being given */
	bool room_busy;
	struct list room_waiters; /* of struct room_waiter */
	enum clone_state clone;
	char *template;                     /* the template's directory; NULL: the machine boots */
	unsigned clone_pending;             /* answers that are awaited */
	struct loop_source *template_order; /* until one is made for the next sandbox */
	char *sock;                         /* <dir>/vsock */
	struct net net;    /* the network namespace and the taps in it (network.h) */
	char *netns;       /* its path, once something in it was changed */
	struct op *net_op; /* what telling the guest about it continues */
	size_t net_told;   /* requests about it that were answered */
	int64_t net_deadline;
	struct loop_source *net_retry;
	struct network_watch watch;

	struct rpc_client *agent;
	struct list requests; /* of struct guest_request, in flight */
	struct hvsock_dial *agent_dial, *log_dial;
	struct loop_source *log_source;
	int log_stream, log_file;
	uint64_t log_size;

	struct loop_source *death_timer; /* defers the end of the machine out of callbacks */
	struct loop_source *suspicion;   /* while a symptom waits for its cause */
	struct error symptom;
	bool share_mounted;
	int timeline; /* TIMELINE_FILE; -1: not open */
	unsigned nmarks;
	struct list volumes;
	unsigned next_volume;
};

struct process {
	struct list link; /* in container.execs */
	struct container *container;
	char *exec_id; /* "" for the container's own */
	enum process_state state;
	bool terminal, in_guest; /* in_guest: the agent knows it */
	char *in, *out, *err;
	oci_process *spec; /* of an exec */
	pid_t pid;
	int proxy;  /* SOCK_SEQPACKET to the init proxy, -1 */
	int mnt_ns; /* mount namespace of whoever asked for it, while it is made; -1: our own */
	struct streams *streams; /* where there is no proxy */
	struct loop_source *proxy_source;
	struct hvsock_dial *dial[STREAM_COUNT];
	int stream[STREAM_COUNT];
	uint32_t port[STREAM_COUNT];
	struct op op; /* start of an exec */
	sandbox_done_fn *done;
	void *done_data;
	bool exiting; /* it has ended, which is told when its output is delivered */
	uint32_t exit_status;
	char *exit_reason; /* otherwise than by itself */
	struct timespec exited_at;
	struct list waiters;
	struct loop_source *kill_timer;
	struct loop_source *forget; /* an exec whose end nobody is left to hear */
};

struct container {
	struct list link;      /* in sandbox.containers */
	struct list boot_link; /* in sandbox.boot_waiters */
	struct sandbox *sandbox;
	char *id, *bundle;
	oci_spec *spec;       /* as given, for hooks */
	oci_spec *guest_spec; /* rewritten for the guest */
	struct process init;
	struct list execs;
	struct list hooks; /* of struct hooks_run: those running now */
	struct op op;      /* create or delete */
	sandbox_done_fn *done;
	void *done_data;
	struct sandbox_mount *rootfs; /* copied; freed after create */
	size_t nrootfs;
	struct strv mounts; /* mount points made on the host, in order */
	enum oci_pod_role role;
	char *pidns_of; /* whose pid namespace it joins; "": the sandbox's; NULL: its own */
	Grpc__Storage **storages; /* what the guest is to mount for it */
	size_t nstorages;
	struct volume **volumes;
	size_t nvolumes;
	struct workload workload; /* what its limits ask for */
	bool deleting;
	bool is_pod; /* pod_object.c */
	struct timespec started_at;
	bool hooks_done; /* the host's hooks ran before the machine started */
};

/* sandbox.c */
void sandbox_boot(struct sandbox *s); /* idempotent; containers in boot_waiters are continued */
struct container *sandbox_first(struct sandbox *s); /* decides settings, size and cgroup */
void sandbox_vmm_event(struct hv *h, enum hv_event ev, const char *text, void *data);
void sandbox_tell_console(const struct sandbox *s, struct error *e);
void sandbox_die(struct sandbox *s, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * A symptom of the machine's end (a connection broke, a device process ended because its front-end
 * went away): the cause is about to be told and may say it better. Without one the symptom counts.
 */
void sandbox_suspect(struct sandbox *s, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sandbox_stop(struct sandbox *s);
void sandbox_end_processes(struct sandbox *s, const char *reason); /* all, with 137 */
void sandbox_save_state(struct sandbox *s);
void sandbox_notify(struct process *p, enum sandbox_event ev);

/* timeline.c: what began at @since_us (timeline_now) and ends now; 0: what happens now */
void sandbox_mark(struct sandbox *s, int64_t since_us, const char *what);
/* An op_trace_fn; @data is the sandbox. */
void sandbox_mark_step(void *data, const char *op, const char *step, int64_t since_us);

/* guest.c: requests to the agent */
/* Continues s->boot. */
int guest_connect(struct sandbox *s, struct error *e);
/* @method by name of grpc.AgentService. Where the machine is dead the callback gets the reason of
 * its death. */
void guest_call(struct sandbox *s, const char *method, const ProtobufCMessage *req,
		int64_t timeout_ms, rpc_reply_fn *fn, void *data);
/* Calls back no more for requests made with @data, which goes away. */
void guest_forget(struct sandbox *s, const void *data);
/* What the configuration says; before all other requests. */
int guest_set_policy(struct sandbox *s, rpc_reply_fn *fn, void *data, struct error *e);
int guest_create_sandbox(struct sandbox *s, rpc_reply_fn *fn, void *data);
void guest_connect_log(struct sandbox *s);
void guest_disconnect(struct sandbox *s);

/* pod.c */
/* Reads its place in a pod; what a pod cannot have is refused. */
int pod_init(struct container *c, struct error *e);
/* -EOPNOTSUPP unless the namespace at @path is one of this sandbox's; sets c->pidns_of. */
int pod_join(struct container *c, const char *type, const char *path, struct error *e);

/* share.c */
int share_init(struct sandbox *s, struct error *e);
void share_done(struct sandbox *s);
/* Makes the container's rootfs and bind mounts visible in the share and rewrites c->guest_spec to
 * match. */
int share_container(struct container *c, struct error *e);
void share_container_undo(struct container *c);
/* Puts the detached mount @fd on @target, which is made, a directory or a file. On failure nothing
 * is mounted. */
int share_attach(int fd, const char *target, bool dir, const struct strv *options, struct error *e);

/* volume.c */
struct volume_key {
	dev_t dev;
	ino_t ino;
	bool ro, recursive;
	const char *maps; /* of its ids, as idmap_text has them; NULL: none */
};
/* The path in the guest of a volume that another container has brought, NULL: it is not there yet.
 * The container holds it from here on. */
const char *volume_reuse(struct container *c, const struct volume_key *k);
/* A new one from the detached mount @fd (the caller's). */
int volume_add(struct container *c, const struct volume_key *k, int fd, bool dir,
	       const struct strv *options, const char **ret_guest, struct error *e);
void volumes_release(struct container *c);

/* idmap.c: the maps of the mount @m as a text, NULL if it has none; owned. */
char *idmap_text(const struct container *c, const Grpc__Mount *m);
/* Puts them on the detached mount @fd. */
int idmap_apply(const struct container *c, const Grpc__Mount *m, int fd, struct error *e);
/* They are done: the guest need not. */
void idmap_drop(Grpc__Mount *m);

/* memvol.c: if @source is memory of the host that one pod or container has for itself, makes @m a
 * mount of as much memory of the guest: 1; 0: it is something else. */
int memvol_take(struct container *c, const char *source, Grpc__Mount *m, struct error *e);

/* rootfs.c: makes one of the mounts of a container's root file system. *ret_target is owned. */
int rootfs_mount(const struct sandbox_mount *m, const char *root, char **ret_target,
		 struct error *e);

/* daemon.c */
int daemon_start_vsock(struct sandbox *s, struct error *e);
int daemon_start_fs(struct sandbox *s, struct error *e);
/* Both above return while it gets going: waits until it runs. */
int daemon_runs(struct daemon *d, struct error *e);
void daemon_stop(struct daemon *d);

/* spec.c */
int guest_spec_make(struct container *c, struct error *e);
/* Has the guest mount something for the container: a message with copies of all; still to be given
 * options by guest_storage_option. */
Grpc__Storage *guest_storage_add(struct container *c, const char *driver, const char *source,
				 const char *fstype, const char *mount_point);
void guest_storage_option(Grpc__Storage *st, char *option); /* takes it */
void guest_storages_free(struct container *c);
/* Replaces type and source of a mount of the guest's spec. */
void guest_spec_set_mount(Grpc__Mount *m, const char *type, const char *source);

/* settings.c: lets the annotations of @spec into the configuration. */
int sandbox_settings(struct sandbox *s, const oci_spec *spec, struct error *e);

/* size.c */
int sandbox_size(struct sandbox *s, const oci_spec *spec, struct error *e);
/* -EINVAL: a limit that is beyond the machine would limit nothing. */
int sandbox_size_allows(const struct sandbox *s, const oci_resources *r, struct error *e);

/* hooks.c: runs the hooks of a kind in a child: -EINPROGRESS and @done later; -ENOENT: there are
 * none. */
int hooks_start(struct container *c, enum oci_hook_kind kind, const char *status, op_done_fn *done,
		void *data, struct error *e);
/* Kills those still running for a container that goes away; nobody is told of their end. */
void hooks_forget(struct container *c);

/* process.c */
enum process_action {
	ACT_START,
	ACT_KILL,
	ACT_RESIZE,
	ACT_CLOSE_STDIN,
	ACT_EXEC,
	ACT_DELETE_EXEC,
	ACT_PAUSE,
	ACT_RESUME,
	ACT_UPDATE,
	ACT_STATS,
	ACT_DELETE
};
/* By the process's state; -errno and a reason. */
int process_allowed(const struct process *p, enum process_action a, struct error *e);
void process_init(struct process *p, struct container *c, const char *exec_id);
void process_done(struct process *p);
int process_may_delete(const struct process *p, struct error *e); /* -EBUSY while it lives */
int process_claim_stdio(struct process *p, const char *in, const char *out, const char *err,
			bool terminal, struct error *e);
/* Dials the streams; @op is continued when all are there. */
int process_dial_streams(struct process *p, struct op *op, struct error *e);
void process_close_streams(struct process *p);
void process_hand_over(struct process *p); /* streams to their holder */
void process_fail(struct process *p,
		  const struct error *e); /* start failed: tells the holder of the stdio */
void process_watch(struct process *p);    /* WaitProcess */
void process_exited(struct process *p, uint32_t status, const char *reason);
/* Without waiting for what its output may still bring. */
void process_exited_now(struct process *p, uint32_t status);
void process_adopt_pid(struct process *p); /* that of the machine, where there is no proxy */

/* oom.c */
void oom_watch(struct sandbox *s); /* of a machine that is READY */
bool oom_killed_machine(
	const struct sandbox *s); /* the host's kernel did, for its cgroup's limit */
void oom_tell_all(struct sandbox *s);
void oom_expose(pid_t pid); /* to the host's OOM killer */

/* proxy.c */
int proxy_claim(struct process *p, struct error *e);
void proxy_drop(struct process *p);
void proxy_tell(struct process *p, enum handover_type type, uint32_t value, const char *text,
		const int *fds, size_t nfds);
void proxy_hand_over(struct process *p);
void proxy_gone(struct process *p);
void attached_drop_all(struct sandbox *s);

/* pod_object.c */
/* The machine is ready, or will not be. */
void pod_booted(struct container *c, const struct error *e);
const char *pod_hostname(const struct sandbox *s); /* the pod's, else the sandbox's id */

/* process.c: the update itself */
void container_update_guest(struct container *c, const oci_resources *r, sandbox_done_fn *done,
			    void *data);

/* container.c */
struct container *container_new(struct sandbox *s, const char *id, const char *bundle,
				oci_spec *spec); /* takes @spec */
void container_free(struct container *c);
void container_continue(struct container *c,
			const struct error *e); /* the machine is ready, or will not be */
