/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qemu: the driver with a real QEMU and guests of a few bytes (tiny_guest.h). Every way a VM can
 * end, pause and resume, a guest that prints for ever, the jail as the running process shows it,
 * and what is said when something is missing.
 */
#include "tiny_vm.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/proc.h"

#include <sys/stat.h>

static void test_boot_and_stop(const char *machine)
{
	struct vm v;

	vm_make(&v, "hello from the guest\n", TINY_HALT);
	v.cfg.machine = machine;
	v.cfg.free_page_reporting = true;
	v.cfg.entropy = "/dev/urandom";
	v.cfg.vcpus = 2;
	assert_int_equal(vm_start(&v), 0);
	assert_true(v.hv->pid > 0);
	wait_console(&v, "hello from the guest\n");
	assert_string_equal(v.seen, "");
	assert_int_equal(v.hv->ops->stop(v.hv, &v.e), 0);
	wait_events(&v, "x");
	assert_string_equal(v.text[HV_EVENT_EXITED], "QEMU was stopped");
	assert_int_equal(v.hv->pid, 0);
	assert_int_equal(v.hv->ops->stop(v.hv, &v.e), -ESRCH);
	vm_done(&v);
}

static void test_microvm(void **state)
{
	test_boot_and_stop(NULL);
}

static void test_q35(void **state)
{
	test_boot_and_stop("q35");
}

static off_t console_size(const struct vm *v)
{
	autofree char *path = xasprintf("%s/console.log", v->dir);
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void run_for(struct vm *v, int64_t ms)
{
	int64_t end = loop_now_ms() + ms;

	while (loop_now_ms() < end)
		loop_run_once(v->loop, 20);
}

static void test_pause(void **state)
{
	struct vm v;
	off_t size;

	vm_make(&v, "tick\n", TINY_AGAIN);
	v.cfg.debug = true; /* a log that is not turned over meanwhile */
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "tick\n");
	assert_int_equal(v.hv->ops->pause(v.hv, true, &v.e), 0);
	wait_events(&v, "h");
	run_for(&v, 300); /* what was on its way */
	size = console_size(&v);
	run_for(&v, 300);
	assert_int_equal(console_size(&v), size);
	assert_int_equal(v.hv->ops->pause(v.hv, false, &v.e), 0);
	wait_events(&v, "hr");
	run_for(&v, 300);
	assert_true(console_size(&v) > size);
	vm_done(&v);
}

static void test_killed(void **state)
{
	struct vm v;

	vm_make(&v, "up\n", TINY_HALT);
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "up\n");
	assert_int_equal(kill(v.hv->pid, SIGKILL), 0);
	wait_events(&v, "x");
	assert_string_equal(v.text[HV_EVENT_EXITED], "QEMU was killed by SIGKILL");
	assert_true(WIFSIGNALED(v.hv->status));
	assert_int_equal(v.hv->ops->pause(v.hv, true, &v.e), -ESRCH);
	vm_done(&v);
}

/* Plain files stand in for a cgroup, whose counter goes up while QEMU runs. */
static void test_oom(void **state)
{
	static const struct {
		const char *file, *before, *after;
		bool oom;
	} cases[] = {
		{ "memory.events", "oom 0\noom_kill 1\n", "oom 9\noom_kill 2\n", true },
		{ "memory.oom_control", "under_oom 0\noom_kill 0\n", "oom_kill 3\n", true },
		{ "memory.events", "oom_kill 1\n", "oom_kill 1\n", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *file = cases[i].file;
		struct vm v;

		vm_make(&v, "up\n", TINY_HALT);
		free(scratch_file(v.dir, "cgroup.procs", "", 0));
		free(scratch_file(v.dir, file, cases[i].before, strlen(cases[i].before)));
		v.cfg.cgroup_fd = open(v.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(vm_start(&v), 0);
		close(v.cfg.cgroup_fd);
		wait_console(&v, "up\n");
		free(scratch_file(v.dir, file, cases[i].after, strlen(cases[i].after)));
		assert_int_equal(kill(v.hv->pid, SIGKILL), 0);
		wait_events(&v, "x");
		assert_int_equal(v.hv->oom_killed, cases[i].oom);
		assert_int_equal(strstr(v.text[HV_EVENT_EXITED], "out of memory") != NULL,
				 cases[i].oom);
		vm_done(&v);
	}
}

static void test_panic(void **state)
{
	struct vm v;

	vm_make(&v, "[    1.5] Kernel panic - not syncing: Fatal exception\n[    1.6] Rebooting\n",
		TINY_RESET);
	assert_int_equal(vm_start(&v), 0);
	wait_events(&v, "px");
	assert_string_equal(v.text[HV_EVENT_PANICKED],
			    "Kernel panic - not syncing: Fatal exception");
	assert_string_equal(v.text[HV_EVENT_EXITED],
			    "the guest panicked: Kernel panic - not syncing: Fatal exception");
	vm_done(&v);
}

static void test_panic_that_stays(void **state)
{
	struct vm v;

	vm_make(&v, "Kernel panic - not syncing: stuck\n", TINY_HALT);
	assert_int_equal(vm_start(&v), 0);
	wait_events(&v, "p");
	assert_true(v.hv->pid > 0);
	assert_int_equal(v.hv->ops->stop(v.hv, &v.e), 0);
	wait_events(&v, "px");
	vm_done(&v);
}

static void test_pvpanic(void **state)
{
	struct vm v;

	vm_make(&v, "no word\n", TINY_PVPANIC);
	assert_int_equal(vm_start(&v), 0);
	wait_events(&v, "px");
	assert_non_null(strstr(v.text[HV_EVENT_PANICKED], "told by pvpanic"));
	vm_done(&v);
}

static void test_reboot(void **state)
{
	struct vm v;

	vm_make(&v, "bye\n", TINY_RESET);
	assert_int_equal(vm_start(&v), 0);
	wait_events(&v, "sx");
	assert_string_equal(v.text[HV_EVENT_EXITED], "the guest rebooted");
	assert_true(console_has(&v, "bye\n"));
	vm_done(&v);
}

static void test_flood(void **state)
{
	struct vm v;
	char *tail;

	vm_make(&v,
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"234567890123456789\n",
		TINY_AGAIN);
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "0123456789\n");
	run_for(&v, 2000);
	assert_true(console_size(&v) <= (off_t)LIMIT_HV_LOG);
	tail = hv_console_tail(v.dir, 3);
	assert_true(strncmp(tail, "0123456789", 10) == 0);
	free(tail);
	/* The flood does not keep commands from being answered. */
	assert_int_equal(v.hv->ops->pause(v.hv, true, &v.e), 0);
	wait_events(&v, "h");
	vm_done(&v);
}

static void test_free_while_running(void **state)
{
	struct vm v;

	vm_make(&v, "up\n", TINY_HALT);
	assert_int_equal(vm_start(&v), 0);
	vm_done(&v);
}

/* A file that QEMU refuses only when it runs: its own words are in the error. */
static void test_last_words(void **state)
{
	struct vm v;
	char *kernel;

	vm_make(&v, "", TINY_HALT);
	kernel = scratch_file(v.dir, "nonote", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0\1\0\0\0",
			      24);
	v.cfg.kernel = kernel;
	assert_int_equal(vm_start(&v), 0);
	wait_events(&v, "x");
	assert_true(strncmp(v.text[HV_EVENT_EXITED], "QEMU ended with status 1: ", 26) == 0);
	assert_null(strstr(v.text[HV_EVENT_EXITED], "qemu-system"));
	print_message("%s\n", v.text[HV_EVENT_EXITED]);
	vm_done(&v);
	free(kernel);
}

static void test_missing(void **state)
{
	struct vm v;

	vm_make(&v, "", TINY_HALT);
	v.cfg.kernel = "/x/vmlinux";
	assert_int_equal(vm_start(&v), -ENOENT);
	assert_string_equal(v.e.text,
			    "guest kernel /x/vmlinux not found (set hypervisor.qemu.kernel in "
			    "/etc/caisson/configuration.toml)");
	vm_done(&v);
	vm_make(&v, "", TINY_HALT);
	v.cfg.path = "/x/qemu";
	assert_int_equal(vm_start(&v), -ENOENT);
	assert_true(strncmp(v.e.text, "QEMU /x/qemu not found (", 24) == 0);
	vm_done(&v);
	vm_make(&v, "", TINY_HALT);
	v.cfg.machine = "isapc";
	assert_int_equal(vm_start(&v), -EINVAL);
	vm_done(&v);
}

static void test_start_needs_prepare(void **state)
{
	struct vm v;

	vm_make(&v, "", TINY_HALT);
	v.hv = hv_new(hv_driver("qemu"), &v.cfg, v.loop, on_event, &v, &v.e);
	assert_int_equal(v.hv->ops->start(v.hv, &v.e), -EINVAL);
	assert_int_equal(v.hv->ops->prepare(v.hv, &v.e), 0);
	assert_int_equal(v.hv->ops->prepare(v.hv, &v.e), -EINVAL);
	vm_done(&v);
}

static void test_no_daemon(void **state)
{
	struct hv_dev d = { .type = HV_DEV_VHOST_USER_VSOCK,
			    .id = "vsock",
			    .fd = -1,
			    .socket = "/nonexistent/vsock.sock" };
	struct vm v;

	vm_make(&v, "", TINY_HALT);
	v.hv = hv_new(hv_driver("qemu"), &v.cfg, v.loop, on_event, &v, &v.e);
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), 0);
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), -EEXIST);
	assert_int_equal(vm_start(&v), -ENOENT);
	assert_string_equal(
		v.e.text,
		"connect device vsock to /nonexistent/vsock.sock: No such file or directory");
	assert_int_equal(v.hv->pid, 0);
	vm_done(&v);
}

static void test_disk(const char *machine)
{
	struct hv_dev d = { .type = HV_DEV_BLK, .id = "disk0", .fd = -1, .queues = 2 };
	struct vm v;
	char *path;

	vm_make(&v, "disk there\n", TINY_HALT);
	path = scratch_file(v.dir, "disk", v.kernel, strlen(v.kernel));
	assert_int_equal(truncate(path, 1 << 20), 0);
	v.cfg.machine = machine;
	v.hv = hv_new(hv_driver("qemu"), &v.cfg, v.loop, on_event, &v, &v.e);
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), -EINVAL);
	d.path = path;
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), 0);
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "disk there\n");
	d.id = "late";
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), -EOPNOTSUPP);
	vm_done(&v);
	free(path);
}

static void test_disks(void **state)
{
	test_disk("microvm");
	test_disk("q35");
}

#define VIRTIOFSD "/usr/lib/qemu/virtiofsd"

/* A vhost-user device with a back-end of others: the guest runs only after the two agreed. */
static void test_share(const char *machine)
{
	struct hv_dev d = { .type = HV_DEV_VHOST_USER_FS,
			    .id = "share",
			    .fd = -1,
			    .tag = "kataShared",
			    .queue_size = 1024,
			    .queues = 1 };
	struct proc_spec spec = PROC_SPEC_INIT;
	autodone(strv) argv = STRV_INIT;
	struct vm v;
	char *path;
	pid_t pid;
	int fd;

	vm_make(&v, "share there\n", TINY_HALT);
	path = xasprintf("%s/fs.sock", v.dir);
	fd = unix_listen(path, SOCK_STREAM, 0600);
	assert_true(fd >= 0);
	strv_add(&argv, VIRTIOFSD);
	strv_addf(&argv, "--fd=%d", fd);
	strv_add(&argv, "-o");
	strv_addf(&argv, "source=%s,sandbox=chroot", v.dir);
	spec.argv = argv.v;
	spec.keep = &fd;
	spec.nkeep = 1;
	pid = proc_spawn(&spec, &v.e);
	assert_true(pid > 0);
	close(fd);
	v.cfg.machine = machine;
	v.hv = hv_new(hv_driver("qemu"), &v.cfg, v.loop, on_event, &v, &v.e);
	d.socket = path;
	assert_int_equal(v.hv->ops->add(v.hv, &d, &v.e), 0);
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "share there\n");
	vm_done(&v);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	free(path);
}

static void test_shares(void **state)
{
	if (access(VIRTIOFSD, X_OK) < 0 || geteuid() != 0) {
		print_message("SKIP: needs " VIRTIOFSD " and root\n");
		skip();
	}
	test_share("microvm");
	test_share("q35");
}

/* An image comes first among the disks. */
static void test_image(void **state)
{
	struct vm v;
	char *image;

	vm_make(&v, "image there\n", TINY_HALT);
	image = scratch_file(v.dir, "image", "x", 1);
	assert_int_equal(truncate(image, 1 << 20), 0);
	v.cfg.image = image;
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "image there\n");
	vm_done(&v);
	vm_make(&v, "", TINY_HALT);
	v.cfg.image = v.cfg.initrd = v.kernel;
	assert_int_equal(vm_start(&v), -EINVAL);
	assert_non_null(strstr(v.e.text, "exclude each other"));
	vm_done(&v);
	free(image);
}

/* The value of a line of /proc/PID/status. */
static bool status_has(pid_t pid, const char *line)
{
	char path[64];
	autofree char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return file_read_at(AT_FDCWD, path, LIMIT_PROC_FILE, &text, NULL) == 0 &&
	       strstr(text, line);
}

static bool other_ns(pid_t pid, const char *name)
{
	char ours[64], its[64];
	struct stat a, b;

	snprintf(ours, sizeof(ours), "/proc/self/ns/%s", name);
	snprintf(its, sizeof(its), "/proc/%d/ns/%s", (int)pid, name);
	return stat(ours, &a) == 0 && stat(its, &b) == 0 && a.st_ino != b.st_ino;
}

static void test_jailed(void **state)
{
	char path[64];
	struct vm v;

	if (geteuid() != 0) {
		print_message("SKIP: only root can make namespaces\n");
		skip();
	}
	vm_make(&v, "up\n", TINY_HALT);
	assert_int_equal(vm_start(&v), 0);
	wait_console(&v, "up\n");
	assert_true(status_has(v.hv->pid, "Uid:\t64000\t64000\t64000\t64000\n"));
	assert_true(status_has(v.hv->pid, "Gid:\t64000\t64000\t64000\t64000\n"));
	assert_true(status_has(v.hv->pid, "Groups:\t \n"));
	assert_true(status_has(v.hv->pid, "CapEff:\t0000000000000000\n"));
	assert_true(status_has(v.hv->pid, "NoNewPrivs:\t1\n"));
	assert_true(status_has(v.hv->pid, "Seccomp:\t2\n"));
	assert_true(other_ns(v.hv->pid, "mnt") && other_ns(v.hv->pid, "net"));
	assert_true(other_ns(v.hv->pid, "ipc") && other_ns(v.hv->pid, "uts"));
	snprintf(path, sizeof(path), "/proc/%d/root/etc/passwd", (int)v.hv->pid);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "/proc/%d/root/usr/bin", (int)v.hv->pid);
	assert_int_equal(access(path, F_OK), 0);
	vm_done(&v);
}

/* The owner of the sandbox dies: QEMU must not outlive it. */
static void test_dies_with_owner(void **state)
{
	struct vm v;
	pid_t owner, qemu = 0;
	int p[2];

	vm_make(&v, "up\n", TINY_HALT);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	owner = fork();
	if (owner == 0) {
		vm_start(&v);
		wait_console(&v, "up\n");
		if (write(p[1], &v.hv->pid, sizeof(pid_t)) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	close(p[1]);
	assert_int_equal(fd_read_full(p[0], &qemu, sizeof(qemu)), sizeof(qemu));
	close(p[0]);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	for (int64_t end = loop_now_ms() + PATIENCE_MS;
	     kill(qemu, 0) == 0 && loop_now_ms() < end;) {
		uint64_t start;

		/* Nobody here may reap it: a zombie is dead enough. */
		if (proc_start_time(qemu, &start) < 0 || !proc_alive(qemu, start))
			break;
		loop_run_once(v.loop, 20);
	}
	assert_true(kill(qemu, 0) < 0 || status_has(qemu, "State:\tZ"));
	vm_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_microvm),
		cmocka_unit_test(test_q35),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_oom),
		cmocka_unit_test(test_panic),
		cmocka_unit_test(test_panic_that_stays),
		cmocka_unit_test(test_pvpanic),
		cmocka_unit_test(test_reboot),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_free_while_running),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_start_needs_prepare),
		cmocka_unit_test(test_no_daemon),
		cmocka_unit_test(test_disks),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_jailed),
		cmocka_unit_test(test_dies_with_owner),
	};

	log_init("test_qemu", 2, LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
	if (access("/usr/bin/qemu-system-x86_64", X_OK) < 0) {
		print_message("SKIP: QEMU is not installed (package qemu-system-x86)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
