/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotplug: disks and network interfaces that come to a running QEMU and go, on both machines; what
 * is refused, and that nothing is left of what failed. The guest has no kernel: it neither takes a
 * device nor holds it, so a port of microvm lets go at once, and one of q35 not at all. Sizes: what
 * becomes of vCPUs and memory modules, and of a guest that does not take memory.
 */
#include "tiny_vm.h"

#include "base/fd.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

struct answer {
	bool there;
	int code;
	char text[256];
};

static void on_done(struct hv *h, const struct error *e, void *data)
{
	struct answer *a = data;

	a->there = true;
	a->code = e ? e->code : 0;
	snprintf(a->text, sizeof(a->text), "%s", e ? e->text : "");
}

static void wait_answer(struct vm *v, struct answer *a)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;

	while (!a->there && loop_now_ms() < end)
		loop_run_once(v->loop, 50);
	assert_true(a->there);
}

static void vm_up(struct vm *v, const char *machine, unsigned slots)
{
	vm_make(v, "up\n", TINY_HALT);
	v->cfg.machine = machine;
	v->cfg.hotplug_slots = slots;
	assert_int_equal(vm_start(v), 0);
	wait_console(v, "up\n");
}

/* A disk of 1 MiB; its path is in *ret, owned. */
static struct hv_dev disk(const struct vm *v, const char *id, struct answer *a, char **ret)
{
	struct hv_dev d = { .type = HV_DEV_BLK, .id = id, .fd = -1, .readonly = true };

	*ret = xasprintf("%s/%s.img", v->dir, id);
	free(scratch_file(v->dir, strrchr(*ret, '/') + 1, "x", 1));
	assert_int_equal(truncate(*ret, 1 << 20), 0);
	d.path = *ret;
	d.done = on_done;
	d.data = a;
	*a = (struct answer){ 0 };
	return d;
}

static int add(struct vm *v, struct hv_dev *d)
{
	return v->hv->ops->add(v->hv, d, &v->e);
}

static void test_disk(const char *machine, bool lets_go)
{
	autofree char *path = NULL;
	struct hv_dev d;
	struct answer a;
	struct vm v;

	vm_up(&v, machine, 2);
	d = disk(&v, "data", &a, &path);
	assert_int_equal(add(&v, &d), -EINPROGRESS);
	assert_false(a.there);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	assert_string_equal(d.pci_path, "10/00");
	assert_int_equal(add(&v, &d), -EEXIST);
	a = (struct answer){ 0 };
	if (lets_go) {
		/* Twice: what was on the host's side has gone, so the names are free again. */
		for (int i = 0; i < 2; i++) {
			assert_int_equal(v.hv->ops->remove(v.hv, &d, &v.e), -EINPROGRESS);
			assert_int_equal(v.hv->ops->remove(v.hv, &d, &v.e), -EBUSY);
			wait_answer(&v, &a);
			assert_string_equal(a.text, "");
			assert_int_equal(v.hv->ops->remove(v.hv, &d, &v.e), -ENOENT);
			a = (struct answer){ 0 };
			assert_int_equal(add(&v, &d), -EINPROGRESS);
			wait_answer(&v, &a);
			assert_string_equal(a.text, "");
			a = (struct answer){ 0 };
		}
	} else {
		assert_int_equal(v.hv->ops->remove(v.hv, &d, &v.e), -EINPROGRESS);
		wait_answer(&v, &a);
		assert_string_equal(a.text, "remove device data: the guest does not let go of it");
	}
	vm_done(&v);
}

static void test_disk_microvm(void **state)
{
	test_disk("microvm", true);
}

static void test_disk_q35(void **state)
{
	test_disk("q35", false);
}

static int make_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd;

	/* Not to leave one in the host's network, whatever happens. */
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0)
		fd = fd_close(fd);
	return fd;
}

static void test_tap(void **state)
{
	struct answer a = { 0 };
	struct hv_dev d = { .type = HV_DEV_TAP,
			    .id = "eth0",
			    .mac = "02:00:00:00:00:01",
			    .done = on_done,
			    .data = &a };
	struct vm v;

	d.fd = make_tap();
	if (d.fd < 0) {
		print_message("SKIP: no tap can be made here\n");
		skip();
	}
	vm_up(&v, "microvm", 1);
	assert_int_equal(add(&v, &d), -EINPROGRESS);
	assert_int_equal(d.fd, -1);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	a = (struct answer){ 0 };
	assert_int_equal(v.hv->ops->remove(v.hv, &d, &v.e), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	vm_done(&v);
}

static void test_slots(void **state)
{
	autofree char *p1 = NULL, *p2 = NULL, *p3 = NULL;
	struct answer a, b, c;
	struct hv_dev d, f, g;
	struct vm v;

	vm_up(&v, "microvm", 1);
	d = disk(&v, "one", &a, &p1);
	f = disk(&v, "two", &b, &p2);
	g = disk(&v, "three", &c, &p3);
	assert_int_equal(add(&v, &d), -EINPROGRESS);
	assert_int_equal(add(&v, &f), -ENOSPC);
	assert_string_equal(v.e.text, "device two: all 1 slots of the VM are taken");
	wait_answer(&v, &a);
	a = (struct answer){ 0 };
	assert_int_equal(v.hv->ops->remove(v.hv, &d, &v.e), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_int_equal(add(&v, &g), -EINPROGRESS);
	wait_answer(&v, &c);
	assert_string_equal(c.text, "");
	vm_done(&v);
}

static void test_no_slots(void **state)
{
	autofree char *path = NULL;
	struct hv_dev d;
	struct answer a;
	struct vm v;

	vm_up(&v, NULL, 0);
	d = disk(&v, "data", &a, &path);
	assert_int_equal(add(&v, &d), -EOPNOTSUPP);
	assert_string_equal(v.e.text, "device data: the VM was started without slots for devices");
	vm_done(&v);
}

/* QEMU refuses: the steps before are undone, the slot and the names are free. */
static void test_refused(void **state)
{
	int p[2];
	autofree char *path = NULL;
	struct answer a = { 0 };
	struct hv_dev d, bad = { .type = HV_DEV_TAP, .id = "data", .done = on_done, .data = &a };
	struct vm v;

	vm_up(&v, "microvm", 1);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	bad.fd = p[0];
	bad.mac = "nonsense";
	assert_int_equal(add(&v, &bad), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_non_null(strstr(a.text, "add device data: "));
	d = disk(&v, "data", &a, &path);
	assert_int_equal(add(&v, &d), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	close(p[1]);
	vm_done(&v);
}

/* Killed while an answer is awaited: the answer is an error. */
static void test_killed(void **state)
{
	autofree char *path = NULL;
	struct hv_dev d;
	struct answer a;
	struct vm v;

	vm_up(&v, "microvm", 1);
	d = disk(&v, "data", &a, &path);
	assert_int_equal(kill(v.hv->pid, SIGSTOP), 0);
	assert_int_equal(add(&v, &d), -EINPROGRESS);
	assert_int_equal(kill(v.hv->pid, SIGKILL), 0);
	wait_answer(&v, &a);
	assert_true(a.code == -ENOTCONN || a.code == -ECONNRESET);
	wait_events(&v, "x");
	assert_int_equal(add(&v, &d), -ESRCH);
	vm_done(&v);
}

static int resize(struct vm *v, unsigned vcpus, uint64_t mem_mib, struct answer *a)
{
	struct hv_size want = { .vcpus = vcpus, .mem_mib = mem_mib };

	*a = (struct answer){ 0 };
	return v->hv->ops->resize(v->hv, &want, on_done, a, &v->e);
}

static void test_spare_vcpus(void **state)
{
	struct answer a;
	struct vm v;

	vm_make(&v, "up\n", TINY_HALT);
	v.cfg.max_vcpus = 3;
	assert_int_equal(vm_start(&v), 0);
	assert_int_equal(resize(&v, 3, 64, &a), 0);
	assert_int_equal(resize(&v, 4, 64, &a), -ERANGE);
	assert_int_equal(resize(&v, 1, 128, &a), -ERANGE);
	assert_string_equal(v.e.text, "128 MiB of memory: the VM can have 64 at most (machine type "
				      "q35 can be given more)");
	vm_done(&v);
}

/* The guest has no driver: what it has is said, and the next change works on. */
static void test_memory_not_taken(void **state)
{
	struct answer a, b;
	struct vm v;

	vm_make(&v, "up\n", TINY_HALT);
	v.cfg.max_mem_mib = 512;
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "up\n");
	assert_int_equal(resize(&v, 1, 300, &a), -EINPROGRESS);
	assert_int_equal(resize(&v, 1, 400, &b), -EBUSY);
	wait_answer(&v, &a);
	assert_int_equal(a.code, -ETIMEDOUT);
	assert_string_equal(a.text, "the guest has 64 of 300 MiB of memory and changes nothing");
	assert_int_equal(resize(&v, 1, 64, &a), 0);
	vm_done(&v);
}

static void test_modules(void **state)
{
	struct answer a;
	struct vm v;

	vm_make(&v, "up\n", TINY_HALT);
	v.cfg.max_mem_mib = 1024;
	v.cfg.mem_dimms = true;
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "up\n");
	assert_int_equal(resize(&v, 1, 100, &a), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	/* A module is of 128 MiB. */
	assert_int_equal(resize(&v, 1, 192, &a), 0);
	assert_int_equal(resize(&v, 1, 64, &a), -ERANGE);
	assert_int_equal(resize(&v, 1, 500, &a), -EINPROGRESS);
	wait_answer(&v, &a);
	assert_string_equal(a.text, "");
	vm_done(&v);
}

static void test_machine(void **state)
{
	struct vm v;

	vm_make(&v, "up\n", TINY_HALT);
	v.cfg.max_mem_mib = 128;
	v.cfg.machine = "microvm";
	assert_int_equal(vm_start(&v), -EOPNOTSUPP);
	assert_non_null(strstr(v.e.text, "set hypervisor.qemu.machine_type to q35"));
	vm_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_microvm), cmocka_unit_test(test_disk_q35),
		cmocka_unit_test(test_slots),        cmocka_unit_test(test_no_slots),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_killed),
		cmocka_unit_test(test_spare_vcpus),  cmocka_unit_test(test_memory_not_taken),
		cmocka_unit_test(test_modules),      cmocka_unit_test(test_machine),
		cmocka_unit_test(test_tap), /* the last: it leaves the host's network */
	};

	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0) {
		print_message("SKIP: QEMU is not installed (package qemu-system-x86)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
