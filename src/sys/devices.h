/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices - which device nodes the processes of a cgroup may use: rules to an eBPF program (cgroup
 * v2).
 *
 * The rules are those of cgroup v1's devices controller: in order, later ones win, for each of
 * read, write and mknod on its own; what no rule names is refused. It needs CONFIG_CGROUP_BPF.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct bpf_insn;

#define DEVICE_ANY UINT32_MAX /* as major or minor */

enum { DEVICE_MKNOD = 1, DEVICE_READ = 2, DEVICE_WRITE = 4, DEVICE_RWM = 7 };

struct device_rule {
	bool allow;
	char type; /* 'b', 'c', 'a' for both */
	uint32_t major, minor;
	unsigned int access; /* DEVICE_* */
};

/* Instructions of a program for @n rules at most. */
#define DEVICE_INSNS_MAX(n) (8 + 8 * (n))
/* Writes the program to @ret, DEVICE_INSNS_MAX(n) of room; returns its length. */
size_t devices_program(const struct device_rule *rules, size_t n, struct bpf_insn *ret);
/* Replaces the device programs of the cgroup directory @cgroup_fd by one for these rules. */
int devices_apply(int cgroup_fd, const struct device_rule *rules, size_t n, struct error *e);
