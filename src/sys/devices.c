/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices - see devices.h.
 *
 * The program keeps the kinds of access still to be decided in r4 and walks the rules from the last
 * to the first. A matching rule that denies one of them ends with 0; one that allows takes its
 * kinds out, and when none is left the program ends with 1.
 */
#include "sys/devices.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAMS_MAX 64 /* the kernel's limit for one cgroup and kind */

#define INSN(c, d, s, o, i)                      \
	((struct bpf_insn){ .code = (c),         \
			    .dst_reg = (d),      \
			    .src_reg = (s),      \
			    .off = (int16_t)(o), \
			    .imm = (int32_t)(i) })
#define MOV32(dst, src) INSN(BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV32_IMM(dst, imm) INSN(BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define AND32_IMM(dst, imm) INSN(BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, imm)
#define SHR32_IMM(dst, imm) INSN(BPF_ALU | BPF_RSH | BPF_K, dst, 0, 0, imm)
#define LOAD32(dst, src, off) INSN(BPF_LDX | BPF_MEM | BPF_W, dst, src, off, 0)
#define JNE32(dst, imm, off) INSN(BPF_JMP32 | BPF_JNE | BPF_K, dst, 0, off, imm)
#define JSET32(dst, imm, off) INSN(BPF_JMP32 | BPF_JSET | BPF_K, dst, 0, off, imm)
#define JUMP(off) INSN(BPF_JMP | BPF_JA, 0, 0, off, 0)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum { R_RESULT = 0, R_CTX = 1, R_TYPE = 2, R_TODO = 4, R_MAJOR = 5, R_MINOR = 6 };

static size_t emit_rule(const struct device_rule *r, struct bpf_insn *p)
{
	size_t n = 0, conditions;

	if (r->type != 'a')
		p[n++] =
			JNE32(R_TYPE, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0);
	if (r->major != DEVICE_ANY)
		p[n++] = JNE32(R_MAJOR, r->major, 0);
	if (r->minor != DEVICE_ANY)
		p[n++] = JNE32(R_MINOR, r->minor, 0);
	conditions = n;
	if (r->allow) {
		p[n++] = AND32_IMM(R_TODO, ~r->access & DEVICE_RWM);
		p[n++] = JNE32(R_TODO, 0, 2);
		p[n++] = MOV32_IMM(R_RESULT, 1);
		p[n++] = EXIT();
	} else {
		p[n++] = JSET32(R_TODO, r->access, 1);
		p[n++] = JUMP(2);
		p[n++] = MOV32_IMM(R_RESULT, 0);
		p[n++] = EXIT();
	}
	/* A condition that fails leads to the next rule. */
	for (size_t i = 0; i < conditions; i++)
		p[i].off = (int16_t)(n - i - 1);
	return n;
}

size_t devices_program(const struct device_rule *rules, size_t n, struct bpf_insn *p)
{
	size_t len = 0;

	p[len++] = LOAD32(R_TYPE, R_CTX, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	p[len++] = MOV32(R_TODO, R_TYPE);
	p[len++] = SHR32_IMM(R_TODO, 16);
	p[len++] = AND32_IMM(R_TYPE, 0xffff);
	p[len++] = LOAD32(R_MAJOR, R_CTX, offsetof(struct bpf_cgroup_dev_ctx, major));
	p[len++] = LOAD32(R_MINOR, R_CTX, offsetof(struct bpf_cgroup_dev_ctx, minor));
	for (size_t i = n; i-- > 0;)
		len += emit_rule(&rules[i], p + len);
	p[len++] = MOV32_IMM(R_RESULT, 0);
	p[len++] = EXIT();
	return len;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int load_program(const struct bpf_insn *p, size_t n)
{
	union bpf_attr a = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)p,
		.insn_cnt = (uint32_t)n,
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};

	return bpf(BPF_PROG_LOAD, &a);
}

/* The programs attached now, by id; their number or -errno. */
static int query_programs(int cgroup_fd, uint32_t *ids)
{
	union bpf_attr a = { 0 };
	int r;

	a.query.target_fd = (uint32_t)cgroup_fd;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.prog_ids = (uint64_t)(uintptr_t)ids;
	a.query.prog_cnt = PROGRAMS_MAX;
	r = bpf(BPF_PROG_QUERY, &a);
	return r < 0 ? r : (int)a.query.prog_cnt;
}

static int detach_program(int cgroup_fd, uint32_t id)
{
	union bpf_attr get = { .prog_id = id };
	union bpf_attr a = { .target_fd = (uint32_t)cgroup_fd, .attach_type = BPF_CGROUP_DEVICE };
	autoclose int fd = bpf(BPF_PROG_GET_FD_BY_ID, &get);

	if (fd < 0)
		return fd;
	a.attach_bpf_fd = (uint32_t)fd;
	return bpf(BPF_PROG_DETACH, &a);
}

/* The new program first: there is no moment without one. */
static int replace_programs(int cgroup_fd, int prog)
{
	union bpf_attr a = {
		.target_fd = (uint32_t)cgroup_fd,
		.attach_bpf_fd = (uint32_t)prog,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};
	uint32_t ids[PROGRAMS_MAX];
	int n = query_programs(cgroup_fd, ids);
	int r = n < 0 ? n : bpf(BPF_PROG_ATTACH, &a);

	for (int i = 0; r >= 0 && i < n; i++)
		r = detach_program(cgroup_fd, ids[i]);
	return r < 0 ? r : 0;
}

int devices_apply(int cgroup_fd, const struct device_rule *rules, size_t n, struct error *e)
{
	autofree struct bpf_insn *p = NULL;
	autoclose int prog = -1;
	int r;

	if (n > LIMIT_DEVICE_RULES)
		return error_plain(e, E2BIG, "device rules: %zu, at most %d are possible", n,
				   LIMIT_DEVICE_RULES);
	p = xnew_array(struct bpf_insn, DEVICE_INSNS_MAX(n));
	prog = load_program(p, devices_program(rules, n, p));
	if (prog < 0)
		return error_set(e, prog, "device rules: load the program (CONFIG_CGROUP_BPF)");
	r = replace_programs(cgroup_fd, prog);
	return r < 0 ? error_set(e, r, "device rules: attach the program (CONFIG_CGROUP_BPF)") : 0;
}
