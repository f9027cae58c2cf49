/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device program, run twice: by a small interpreter of the instructions it uses, against a
 * plain statement of the rules; and by the kernel, which must load it.
 */
#include "systest.h"

#include "base/limits.h"
#include "sys/cgroup.h"
#include "sys/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CGROUP "caisson-unit-devices"

static uint64_t interpret(const struct bpf_insn *p, size_t n, const uint32_t ctx[3])
{
	uint64_t r[11] = { 0 };

	for (size_t pc = 0, steps = 0; pc < n && steps < 100000; pc++, steps++) {
		const struct bpf_insn *i = &p[pc];
		uint32_t dst = (uint32_t)r[i->dst_reg], imm = (uint32_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			r[i->dst_reg] = ctx[i->off / 4];
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
			r[i->dst_reg] = (uint32_t)r[i->src_reg];
			break;
		case BPF_ALU | BPF_MOV | BPF_K:
			r[i->dst_reg] = imm;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[i->dst_reg] = dst & imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[i->dst_reg] = dst >> imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			pc += dst != imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP32 | BPF_JSET | BPF_K:
			pc += dst & imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JA:
			pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			fail_msg("instruction %02x is not known", i->code);
		}
	}
	fail_msg("the program does not end");
	return 0;
}

/* The last rule that names the device decides, for each kind of access. */
static bool allowed(const struct device_rule *rules, size_t n, char type, uint32_t major,
		    uint32_t minor, unsigned int access)
{
	for (unsigned int bit = 1; bit <= DEVICE_WRITE; bit <<= 1) {
		bool ok = false;

		for (size_t i = 0; i < n; i++) {
			const struct device_rule *r = &rules[i];

			if ((r->type == 'a' || r->type == type) &&
			    (r->major == DEVICE_ANY || r->major == major) &&
			    (r->minor == DEVICE_ANY || r->minor == minor) && (r->access & bit))
				ok = r->allow;
		}
		if ((access & bit) && !ok)
			return false;
	}
	return true;
}

static void compare(const struct device_rule *rules, size_t n)
{
	struct bpf_insn p[DEVICE_INSNS_MAX(8)];
	size_t len = devices_program(rules, n, p);

	assert_true(len <= DEVICE_INSNS_MAX(n));
	for (uint32_t c = 0; c < 2 * 3 * 3 * 8; c++) {
		uint32_t block = c & 1, major = c / 2 % 3, minor = c / 6 % 3, access = c / 18;
		uint32_t ctx[3] = { (access << 16) |
					    (block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
				    major, minor };

		/* Nothing asked for is not asked. */
		if (access)
			assert_int_equal(interpret(p, len, ctx),
					 allowed(rules, n, block ? 'b' : 'c', major, minor,
						 access));
	}
}

static void test_semantics(void **state)
{
	static const uint32_t numbers[] = { DEVICE_ANY, 0, 1 };
	uint32_t seed = 1;

	compare(NULL, 0);
	/* All kinds of lists of up to eight rules, from a simple generator. */
	for (int round = 0; round < 3000; round++) {
		struct device_rule rules[8];
		size_t n;

		for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
			seed = seed * 1664525 + 1013904223;
			rules[i] = (struct device_rule){
				.allow = seed >> 8 & 1,
				.type = "abc"[(seed >> 9) % 3],
				.major = numbers[(seed >> 12) % 3],
				.minor = numbers[(seed >> 15) % 3],
				.access = 1 + (seed >> 20) % 7,
			};
		}
		n = seed >> 24 & 7;
		compare(rules, n);
	}
}

static void try_open(void)
{
	CHECK(cgroup_join(CGROUP, 0, NULL) == 0);
	CHECK(open("/dev/zero", O_RDONLY | O_CLOEXEC) >= 0);
	CHECK(open("/dev/zero", O_RDWR | O_CLOEXEC) < 0 && errno == EPERM);
	CHECK(open("/dev/full", O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM);
}

static void try_open_all(void)
{
	CHECK(cgroup_join(CGROUP, 0, NULL) == 0);
	CHECK(open("/dev/full", O_RDWR | O_CLOEXEC) >= 0);
}

static void test_kernel(void **state)
{
	struct device_rule rules[] = { { false, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_RWM },
				       { true, 'c', 1, 5, DEVICE_READ } };
	struct device_rule all = { true, 'a', DEVICE_ANY, DEVICE_ANY, DEVICE_RWM };
	autofree char *path = NULL;
	autoclose int fd = -1;
	struct error e = ERROR_INIT;
	int opened, opened_all;

	SKIP_UNLESS(geteuid() == 0 && cgroup_mount(), "not root, or no cgroup2 is mounted");
	assert_int_equal(cgroup_make(CGROUP, &e), 0);
	path = cgroup_path(CGROUP, NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (devices_apply(fd, rules, 2, &e) < 0) {
		cgroup_remove(CGROUP);
		print_message("SKIPPED: %s\n", e.text);
		skip();
	}
	opened = in_child(try_open);
	assert_int_equal(devices_apply(fd, &all, 1, &e), 0);
	opened_all = in_child(try_open_all);
	assert_int_equal(cgroup_remove(CGROUP), 0);
	assert_int_equal(opened, 0);
	assert_int_equal(opened_all, 0);
	assert_int_equal(devices_apply(fd, rules, LIMIT_DEVICE_RULES + 1, &e), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_semantics),
		cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
