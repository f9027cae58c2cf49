/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc - child processes: plan (argv, descriptors, identity), spawn, wait.
 */
#pragma once

#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <sys/types.h>

struct error;

/*
 * What to start. Zero-initialise with PROC_SPEC_INIT. Descriptors listed in @keep stay open in the
 * child under the same numbers, all others above 2 are closed. Where uid or gid is not 0,
 * supplementary groups are dropped.
 */
struct proc_spec {
	const char *path;  /* the program; NULL: argv[0], looked up in PATH */
	char *const *argv; /* NULL-terminated */
	char *const *env;  /* NULL: inherit */
	const char *cwd;   /* NULL: inherit */
	int in, out, err;  /* become 0, 1, 2; -1: /dev/null */
	const int *keep;
	size_t nkeep;
	bool new_session;    /* setsid */
	bool new_group;      /* setpgid(0, 0) */
	int pdeathsig;       /* 0: none */
	unsigned namespaces; /* CLONE_NEW*: the child starts in new ones */
	uid_t uid;
	gid_t gid;
	/* Called in the child after descriptors are in place and before identity changes; -errno
	 * fails the start with @e. Only async-signal-safe work. */
	int (*setup)(void *data, struct error *e);
	void *data;
};
#define PROC_SPEC_INIT ((struct proc_spec){ .in = -1, .out = -1, .err = -1 })

/* Starts it; failures in the child up to and including execve are reported here, with the cause.
 * The pid or -errno. */
pid_t proc_spawn(const struct proc_spec *s, struct error *e);

/* The same in halves, so that several children get going at a time: the child is on its way, and
 * @ret_word is to be given to proc_spawn_end, which waits until it runs the program. */
pid_t proc_spawn_begin(const struct proc_spec *s, int *ret_word, struct error *e);
/* 0, or the reason it does not run, and it has been reaped. Closes @word. @name is for the error.
 */
int proc_spawn_end(pid_t pid, int word, const char *name, struct error *e);

/* Waits for the end of @pid for at most @timeout_ms (-1: for ever). 0 and *ret_status, -ETIMEDOUT,
 * -errno. */
int proc_wait(pid_t pid, int timeout_ms, int *ret_status);

/* Runs to the end, captures at most @max bytes of stdout (where @ret_out is not NULL) and, with
 * @input, feeds stdin. The exit status 0..255, 128 + n for a signal, -ETIMEDOUT or
 * -EFBIG (the child is killed), -errno. */
int proc_run(const struct proc_spec *s, const char *input, size_t input_len, int timeout_ms,
	     size_t max, char **ret_out, struct error *e);

/* In a child: every signal gets its default action and none is blocked. Async-signal-safe. */
void proc_reset_signals(void);

/* 0..255, or 128 + signal, from a waitpid status. */
int proc_exit_code(int wait_status);

int proc_pidfd_open(pid_t pid);
int proc_pidfd_signal(int pidfd, int sig);
/* Start time in clock ticks since boot (field 22 of /proc/PID/stat), which with the pid names a
 * process for good. */
int proc_start_time(pid_t pid, uint64_t *ret);
/* True while @pid exists, has this start time and is not a zombie. */
bool proc_alive(pid_t pid, uint64_t start_time);
