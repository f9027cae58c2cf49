/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctrlab - a rootfs with a static busybox, specs from parts, and containers run to their end.
 *
 * The containers are real and need root; lab_ready() says aloud what is missing. Everything lives
 * in a directory of its own below /tmp and in a mount namespace of the test program.
 */
#pragma once

#include "agent/ctr.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LAB_OUTPUT_MAX 65536
#define LAB_ID "caisson-unit"

/* Members of the spec's objects as JSON; NULL: a default. */
struct lab_spec {
	const char *args;    /* ["/bin/true"] */
	const char *script;  /* instead of args: for sh -c */
	const char *process; /* more members of process, with a comma in front */
	const char *user;    /* {"uid":0,"gid":0} */
	const char *env;     /* ["PATH=/bin"] */
	const char *cwd;     /* "/" */
	const char *caps;    /* names, comma-separated with quotes; for all five sets but ambient */
	const char *mounts;  /* more mounts, with a comma in front */
	const char *linux;   /* more members of linux, with a comma in front */
	const char *top;     /* more members of the spec, with a comma in front */
	const char *namespaces; /* replaces the usual seven */
	bool readonly;
};

/* What became of a container process. */
struct lab_run {
	pid_t pid;
	int sync, out, err, master; /* the parent's ends; -1 */
	struct ctr_report report;   /* type 0: none came */
	int status;                 /* as from proc_exit_code */
	char stdout_text[LAB_OUTPUT_MAX], stderr_text[LAB_OUTPUT_MAX];
};

/* Group fixtures. */
int lab_up(void **state);
int lab_down(void **state);
/* Skips the test, with a word why, where containers cannot be made. */
void lab_need(void);

/* The directory of the lab, and a path in the rootfs; static storage, good until the next call. */
const char *lab_dir(void);
const char *lab_root(const char *path);

/* Owned; ends the test with the reason if the parts are no spec. */
Grpc__Spec *lab_parse(const struct lab_spec *parts);

/* Starts a set-up and waits for its report; the result of ctr_create, with the reason in *e. */
int lab_create(const Grpc__Spec *spec, const struct ctr_request *more, struct lab_run *run,
	       struct error *e);
int lab_exec(const Grpc__Spec *spec, const Grpc__Process *process, const struct ctr_pins *pins,
	     pid_t init, const struct ctr_request *more, struct lab_run *run, struct error *e);
/* Releases a READY one. */
void lab_start(struct lab_run *run);
/* Collects output and status, and removes the cgroup. */
void lab_finish(struct lab_run *run);
/* The same for a process that leaves the container alive. */
void lab_wait(struct lab_run *run);

/* All of it: what the container printed, owned by *run. Fails the test if it does not get to run.
 */
const char *lab_output(const struct lab_spec *parts, struct lab_run *run);
/* The report's or ctr_create's reason; fails the test if the container is set up all the same. */
const char *lab_refusal(const struct lab_spec *parts, struct lab_run *run, struct error *e);
