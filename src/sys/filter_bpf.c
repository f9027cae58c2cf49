/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_bpf - the rules of a filter as a classic BPF program (seccomp(2)).
 *
 * For each architecture the numbers of the calls cut the number line into stretches of one outcome
 * each: an action, or the conditions of the rules for one call. A binary search over the stretches
 * finds the outcome. Other architectures than those listed are killed, as by libseccomp.
 *
 * Conditional jumps reach 255 instructions; where the far half of a search lies further away an
 * unconditional one helps. The conditions of one rule are far fewer.
 */
#include "sys/filter.h"

#include "base/error.h"
#include "base/str.h"
#include "sys/filter_names.h"
#include "sys/filter_rules.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>

#define X32_BIT UINT32_C(0x40000000)
#define COND_INSNS_MAX 8

/* Where a stretch begins, and the rules [first, first + n) in `numbered` that decide in it; n is 0
 * where the default does. */
struct stretch {
	uint32_t start;
	size_t first, n;
};

/* A rule under the number that its call has on one architecture. */
struct numbered {
	uint32_t nr;
	int via; /* call number of socketcall or ipc in argument 0; -1: called directly */
	size_t order;
	const struct filter_rule *rule;
};

struct compiler {
	const struct filter *f;
	uint32_t arch; /* token */
	struct sock_filter *insns;
	size_t n;
	bool overflow;
	struct numbered *numbered;
	size_t nnumbered, cap;
	struct stretch *stretches;
	size_t nstretches;
};

/*
 * Calls that 32-bit x86 made through one, and got numbers of their own for later, which the library
 * does not tell: linux/net.h, linux/ipc.h, syscall_32.tbl. (s390 and PowerPC did likewise; no guest
 * of ours is one.)
 */
static const struct multiplexed {
	const char *via, *name;
	int number;
	uint32_t direct; /* 0: none */
} multiplexed[] = {
	/* by name */
	{ "socketcall", "accept", 5, 0 },
	{ "socketcall", "accept4", 18, 364 },
	{ "socketcall", "bind", 2, 361 },
	{ "socketcall", "connect", 3, 362 },
	{ "socketcall", "getpeername", 7, 368 },
	{ "socketcall", "getsockname", 6, 367 },
	{ "socketcall", "getsockopt", 15, 365 },
	{ "socketcall", "listen", 4, 363 },
	{ "ipc", "msgctl", 14, 402 },
	{ "ipc", "msgget", 13, 399 },
	{ "ipc", "msgrcv", 12, 401 },
	{ "ipc", "msgsnd", 11, 400 },
	{ "socketcall", "recv", 10, 0 },
	{ "socketcall", "recvfrom", 12, 371 },
	{ "socketcall", "recvmmsg", 19, 337 },
	{ "socketcall", "recvmsg", 17, 372 },
	{ "ipc", "semctl", 3, 394 },
	{ "ipc", "semget", 2, 393 },
	{ "ipc", "semop", 1, 0 },
	{ "ipc", "semtimedop", 4, 0 },
	{ "socketcall", "send", 9, 0 },
	{ "socketcall", "sendmmsg", 20, 345 },
	{ "socketcall", "sendmsg", 16, 370 },
	{ "socketcall", "sendto", 11, 369 },
	{ "socketcall", "setsockopt", 14, 366 },
	{ "ipc", "shmat", 21, 397 },
	{ "ipc", "shmctl", 24, 396 },
	{ "ipc", "shmdt", 22, 398 },
	{ "ipc", "shmget", 23, 395 },
	{ "socketcall", "shutdown", 13, 373 },
	{ "socketcall", "socket", 1, 359 },
	{ "socketcall", "socketpair", 8, 360 },
};

static void emit(struct compiler *c, struct sock_filter insn)
{
	if (c->n == BPF_MAXINSNS)
		c->overflow = true;
	else
		c->insns[c->n++] = insn;
}

#define STMT(code, k) ((struct sock_filter)BPF_STMT((code), (uint32_t)(k)))
#define COMPARE(op, k, jt, jf)                                                              \
	((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (uint32_t)(k), (uint8_t)(jt), \
				      (uint8_t)(jf)))
#define LOAD(offset) STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define GO_TO(distance) STMT(BPF_JMP | BPF_JA, distance)
#define RETURN(action) STMT(BPF_RET | BPF_K, action)

/* Of arguments; x32's are compared as 32 bits wide, as by libseccomp. */
static bool has_64_bits(uint32_t arch)
{
	return arch & __AUDIT_ARCH_64BIT;
}

/* --- numbers --- */

static void add_numbered(struct compiler *c, uint32_t nr, int via, size_t order)
{
	if (c->nnumbered == c->cap) {
		c->cap = MAX(c->cap * 2, (size_t)256);
		c->numbered = xrealloc(c->numbered, c->cap, sizeof(*c->numbered));
	}
	c->numbered[c->nnumbered++] = (struct numbered){ nr, via, order, &c->f->rules[order] };
}

static int compare_names(const void *name, const void *m)
{
	return strcmp(name, ((const struct multiplexed *)m)->name);
}

static const struct multiplexed *find_multiplexed(const char *name)
{
	return bsearch(name, multiplexed, ARRAY_SIZE(multiplexed), sizeof(*multiplexed),
		       compare_names);
}

/* Arguments of a multiplexed call lie in memory, which a filter cannot see: rules with conditions
 * do not apply there. */
static void number_multiplexed(struct compiler *c, size_t order, bool known)
{
	const struct multiplexed *m = find_multiplexed(c->f->rules[order].name);
	int via;

	if (c->arch != SCMP_ARCH_X86 || !m)
		return;
	if (!known && m->direct)
		add_numbered(c, m->direct, -1, order);
	via = filter_syscall(c->arch, m->via);
	if (via >= 0 && !c->f->rules[order].n)
		add_numbered(c, (uint32_t)via, m->number, order);
}

static int compare_numbered(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void number_rules(struct compiler *c)
{
	c->nnumbered = 0;
	for (size_t i = 0; i < c->f->nrules; i++) {
		int nr = filter_syscall(c->arch, c->f->rules[i].name);

		/* Negative numbers are the library's own, for calls that this one has not. */
		if (nr >= 0)
			add_numbered(c, (uint32_t)nr, -1, i);
		number_multiplexed(c, i, nr >= 0);
	}
	if (c->nnumbered)
		qsort(c->numbered, c->nnumbered, sizeof(*c->numbered), compare_numbered);
}

/* --- stretches --- */

static bool is_plain(const struct numbered *n)
{
	return !n->rule->n && n->via < 0;
}

static bool same_outcome(const struct compiler *c, const struct stretch *a, const struct stretch *b)
{
	const struct numbered *x = &c->numbered[a->first], *y = &c->numbered[b->first];

	if (!a->n || !b->n)
		return a->n == b->n;
	return a->n == 1 && b->n == 1 && is_plain(x) && is_plain(y) &&
	       x->rule->action == y->rule->action;
}

static void add_stretch(struct compiler *c, struct stretch s)
{
	struct stretch *last = c->nstretches ? &c->stretches[c->nstretches - 1] : NULL;

	/* A call right behind the one before leaves no room for the default between them. */
	if (last && last->start == s.start) {
		*last = s;
		if (c->nstretches > 1 && same_outcome(c, last - 1, last))
			c->nstretches--;
		return;
	}
	if (!last || !same_outcome(c, last, &s))
		c->stretches[c->nstretches++] = s;
}

/* The rules of one call, from @first on: all of them, or the one without conditions. */
static struct stretch take_call(const struct compiler *c, size_t first, size_t *ret_next)
{
	struct stretch s = { .start = c->numbered[first].nr, .first = first };
	size_t i = first;

	for (; i < c->nnumbered && c->numbered[i].nr == s.start; i++) {
		s.n++;
		if (is_plain(&c->numbered[i])) {
			s.first = i++;
			s.n = 1;
			break;
		}
	}
	while (i < c->nnumbered && c->numbered[i].nr == s.start)
		i++;
	*ret_next = i;
	return s;
}

static void cut_stretches(struct compiler *c)
{
	c->stretches = xrealloc(c->stretches, 2 * c->nnumbered + 1, sizeof(*c->stretches));
	c->nstretches = 0;
	add_stretch(c, (struct stretch){ 0 });
	for (size_t i = 0; i < c->nnumbered;) {
		struct stretch s = take_call(c, i, &i);

		add_stretch(c, s);
		if (s.start != UINT32_MAX)
			add_stretch(c, (struct stretch){ .start = s.start + 1 });
	}
}

/* --- instructions --- */

static uint32_t low_word(unsigned int arg)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t) +
			  (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0));
}

static uint32_t high_word(unsigned int arg)
{
	return low_word(arg) ^ 4;
}

/*
 * A comparison as steps on the high and the low word. Jumps are to the end of the comparison (yes)
 * or out of the rule (no), written as the two markers and set when their distance is known.
 */
#define YES 254
#define NO 255

struct steps {
	struct sock_filter insn[COND_INSNS_MAX];
	size_t n;
};

static void step(struct steps *s, struct sock_filter insn)
{
	s->insn[s->n++] = insn;
}

static void compare_masked(struct steps *s, const struct filter_condition *a, bool wide)
{
	if (wide) {
		step(s, LOAD(high_word(a->arg)));
		step(s, STMT(BPF_ALU | BPF_AND | BPF_K, a->value >> 32));
		step(s, COMPARE(BPF_JEQ, a->value_two >> 32, 0, NO));
	}
	step(s, LOAD(low_word(a->arg)));
	step(s, STMT(BPF_ALU | BPF_AND | BPF_K, a->value));
	step(s, COMPARE(BPF_JEQ, a->value_two, YES, NO));
}

static void compare_words(struct steps *s, const struct filter_condition *a, bool wide)
{
	/* What a high word means that is above or unequal, and how the low one decides. */
	static const struct {
		uint8_t above, unequal;
		uint16_t low;
		uint8_t low_true, low_false;
	} ops[] = {
		[SCMP_CMP_NE] = { YES, YES, BPF_JEQ, NO, YES },
		[SCMP_CMP_LT] = { NO, YES, BPF_JGE, NO, YES },
		[SCMP_CMP_LE] = { NO, YES, BPF_JGT, NO, YES },
		[SCMP_CMP_EQ] = { NO, NO, BPF_JEQ, YES, NO },
		[SCMP_CMP_GE] = { YES, NO, BPF_JGE, YES, NO },
		[SCMP_CMP_GT] = { YES, NO, BPF_JGT, YES, NO },
	};
	uint32_t high = (uint32_t)(a->value >> 32);

	if (wide) {
		step(s, LOAD(high_word(a->arg)));
		step(s, COMPARE(BPF_JGT, high, ops[a->op].above, 0));
		step(s, COMPARE(BPF_JEQ, high, 0, ops[a->op].unequal));
	}
	step(s, LOAD(low_word(a->arg)));
	step(s, COMPARE(ops[a->op].low, a->value, ops[a->op].low_true, ops[a->op].low_false));
}

/* Appends one condition. Jumps to NO stay markers: the rule's end is not known yet. */
static void add_condition(struct steps *rule, const struct filter_condition *a, bool wide)
{
	struct steps s = { .n = 0 };

	if (a->op == SCMP_CMP_MASKED_EQ)
		compare_masked(&s, a, wide);
	else
		compare_words(&s, a, wide);
	for (size_t i = 0; i < s.n; i++) {
		struct sock_filter *p = &s.insn[i];
		uint8_t to_end = (uint8_t)(s.n - i - 1);

		if (BPF_CLASS(p->code) == BPF_JMP) {
			p->jt = p->jt == YES ? to_end : p->jt;
			p->jf = p->jf == YES ? to_end : p->jf;
		}
		rule->insn[i] = *p;
	}
	rule->n = s.n;
}

/* Falls through to what follows unless the rule matches. */
static void emit_rule(struct compiler *c, const struct numbered *n)
{
	struct filter_condition via = { .op = SCMP_CMP_EQ, .value = (uint64_t)n->via };
	size_t start = c->n, end;

	if (n->via >= 0) {
		struct steps s;

		add_condition(&s, &via, false);
		for (size_t i = 0; i < s.n; i++)
			emit(c, s.insn[i]);
	}
	for (size_t k = 0; k < n->rule->n; k++) {
		struct steps s;

		add_condition(&s, &n->rule->condition[k], has_64_bits(c->arch));
		for (size_t i = 0; i < s.n; i++)
			emit(c, s.insn[i]);
	}
	emit(c, RETURN(n->rule->action));
	end = c->n;
	for (size_t i = start; i < end; i++) {
		struct sock_filter *p = &c->insns[i];

		if (BPF_CLASS(p->code) != BPF_JMP)
			continue;
		p->jt = p->jt == NO ? (uint8_t)(end - i - 1) : p->jt;
		p->jf = p->jf == NO ? (uint8_t)(end - i - 1) : p->jf;
	}
}

static void emit_outcome(struct compiler *c, const struct stretch *s)
{
	for (size_t i = 0; i < s->n; i++)
		emit_rule(c, &c->numbered[s->first + i]);
	if (s->n != 1 || !is_plain(&c->numbered[s->first]))
		emit(c, RETURN(c->f->default_action));
}

/* Puts an unconditional jump of @distance before the instruction @at. What lies behind jumps only
 * within itself. */
static void insert_jump(struct compiler *c, size_t at, size_t distance)
{
	if (c->n == BPF_MAXINSNS) {
		c->overflow = true;
		return;
	}
	memmove(&c->insns[at + 1], &c->insns[at], (c->n - at) * sizeof(*c->insns));
	c->insns[at] = GO_TO(distance);
	c->n++;
}

/* The number of the call is in A. */
static void emit_search(struct compiler *c, size_t first, size_t end)
{
	size_t middle = first + (end - first) / 2, start, near;

	if (end - first == 1) {
		emit_outcome(c, &c->stretches[first]);
		return;
	}
	start = c->n;
	emit(c, COMPARE(BPF_JGE, c->stretches[middle].start, 0, 0));
	emit_search(c, first, middle);
	if (c->overflow)
		return;
	near = c->n - start - 1;
	if (near <= UINT8_MAX) {
		c->insns[start].jt = (uint8_t)near;
	} else {
		c->insns[start].jf = 1;
		insert_jump(c, start + 1, near);
	}
	emit_search(c, middle, end);
}

static bool lists(const struct filter *f, uint32_t arch)
{
	for (size_t i = 0; i < f->narchs; i++) {
		if (f->arch[i] == arch)
			return true;
	}
	return false;
}

static void compile_numbers(struct compiler *c)
{
	number_rules(c);
	cut_stretches(c);
	emit_search(c, 0, c->nstretches);
}

/*
 * x32 calls come as those of x86_64 with a bit in the number. Where they are not wanted they are
 * killed, except -1, which a tracer sets to skip a call.
 */
static void compile_x86_64(struct compiler *c)
{
	size_t jump;

	emit(c, COMPARE(BPF_JGE, X32_BIT, 1, 0));
	jump = c->n;
	emit(c, GO_TO(0));
	if (lists(c->f, SCMP_ARCH_X32)) {
		c->arch = SCMP_ARCH_X32;
		compile_numbers(c);
	} else {
		emit(c, COMPARE(BPF_JEQ, UINT32_MAX, 1, 0));
		emit(c, RETURN(SECCOMP_RET_KILL_THREAD));
		emit(c, RETURN(c->f->default_action));
	}
	if (c->overflow)
		return;
	c->insns[jump].k = (uint32_t)(c->n - jump - 1);
	c->arch = SCMP_ARCH_X86_64;
	if (lists(c->f, SCMP_ARCH_X86_64))
		compile_numbers(c);
	else
		emit(c, RETURN(SECCOMP_RET_KILL_THREAD));
}

/* What the kernel reports for the architecture. */
static uint32_t audit_arch(uint32_t token)
{
	return token == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : token;
}

static void compile_arch(struct compiler *c, uint32_t token)
{
	size_t jump;

	emit(c, LOAD(offsetof(struct seccomp_data, arch)));
	emit(c, COMPARE(BPF_JEQ, audit_arch(token), 1, 0));
	jump = c->n;
	emit(c, GO_TO(0));
	emit(c, LOAD(offsetof(struct seccomp_data, nr)));
	c->arch = token;
	if (audit_arch(token) == AUDIT_ARCH_X86_64)
		compile_x86_64(c);
	else
		compile_numbers(c);
	if (!c->overflow)
		c->insns[jump].k = (uint32_t)(c->n - jump - 1);
}

int filter_compile(struct filter *f, struct filter_program *ret, struct error *e)
{
	struct compiler c = { .f = f };
	bool x86_64_done = false;

	c.insns = xnew_array(struct sock_filter, BPF_MAXINSNS);
	for (size_t i = 0; i < f->narchs; i++) {
		bool x86_64 = audit_arch(f->arch[i]) == AUDIT_ARCH_X86_64;

		if (x86_64 && x86_64_done)
			continue;
		x86_64_done |= x86_64;
		compile_arch(&c, f->arch[i]);
	}
	emit(&c, RETURN(SECCOMP_RET_KILL_THREAD));
	free(c.numbered);
	free(c.stretches);
	if (c.overflow) {
		free(c.insns);
		return error_plain(e, E2BIG, "seccomp: the filter has more than %d instructions",
				   BPF_MAXINSNS);
	}
	*ret = (struct filter_program){ .insns = c.insns, .n = c.n, .flags = f->flags };
	return 0;
}
