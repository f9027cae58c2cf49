/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qemu - the driver for QEMU: machines microvm and q35, accelerators KVM and TCG.
 *
 * Cold-plugs vhost-user vsock and file systems, taps and disks. Memory is a shared memfd.
 * Everything QEMU gets that can be a descriptor is one; it runs in a jail (hv/jail.h) under the
 * configuration's identity with its own seccomp filter, and dies with the process that started it.
 * The console goes to DIR/console.log, QEMU's own words to DIR/vmm.log (hv/vmlog.h). A running VM
 * takes more devices through root ports (hotplug.c), more vCPUs and memory (resize.c), and can be
 * saved and continued (snapshot.c).
 */
#pragma once

struct hv_ops;

extern const struct hv_ops hv_qemu;
