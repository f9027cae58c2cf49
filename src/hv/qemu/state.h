/* SPDX-License-Identifier: Apache-2.0 */
/* state - the driver's state, which the files of src/hv/qemu share and nobody else sees. */
#pragma once

#include "base/limits.h"
#include "hv/hv.h"
#include "hv/jail.h"
#include "hv/qemu/args.h"
#include "hv/qemu/qmp_client.h"
#include "hv/qemu/qmp_job.h"

struct json;
struct loop_source;
struct vmlog;

/* The guest's memory as a file, and a state that is loaded or saved. */
struct qemu_snapshot {
	enum { SNAPSHOT_IDLE, SNAPSHOT_LOADING, SNAPSHOT_SAVING } doing;
	char *ram_dir, *ram; /* NULL: memory is a memfd; the directory is gone once QEMU runs */
	int ram_fd;
	int source_fd, state_fd; /* of the directory that is loaded or filled */
	pid_t copy_pid;          /* copies the memory */
	struct loop_source *copy;
	struct qmp_job job;
	struct error failed; /* why it was not loaded */
	hv_done_fn *done;    /* of save */
	void *data;
};

enum qemu_state { QEMU_NEW, QEMU_PREPARED, QEMU_RUNNING, QEMU_ENDED };

/* A change of size on its way; the command that is awaited is the job's. */
struct qemu_resize {
	struct hv_size now, want; /* now: what the VM has */
	unsigned dimms;           /* modules plugged in */
	struct qmp_job job;
	struct loop_source *timer; /* while the guest takes or gives memory */
	int64_t deadline;          /* of that */
	hv_done_fn *done;          /* NULL: nothing on its way */
	void *data;
};

struct qemu {
	struct hv hv;
	enum qemu_state state;
	const struct qemu_machine *machine;
	char *program, *kernel, *initrd;      /* resolved */
	const char *root;                     /* for the kernel; NULL without an image */
	char *verity;                         /* its dm-mod.create=; NULL: not checked */
	struct hv_dev devs[LIMIT_HV_DEVICES]; /* cold; strings and descriptors owned */
	size_t ndevs;
	struct list hot;     /* of struct hot_dev */
	uint32_t ports;      /* a bit for each that is taken */
	uint64_t next_fdset; /* for the next disk */
	struct qemu_resize resize;
	struct qemu_snapshot snapshot;
	struct jail jail;
	int cgroup_fd, entropy_fd;
	uint64_t oom_before; /* OOM kills in the cgroup when QEMU started */
	struct qmp_client *qmp;
	struct vmlog *console, *errors;
	struct loop_source *child, *panic_timer;
	char *panic; /* the kernel's line; NULL: did not panic */
	bool panic_told;
	bool stopping;   /* we killed it */
	const char *end; /* what the guest did, NULL: nothing known */
};

static inline struct qemu *qemu_of(struct hv *h)
{
	return container_of(h, struct qemu, hv);
}

int qemu_not_running(struct error *e); /* -ESRCH */

/* devs.c: devices before the start */
int qemu_dev_add_cold(struct qemu *q, const struct hv_dev *d, struct error *e);
/* Copies @from with its strings; its descriptor goes along. */
void qemu_dev_copy(struct hv_dev *to, const struct hv_dev *from);
void qemu_dev_done(struct hv_dev *d);
/* Closes our copies of what QEMU has, or will never have. */
void qemu_dev_close(struct hv_dev *d);
/* What stands behind a device: a descriptor now, or -1 where a socket is connected to later. */
int qemu_dev_open(const struct hv_dev *d, int *ret_fd, struct error *e);
/* Connects those that have a path and no descriptor yet. */
int qemu_dev_connect(struct hv_dev *d, struct error *e);

/* hotplug.c: devices of a running VM */
int qemu_hotplug_add(struct qemu *q, struct hv_dev *d, struct error *e);
int qemu_hotplug_remove(struct qemu *q, struct hv_dev *d, struct error *e);
void qemu_hotplug_event(struct qemu *q, const char *name, const struct json *data);
void qemu_hotplug_free(struct qemu *q);

/* resize.c */
int qemu_resize(struct hv *h, const struct hv_size *want, hv_done_fn *done, void *data,
		struct error *e);
void qemu_resize_free(struct qemu *q);

/* snapshot.c */
void qemu_snapshot_init(struct qemu *q);
/* Where the configuration wants it: makes the file of the guest's memory and puts it into the
 * jail; opens what is to be loaded. */
int qemu_snapshot_prepare(struct qemu *q, struct error *e);
/* QEMU has been started and has opened its file: its name goes, and the loading begins. */
int qemu_snapshot_started(struct qemu *q, struct error *e);
void qemu_snapshot_event(struct qemu *q, const char *name, const struct json *data);
int qemu_save(struct hv *h, int dirfd, hv_done_fn *done, void *data, struct error *e);
void qemu_snapshot_free(struct qemu *q);
