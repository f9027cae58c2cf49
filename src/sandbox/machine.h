/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine - starting the virtual machine of a sandbox: booted, or as a copy of a template; and the
 * room its containers need in it.
 *
 * A copy stands still when its state is loaded. Then the devices are plugged in that cannot be part
 * of a template (vsock, share, network), it runs, and before anything else happens in it its agent
 * gets random data and the time. A template that cannot be loaded is made unusable, and the machine
 * boots; where there is none that fits, one is made in the background for the next sandbox.
 */
#pragma once

#include "base/error.h"
#include "hv/hv.h"
#include "sandbox/sandbox.h"

enum clone_state {
	CLONE_NONE,     /* it boots, or has booted */
	CLONE_LOADING,  /* the state */
	CLONE_PLUGGING, /* devices */
	CLONE_RESUMING,
	CLONE_RUNS,
};

/* Decides whether the machine is to be a copy; before anything depends on it. */
void clone_choose(struct sandbox *s);
/* -EINPROGRESS until a copy runs: continues s->boot. */
int clone_wait(struct sandbox *s, struct error *e);
/* Makes a copy something of its own: continues s->boot. */
int clone_renew(struct sandbox *s, struct error *e);
/* Whether the event was about becoming a copy, and is dealt with. */
bool clone_event(struct sandbox *s, enum hv_event ev, const char *text);
void clone_forget(struct sandbox *s);

/* Starts the VMM. */
int machine_start(struct sandbox *s, struct error *e);
/* Without a template, with the devices that are there. */
int machine_boot(struct sandbox *s, struct error *e);
/* Adds the machine's own devices, cold or to a copy that stands still. */
int machine_devices(struct sandbox *s, struct error *e);
/* One of these: takes d->fd on success. */
int machine_add(struct sandbox *s, struct hv_dev *d, struct error *e);

/* What a container's limits ask for. */
struct workload {
	double cpus;        /* 0: no limit */
	uint64_t mem_bytes; /* 0: no limit */
};
/* Of the container's own resources. */
struct workload workload_of(const oci_resources *r);
/* What an update that changes some of them leaves. */
struct workload workload_update(struct workload w, const oci_resources *r);

/* Gives the machine what its containers ask for by now, as far as it can have that. 0: it has;
 * -EINPROGRESS: @done answers. Where sizes are static only a copy of a template ever grows. */
int room_make(struct sandbox *s, sandbox_done_fn *done, void *data, struct error *e);
/* Makes room for what @r asks for, then tells the guest. */
int room_update(struct container *c, const oci_resources *r, sandbox_done_fn *done, void *data,
		struct error *e);
/* Calls back no more. */
void room_abandon(struct sandbox *s, const void *data);
/* The machine ends: those who wait hear why. */
void room_forget(struct sandbox *s);
