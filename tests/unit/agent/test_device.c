/* SPDX-License-Identifier: Apache-2.0 */
/* Devices in a sysfs made for the test: found where the host says they are, waited for, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/device.h"
#include "agent/spec_devices.h"

#include "agent.pb-c.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	char dir[64], sys[80], dev[80];
	int root;
	struct device_env env;
	struct device_node node;
	struct error e;
};

static bool can_mknod;

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-device-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->sys, sizeof(f->sys), "%s/sys", f->dir);
	snprintf(f->dev, sizeof(f->dev), "%s/dev", f->dir);
	mkdir(f->sys, 0755);
	mkdir(f->dev, 0755);
	f->root = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->env = (struct device_env){ f->sys, f->dev, 100 };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fd_close(f->root);
	path_remove_tree_at(AT_FDCWD, f->dir);
	free(f);
	return 0;
}

static void make(struct fixture *f, const char *path)
{
	int fd = path_mkdir_in_root(f->root, path, 0755);

	if (fd < 0)
		_exit(99);
	close(fd);
}

static void put(struct fixture *f, const char *path, const char *text)
{
	int fd = openat(f->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || fd_write_full(fd, text, strlen(text)) < 0)
		_exit(99);
	close(fd);
}

static void node(struct fixture *f, const char *name, unsigned major, unsigned minor)
{
	autofree char *path = xasprintf("dev/%s", name);

	if (mknodat(f->root, path, S_IFBLK | 0600, makedev(major, minor)) < 0)
		_exit(99);
}

#define NEED_NODES                                                             \
	do {                                                                   \
		if (!can_mknod) {                                              \
			print_message("SKIPPED: not root: no device nodes\n"); \
			skip();                                                \
		}                                                              \
	} while (0)

static void found(struct fixture *f, const char *driver, const char *where, unsigned minor)
{
	int r = device_wait(&f->env, driver, where, &f->node, &f->e);

	if (r < 0)
		fail_msg("%s %s: %s", driver, where, f->e.text);
	assert_int_equal(f->node.major, 254);
	assert_int_equal(f->node.minor, minor);
}

static void test_names_are_checked(void **state)
{
	static const struct {
		const char *driver, *where;
		int err;
		const char *words;
	} bad[] = {
		{ "blk", "", EINVAL, "PCI path" },
		{ "blk", "/dev/", EINVAL, "/dev/NAME" },
		{ "blk", "/dev/../etc", EINVAL, "/dev/NAME" },
		{ "blk", "/dev/..", EINVAL, "/dev/NAME" },
		{ "mmioblk", "02/03", EINVAL, "/dev/NAME" },
		{ "nvdimm", "pmem0", EINVAL, "/dev/NAME" },
		{ "scsi", "0", EINVAL, "SCSI address" },
		{ "scsi", "1:2:3", EINVAL, "SCSI address" },
		{ "scsi", "-1:0", EINVAL, "SCSI address" },
		{ "tape", "1", EOPNOTSUPP, "\"tape\"" },
		{ "blk-ccw", "0.0.0001", EOPNOTSUPP, "s390x" },
		{ "vfio-pci", "02", EOPNOTSUPP, "no driver" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(device_check(bad[i].driver, bad[i].where, &f->e), -bad[i].err);
		if (!strstr(f->e.text, bad[i].words))
			fail_msg("\"%s\" does not say \"%s\"", f->e.text, bad[i].words);
	}
}

static void test_by_pci_path(void **state)
{
	struct fixture *f = *state;

	NEED_NODES;
	make(f, "sys/devices/pci0000:00/0000:00:02.0/0000:01:03.0/virtio1/block/vdq");
	make(f, "sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0");
	node(f, "vdq", 254, 16);
	found(f, "blk", "02/03", 16);
	assert_string_equal(f->node.name, "vdq");
	assert_int_equal(device_wait(&f->env, "blk", "03", &f->node, &f->e), -ENODEV);
	assert_non_null(strstr(f->e.text, "did not appear within 100 ms"));
}

static void test_by_name(void **state)
{
	struct fixture *f = *state;

	NEED_NODES;
	make(f, "sys/class/block/pmem0");
	node(f, "pmem0", 254, 1);
	found(f, "nvdimm", "/dev/pmem0", 1);
	found(f, "mmioblk", "/dev/pmem0", 1);
	found(f, "blk", "/dev/pmem0", 1);
}

static void test_by_scsi_address(void **state)
{
	struct fixture *f = *state;
	autofree char *text = NULL;

	NEED_NODES;
	make(f, "sys/class/scsi_host/host3");
	put(f, "sys/class/scsi_host/host3/scan", "");
	make(f, "sys/bus/scsi/devices/3:0:1:10/block/sdx");
	make(f, "sys/bus/scsi/devices/3:0:11:0/block/sdy");
	node(f, "sdx", 254, 2);
	found(f, "scsi", "1:10", 2);
	/* Adapters are asked for those that are not there. */
	assert_int_equal(device_wait(&f->env, "scsi", "1:0", &f->node, &f->e), -ENODEV);
	assert_int_equal(file_read_at(f->root, "sys/class/scsi_host/host3/scan", 64, &text, NULL),
			 0);
	assert_string_equal(text, "0 1 0");
}

static void test_one_that_comes_late(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	NEED_NODES;
	f->env.timeout_ms = 20000;
	pid = fork();
	if (pid == 0) {
		usleep(100000);
		make(f, "sys/class/block/vdl");
		usleep(100000);
		node(f, "vdl", 254, 3);
		_exit(0);
	}
	found(f, "blk", "/dev/vdl", 3);
	waitpid(pid, NULL, 0);
}

static void test_not_a_disk(void **state)
{
	struct fixture *f = *state;

	make(f, "sys/class/block/odd");
	put(f, "dev/odd", "a file");
	assert_int_equal(device_wait(&f->env, "blk", "/dev/odd", &f->node, &f->e), -ENOTBLK);
}

static void test_partitions(void **state)
{
	struct fixture *f = *state;
	struct device_node disk = { .name = "vdp" };

	NEED_NODES;
	make(f, "sys/class/block/vdp/vdp1");
	make(f, "sys/class/block/vdp/vdp12");
	put(f, "sys/class/block/vdp/vdp1/partition", "1\n");
	put(f, "sys/class/block/vdp/vdp12/partition", "12\n");
	node(f, "vdp1", 254, 4);
	node(f, "vdp12", 254, 5);
	assert_int_equal(device_partition(&f->env, &disk, 12, &f->node, &f->e), 0);
	assert_int_equal(f->node.minor, 5);
	assert_int_equal(device_partition(&f->env, &disk, 2, &f->node, &f->e), -ENOENT);
}

/* --- the specification --- */

static Grpc__LinuxDevice listed[2];
static Grpc__LinuxDevice *listed_ptr[] = { &listed[0], &listed[1] };
static Grpc__LinuxDeviceCgroup rules[3];
static Grpc__LinuxDeviceCgroup *rules_ptr[] = { &rules[0], &rules[1], &rules[2] };

static void set_rule(int i, const char *type, int64_t major, int64_t minor)
{
	grpc__linux_device_cgroup__init(&rules[i]);
	rules[i].type = (char *)type;
	rules[i].major = major;
	rules[i].minor = minor;
}

/* What one device gets is what another had: each is changed once. */
static void test_the_specification_gets_the_numbers(void **state)
{
	struct fixture *f = *state;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Linux linux_section = GRPC__LINUX__INIT;
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__Device a = GRPC__DEVICE__INIT, b = GRPC__DEVICE__INIT, *devices[] = { &a, &b };
	const struct device_node nodes[] = { { .major = 254, .minor = 1 },
					     { .major = 254, .minor = 2 } };

	for (int i = 0; i < 2; i++) {
		grpc__linux_device__init(&listed[i]);
		listed[i].path = (char *)(i ? "/dev/b" : "/dev/a");
		listed[i].type = (char *)"b";
		listed[i].major = 8;
		listed[i].minor = i;
	}
	listed[0].major = 254;
	listed[0].minor = 2;
	set_rule(0, "b", 254, 2); /* the first device's */
	set_rule(1, "b", 8, 1);   /* the second's */
	set_rule(2, "c", 8, 1);
	spec.linux = &linux_section;
	linux_section.devices = listed_ptr;
	linux_section.n_devices = 2;
	linux_section.resources = &res;
	res.devices = rules_ptr;
	res.n_devices = 3;
	a.container_path = (char *)"/dev/a";
	b.container_path = (char *)"/dev/b";
	assert_int_equal(spec_set_devices(&spec, devices, nodes, 2, &f->e), 0);
	assert_int_equal(listed[0].minor, 1);
	assert_int_equal(listed[1].major, 254);
	assert_int_equal(listed[1].minor, 2);
	assert_int_equal(rules[0].minor, 1);
	assert_int_equal(rules[1].major, 254);
	assert_int_equal(rules[1].minor, 2);
	assert_int_equal(rules[2].major, 8);
	b.container_path = (char *)"/dev/c";
	assert_int_equal(spec_set_devices(&spec, devices, nodes, 2, &f->e), -EINVAL);
	assert_non_null(strstr(f->e.text, "does not list device /dev/c"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_names_are_checked),
		T(test_by_pci_path),
		T(test_by_name),
		T(test_by_scsi_address),
		T(test_one_that_comes_late),
		T(test_not_a_disk),
		T(test_partitions),
		T(test_the_specification_gets_the_numbers),
	};

	log_set_fd(-1);
	can_mknod = geteuid() == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
