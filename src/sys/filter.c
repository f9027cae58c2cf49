/* SPDX-License-Identifier: Apache-2.0 */
/* filter - see filter.h. */
#include "sys/filter.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGS_MAX 6 /* of a system call */

struct filter {
	scmp_filter_ctx ctx;
	uint32_t default_action;
	unsigned int flags;
};

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
	f->ctx = seccomp_init(f->default_action);
	if (!f->ctx)
		return error_plain(e, ENOMEM,
				   "seccomp: cannot make a filter with default action %s", action);
	/* A tree instead of a chain of comparisons; a library too old for it does without. */
	if (seccomp_attr_set(f->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
		error_clear(e);
	*ret = take_ptr(f);
	return 0;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	if (f->ctx)
		seccomp_release(f->ctx);
	free(f);
}

int filter_add_arch(struct filter *f, const char *arch, struct error *e)
{
	const struct name *a = find(archs, ARRAY_SIZE(archs), arch, "architecture", e);
	int r;

	if (!a)
		return -EINVAL;
	r = seccomp_arch_add(f->ctx, a->value);
	if (r < 0 && r != -EEXIST)
		return error_set(e, r, "seccomp: add architecture %s", arch);
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

/* 1 if several conditions concern one argument. */
static int convert_args(const struct filter_arg *args, size_t n, struct scmp_arg_cmp *ret,
			struct error *e)
{
	unsigned int seen = 0;
	int alternatives = 0;

	for (size_t i = 0; i < n; i++) {
		const struct name *op =
			find(operators, ARRAY_SIZE(operators), args[i].op, "operator", e);

		if (!op)
			return -EINVAL;
		if (args[i].index >= ARGS_MAX)
			return error_plain(e, EINVAL,
					   "seccomp: argument index %llu is not in 0..%d",
					   (unsigned long long)args[i].index, ARGS_MAX - 1);
		if (seen & 1U << args[i].index)
			alternatives = 1;
		seen |= 1U << args[i].index;
		ret[i] = (struct scmp_arg_cmp){ .arg = (unsigned int)args[i].index,
						.op = (enum scmp_compare)op->value,
						.datum_a = args[i].value,
						.datum_b = args[i].value_two };
	}
	return alternatives;
}

/* -EDOM: the call does not exist on one of the architectures; -EEXIST: stated twice. Both happen in
 * real profiles. */
static int add_rule(struct filter *f, uint32_t action, int number, unsigned int n,
		    const struct scmp_arg_cmp *cmp)
{
	int r = seccomp_rule_add_array(f->ctx, action, number, n, cmp);

	return r == -EDOM || r == -EEXIST ? 0 : r;
}

int filter_add(struct filter *f, const char *syscall_name, const char *action, const uint32_t *err,
	       const struct filter_arg *args, size_t nargs, struct error *e)
{
	struct scmp_arg_cmp cmp[LIMIT_SECCOMP_ARGS];
	uint32_t token = 0;
	int number, alternatives, r;

	if (nargs > ARRAY_SIZE(cmp))
		return error_plain(e, E2BIG, "seccomp: %s has more than %d conditions",
				   syscall_name, LIMIT_SECCOMP_ARGS);
	r = parse_action(action, err, &token, e);
	if (r < 0)
		return r;
	alternatives = convert_args(args, nargs, cmp, e);
	if (alternatives < 0)
		return alternatives;
	number = seccomp_syscall_resolve_name(syscall_name);
	/* The library refuses rules that only repeat the default. */
	if (number == __NR_SCMP_ERROR || token == f->default_action)
		return 0;
	if (!alternatives)
		r = add_rule(f, token, number, (unsigned int)nargs, cmp);
	for (size_t i = 0; alternatives && r == 0 && i < nargs; i++)
		r = add_rule(f, token, number, 1, &cmp[i]);
	return r < 0 ? error_set(e, r, "seccomp: rule for %s", syscall_name) : 0;
}

void filter_program_done(struct filter_program *p)
{
	if (!p)
		return;
	free(p->insns);
	*p = FILTER_PROGRAM_INIT;
}

int filter_compile(struct filter *f, struct filter_program *ret, struct error *e)
{
	/* libseccomp writes programs to descriptors only. */
	autoclose int fd = memfd_create("seccomp", MFD_CLOEXEC);
	char *insns;
	size_t len;
	int r;

	if (fd < 0)
		return error_set(e, errno, "seccomp: memfd");
	r = seccomp_export_bpf(f->ctx, fd);
	if (r < 0)
		return error_set(e, r, "seccomp: compile the filter");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set(e, errno, "seccomp: memfd");
	r = fd_read_all(fd, BPF_MAXINSNS * sizeof(struct sock_filter), &insns, &len);
	if (r < 0)
		return error_set(e, r, "seccomp: the filter has more than %d instructions",
				 BPF_MAXINSNS);
	*ret = (struct filter_program){ .insns = insns,
					.n = len / sizeof(struct sock_filter),
					.flags = f->flags };
	return 0;
}

int filter_install(const struct filter_program *p, struct error *e)
{
	struct sock_fprog prog = { .len = (unsigned short)p->n, .filter = p->insns };
	long r;

	if (!p->n)
		return 0;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->flags, &prog);
	if (r < 0)
		return error_set(e, errno, "seccomp: install the filter");
	/* With TSYNC: the thread that could not follow. */
	return r > 0 ? error_plain(e, EBUSY, "seccomp: thread %ld has another filter", r) : 0;
}
