/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guestlike - the real caisson-agent in namespaces of its own on this machine, and calls to it:
 * what a host does to a guest, without a guest. Needs root, a writable cgroup2 and a static
 * busybox.
 */
#pragma once

#include "agent.pb-c.h"
#include "base/error.h"
#include "rpc/ttrpc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct guestlike {
	char dir[64]; /* everything is below */
	char run_dir[96], rootfs[96], sock[96], stream_sock[112], log_sock[112];
	char cgroup[64];    /* of all containers */
	const char *policy; /* a file; NULL: none; set before the start */
	pid_t pid;
	struct rpc_client *client;
	unsigned ports; /* numbers given to streams so far */
};

/* @g is empty but for the policy. NULL: it works. Else why it cannot, and nothing is left. @agent:
 * path of the program. */
const char *guestlike_start(struct guestlike *g, const char *agent);
/* Ends the agent, by DestroySandbox if it still answers, and removes everything. The agent's exit
 * status, or -errno. */
int guestlike_stop(struct guestlike *g);

/* A call by its name; *ret may be NULL. Times out after 20 s. 0 or -errno with @e. */
int guestlike_call(struct guestlike *g, const char *method, const ProtobufCMessage *req,
		   ProtobufCMessage **ret, struct error *e);
/* Opens a stream as a host does; *ret_port names it in requests. */
int guestlike_stream(struct guestlike *g, uint32_t *ret_port);

/* A container whose init runs @command with sh -c. @stdio: 3 descriptors from guestlike_stream, or
 * NULL for calls. */
struct guestlike_run {
	const char *id, *exec_id; /* exec_id NULL: create a container, else exec into it */
	const char *command;
	bool terminal;
	bool pidns;               /* sandbox_pidns */
	const char *pidns_of;     /* pidns_container; NULL: none */
	const char *hook;         /* program of hooks.createRuntime; NULL: none */
	const char *message_path; /* Kubernetes's annotation of the termination message */
	uint32_t port[3];
};
int guestlike_create(struct guestlike *g, const struct guestlike_run *r, struct error *e);
/* Those that have only ids. */
int guestlike_begin(struct guestlike *g, const char *id, struct error *e);
int guestlike_signal(struct guestlike *g, const char *id, const char *exec_id, int sig,
		     struct error *e);
int guestlike_remove(struct guestlike *g, const char *id, struct error *e);
/* The exit status, or -errno. */
int guestlike_wait(struct guestlike *g, const char *id, const char *exec_id);
/* All of stdout (@which 1) or stderr (2), by calls; owned. */
char *guestlike_output(struct guestlike *g, const char *id, const char *exec_id, int which);
