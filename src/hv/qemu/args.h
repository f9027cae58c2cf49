/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args - what QEMU is started with: its argument vector and the guest kernel's command line, from
 * tables.
 *
 * Nothing is opened or looked up here: the same struct qemu_vm gives the same arguments. Text that
 * came from outside (ids, tags, CPU features) is checked against the alphabet of its place before
 * it is spliced into an option, so no comma in it can begin another one; files are descriptors,
 * save those that QEMU can only open by name.
 */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "hv/hv.h"

#include <stddef.h>
#include <stdint.h>

enum {
	QEMU_ON_MICROVM = 1 << 0,
	QEMU_ON_Q35 = 1 << 1,
	QEMU_ON_TCG = 1 << 2,
	QEMU_ON_KVM = 1 << 3,
	QEMU_ON_DEBUG = 1 << 4,
	QEMU_ON_QUIET = 1 << 5,
	QEMU_ON_PORTS = 1 << 6,    /* slots for devices that come later */
	QEMU_ON_NO_PORTS = 1 << 7, /* none */
	QEMU_ON_GROW = 1 << 8,     /* memory that comes later */
};

/* Root ports for devices that come later: their names end in a number from 0, their address on the
 * root bus is this and the number. */
#define QEMU_PORT "port"
#define QEMU_PORT_ADDR 0x10
#define QEMU_PORTS_MAX 15
/* The device that gives a guest more memory. */
#define QEMU_MEM_DEVICE "vmem"
#define QEMU_MEM_BLOCK_MIB 2    /* of it */
#define QEMU_DIMM_BLOCK_MIB 128 /* of a memory module: what the guest's kernel takes at once */

struct qemu_machine {
	const char *name;    /* of -machine and of the key machine_type */
	unsigned on;         /* QEMU_ON_* of the tables */
	const char *options; /* of -machine */
	const char *ports;   /* more of them, where there are slots for devices that come later */
	const char *bus;     /* what the names of virtio devices end in */
	const char *global;  /* -global, NULL: none */
	size_t max_devices;  /* of hv_dev */
	bool memory;         /* memory can come later */
};

/* The machine of this name; where there is none, the fastest that can do what is asked for. NULL
 * and the reason. */
const struct qemu_machine *qemu_machine_find(const struct hv_config *c, struct error *e);
/* Whether the vCPUs up to max_vcpus are there from the start, for the guest to bring online. Only
 * q35 under KVM gets them later: microvm cannot, and an emulated guest's kernel may ignore them. */
bool qemu_spare_vcpus(const struct hv_config *c, const struct qemu_machine *m);

struct qemu_vm {
	const struct hv_config *cfg;
	const struct qemu_machine *machine;
	const char *program;         /* argv[0] */
	const char *kernel, *initrd; /* absolute; initrd may be NULL */
	const char *root;            /* "root=" for an image; NULL: there is none */
	const char *verity;          /* what makes it, a parameter; NULL: nothing needed */
	uint32_t tsc_khz;            /* of the host; 0: unknown */
	int qmp_fd, console_fd;
	const char *memory;        /* file that is the guest's memory; NULL: none, a memfd is */
	bool incoming;             /* waits for a saved state instead of booting */
	int entropy_fd;            /* -1: QEMU's own generator, fed by getrandom(2) */
	const struct hv_dev *devs; /* .fd is what QEMU gets; for disks an open image */
	size_t ndevs;
};

/* Checks what will be spliced in; for use before anything is opened. */
int qemu_check_config(const struct hv_config *c, struct error *e);
int qemu_check_dev(const struct hv_dev *d, struct error *e);

/* The arguments, argv[0] first. -E2BIG: the kernel's command line is too long. */
int qemu_args(const struct qemu_vm *vm, struct strv *ret_argv, struct error *e);
/* The kernel's command line: the driver's own parameters, then the configuration's. */
char *qemu_cmdline(const struct qemu_vm *vm);
