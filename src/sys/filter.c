/* SPDX-License-Identifier: Apache-2.0 */
/* filter - see filter.h. */
#include "sys/filter.h"

#include "base/error.h"
#include "base/str.h"
#include "sys/filter_names.h"
#include "sys/filter_rules.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_FOREIGN 0 /* known to the specification, not to the library */

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct name {
	const char *name;
	uint32_t value;
};

/* Those with an argument get it in their low 16 bits. */
static const struct name actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
};

static const struct name archs[] = {
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
	{ "SCMP_ARCH_LOONGARCH64", ARCH_FOREIGN },
	{ "SCMP_ARCH_M68K", ARCH_FOREIGN },
	{ "SCMP_ARCH_SH", ARCH_FOREIGN },
	{ "SCMP_ARCH_SHEB", ARCH_FOREIGN },
};

static const struct name operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct name filter_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

static const struct name *find(const struct name *table, size_t n, const char *name,
			       const char *what, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(table[i].name, name))
			return &table[i];
	}
	error_plain(e, EINVAL, "seccomp: unsupported %s \"%.64s\"", what, name ? name : "");
	return NULL;
}

static int parse_action(const char *name, const uint32_t *err, uint32_t *ret, struct error *e)
{
	const struct name *action = find(actions, ARRAY_SIZE(actions), name, "action", e);
	uint32_t arg = err ? *err : EPERM;

	if (!action)
		return -EINVAL;
	if (action->value != SCMP_ACT_ERRNO(0) && action->value != SCMP_ACT_TRACE(0))
		arg = 0;
	if (arg > UINT16_MAX)
		return error_plain(e, EINVAL, "seccomp: errno %u is out of range", arg);
	*ret = action->value | arg;
	return 0;
}

int filter_new(const char *action, const uint32_t *err, struct filter **ret, struct error *e)
{
	autoptr(filter) f = xnew(struct filter);
	int r = parse_action(action, err, &f->default_action, e);

	if (r < 0)
		return r;
	/* Not even the listener could be handed over. */
	if (f->default_action == SCMP_ACT_NOTIFY)
		return error_plain(e, EINVAL, "seccomp: SCMP_ACT_NOTIFY cannot be the default");
	f->arch[f->narchs++] = filter_arch_native();
	*ret = take_ptr(f);
	return 0;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	free(f->rules);
	free(f);
}

int filter_add_arch(struct filter *f, const char *arch, struct error *e)
{
	const struct name *a = find(archs, ARRAY_SIZE(archs), arch, "architecture", e);

	if (!a)
		return -EINVAL;
	if (!filter_arch_runs(a->value))
		return 0;
	for (size_t i = 0; i < f->narchs; i++) {
		if (f->arch[i] == a->value)
			return 0;
	}
	/* Each name fits once, and the native one. */
	f->arch[f->narchs++] = a->value;
	return 0;
}

int filter_add_flag(struct filter *f, const char *flag, struct error *e)
{
	const struct name *n = find(filter_flags, ARRAY_SIZE(filter_flags), flag, "flag", e);

	if (!n)
		return -EINVAL;
	f->flags |= n->value;
	return 0;
}

static int convert_arg(const struct filter_arg *a, struct filter_condition *ret, struct error *e)
{
	const struct name *op = find(operators, ARRAY_SIZE(operators), a->op, "operator", e);

	if (!op)
		return -EINVAL;
	if (a->index >= FILTER_CONDITIONS_MAX)
		return error_plain(e, EINVAL, "seccomp: argument index %llu is not in 0..%d",
				   (unsigned long long)a->index, FILTER_CONDITIONS_MAX - 1);
	*ret = (struct filter_condition){ (unsigned int)a->index, op->value, a->value,
					  a->value_two };
	return 0;
}

static int add_rule(struct filter *f, const char *name, uint32_t action,
		    const struct filter_condition *c, size_t n, struct error *e)
{
	struct filter_rule *rule;

	if (f->nrules == LIMIT_SECCOMP_RULES)
		return error_plain(e, E2BIG, "seccomp: more than %d rules", LIMIT_SECCOMP_RULES);
	if (f->nrules == f->cap) {
		f->cap = MIN(MAX(f->cap * 2, (size_t)64), (size_t)LIMIT_SECCOMP_RULES);
		f->rules = xrealloc(f->rules, f->cap, sizeof(*f->rules));
	}
	rule = &f->rules[f->nrules++];
	*rule = (struct filter_rule){ .name = name, .action = action, .n = n };
	if (n)
		memcpy(rule->condition, c, n * sizeof(*c));
	return 0;
}

int filter_add(struct filter *f, const char *name, const char *action, const uint32_t *err,
	       const struct filter_arg *args, size_t nargs, struct error *e)
{
	struct filter_condition c[LIMIT_SECCOMP_ARGS];
	unsigned int seen = 0;
	bool alternatives = false;
	uint32_t token = 0;
	int r;

	if (nargs > ARRAY_SIZE(c))
		return error_plain(e, E2BIG, "seccomp: %.64s has more than %d conditions", name,
				   LIMIT_SECCOMP_ARGS);
	r = parse_action(action, err, &token, e);
	for (size_t i = 0; r == 0 && i < nargs; i++) {
		r = convert_arg(&args[i], &c[i], e);
		if (r == 0) {
			alternatives |= seen >> c[i].arg & 1;
			seen |= 1U << c[i].arg;
		}
	}
	/* A rule that repeats the default would only hide later ones. */
	if (r < 0 || token == f->default_action)
		return r;
	if (token == SCMP_ACT_NOTIFY)
		f->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	if (!alternatives)
		return add_rule(f, name, token, c, nargs, e);
	for (size_t i = 0; r == 0 && i < nargs; i++)
		r = add_rule(f, name, token, &c[i], 1, e);
	return r;
}

void filter_program_done(struct filter_program *p)
{
	if (!p)
		return;
	free(p->insns);
	*p = FILTER_PROGRAM_INIT;
}

bool filter_notifies(const struct filter_program *p)
{
	return p->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

/* With a listener the result cannot name the thread that would not follow (TSYNC): it is ESRCH. */
static unsigned int install_flags(const struct filter_program *p)
{
	bool both = filter_notifies(p) && p->flags & SECCOMP_FILTER_FLAG_TSYNC;

	return p->flags | (both ? SECCOMP_FILTER_FLAG_TSYNC_ESRCH : 0);
}

int filter_install(const struct filter_program *p, int *ret_listener, struct error *e)
{
	struct sock_fprog prog = { .len = (unsigned short)p->n, .filter = p->insns };
	long r;

	if (ret_listener)
		*ret_listener = -1;
	if (!p->n)
		return 0;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, install_flags(p), &prog);
	if (r < 0)
		return error_set(e, errno, "seccomp: install the filter");
	if (filter_notifies(p) && ret_listener) {
		*ret_listener = (int)r;
		return 0;
	}
	/* With TSYNC: the thread that could not follow. */
	return r > 0 ? error_plain(e, EBUSY, "seccomp: thread %ld has another filter", r) : 0;
}
