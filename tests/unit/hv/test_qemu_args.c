/* SPDX-License-Identifier: Apache-2.0 */
/* args: the whole argument vectors of a small and a full VM, the kernel's command line, and what is
 * refused. */
#include "base/limits.h"
#include "hv/qemu/args.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct hv_config small = {
	.name = "pod-1", .dir = "/run/caisson/pod-1", .vcpus = 1, .mem_mib = 256
};

static void check(const struct qemu_vm *vm, const char *const *want, size_t n)
{
	struct error e = ERROR_INIT;
	autodone(strv) got = STRV_INIT;

	assert_int_equal(qemu_args(vm, &got, &e), 0);
	for (size_t i = 0; i < got.n && i < n; i++)
		assert_string_equal(got.v[i], want[i]);
	assert_int_equal(got.n, n);
	assert_null(got.v[got.n]);
}

static void test_microvm_tcg(void **state)
{
	/* clang-format off: an option and its value on a line */
	static const char *const want[] = {
		"/usr/bin/qemu-system-x86_64",
		"-name",
		"pod-1",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-vga",
		"none",
		"-no-reboot",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine",
		"microvm,acpi=on,rtc=on,usb=off,pcie=off,memory-backend=mem,mem-merge=off,dump-"
		"guest-core="
		"off",
		"-global",
		"virtio-mmio.force-legacy=false",
		"-accel",
		"tcg,tb-size=64",
		"-cpu",
		"max,la57=off,erms=off",
		"-smp",
		"1",
		"-m",
		"256M",
		"-object",
		"memory-backend-memfd,id=mem,size=256M,share=on",
		"-kernel",
		"/g/vmlinux",
		"-initrd",
		"/g/initrd",
		"-append",
		"console=ttyS0 quiet panic=-1 noreplace-smp tsc=reliable no_timer_check "
		"cryptomgr.notests pci=off "
		"initcall_blacklist=ftrace_check_for_weak_functions,trace_eval_init,tracer_init_"
		"tracefs "
		"tsc_early_khz=2300000",
		"-chardev",
		"socket,id=qmp,fd=10",
		"-mon",
		"chardev=qmp,mode=control",
		"-chardev",
		"socket,id=console,fd=11",
		"-serial",
		"chardev:console",
		"-chardev",
		"socket,id=char-vsock,fd=20",
		"-device",
		"vhost-user-vsock-device,id=vsock,chardev=char-vsock",
		"-chardev",
		"socket,id=char-share,fd=21",
		"-device",
		"vhost-user-fs-device,id=share,chardev=char-share,tag=kataShared,queue-size=1024",
		"-device",
		"pvpanic",
		"-object",
		"rng-builtin,id=rng",
		"-device",
		"virtio-rng-device,rng=rng",
	};
	/* clang-format on */
	static const struct hv_dev devs[] = {
		{ .type = HV_DEV_VHOST_USER_VSOCK, .id = "vsock", .fd = 20 },
		{ .type = HV_DEV_VHOST_USER_FS,
		  .id = "share",
		  .fd = 21,
		  .tag = "kataShared",
		  .queue_size = 1024 },
	};
	struct qemu_vm vm = {
		.cfg = &small,
		.machine = qemu_machine_find(&small, NULL),
		.program = "/usr/bin/qemu-system-x86_64",
		.kernel = "/g/vmlinux",
		.initrd = "/g/initrd",
		.tsc_khz = 2300000,
		.qmp_fd = 10,
		.console_fd = 11,
		.entropy_fd = -1,
		.devs = devs,
		.ndevs = ARRAY_SIZE(devs),
	};

	check(&vm, want, ARRAY_SIZE(want));
}

static void test_q35_kvm(void **state)
{
	/* clang-format off: an option and its value on a line */
	static const char *const want[] = {
		"/q",
		"-name",
		"pod-1",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-vga",
		"none",
		"-no-reboot",
		"-sandbox",
		"on",
		"-machine",
		"q35,usb=off,sata=off,smbus=off,vmport=off,memory-backend=mem,mem-merge=off,dump-"
		"guest-core=off",
		"-accel",
		"kvm",
		"-cpu",
		"host,pmu=off",
		"-smp",
		"4",
		"-m",
		"2048M",
		"-object",
		"memory-backend-memfd,id=mem,size=2048M,share=on",
		"-kernel",
		"/g/a,b=c",
		"-append",
		"console=ttyS0 panic=-1 noreplace-smp tsc=reliable no_timer_check "
		"cryptomgr.notests "
		"root=/dev/vda1 ro agent.log=debug",
		"-chardev",
		"socket,id=qmp,fd=10",
		"-mon",
		"chardev=qmp,mode=control",
		"-chardev",
		"socket,id=console,fd=11",
		"-serial",
		"chardev:console",
		"-add-fd",
		"fd=22,set=22",
		"-blockdev",
		"driver=raw,node-name=disk-image,read-only=on,file.driver=file,"
		"file.filename=/dev/fdset/22,file.locking=off",
		"-device",
		"virtio-blk-pci,id=image,drive=disk-image,serial=image,werror=report,rerror=report",
		"-netdev",
		"tap,id=net-eth0,fd=23,vhost=off",
		"-device",
		"virtio-net-pci,id=eth0,netdev=net-eth0,mac=02:00:00:00:00:01",
		"-chardev",
		"socket,id=char-f,fd=24",
		"-device",
		"vhost-user-fs-pci,id=f,chardev=char-f,tag=t,queue-size=512,num-request-queues=2",
		"-device",
		"pvpanic",
		"-object",
		"rng-random,id=rng,filename=/dev/fdset/12",
		"-add-fd",
		"fd=12,set=12",
		"-device",
		"virtio-rng-pci,rng=rng",
		"-device",
		"virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on",
	};
	/* clang-format on */
	static const struct hv_dev devs[] = {
		{ .type = HV_DEV_BLK, .id = "image", .fd = 22, .readonly = true },
		{ .type = HV_DEV_TAP, .id = "eth0", .fd = 23, .mac = "02:00:00:00:00:01" },
		{ .type = HV_DEV_VHOST_USER_FS,
		  .id = "f",
		  .fd = 24,
		  .tag = "t",
		  .queue_size = 512,
		  .queues = 2 },
	};
	struct hv_config c = small;
	struct qemu_vm vm = {
		.cfg = &c,
		.machine = qemu_machine_find(&(struct hv_config){ .machine = "q35" }, NULL),
		.program = "/q",
		.kernel = "/g/a,b=c",
		.root = "/dev/vda1",
		.tsc_khz = 2300000,
		.qmp_fd = 10,
		.console_fd = 11,
		.entropy_fd = 12,
		.devs = devs,
		.ndevs = ARRAY_SIZE(devs),
	};

	c.accel = HV_ACCEL_KVM;
	c.vcpus = 4;
	c.mem_mib = 2048;
	c.debug = true;
	c.free_page_reporting = true;
	c.cpu_features = "pmu=off";
	c.seccomp = "on";
	c.cmdline = "agent.log=debug";
	check(&vm, want, ARRAY_SIZE(want));
}

static void test_cmdline(void **state)
{
	static const struct {
		const char *machine, *want;
		enum hv_accel accel;
		bool debug;
		uint32_t khz;
	} cases[] = {
		{ "microvm",
		  "console=ttyS0 quiet panic=-1 noreplace-smp tsc=reliable no_timer_check "
		  "cryptomgr.notests pci=off",
		  HV_ACCEL_KVM, false, 0 },
		{ "microvm",
		  "console=ttyS0 quiet panic=-1 noreplace-smp tsc=reliable no_timer_check "
		  "cryptomgr.notests pci=off "
		  "initcall_blacklist=ftrace_check_for_weak_functions,trace_eval_init,tracer_init_"
		  "tracefs",
		  HV_ACCEL_TCG, false, 0 },
		{ "q35",
		  "console=ttyS0 panic=-1 noreplace-smp tsc=reliable no_timer_check "
		  "cryptomgr.notests nolapic_timer "
		  "tsc_early_khz=5",
		  HV_ACCEL_TCG, true, 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct hv_config c = small;
		struct qemu_vm vm = { .cfg = &c,
				      .machine = qemu_machine_find(
					      &(struct hv_config){ .machine = cases[i].machine },
					      NULL) };
		autofree char *got = NULL;

		c.accel = cases[i].accel;
		c.debug = cases[i].debug;
		vm.tsc_khz = cases[i].khz;
		got = qemu_cmdline(&vm);
		assert_string_equal(got, cases[i].want);
	}
}

static void test_cmdline_too_long(void **state)
{
	char more[LIMIT_HV_CMDLINE];
	struct hv_config c = small;
	struct qemu_vm vm = {
		.cfg = &c, .machine = qemu_machine_find(&small, NULL), .program = "q", .kernel = "k"
	};
	autodone(strv) got = STRV_INIT;
	struct error e = ERROR_INIT;

	memset(more, 'x', sizeof(more));
	more[sizeof(more) - 1] = '\0';
	c.cmdline = more;
	assert_int_equal(qemu_args(&vm, &got, &e), -E2BIG);
	assert_int_equal(got.n, 0);
	assert_non_null(strstr(e.text, "the kernel takes 2047"));
}

/* The options that prepare for what comes later, one case a row: which must be among the
 * arguments, and which words on the kernel's command line. */
static void test_later(void **state)
{
	static const struct {
		struct hv_config c;
		const char *args[4], *words[3], *not_words[2];
	} cases[] = {
		{ { .name = "a", .vcpus = 1, .mem_mib = 256, .hotplug_slots = 2 },
		  { "microvm,acpi=on,rtc=on,usb=off,pcie=on,memory-backend=mem,mem-merge=off,"
		    "dump-guest-core=off",
		    "pcie-root-port,id=port1,bus=pcie.0,addr=0x11,chassis=2,slot=2,io-reserve=0" },
		  { "pcie_ports=native" },
		  { "pci=off", "memhp_default_state=online" } },
		{ { .name = "a", .vcpus = 1, .max_vcpus = 4, .mem_mib = 256 },
		  { "4" },
		  { "maxcpus=1", "pci=off" },
		  { "pcie_ports=native" } },
		{ { .name = "a",
		    .vcpus = 1,
		    .max_vcpus = 4,
		    .mem_mib = 256,
		    .max_mem_mib = 1023,
		    .accel = HV_ACCEL_KVM },
		  { "1,maxcpus=4,sockets=1,cores=4,threads=1", "256M,slots=10,maxmem=1151M",
		    "memory-backend-memfd,id=mem-more,size=768M,share=on",
		    "virtio-mem-pci,id=vmem,memdev=mem-more,requested-size=0,block-size=2M" },
		  { "memhp_default_state=online" },
		  { "maxcpus=1", "pci=off" } },
		{ { .name = "a",
		    .vcpus = 1,
		    .mem_mib = 256,
		    .max_mem_mib = 512,
		    .mem_dimms = true },
		  { "256M,slots=10,maxmem=640M" },
		  { "memhp_default_state=online" },
		  { "pcie_ports=native" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct qemu_vm vm = { .cfg = &cases[i].c,
				      .machine = qemu_machine_find(&cases[i].c, NULL),
				      .program = "q",
				      .kernel = "k",
				      .entropy_fd = -1 };
		autodone(strv) got = STRV_INIT, words = STRV_INIT;
		autofree char *cmdline = qemu_cmdline(&vm);

		assert_int_equal(qemu_args(&vm, &got, NULL), 0);
		strv_split(&words, cmdline, " ");
		for (size_t k = 0; k < 4 && cases[i].args[k]; k++)
			assert_true(strv_contains(&got, cases[i].args[k]));
		for (size_t k = 0; k < 3 && cases[i].words[k]; k++)
			assert_true(strv_contains(&words, cases[i].words[k]));
		for (size_t k = 0; k < 2 && cases[i].not_words[k]; k++)
			assert_false(strv_contains(&words, cases[i].not_words[k]));
	}
}

static void test_machines(void **state)
{
	static const struct hv_config grows = { .mem_mib = 1, .max_mem_mib = 2 };

	struct error e = ERROR_INIT;

	assert_string_equal(qemu_machine_find(&small, NULL)->name, "microvm");
	assert_string_equal(qemu_machine_find(&(struct hv_config){ .machine = "" }, NULL)->name,
			    "microvm");
	assert_null(qemu_machine_find(&(struct hv_config){ .machine = "q35,accel=x" }, &e));
	assert_int_equal(e.code, -EINVAL);
	assert_non_null(strstr(e.text, "microvm or q35"));
	assert_string_equal(qemu_machine_find(&grows, NULL)->name, "q35");
}

static void test_config_refused(void **state)
{
	static const struct {
		const char *features, *seccomp, *cmdline;
		uint64_t mem;
	} bad[] = {
		{ "pmu=off\n", NULL, NULL, 256 },
		{ "a b", NULL, NULL, 256 },
		{ NULL, "on -device x", NULL, 256 },
		{ NULL, NULL, "quiet\ninit=/bad", 256 },
		{ NULL, NULL, NULL, 63 },
		{ "caf\xc3\xa9", NULL, NULL, 256 },
	};
	struct hv_config c = small;

	assert_int_equal(qemu_check_config(&c, NULL), 0);
	c.cpu_features = "pmu=off,+x2apic";
	c.seccomp = "on,spawn=deny";
	c.cmdline = "a=\"b c\" d,e";
	assert_int_equal(qemu_check_config(&c, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		c.cpu_features = bad[i].features;
		c.seccomp = bad[i].seccomp;
		c.cmdline = bad[i].cmdline;
		c.mem_mib = bad[i].mem;
		assert_int_equal(qemu_check_config(&c, NULL), -EINVAL);
	}
}

static void test_dev_refused(void **state)
{
	static const struct hv_dev bad[] = {
		{ .type = HV_DEV_TAP, .id = NULL },
		{ .type = HV_DEV_TAP, .id = "" },
		{ .type = HV_DEV_TAP, .id = "0eth" },
		{ .type = HV_DEV_TAP, .id = "e,script=/bin/sh" },
		{ .type = HV_DEV_TAP, .id = "e=1" },
		{ .type = HV_DEV_TAP, .id = "e", .mac = "02:00,x" },
		{ .type = HV_DEV_TAP, .id = "e", .mac = "" },
		{ .type = HV_DEV_VHOST_USER_FS, .id = "f" },
		{ .type = HV_DEV_VHOST_USER_FS, .id = "f", .tag = "a,b" },
		{ .type = HV_DEV_VHOST_USER_FS,
		  .id = "f",
		  .tag = "0123456789012345678901234567890123456" },
		{ .type = HV_DEV_VHOST_USER_FS, .id = "f", .tag = "t", .queue_size = 100 },
		{ .type = HV_DEV_VHOST_USER_FS, .id = "f", .tag = "t", .queue_size = 2048 },
	};
	struct hv_dev ok = { .type = HV_DEV_VHOST_USER_FS,
			     .id = "f.1-x_",
			     .tag = "kataShared",
			     .queue_size = 1024 };

	assert_int_equal(qemu_check_dev(&ok, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(qemu_check_dev(&bad[i], NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_microvm_tcg),    cmocka_unit_test(test_q35_kvm),
		cmocka_unit_test(test_cmdline),        cmocka_unit_test(test_cmdline_too_long),
		cmocka_unit_test(test_later),          cmocka_unit_test(test_machines),
		cmocka_unit_test(test_config_refused), cmocka_unit_test(test_dev_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
