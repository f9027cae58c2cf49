/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter - seccomp filters: rules by the runtime spec's names, compiled to BPF, installed later.
 *
 * The numbers of system calls come from libseccomp (filter_names.h); the program is made here,
 * because the library takes tens of milliseconds for an engine's usual profile (every rule copies
 * all it has) and ten times that under emulation, in the way of every process of a container. The
 * unit test compares both on every call of real profiles.
 *
 * A set-up compiles the filter while it is free and installs it as its last act. A filter that
 * notifies a supervisor (SCMP_ACT_NOTIFY) gives a descriptor to hand to one.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct filter;

struct filter_arg {
	uint64_t index, value, value_two;
	const char *op; /* "SCMP_CMP_EQ", ... */
};

/* @action as in "SCMP_ACT_ERRNO"; @err is the errno or trace message where it takes one, NULL:
 * EPERM. */
int filter_new(const char *action, const uint32_t *err, struct filter **ret, struct error *e);
void filter_free(struct filter *f);
DEFINE_AUTOPTR(filter, filter_free);

/* "SCMP_ARCH_X86_64", ... beside the native one. Those whose programs cannot run here are passed
 * over. */
int filter_add_arch(struct filter *f, const char *arch, struct error *e);
/* "SECCOMP_FILTER_FLAG_TSYNC", _LOG, _SPEC_ALLOW, _WAIT_KILLABLE_RECV. */
int filter_add_flag(struct filter *f, const char *flag, struct error *e);
/*
 * One system call. Names that no architecture of this machine knows are passed over, since profiles
 * list those of many kernels. All conditions must hold, except that several on one argument are
 * alternatives. Of the rules for a call, one without conditions decides, else the first that
 * matches. @name is kept by reference.
 */
int filter_add(struct filter *f, const char *name, const char *action, const uint32_t *err,
	       const struct filter_arg *args, size_t nargs, struct error *e);

struct filter_program {
	void *insns; /* struct sock_filter[], owned */
	size_t n;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* */
};
#define FILTER_PROGRAM_INIT ((struct filter_program){ 0 })
void filter_program_done(struct filter_program *p);
DEFINE_AUTODONE(filter_program, filter_program_done);

int filter_compile(struct filter *f, struct filter_program *ret, struct error *e);
/* True if it notifies: filter_install gives a listener. */
bool filter_notifies(const struct filter_program *p);
/* For the caller and what it executes; needs CAP_SYS_ADMIN or no_new_privs. Nothing happens with an
 * empty program. *ret_listener (close-on-exec, the caller's) is -1 unless the program notifies; it
 * may be NULL where it does not. */
int filter_install(const struct filter_program *p, int *ret_listener, struct error *e);
