/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hv - the interface between a sandbox and the virtual machine monitors that can run it.
 *
 * A driver turns struct hv_config and the devices added before start into files, descriptors and an
 * argument vector, starts its VMM as a child, and reports its end. Nothing here blocks for longer
 * than a fork; what takes time arrives as an event on the loop.
 *
 * Life: hv_new -> add devices (cold) -> prepare -> start -> [pause, add (hot), resize ...] -> stop
 * -> free.
 */
#pragma once

#include "base/error.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "hv/tsc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct loop;
struct hv;
struct config;

enum hv_accel { HV_ACCEL_TCG, HV_ACCEL_KVM };

/* What a driver can do: sandbox/ asks for nothing else. */
enum {
	HV_CAP_VHOST_USER = 1 << 0, /* vhost-user devices */
	HV_CAP_HOTPLUG = 1 << 1,    /* add after start */
	HV_CAP_PAUSE = 1 << 2,
	HV_CAP_SAVE = 1 << 3,
	HV_CAP_RESIZE = 1 << 4,
};

enum hv_event {
	HV_EVENT_EXITED,   /* the VMM process ended; text has its status and last words; always the
			      last event */
	HV_EVENT_PANICKED, /* the guest kernel panicked; text is the kernel's own line */
	HV_EVENT_SHUTDOWN, /* the guest powered off or rebooted, which ends the VM too */
	HV_EVENT_PAUSED,   /* the vCPUs stand still; answers pause(on), or the VM was restored */
	HV_EVENT_RESUMED,  /* they run again; answers pause(off) */
	HV_EVENT_SAID,     /* the guest's console has shown hv_config.listen_for */
};
/* Called from the loop with nothing of the driver on the stack: @h may be freed in it. */
typedef void hv_event_fn(struct hv *h, enum hv_event ev, const char *text, void *data);
/* Answers a request that takes time: @e NULL for success. As an event: from the loop, and not after
 * hv_free. */
typedef void hv_done_fn(struct hv *h, const struct error *e, void *data);

/* All strings are copied by hv_new; descriptors are borrowed until start returns. */
struct hv_config {
	const char *name;    /* of the sandbox */
	const char *dir;     /* /run/caisson/<sandbox>: logs and sockets of the driver go here */
	const char *path;    /* VMM binary, NULL: the driver's default */
	const char *machine; /* "q35", "microvm", NULL: the driver's choice */
	const char *kernel;
	const char *initrd;       /* NULL: none */
	const char *image;        /* NULL: none */
	const char *verity;       /* kernel_verity_params of the image; NULL: it is not checked */
	const char *cmdline;      /* extra kernel parameters, appended after the driver's own */
	const char *cpu_features; /* appended to -cpu */
	unsigned vcpus;
	unsigned max_vcpus;
	uint64_t mem_mib;
	enum hv_accel accel;
	uid_t uid; /* unprivileged identity of the VMM; 0: the driver does not change it */
	gid_t gid;
	bool debug;    /* verbose kernel, console logged in full */
	int cgroup_fd; /* directory of the cgroup the VMM must be in from its first instruction
			  (cgroup.procs is written by the child); -1: none */
	const char
		*seccomp; /* the -sandbox value of QEMU; NULL: driver's default (on, all denied) */
	bool free_page_reporting;
	const char *entropy; /* /dev/urandom */
	/* What may come after the start. max_vcpus (above) and these decide what is prepared. */
	unsigned hotplug_slots; /* devices that can be added; 0: none */
	uint64_t max_mem_mib;   /* memory that resize may reach; 0: what it started with */
	bool mem_dimms;         /* memory grows by modules instead of virtio-mem */
	/* Saved VMs (HV_CAP_SAVE). A saved VM has no vhost-user devices; they are added after. */
	bool to_save;           /* save will be called */
	const char *listen_for; /* what the guest will say on its console when it can be saved */
	const char *restore; /* a directory that save filled, with this very configuration: the VM
				continues there, and stands still (PAUSED); NULL: it boots */
};

enum hv_dev_type { HV_DEV_VHOST_USER_VSOCK, HV_DEV_VHOST_USER_FS, HV_DEV_TAP, HV_DEV_BLK };

struct hv_dev {
	enum hv_dev_type type;
	const char *id; /* unique in the VM */
	int fd; /* vhost-user: a connected or connectable socket; tap: the tap. Taken by the driver
		   on success */
	const char *socket;  /* vhost-user: path to connect to, where fd is -1 */
	const char *tag;     /* fs */
	unsigned queue_size; /* fs, blk, tap; 0: QEMU's default */
	unsigned queues;     /* fs, blk; 0: one */
	const char *path;    /* blk: image */
	bool readonly;
	const char *mac;  /* tap */
	char pci_path[8]; /* set by a hot add: "10/00", where the guest finds it (root port, slot)
			   */
	hv_done_fn *done; /* of add and remove while the VM runs */
	void *data;
	/* tap: its queues after the first, and vhost-net for each of its queues or for none; taken
	 * like fd */
	int more_fds[LIMIT_NET_QUEUES - 1], vhost_fds[LIMIT_NET_QUEUES];
	unsigned nmore_fds, nvhost_fds;
};
/* The descriptors of @d that its driver passes on, at most HV_DEV_FDS, to @ret; how many. */
#define HV_DEV_FDS (2 * LIMIT_NET_QUEUES)
size_t hv_dev_fds(const struct hv_dev *d, int *ret);

struct hv_size {
	unsigned vcpus;
	uint64_t mem_mib;
};

/* Operations that no capability of the driver names are NULL. */
struct hv_ops {
	const char *name; /* the NAME of [hypervisor.NAME] */
	uint64_t caps;
	size_t size;                /* of the driver's state, which embeds struct hv first */
	void (*init)(struct hv *h); /* what is not zero at first; NULL: nothing */
	int (*prepare)(struct hv *h, struct error *e); /* files, sockets, argv; nothing runs yet */
	int (*start)(struct hv *h, struct error *e); /* the VM runs; its end arrives as an event */
	int (*stop)(
		struct hv *h,
		struct error *e); /* asks nothing of the guest: the VMM is killed; EXITED follows */
	int (*pause)(struct hv *h, bool on,
		     struct error *e); /* asks; HV_EVENT_PAUSED or _RESUMED answers */
	/* Makes the files "memory" and "state" in @dirfd from a paused VM, which is of no use
	 * afterwards: -EINPROGRESS and @done. */
	int (*save)(struct hv *h, int dirfd, hv_done_fn *done, void *data, struct error *e);
	/* Before start: cold, 0. After it: hot, -EINPROGRESS, and d->done answers when the VMM has
	 * the device; the guest finds it a moment later. */
	int (*add)(struct hv *h, struct hv_dev *d, struct error *e);
	/* Of a device that was added hot, named by d->id: -EINPROGRESS, and d->done answers when
	 * the guest has let go of it, or has not within HV_REMOVE_MS. */
	int (*remove)(struct hv *h, struct hv_dev *d, struct error *e);
	/* Grows or shrinks the running VM. 0: it has that size; -EINPROGRESS: @done answers, with
	 * an error also where a part was reached. vCPUs become present, the guest's agent brings
	 * them online; they do not become fewer. One at a time: -EBUSY. */
	int (*resize)(struct hv *h, const struct hv_size *want, hv_done_fn *done, void *data,
		      struct error *e);
	void (*free)(struct hv *h); /* the driver's own state; the VMM is dead by then */
};

struct hv {
	const struct hv_ops *ops;
	struct hv_config cfg; /* strings owned */
	struct loop *loop;
	hv_event_fn *event;
	void *data;
	pid_t pid;            /* of the VMM; 0 while none runs */
	int status;           /* of the VMM's end, as from waitpid(2) */
	bool oom_killed;      /* it ended because its cgroup ran out of memory */
	struct tsc_mark born; /* when hv_new ran */
	struct list events;   /* on their way to @event */
};

/* The drivers that are built in, NULL-terminated. */
extern const struct hv_ops *const hv_drivers[];
const struct hv_ops *hv_driver(const char *name);

struct hv *hv_new(const struct hv_ops *ops, const struct hv_config *cfg, struct loop *l,
		  hv_event_fn *fn, void *data, struct error *e);
void hv_free(struct hv *h); /* kills a running VMM and waits for it */
DEFINE_AUTOPTR(hv, hv_free);

/* Bound on a guest that is asked to let go of a device or of memory. */
#define HV_REMOVE_MS 15000

/* For drivers: delivers the answer from the loop, in order with events. @e is copied. */
void hv_answer(struct hv *h, hv_done_fn *fn, const struct error *e, void *data);
/* For drivers: delivers the event from the loop, in order. */
void hv_emit(struct hv *h, enum hv_event ev, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * What this host can run, found without hanging: CPU flags decide about KVM (a /dev/kvm without
 * vmx/svm is a software KVM for enlightened guests and is not used), then the device is opened and
 * asked. `why` is one line for people.
 */
struct hv_probe {
	enum hv_accel accel;
	bool kvm_device, kvm_flags, kvm_usable;
	char why[256];
};
void hv_probe_host(struct hv_probe *ret);
/* Whether one of the "flags" lines of this /proc/cpuinfo has vmx or svm. */
bool hv_cpuinfo_has_virt(const char *cpuinfo);

/* The last @max lines of <dir>/console.log, printable, for error messages. Owned; "" when there is
 * none. */
char *hv_console_tail(const char *dir, unsigned max);
