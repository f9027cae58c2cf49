/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules from bytes, compiled: the program must be one that the kernel takes (jumps forward and
 * inside, a return at the end), and must end for any call.
 */
#include "base/error.h"
#include "base/mem.h"
#include "sys/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};

static uint8_t byte(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static uint64_t number(struct input *in)
{
	uint64_t v = 0;

	for (int i = byte(in) % 9; i > 0; i--)
		v = v << 8 | byte(in);
	return v;
}

static const char *const names[] = { "read",   "write",    "socket",     "bind",  "semget",
				     "clone",  "clone3",   "socketcall", "ipc",   "personality",
				     "mkdir",  "openat2",  "setrlimit",  "chown", "no_such_call",
				     "unlink", "sendmmsg", "recvmmsg",   "accept" };
static const char *const actions[] = { "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",        "SCMP_ACT_TRACE",
				       "SCMP_ACT_TRAP",  "SCMP_ACT_KILL_PROCESS", "nonsense" };
static const char *const ops[] = { "SCMP_CMP_NE",        "SCMP_CMP_LT", "SCMP_CMP_LE",
				   "SCMP_CMP_EQ",        "SCMP_CMP_GE", "SCMP_CMP_GT",
				   "SCMP_CMP_MASKED_EQ", "SCMP_CMP" };
static const char *const archs[] = { "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_X86_64",
				     "SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X" };

#define PICK(in, table) table[byte(in) % ARRAY_SIZE(table)]

static void add_rule(struct filter *f, struct input *in)
{
	struct filter_arg args[80];
	size_t n = byte(in);
	uint32_t err = (uint32_t)number(in);
	const char *name = PICK(in, names), *action = PICK(in, actions);

	n = n < 200 ? n % 4 : n - 180;
	for (size_t i = 0; i < n; i++) {
		args[i] = (struct filter_arg){ .index = byte(in) % 8, .op = PICK(in, ops) };
		args[i].value = number(in);
		args[i].value_two = number(in);
	}
	filter_add(f, name, action, byte(in) & 1 ? &err : NULL, args, n, NULL);
}

static void check_program(const struct sock_filter *p, size_t n)
{
	if (!n || n > BPF_MAXINSNS || p[n - 1].code != (BPF_RET | BPF_K))
		abort();
	for (size_t i = 0; i < n; i++) {
		size_t room = n - i - 1;

		if (BPF_CLASS(p[i].code) == BPF_LD &&
		    (p[i].k % 4 || p[i].k >= sizeof(struct seccomp_data)))
			abort();
		if (BPF_CLASS(p[i].code) != BPF_JMP)
			continue;
		if (p[i].code == (BPF_JMP | BPF_JA) ? p[i].k >= room
						    : p[i].jt >= room || p[i].jf >= room)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	autoptr(filter) f = NULL;
	autodone(filter_program) p = FILTER_PROGRAM_INIT;

	if (filter_new(PICK(&in, actions), NULL, &f, NULL) < 0)
		return 0;
	for (int i = byte(&in) % 4; i > 0; i--)
		filter_add_arch(f, PICK(&in, archs), NULL);
	while (in.n)
		add_rule(f, &in);
	if (filter_compile(f, &p, NULL) == 0)
		check_program(p.insns, p.n);
	else if (p.insns)
		abort();
	return 0;
}
