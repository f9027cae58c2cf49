/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of filter_bpf.c against those that libseccomp makes of the same rules, both run by a
 * small interpreter: same outcome for every call, architecture and argument tried.
 */
#include "systest.h"

#include "base/limits.h"
#include "sys/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>

#define RULES 60
#define X32_BIT 0x40000000U
#define SOCKETCALL 102 /* of 32-bit x86 */
#define IPC 117

static uint32_t seed = 1;

static uint32_t next_random(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static uint32_t run(const struct sock_filter *p, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0, word;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &p[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k <= sizeof(*d) - 4 && i->k % 4 == 0);
			memcpy(&word, (const char *)d + i->k, 4);
			a = word;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %04x is not known", i->code);
		}
	}
	fail_msg("the program runs over its end");
	return 0;
}

/* One rule, and what to try around it. */
struct rule {
	char name[64];
	const char *action;
	uint32_t err;
	struct filter_arg args[3];
	size_t nargs;
};

static const char *const ops[] = { "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",       "SCMP_CMP_EQ",
				   "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ" };
static const enum scmp_compare op_values[] = { SCMP_CMP_NE,       SCMP_CMP_LT, SCMP_CMP_LE,
					       SCMP_CMP_EQ,       SCMP_CMP_GE, SCMP_CMP_GT,
					       SCMP_CMP_MASKED_EQ };
static const char *const actions[] = { "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP",
				       "SCMP_ACT_LOG", "SCMP_ACT_ALLOW" };

static uint32_t action_value(const struct rule *r)
{
	const uint32_t values[] = { SCMP_ACT_ERRNO(r->err), SCMP_ACT_KILL_PROCESS, SCMP_ACT_TRAP,
				    SCMP_ACT_LOG, SCMP_ACT_ALLOW };

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (str_eq(actions[i], r->action))
			return values[i];
	}
	return 0;
}

/* Small values, values of one word, and some with both. */
static uint64_t random_value(void)
{
	uint32_t kind = next_random() % 4;

	return kind == 0   ? next_random() % 4
	       : kind == 1 ? next_random()
	       : kind == 2 ? (uint64_t)(next_random() % 3) << 32 | next_random() % 3
			   : (uint64_t)next_random() << 32 | next_random();
}

/* A call that no rule before concerns: what several rules for one call mean is tested elsewhere. */
static bool pick_name(struct rule *rules, size_t n)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)(next_random() % 460));
	bool fresh = name != NULL;

	for (size_t i = 0; fresh && i < n; i++)
		fresh = !str_eq(rules[i].name, name);
	if (fresh)
		snprintf(rules[n].name, sizeof(rules[n].name), "%s", name);
	free(name);
	return fresh;
}

static void make_rule(struct rule *rules, size_t n)
{
	struct rule *r = &rules[n];
	uint32_t first = next_random() % 4;

	while (!pick_name(rules, n))
		;
	r->action = actions[next_random() % ARRAY_SIZE(actions)];
	r->err = next_random() % 100;
	r->nargs = next_random() % 2 ? 0 : 1 + next_random() % 3;
	for (size_t i = 0; i < r->nargs; i++) {
		r->args[i].index = first + i;
		r->args[i].op = ops[next_random() % ARRAY_SIZE(ops)];
		r->args[i].value = random_value();
		r->args[i].value_two = random_value() & r->args[i].value;
	}
}

/* The same by the library; the number of instructions, into @ret. */
static size_t by_library(const struct rule *rules, size_t n, bool x86, bool x32,
			 struct sock_filter **ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(77));
	int fd = memfd_create("filter", MFD_CLOEXEC);
	char *data;
	size_t len;

	assert_non_null(ctx);
	if (x86)
		assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
	if (x32)
		assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X32), 0);
	for (size_t i = 0; i < n; i++) {
		struct scmp_arg_cmp cmp[3];

		for (size_t k = 0; k < rules[i].nargs; k++) {
			size_t op = 0;

			while (!str_eq(ops[op], rules[i].args[k].op))
				op++;
			cmp[k] = (struct scmp_arg_cmp){ (unsigned int)rules[i].args[k].index,
							op_values[op], rules[i].args[k].value,
							rules[i].args[k].value_two };
		}
		/* EDOM and the like where an architecture has no such call. */
		seccomp_rule_add_array(ctx, action_value(&rules[i]),
				       seccomp_syscall_resolve_name(rules[i].name),
				       (unsigned int)rules[i].nargs, cmp);
	}
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_all(fd, 1 << 20, &data, &len), 0);
	close(fd);
	*ret = (struct sock_filter *)(void *)data;
	return len / sizeof(**ret);
}

static void by_us(const struct rule *rules, size_t n, bool x86, bool x32, struct filter_program *p)
{
	autoptr(filter) f = NULL;
	struct error e = ERROR_INIT;
	uint32_t err = 77;

	assert_int_equal(filter_new("SCMP_ACT_ERRNO", &err, &f, &e), 0);
	if (x86)
		assert_int_equal(filter_add_arch(f, "SCMP_ARCH_X86", &e), 0);
	if (x32)
		assert_int_equal(filter_add_arch(f, "SCMP_ARCH_X32", &e), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(filter_add(f, rules[i].name, rules[i].action, &rules[i].err,
					    rules[i].args, rules[i].nargs, &e),
				 0);
	assert_int_equal(filter_compile(f, p, &e), 0);
}

/* Arguments around the values of @r, so that each condition is met now and then. */
static void fill_args(struct seccomp_data *d, const struct rule *r)
{
	for (size_t i = 0; i < 6; i++)
		d->args[i] = random_value();
	for (size_t i = 0; i < r->nargs; i++) {
		const struct filter_arg *a = &r->args[i];
		uint64_t near[] = { a->value,
				    a->value + 1,
				    a->value - 1,
				    a->value_two,
				    a->value_two | ~a->value,
				    a->value ^ UINT64_C(1) << 32 };

		if (next_random() % 4)
			d->args[a->index] = near[next_random() % ARRAY_SIZE(near)];
	}
}

static void try_around(const struct rule *rules, size_t n, const struct sock_filter *lib,
		       size_t lib_n, const struct filter_program *own)
{
	static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64 };

	for (int k = 0; k < 6000; k++) {
		const struct rule *r = &rules[next_random() % n];
		struct seccomp_data d = { .arch = arches[next_random() % 8 % 3] };
		uint32_t token = d.arch == AUDIT_ARCH_I386 ? SCMP_ARCH_X86 : SCMP_ARCH_X86_64;
		uint32_t kind = next_random() % 16, want, got;

		d.nr = seccomp_syscall_resolve_name_arch(token, r->name) + (kind == 1) -
		       (kind == 2);
		if (kind == 3)
			d.nr = (int)(next_random() % 600);
		if (kind == 4 || kind == 5)
			d.nr |= (int)X32_BIT;
		if (kind == 6)
			d.nr = -1;
		/* The library drops or keeps conditions at random where calls are multiplexed. */
		if (d.arch == AUDIT_ARCH_I386 && (d.nr == SOCKETCALL || d.nr == IPC))
			continue;
		fill_args(&d, r);
		want = run(lib, lib_n, &d);
		got = run(own->insns, own->n, &d);
		if (want != got)
			fail_msg("%s (%08x %d) %zu conditions %s %llx %llx, argument %llx: %08x "
				 "instead of %08x",
				 r->name, d.arch, d.nr, r->nargs, r->nargs ? r->args[0].op : "",
				 (unsigned long long)r->args[0].value,
				 (unsigned long long)r->args[0].value_two,
				 (unsigned long long)d.args[r->args[0].index], got, want);
	}
}

static void test_against_library(void **state)
{
	SKIP_UNLESS(seccomp_arch_native() == SCMP_ARCH_X86_64, "the numbers tried are x86's");
	for (int round = 0; round < 40; round++) {
		autodone(filter_program) own = FILTER_PROGRAM_INIT;
		struct rule rules[RULES] = { 0 };
		autofree struct sock_filter *lib = NULL;
		bool x86 = round & 1, x32 = round & 2;
		size_t n;

		for (size_t i = 0; i < RULES; i++)
			make_rule(rules, i);
		n = by_library(rules, RULES, x86, x32, &lib);
		by_us(rules, RULES, x86, x32, &own);
		try_around(rules, RULES, lib, n, &own);
	}
}

static uint32_t outcome_on(struct filter *f, uint32_t arch, int nr, uint64_t arg0, uint64_t arg1)
{
	autodone(filter_program) p = FILTER_PROGRAM_INIT;
	struct seccomp_data d = { .nr = nr, .arch = arch, .args = { arg0, arg1 } };

	assert_int_equal(filter_compile(f, &p, NULL), 0);
	return run(p.insns, p.n, &d);
}

static uint32_t outcome(struct filter *f, int nr, uint64_t arg0, uint64_t arg1)
{
	return outcome_on(f, seccomp_arch_native(), nr, arg0, arg1);
}

static void test_multiplexed(void **state)
{
	struct filter_arg netlink = { 0, 16, 0, "SCMP_CMP_EQ" };
	autoptr(filter) f = NULL;
	uint32_t x86 = AUDIT_ARCH_I386;

	SKIP_UNLESS(seccomp_arch_native() == SCMP_ARCH_X86_64, "the numbers tried are x86's");
	assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
	assert_int_equal(filter_add_arch(f, "SCMP_ARCH_X86", NULL), 0);
	assert_int_equal(filter_add(f, "bind", "SCMP_ACT_TRAP", NULL, NULL, 0, NULL), 0);
	assert_int_equal(filter_add(f, "shmget", "SCMP_ACT_TRAP", NULL, NULL, 0, NULL), 0);
	assert_int_equal(filter_add(f, "socket", "SCMP_ACT_TRAP", NULL, &netlink, 1, NULL), 0);
	assert_int_equal(outcome_on(f, x86, 361, 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(outcome_on(f, x86, SOCKETCALL, 2, 0), SECCOMP_RET_TRAP);
	assert_int_equal(outcome_on(f, x86, SOCKETCALL, 3, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(outcome_on(f, x86, IPC, 23, 0), SECCOMP_RET_TRAP);
	assert_int_equal(outcome_on(f, x86, IPC, 2, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(outcome_on(f, x86, 359, 16, 0), SECCOMP_RET_TRAP);
	assert_int_equal(outcome_on(f, x86, 359, 2, 0), SECCOMP_RET_ALLOW);
	/* The family lies in memory here. */
	assert_int_equal(outcome_on(f, x86, SOCKETCALL, 1, 16), SECCOMP_RET_ALLOW);
}

static void test_several_rules(void **state)
{
	struct filter_arg one = { 0, 1, 0, "SCMP_CMP_EQ" }, two = { 1, 2, 0, "SCMP_CMP_EQ" };
	autoptr(filter) f = NULL;
	uint32_t e5 = 5, e6 = 6;
	int nr = seccomp_syscall_resolve_name("read");

	assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
	assert_int_equal(filter_add(f, "read", "SCMP_ACT_ERRNO", &e5, &one, 1, NULL), 0);
	assert_int_equal(filter_add(f, "read", "SCMP_ACT_ERRNO", &e6, &two, 1, NULL), 0);
	assert_int_equal(outcome(f, nr, 1, 2), SECCOMP_RET_ERRNO | 5);
	assert_int_equal(outcome(f, nr, 0, 2), SECCOMP_RET_ERRNO | 6);
	assert_int_equal(outcome(f, nr, 0, 0), SECCOMP_RET_ALLOW);
	/* One without conditions takes precedence. */
	assert_int_equal(filter_add(f, "read", "SCMP_ACT_TRAP", NULL, NULL, 0, NULL), 0);
	assert_int_equal(outcome(f, nr, 1, 2), SECCOMP_RET_TRAP);
}

static void test_limits(void **state)
{
	struct filter_arg args[LIMIT_SECCOMP_ARGS + 1];
	autodone(filter_program) p = FILTER_PROGRAM_INIT;
	autoptr(filter) f = NULL;
	struct error e = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = (struct filter_arg){ 0, i, 0, "SCMP_CMP_EQ" };
	assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
	assert_int_equal(filter_add(f, "read", "SCMP_ACT_TRAP", NULL, args, ARRAY_SIZE(args), &e),
			 -E2BIG);
	/* More than a program holds, then more rules than are kept. */
	for (int i = 0; i < LIMIT_SECCOMP_RULES / LIMIT_SECCOMP_ARGS; i++)
		assert_int_equal(filter_add(f, "read", "SCMP_ACT_TRAP", NULL, args,
					    LIMIT_SECCOMP_ARGS, &e),
				 0);
	assert_int_equal(filter_compile(f, &p, &e), -E2BIG);
	assert_non_null(strstr(e.text, "instructions"));
	assert_int_equal(filter_add(f, "read", "SCMP_ACT_TRAP", NULL, NULL, 0, &e), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_library),
		cmocka_unit_test(test_multiplexed),
		cmocka_unit_test(test_several_rules),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
