/* SPDX-License-Identifier: Apache-2.0 */
/* args - see args.h. Times in the tables were measured with Debian 12's QEMU 7.2 and cloud kernel
 * under TCG. */
#include "hv/qemu/args.h"

#include "base/limits.h"

#include <ctype.h>
#include <errno.h>

/*
 * microvm is the default: the guest's init is reached in about 0.9 of the time of q35. With acpi=on
 * it has 24 virtio-mmio devices, which kernels without virtio_mmio command-line devices (Debian's)
 * find through ACPI. vhost-user devices need VIRTIO_F_VERSION_1. QEMU leaves the RTC out under KVM,
 * and the kernel then looks for it for tens of thousands of exits. q35 is left without the
 * controllers that no guest of ours uses: less time to probe, less to attack.
 *
 * Devices come later through root ports. q35's are served by ACPI, which the guest answers in
 * some 20 ms. microvm gets a PCIe bus for them; its firmware has no word about hot-plug, so the
 * kernel is told to serve the ports itself (pcie_ports=native), which takes it some 150 ms, and
 * 5 s to let go of a device, since that is a button that could still be pressed again.
 */
static const struct qemu_machine machines[] = {
	{ "microvm", QEMU_ON_MICROVM, "acpi=on,rtc=on,usb=off,pcie=", "on", "device",
	  "virtio-mmio.force-legacy=false", 20, false },
	{ "q35", QEMU_ON_Q35, "usb=off,sata=off,smbus=off,vmport=off", "", "pci", NULL, 24, true },
};

static bool grows(const struct hv_config *c)
{
	return c->max_mem_mib > c->mem_mib;
}

const struct qemu_machine *qemu_machine_find(const struct hv_config *c, struct error *e)
{
	bool named = !str_empty(c->machine);

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		if (named ? !str_eq(machines[i].name, c->machine) : grows(c) && !machines[i].memory)
			continue;
		if (!grows(c) || machines[i].memory)
			return &machines[i];
		error_plain(e, EOPNOTSUPP,
			    "machine type %s cannot be given memory while it runs: set "
			    "hypervisor.qemu.machine_type to q35, or "
			    "runtime.static_sandbox_resource_mgmt to true",
			    c->machine);
		return NULL;
	}
	error_plain(e, EINVAL,
		    "machine type \"%.64s\" is not supported: hypervisor.qemu.machine_type is "
		    "microvm or q35",
		    c->machine);
	return NULL;
}

bool qemu_spare_vcpus(const struct hv_config *c, const struct qemu_machine *m)
{
	return c->max_vcpus > c->vcpus && !(m->on & QEMU_ON_Q35 && c->accel == HV_ACCEL_KVM);
}

#define ALWAYS 0

/* A parameter is given when the VM has all of its QEMU_ON_*. */
struct kernel_param {
	const char *text;
	unsigned on;
};

static const struct kernel_param kernel_params[] = {
	/* The serial port is the console log: it works from the first line on, and in a panic. */
	{ "console=ttyS0", ALWAYS },
	/* Every character on the port is an exit; errors and panics are still shown. */
	{ "quiet", QEMU_ON_QUIET },
	/* Reboot at once after a panic, which ends QEMU (-no-reboot). */
	{ "panic=-1", ALWAYS },
	/* Patching lock prefixes out for one CPU takes 100 ms under TCG. */
	{ "noreplace-smp", ALWAYS },
	/* No watchdog against the counter, which is the host's. */
	{ "tsc=reliable", ALWAYS },
	/* The check of the timer interrupt is for broken boards. */
	{ "no_timer_check", ALWAYS },
	/* Self-tests of ciphers: 200 ms under TCG. */
	{ "cryptomgr.notests", ALWAYS },
	/* No configuration space: the bus is not there (pcie=off), and looking for it is an error
	 * message. */
	{ "pci=off", QEMU_ON_MICROVM | QEMU_ON_NO_PORTS },
	{ "pcie_ports=native", QEMU_ON_MICROVM | QEMU_ON_PORTS },
	/* Memory that comes is used without anybody saying so. */
	{ "memhp_default_state=online", QEMU_ON_GROW },
	/* Memory may then lie above 4 GiB, and the kernel sets 64 MiB aside for devices that cannot
	 * reach it: there are none. */
	{ "swiotlb=noforce", QEMU_ON_GROW },
	/* Tables of the tracers, which emulation builds for 180 ms: names of weak functions, of
	 * enums in events, and the files of tracefs, which are left for debugging. */
	{ "initcall_blacklist=ftrace_check_for_weak_functions,trace_eval_init,tracer_init_tracefs",
	  QEMU_ON_TCG | QEMU_ON_QUIET },
	/* Calibrating it takes 140 ms. q35 has HPET and PIT instead, microvm has neither. */
	{ "nolapic_timer", QEMU_ON_Q35 | QEMU_ON_TCG },
};

static unsigned vm_on(const struct qemu_vm *vm)
{
	const struct hv_config *c = vm->cfg;

	return vm->machine->on | (c->accel == HV_ACCEL_KVM ? QEMU_ON_KVM : QEMU_ON_TCG) |
	       (c->debug ? QEMU_ON_DEBUG : QEMU_ON_QUIET) |
	       (c->hotplug_slots ? QEMU_ON_PORTS : QEMU_ON_NO_PORTS) |
	       (grows(c) ? QEMU_ON_GROW : 0);
}

char *qemu_cmdline(const struct qemu_vm *vm)
{
	autodone(strv) words = STRV_INIT;
	unsigned on = vm_on(vm);

	for (size_t i = 0; i < ARRAY_SIZE(kernel_params); i++)
		if ((kernel_params[i].on & on) == kernel_params[i].on)
			strv_add(&words, kernel_params[i].text);
	/* microvm with ACPI has no PIT, PM timer or HPET to calibrate against: without this it
	 * hangs now and then. */
	if (vm->tsc_khz && on & QEMU_ON_TCG)
		strv_addf(&words, "tsc_early_khz=%u", vm->tsc_khz);
	if (qemu_spare_vcpus(vm->cfg, vm->machine))
		strv_addf(&words, "maxcpus=%u", vm->cfg->vcpus);
	if (vm->verity)
		strv_add(&words, vm->verity);
	if (vm->root)
		strv_addf(&words, "root=%s ro", vm->root);
	if (!str_empty(vm->cfg->cmdline))
		strv_add(&words, vm->cfg->cmdline);
	return strv_join(&words, " ");
}

/* Each byte of @s is a letter, a digit or in @more, and there is at least one. */
static int check_alphabet(const char *what, const char *s, const char *more, size_t max,
			  struct error *e)
{
	size_t n = strlen(s);

	if (!n || n > max)
		return error_plain(e, EINVAL, "%s has %zu characters: 1 to %zu are possible", what,
				   n, max);
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)s[i]) ||
		    (!isalnum((unsigned char)s[i]) && !strchr(more, s[i])))
			return error_plain(e, EINVAL, "%s \"%.64s\": character '%c' is not allowed",
					   what, s, s[i]);
	return 0;
}

static int check_cmdline(const char *s, struct error *e)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return error_plain(e, EINVAL,
					   "the kernel parameters hold a control character");
	return 0;
}

int qemu_check_config(const struct hv_config *c, struct error *e)
{
	int r = 0;

	if (!str_empty(c->cpu_features))
		r = check_alphabet("cpu_features", c->cpu_features, "-_.,=+:", 512, e);
	if (r == 0 && !str_empty(c->seccomp))
		r = check_alphabet("seccompsandbox", c->seccomp, ",=", 256, e);
	if (r == 0 && c->cmdline)
		r = check_cmdline(c->cmdline, e);
	if (r == 0 && c->mem_mib < 64)
		r = error_plain(e, EINVAL, "%llu MiB of memory: a guest needs 64 at least",
				(unsigned long long)c->mem_mib);
	if (r == 0 && c->hotplug_slots > QEMU_PORTS_MAX)
		r = error_plain(e, EINVAL, "%u slots for devices: %d are possible",
				c->hotplug_slots, QEMU_PORTS_MAX);
	return r;
}

int qemu_check_dev(const struct hv_dev *d, struct error *e)
{
	int r;

	if (!d->id || !isalpha((unsigned char)d->id[0]))
		return error_plain(e, EINVAL, "device id \"%.64s\" does not begin with a letter",
				   d->id ? d->id : "");
	r = check_alphabet("device id", d->id, "-_.", 64, e);
	if (r == 0 && d->type == HV_DEV_VHOST_USER_FS) /* virtio 1.2, 5.11.4 */
		r = check_alphabet("tag of the share", d->tag ? d->tag : "", "-_.", 36, e);
	if (r == 0 && d->mac)
		r = check_alphabet("MAC address", d->mac, ":", 17, e);
	if (r == 0 && (d->nmore_fds >= LIMIT_NET_QUEUES ||
		       (d->nvhost_fds && d->nvhost_fds != d->nmore_fds + 1)))
		r = error_plain(e, EINVAL, "device %s: %u queues with %u of vhost-net", d->id,
				d->nmore_fds + 1, d->nvhost_fds);
	if (r == 0 && (d->queue_size & (d->queue_size - 1) || d->queue_size > 1024))
		r = error_plain(e, EINVAL,
				"device %s: queue size %u is not a power of two up to 1024", d->id,
				d->queue_size);
	return r;
}

/* ",NAME=VALUE", or nothing where the value is 0. */
static char *number_option(const char *name, unsigned value)
{
	return value ? xasprintf(",%s=%u", name, value) : xstrdup("");
}

static void vsock_args(const struct qemu_vm *vm, const struct hv_dev *d, struct strv *a)
{
	strv_add(a, "-chardev");
	strv_addf(a, "socket,id=char-%s,fd=%d", d->id, d->fd);
	strv_add(a, "-device");
	strv_addf(a, "vhost-user-vsock-%s,id=%s,chardev=char-%s", vm->machine->bus, d->id, d->id);
}

static void fs_args(const struct qemu_vm *vm, const struct hv_dev *d, struct strv *a)
{
	autofree char *size = number_option("queue-size", d->queue_size);
	autofree char *queues = number_option("num-request-queues", d->queues);

	strv_add(a, "-chardev");
	strv_addf(a, "socket,id=char-%s,fd=%d", d->id, d->fd);
	strv_add(a, "-device");
	strv_addf(a, "vhost-user-fs-%s,id=%s,chardev=char-%s,tag=%s%s%s", vm->machine->bus, d->id,
		  d->id, d->tag, size, queues);
}

/* "3:4:5" */
static char *fd_list(const int *first, size_t nfirst, const int *more, size_t nmore)
{
	autodone(strv) words = STRV_INIT;

	for (size_t i = 0; i < nfirst; i++)
		strv_addf(&words, "%d", first[i]);
	for (size_t i = 0; i < nmore; i++)
		strv_addf(&words, "%d", more[i]);
	return strv_join(&words, ":");
}

/* Of several queues the descriptors are a list, and where the interrupts are messages (PCI) each
 * queue gets two of its own, beside those for control and configuration. */
static void tap_args(const struct qemu_vm *vm, const struct hv_dev *d, struct strv *a)
{
	unsigned queues = d->nmore_fds + 1;
	bool pci = str_eq(vm->machine->bus, "pci");
	autofree char *size = number_option("rx_queue_size", d->queue_size);
	autofree char *vectors = number_option("vectors", queues > 1 && pci ? 2 * queues + 2 : 0);
	autofree char *fds = fd_list(&d->fd, 1, d->more_fds, d->nmore_fds);
	autofree char *vhosts = fd_list(d->vhost_fds, d->nvhost_fds, NULL, 0);
	const char *s = queues > 1 ? "s" : "";

	strv_add(a, "-netdev");
	if (d->nvhost_fds)
		strv_addf(a, "tap,id=net-%s,fd%s=%s,vhost=on,vhostfd%s=%s", d->id, s, fds, s,
			  vhosts);
	else
		strv_addf(a, "tap,id=net-%s,fd%s=%s,vhost=off", d->id, s, fds);
	strv_add(a, "-device");
	strv_addf(a, "virtio-net-%s,id=%s,netdev=net-%s%s%s%s%s%s", vm->machine->bus, d->id, d->id,
		  d->mac ? ",mac=" : "", d->mac ? d->mac : "", size, queues > 1 ? ",mq=on" : "",
		  vectors);
}

/* An error of the host's disk is the guest's to handle: QEMU would stop the VM. */
static void blk_args(const struct qemu_vm *vm, const struct hv_dev *d, struct strv *a)
{
	autofree char *size = number_option("queue-size", d->queue_size);
	autofree char *queues = number_option("num-queues", d->queues);
	const char *ro = d->readonly ? "on" : "off";

	strv_add(a, "-add-fd");
	strv_addf(a, "fd=%d,set=%d", d->fd, d->fd);
	strv_add(a, "-blockdev");
	strv_addf(a,
		  "driver=raw,node-name=disk-%s,read-only=%s,file.driver=file,file.filename=/dev/"
		  "fdset/%d,file.locking=off",
		  d->id, ro, d->fd);
	strv_add(a, "-device");
	strv_addf(a,
		  "virtio-blk-%s,id=%s,drive=disk-%s,serial=%.20s,werror=report,rerror=report%s%s",
		  vm->machine->bus, d->id, d->id, d->id, size, queues);
}

static void (*const dev_args[])(const struct qemu_vm *vm, const struct hv_dev *d,
				struct strv *a) = {
	[HV_DEV_VHOST_USER_VSOCK] = vsock_args,
	[HV_DEV_VHOST_USER_FS] = fs_args,
	[HV_DEV_TAP] = tap_args,
	[HV_DEV_BLK] = blk_args,
};

/* What the driver gives every guest. */
static void own_dev_args(const struct qemu_vm *vm, struct strv *a)
{
	const char *bus = vm->machine->bus;

	strv_add(a, "-device");
	strv_add(a, "pvpanic");
	strv_add(a, "-object");
	if (vm->entropy_fd < 0) {
		strv_add(a, "rng-builtin,id=rng");
	} else {
		strv_addf(a, "rng-random,id=rng,filename=/dev/fdset/%d", vm->entropy_fd);
		strv_add(a, "-add-fd");
		strv_addf(a, "fd=%d,set=%d", vm->entropy_fd, vm->entropy_fd);
	}
	strv_add(a, "-device");
	strv_addf(a, "virtio-rng-%s,rng=rng", bus);
	if (vm->cfg->free_page_reporting) {
		strv_add(a, "-device");
		strv_addf(a, "virtio-balloon-%s,free-page-reporting=on,deflate-on-oom=on", bus);
	}
}

/* A port is small: what comes is a virtio device, which needs no I/O ports. */
static void port_args(const struct qemu_vm *vm, struct strv *a)
{
	for (unsigned i = 0; i < vm->cfg->hotplug_slots; i++) {
		strv_add(a, "-device");
		strv_addf(a,
			  "pcie-root-port,id=" QEMU_PORT
			  "%u,bus=pcie.0,addr=%#x,chassis=%u,slot=%u,"
			  "io-reserve=0",
			  i, QEMU_PORT_ADDR + i, i + 1, i + 1);
	}
}

static void cpu_args(const struct qemu_vm *vm, struct strv *a)
{
	const struct hv_config *c = vm->cfg;

	strv_add(a, "-smp");
	if (c->max_vcpus <= c->vcpus)
		strv_addf(a, "%u", c->vcpus);
	else if (qemu_spare_vcpus(vm->cfg, vm->machine))
		strv_addf(a, "%u", c->max_vcpus);
	else
		strv_addf(a, "%u,maxcpus=%u,sockets=1,cores=%u,threads=1", c->vcpus, c->max_vcpus,
			  c->max_vcpus);
}

/* Memory that may come: one device that the guest is given blocks of, or slots for modules. */
static void memory_args(const struct qemu_vm *vm, struct strv *a)
{
	const struct hv_config *c = vm->cfg;
	unsigned long long mem = c->mem_mib, max = c->max_mem_mib;

	strv_add(a, "-m");
	if (grows(c))
		strv_addf(a, "%lluM,slots=%d,maxmem=%lluM", mem, LIMIT_HV_DIMMS,
			  max + QEMU_DIMM_BLOCK_MIB);
	else
		strv_addf(a, "%lluM", mem);
	strv_add(a, "-object");
	if (vm->memory)
		strv_addf(a, "memory-backend-file,id=mem,size=%lluM,mem-path=%s,share=on", mem,
			  vm->memory);
	else
		strv_addf(a, "memory-backend-memfd,id=mem,size=%lluM,share=on", mem);
	if (!grows(c) || c->mem_dimms)
		return;
	strv_add(a, "-object");
	strv_addf(a, "memory-backend-memfd,id=mem-more,size=%lluM,share=on",
		  (max - mem + QEMU_MEM_BLOCK_MIB - 1) / QEMU_MEM_BLOCK_MIB * QEMU_MEM_BLOCK_MIB);
	strv_add(a, "-device");
	strv_addf(a,
		  "virtio-mem-pci,id=" QEMU_MEM_DEVICE
		  ",memdev=mem-more,requested-size=0,block-size=%dM",
		  QEMU_MEM_BLOCK_MIB);
}

static void machine_args(const struct qemu_vm *vm, struct strv *a)
{
	const struct hv_config *c = vm->cfg;
	bool kvm = c->accel == HV_ACCEL_KVM;
	const char *ports = vm->machine->ports;

	if (!c->hotplug_slots && *ports)
		ports = "off";
	strv_add(a, "-machine");
	strv_addf(a, "%s,%s%s,memory-backend=mem,mem-merge=off,dump-guest-core=off",
		  vm->machine->name, vm->machine->options, ports);
	if (vm->machine->global) {
		strv_add(a, "-global");
		strv_add(a, vm->machine->global);
	}
	strv_add(a, "-accel");
	/* The translation cache fills up in ordinary use, since address randomisation gives every
	 * exec new translations: its default of 1 GiB would be more than the guest. */
	strv_add(a, kvm ? "kvm" : "tcg,tb-size=64");
	strv_add(a, "-cpu");
	/* Page tables of five levels make each emulated walk longer; fast string operations are
	 * emulated byte by byte. */
	strv_addf(a, "%s%s%s", kvm ? "host" : "max,la57=off,erms=off",
		  str_empty(c->cpu_features) ? "" : ",",
		  str_empty(c->cpu_features) ? "" : c->cpu_features);
	cpu_args(vm, a);
	memory_args(vm, a);
	port_args(vm, a);
}

static int kernel_args(const struct qemu_vm *vm, struct strv *a, struct error *e)
{
	autofree char *cmdline = qemu_cmdline(vm);

	if (strlen(cmdline) >= LIMIT_HV_CMDLINE)
		return error_plain(e, E2BIG,
				   "the kernel parameters have %zu characters, the kernel takes %d",
				   strlen(cmdline), LIMIT_HV_CMDLINE - 1);
	strv_add(a, "-kernel");
	strv_add(a, vm->kernel);
	if (vm->initrd) {
		strv_add(a, "-initrd");
		strv_add(a, vm->initrd);
	}
	strv_add(a, "-append");
	strv_add(a, cmdline);
	return 0;
}

static const char *const common_args[] = {
	"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot",
};

#define SECCOMP_DEFAULT "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

int qemu_args(const struct qemu_vm *vm, struct strv *ret_argv, struct error *e)
{
	autodone(strv) a = STRV_INIT;
	int r;

	strv_add(&a, vm->program);
	strv_add(&a, "-name");
	strv_add(&a, vm->cfg->name);
	for (size_t i = 0; i < ARRAY_SIZE(common_args); i++)
		strv_add(&a, common_args[i]);
	strv_add(&a, "-sandbox");
	strv_add(&a, str_empty(vm->cfg->seccomp) ? SECCOMP_DEFAULT : vm->cfg->seccomp);
	machine_args(vm, &a);
	r = kernel_args(vm, &a, e);
	if (r < 0)
		return r;
	strv_add(&a, "-chardev");
	strv_addf(&a, "socket,id=qmp,fd=%d", vm->qmp_fd);
	strv_add(&a, "-mon");
	strv_add(&a, "chardev=qmp,mode=control");
	strv_add(&a, "-chardev");
	strv_addf(&a, "socket,id=console,fd=%d", vm->console_fd);
	strv_add(&a, "-serial");
	strv_add(&a, "chardev:console");
	if (vm->incoming) {
		strv_add(&a, "-S");
		strv_add(&a, "-incoming");
		strv_add(&a, "defer");
	}
	for (size_t i = 0; i < vm->ndevs; i++)
		dev_args[vm->devs[i].type](vm, &vm->devs[i], &a);
	own_dev_args(vm, &a);
	*ret_argv = a;
	a = STRV_INIT;
	return 0;
}
