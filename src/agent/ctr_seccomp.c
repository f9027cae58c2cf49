/* SPDX-License-Identifier: Apache-2.0 */
/* ctr_seccomp - linux.seccomp to a filter program (sys/filter.h). Compiled early, installed last.
 */
#include "agent/ctr_setup.h"

#include <errno.h>

static int add_name(struct filter *f, const Grpc__LinuxSyscall *c, const char *name,
		    struct error *e)
{
	struct filter_arg args[LIMIT_SECCOMP_ARGS];
	bool has_err = c->has_errno_ret_case == GRPC__LINUX_SYSCALL__HAS_ERRNO_RET_ERRNO_RET;

	if (c->n_args > LIMIT_SECCOMP_ARGS)
		return error_plain(e, E2BIG, "seccomp: %.64s has more than %d conditions", name,
				   LIMIT_SECCOMP_ARGS);
	for (size_t i = 0; i < c->n_args; i++) {
		const Grpc__LinuxSeccompArg *a = c->args[i];

		args[i] = (struct filter_arg){ a->index, a->value, a->valuetwo, a->op };
	}
	return filter_add(f, name, c->action, has_err ? &c->errnoret : NULL, args, c->n_args, e);
}

static int add_rules(struct filter *f, const Grpc__LinuxSeccomp *sc, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sc->n_architectures; i++)
		r = filter_add_arch(f, sc->architectures[i], e);
	for (size_t i = 0; r == 0 && i < sc->n_flags; i++)
		r = filter_add_flag(f, sc->flags[i], e);
	for (size_t i = 0; r == 0 && i < sc->n_syscalls; i++) {
		const Grpc__LinuxSyscall *c = sc->syscalls[i];

		for (size_t j = 0; r == 0 && j < c->n_names; j++)
			r = add_name(f, c, c->names[j], e);
	}
	return r;
}

int ctr_seccomp_compile(struct ctr_setup *s, struct error *e)
{
	const Grpc__LinuxSeccomp *sc = s->spec->linux ? s->spec->linux->seccomp : NULL;
	autoptr(filter) f = NULL;
	bool has_err;
	int r;

	if (!sc || str_empty(sc->defaultaction))
		return 0;
	has_err = sc->has_default_errno_ret_case ==
		  GRPC__LINUX_SECCOMP__HAS_DEFAULT_ERRNO_RET_DEFAULT_ERRNO_RET;
	r = filter_new(sc->defaultaction, has_err ? &sc->defaulterrnoret : NULL, &f, e);
	if (r == 0)
		r = add_rules(f, sc, e);
	return r < 0 ? r : filter_compile(f, &s->seccomp, e);
}
