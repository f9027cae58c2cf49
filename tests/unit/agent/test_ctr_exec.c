/* SPDX-License-Identifier: Apache-2.0 */
/* Processes beside a container's init, containers that share namespaces, and the cgroup around
 * them. */
#include "ctrlab.h"

#include "base/fd.h"
#include "base/str.h"
#include "oci/oci.h"
#include "sys/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A container that sleeps until it is killed. */
struct host {
	Grpc__Spec *spec;
	struct lab_run run;
	struct ctr_pins pins;
};

static struct host host;
static struct lab_run run;

static void host_up(const struct lab_spec *parts)
{
	struct error e = ERROR_INIT;

	lab_need();
	host.spec = lab_parse(parts);
	if (lab_create(host.spec, NULL, &host.run, &e) < 0 || host.run.report.type != CTR_READY)
		fail_msg("%s%s", e.text, host.run.report.text);
	if (ctr_pins_open(host.run.pid, &host.pins, &e) < 0)
		fail_msg("%s", e.text);
	lab_start(&host.run);
	assert_int_equal(host.run.report.type, 0);
}

static void host_down(void)
{
	ctr_cgroup_kill(LAB_ID);
	lab_finish(&host.run);
	ctr_pins_done(&host.pins);
	oci_spec_free(host.spec);
}

#define SLEEP "[\"/bin/busybox\",\"sleep\",\"1000\"]"

/* The process of a spec made of @parts. */
static const char *exec_output(const struct lab_spec *parts, const struct ctr_request *more)
{
	struct error e = ERROR_INIT;
	Grpc__Spec *spec = lab_parse(parts);

	if (lab_exec(host.spec, spec->process, &host.pins, host.run.pid, more, &run, &e) < 0)
		fail_msg("exec: %s", e.text);
	if (run.report.type == CTR_READY)
		lab_start(&run);
	else
		snprintf(run.stdout_text, sizeof(run.stdout_text), "%s", run.report.text);
	lab_wait(&run);
	oci_spec_free(spec);
	return run.stdout_text;
}

static void test_exec(void **state)
{
	host_up(&(struct lab_spec){
		.args = SLEEP,
		.top = ",\"hostname\":\"inner\"",
		.linux = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
			 "\"names\":[\"mkdir\","
			 "\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":18}]}" });
	assert_string_equal(
		exec_output(
			&(struct lab_spec){
				.script = "tr '\\0' ' ' </proc/1/cmdline; [ $$ != 1 ] && hostname; "
					  "mkdir /q "
					  "2>&1; cat /proc/self/cgroup | tail -1; exit 9" },
			NULL),
		"/bin/busybox sleep 1000 inner\nmkdir: can't create directory '/q': Invalid "
		"cross-device link\n0::/\n");
	assert_int_equal(run.status, 9);
	assert_string_equal(
		exec_output(&(struct lab_spec){ .script =
							"for n in pid ipc uts mnt net cgroup; do [ "
							"$(readlink /proc/1/ns/$n) = "
							"$(readlink /proc/self/ns/$n) ] || echo $n "
							"differs; done; ls /proc/self/fd | wc -l; "
							"id -u; pwd; umask; echo $HOME",
						.user = "{\"uid\":1000,\"gid\":7,\"umask\":18}",
						.cwd = "\"/tmp\"" },
			    NULL),
		"pid differs\nipc differs\nuts differs\nmnt differs\nnet differs\ncgroup "
		"differs\n4\n1000\n/tmp\n0022\n/home/user\n");
	assert_string_equal(
		exec_output(
			&(struct lab_spec){
				.caps = "\"CAP_SYS_PTRACE\",\"CAP_KILL\"",
				.script = "for n in pid ipc uts mnt net cgroup; do [ $(readlink "
					  "/proc/1/ns/$n) = "
					  "$(readlink /proc/self/ns/$n) ] || echo $n differs; "
					  "done; grep CapEff /proc/self/status" },
			NULL),
		"CapEff:\t0000000000080020\n");
	host_down();
}

static void test_exec_errors(void **state)
{
	struct error e = ERROR_INIT;

	host_up(&(struct lab_spec){ .args = SLEEP });
	assert_string_equal(exec_output(&(struct lab_spec){ .args = "[\"nope\"]" }, NULL),
			    "exec: \"nope\": executable file not found in $PATH");
	assert_int_equal(run.report.code, -ENOENT);
	assert_string_equal(exec_output(&(struct lab_spec){ .args = "[\"/etc/passwd\"]" }, NULL),
			    "exec: \"/etc/passwd\": permission denied");
	assert_int_equal(run.report.code, -EACCES);
	/* Only a new container's directory is made. */
	assert_string_equal(exec_output(&(struct lab_spec){ .cwd = "\"/not/there\"" }, NULL),
			    "chdir to cwd (\"/not/there\") set in config.json failed: no such file "
			    "or directory");
	/* An init that is gone. */
	kill(host.run.pid, SIGKILL);
	lab_wait(&host.run);
	assert_int_equal(lab_exec(host.spec, host.spec->process, &host.pins, host.run.pid, NULL,
				  &run, &e),
			 -ENOMEM);
	assert_non_null(strstr(e.text, "the container's init is gone"));
	host_down();
}

static void test_exec_terminal(void **state)
{
	struct lab_spec parts = { .process = ",\"terminal\":true",
				  .script = "tty; echo to stderr >&2" };
	struct error e = ERROR_INIT;
	char text[256] = "";
	size_t n = 0;
	Grpc__Spec *spec;
	ssize_t r;

	host_up(&(struct lab_spec){ .args = SLEEP });
	spec = lab_parse(&parts);
	assert_int_equal(
		lab_exec(host.spec, spec->process, &host.pins, host.run.pid, NULL, &run, &e), 0);
	assert_int_equal(run.report.type, CTR_READY);
	lab_start(&run);
	while ((r = read(run.master, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	assert_string_equal(text, "/dev/pts/0\r\nto stderr\r\n");
	lab_wait(&run);
	oci_spec_free(spec);
	host_down();
}

static void test_exec_string_user(void **state)
{
	Grpc__StringUser su = GRPC__STRING_USER__INIT;
	struct ctr_request rq = { .shared = CTR_SHARED_NS_NONE, .string_user = &su };

	su.uid = (char *)"user";
	host_up(&(struct lab_spec){ .args = SLEEP });
	assert_string_equal(exec_output(&(struct lab_spec){ .script = "id -G" }, &rq),
			    "1000 10 63\n");
	host_down();
}

/* The container's init moves to other namespaces; who executes there still gets the container. */
static void test_exec_after_swap(void **state)
{
	host_up(&(struct lab_spec){
		.top = ",\"hostname\":\"first\"",
		.caps = "\"CAP_SYS_ADMIN\",\"CAP_SYS_CHROOT\"",
		.script = "exec /bin/busybox unshare -m -u sh -c 'mount -t tmpfs none /etc; "
			  "hostname second; echo moved; exec sleep 1000'" });
	/* Wait for the move. */
	{
		struct pollfd p = { .fd = host.run.out, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 20000), 1);
	}
	assert_string_equal(exec_output(&(struct lab_spec){ .script = "hostname; ls /etc | wc -l",
							    .caps = "\"CAP_KILL\"" },
					NULL),
			    "first\n2\n");
	host_down();
	assert_string_equal(host.run.stdout_text, "moved\n");
}

static void test_exec_user_namespace(void **state)
{
	host_up(&(struct lab_spec){
		.args = SLEEP,
		.namespaces = "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":"
			      "\"mount\"},{\"type\":\"user\"}",
		.linux =
			",\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
			"\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]" });
	assert_string_equal(
		exec_output(&(struct lab_spec){ .script = "id -u; tr -s ' ' </proc/self/uid_map; "
							  "readlink /proc/1/exe" },
			    NULL),
		"0\n 0 100000 65536\n/bin/busybox\n");
	host_down();
}

/* A second container in the first one's pid, ipc, uts and network namespaces. */
static void shared_namespaces(const char *namespaces, const char *linux)
{
	struct lab_spec parts = { .namespaces = namespaces,
				  .linux = linux,
				  .script = "tr '\\0' ' ' </proc/1/cmdline; hostname; for n in ipc "
					    "uts net mnt; do readlink "
					    "/proc/self/ns/$n; done; id -u" };
	struct ctr_request rq = { .id = "caisson-unit-2" };
	char want[512], text[64];
	struct error e = ERROR_INIT;
	autodone(strv) lines = STRV_INIT;
	Grpc__Spec *spec;

	host_up(&(struct lab_spec){ .args = SLEEP, .top = ",\"hostname\":\"pod\"" });
	rq.shared = (struct ctr_shared_ns){ .ipc = host.pins.ns[NS_IPC],
					    .uts = host.pins.ns[NS_UTS],
					    .pid = host.pins.ns[NS_PID],
					    .net = host.pins.ns[NS_NET] };
	spec = lab_parse(&parts);
	if (lab_create(spec, &rq, &run, &e) < 0)
		fail_msg("%s", e.text);
	lab_start(&run);
	lab_wait(&run);
	assert_int_equal(ctr_cgroup_remove(rq.id), 0);
	strv_split(&lines, run.stdout_text, "\n");
	assert_int_equal(lines.n, 6);
	snprintf(want, sizeof(want), "/bin/busybox sleep 1000 pod");
	assert_string_equal(lines.v[0], want);
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "ipc", "uts", "net", "mnt" };

		snprintf(text, sizeof(text), "/proc/%d/ns/%s", (int)host.run.pid, names[i]);
		memset(want, 0, sizeof(want));
		assert_true(readlink(text, want, sizeof(want) - 1) > 0);
		assert_int_equal(str_eq(lines.v[i + 1], want), i < 3);
	}
	oci_spec_free(spec);
	host_down();
}

static void test_shared_namespaces(void **state)
{
	lab_need();
	shared_namespaces("{\"type\":\"mount\"},{\"type\":\"ipc\"}", NULL);
}

static void test_namespace_paths(void **state)
{
	struct lab_spec parts = { .script = "hostname; readlink /proc/self/ns/net" };
	char json[256], want[64] = "", path[64];
	struct error e = ERROR_INIT;
	Grpc__Spec *spec;
	struct ctr_request rq = { .id = "caisson-unit-2", .shared = CTR_SHARED_NS_NONE };

	host_up(&(struct lab_spec){ .args = SLEEP, .top = ",\"hostname\":\"pod\"" });
	snprintf(json, sizeof(json),
		 "{\"type\":\"mount\"},{\"type\":\"uts\",\"path\":\"/proc/%d/ns/uts\"},"
		 "{\"type\":\"network\",\"path\":\"/proc/%d/ns/net\"}",
		 (int)host.run.pid, (int)host.run.pid);
	parts.namespaces = json;
	spec = lab_parse(&parts);
	if (lab_create(spec, &rq, &run, &e) < 0)
		fail_msg("%s", e.text);
	lab_start(&run);
	lab_wait(&run);
	assert_int_equal(ctr_cgroup_remove(rq.id), 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)host.run.pid);
	assert_true(readlink(path, want, sizeof(want) - 1) > 0);
	assert_non_null(strstr(run.stdout_text, want));
	assert_non_null(strstr(run.stdout_text, "pod\n"));
	oci_spec_free(spec);
	host_down();
}

/* The clock of one container in another, by path, and in processes that are added to either. */
static void test_joined_time_namespace(void **state)
{
	struct lab_spec parts = {
		.script = "[ $(cut -d . -f 1 /proc/uptime) -gt 100000000 ] && echo shifted"
	};
	struct ctr_request rq = { .id = "caisson-unit-2", .shared = CTR_SHARED_NS_NONE };
	struct error e = ERROR_INIT;
	Grpc__Spec *spec;
	char json[128];

	host_up(&(struct lab_spec){
		.args = SLEEP,
		.namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"time\"}",
		.linux = ",\"timeOffsets\":{\"boottime\":{\"secs\":100000000}}" });
	assert_string_equal(exec_output(&parts, NULL), "shifted\n");
	snprintf(json, sizeof(json),
		 "{\"type\":\"mount\"},{\"type\":\"time\",\"path\":\"/proc/%d/ns/time\"}",
		 (int)host.run.pid);
	parts.namespaces = json;
	spec = lab_parse(&parts);
	if (lab_create(spec, &rq, &run, &e) < 0 || run.report.type != CTR_READY)
		fail_msg("%s %s", e.text, run.report.text);
	lab_start(&run);
	lab_wait(&run);
	assert_int_equal(ctr_cgroup_remove(rq.id), 0);
	assert_string_equal(run.stdout_text, "shifted\n");
	oci_spec_free(spec);
	host_down();
}

/* Set before the process is in its cgroup, and kept unless there is a final list. */
static void test_exec_cpus(void **state)
{
	static const char script[] = "grep Cpus_allowed_list /proc/self/status; tail -1 "
				     "/proc/self/cgroup";

	host_up(&(struct lab_spec){ .args = SLEEP });
	assert_string_equal(exec_output(&(struct lab_spec){ .process = ",\"execCPUAffinity\":{"
								       "\"initial\":\"1\"}",
							    .script = script },
					NULL),
			    "Cpus_allowed_list:\t1\n0::/\n");
	assert_string_equal(exec_output(&(struct lab_spec){ .process = ",\"execCPUAffinity\":{"
								       "\"initial\":\"1\","
								       "\"final\":\"0\"}",
							    .script = script },
					NULL),
			    "Cpus_allowed_list:\t0\n0::/\n");
	assert_non_null(strstr(exec_output(&(struct lab_spec){ .process = ",\"execCPUAffinity\":{"
									  "\"initial\":\"x\"}" },
					   NULL),
			       "bad CPU list"));
	host_down();
}

static void test_cgroup(void **state)
{
	struct error e = ERROR_INIT;
	Grpc__CgroupStats *st = NULL;
	autofree pid_t *pids = NULL;
	autofree char *file = NULL;
	size_t n = 0;

	host_up(&(struct lab_spec){ .args = SLEEP });
	file = ctr_cgroup_file(LAB_ID, "cgroup.events");
	assert_int_equal(access(file, R_OK), 0);
	assert_int_equal(ctr_cgroup_pids(LAB_ID, &pids, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], host.run.pid);
	assert_int_equal(ctr_cgroup_stats(LAB_ID, &st, &e), 0);
	assert_true(st->cpu_stats->cpu_usage->total_usage > 0);
	assert_non_null(st->memory_stats->usage);
	assert_true(protobuf_c_message_check(&st->base));
	protobuf_c_message_free_unpacked(&st->base, NULL);
	assert_int_equal(ctr_cgroup_frozen(LAB_ID), 0);
	assert_int_equal(ctr_cgroup_freeze(LAB_ID, true, &e), 0);
	for (int i = 0; ctr_cgroup_frozen(LAB_ID) == 0 && i < 1000; i++)
		poll(NULL, 0, 5);
	assert_int_equal(ctr_cgroup_frozen(LAB_ID), 1);
	assert_int_equal(ctr_cgroup_remove(LAB_ID), -EBUSY);
	/* Killed though frozen. */
	host_down();
	assert_int_equal(ctr_cgroup_stats(LAB_ID, &st, &e), -ENOENT);
	assert_int_equal(ctr_cgroup_kill(LAB_ID), 0);
	assert_int_equal(ctr_cgroup_remove(LAB_ID), 0);
}

/* As an init does that manages groups of its own: it moves down and hands the controllers on, which
 * bars the upper group to processes. */
static void test_nested_cgroup(void **state)
{
	autofree char *below = ctr_cgroup_file(LAB_ID, "a");
	struct error e = ERROR_INIT;

	host_up(&(struct lab_spec){ .args = SLEEP });
	assert_int_equal(mkdir(below, 0755), 0);
	assert_int_equal(cgroup_join(LAB_ID "/a", host.run.pid, &e), 0);
	assert_int_equal(cgroup_make(LAB_ID "/a", &e), 0);
	assert_int_equal(cgroup_join(LAB_ID, 0, &e), -EBUSY);
	assert_string_equal(
		exec_output(&(struct lab_spec){ .script = "cat /proc/self/cgroup | tail -1" },
			    NULL),
		"0::/a\n");
	host_down();
	assert_false(cgroup_exists(LAB_ID));
}

/* What the guest's kernel lacks is said by name; what is not asked for does not matter. */
static struct {
	Grpc__LinuxResources res;
	Grpc__LinuxPids pids;
	Grpc__LinuxMemory memory;
	Grpc__LinuxCPU cpu;
	Grpc__LinuxBlockIO io;
} limits;

static void limits_init(void)
{
	grpc__linux_resources__init(&limits.res);
	grpc__linux_pids__init(&limits.pids);
	grpc__linux_memory__init(&limits.memory);
	grpc__linux_cpu__init(&limits.cpu);
	grpc__linux_block_io__init(&limits.io);
}

/* After the update, or what it says without the controller. */
static void file_becomes(const char *controller, const char *file, const char *want,
			 const char *what)
{
	struct error e = ERROR_INIT;
	autofree char *text = NULL, *missing = NULL;
	int r = ctr_cgroup_update(LAB_ID, &limits.res, &e);

	if (!cgroup_has(LAB_ID, controller)) {
		missing = xasprintf("%s cannot be set: the guest has no %s", what, file);
		assert_int_equal(r, -EOPNOTSUPP);
		assert_string_equal(e.text, missing);
		return;
	}
	if (r < 0)
		fail_msg("%s", e.text);
	assert_int_equal(cgroup_read(LAB_ID, file, &text), 0);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, want);
}

static void memory_becomes(int64_t limit, int64_t swap, const char *want, const char *want_swap)
{
	autofree char *text = NULL;

	limits.memory.limit = limit;
	limits.memory.swap = swap;
	file_becomes("memory", "memory.max", want, "memory.limit");
	/* Not every kernel counts swap. */
	if (cgroup_read(LAB_ID, "memory.swap.max", &text) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, want_swap);
}

static void test_memory_limits(void **state)
{
	host_up(&(struct lab_spec){ .args = SLEEP });
	limits_init();
	limits.res.memory = &limits.memory;
	memory_becomes(64 << 20, 0, "67108864", "max");
	if (!cgroup_has(LAB_ID, "memory")) {
		host_down();
		return;
	}
	memory_becomes(64 << 20, 96 << 20, "67108864", "33554432");
	memory_becomes(64 << 20, 64 << 20, "67108864", "0");
	memory_becomes(0, 128 << 20, "67108864", "67108864");
	memory_becomes(32 << 20, -1, "33554432", "max");
	memory_becomes(-1, 0, "max", "max");
	limits.memory.limit = 0;
	limits.memory.reservation = 1 << 20;
	file_becomes("memory", "memory.low", "1048576", "memory.reservation");
	limits.memory.reservation = 0;
	limits.memory.checkbeforeupdate = true;
	limits.memory.limit = 4096;
	assert_int_equal(ctr_cgroup_update(LAB_ID, &limits.res, NULL), -EBUSY);
	host_down();
}

static void test_cpu_limits(void **state)
{
	host_up(&(struct lab_spec){ .args = SLEEP });
	limits_init();
	limits.res.cpu = &limits.cpu;
	limits.cpu.shares = 2;
	file_becomes("cpu", "cpu.weight", "1", "cpu.shares");
	limits.cpu.shares = 262144;
	file_becomes("cpu", "cpu.weight", "10000", "cpu.shares");
	limits.cpu.shares = 1024;
	file_becomes("cpu", "cpu.weight", "39", "cpu.shares");
	limits.cpu.shares = 0;
	limits.cpu.quota = 20000;
	file_becomes("cpu", "cpu.max", "20000 100000", "cpu.quota");
	limits.cpu.quota = 0;
	limits.cpu.period = 50000;
	file_becomes("cpu", "cpu.max", "20000 50000", "cpu.quota");
	limits.cpu.quota = -1;
	limits.cpu.period = 0;
	file_becomes("cpu", "cpu.max", "max 50000", "cpu.quota");
	limits.cpu.quota = 0;
	limits.cpu.has_idle_case = GRPC__LINUX_CPU__HAS_IDLE_IDLE;
	limits.cpu.idle = 1;
	file_becomes("cpu", "cpu.idle", "1", "cpu.idle");
	limits.cpu.has_idle_case = GRPC__LINUX_CPU__HAS_IDLE__NOT_SET;
	limits.cpu.cpus = (char *)"0";
	file_becomes("cpuset", "cpuset.cpus", "0", "cpu.cpus");
	limits.cpu.cpus = (char *)"";
	limits.cpu.realtimeruntime = 1;
	assert_int_equal(ctr_cgroup_update(LAB_ID, &limits.res, NULL), -EOPNOTSUPP);
	host_down();
}

static void test_other_limits(void **state)
{
	Caisson__StringEntry unified = CAISSON__STRING_ENTRY__INIT, *entries[] = { &unified };

	host_up(&(struct lab_spec){ .args = SLEEP });
	limits_init();
	assert_int_equal(ctr_cgroup_update(LAB_ID, &limits.res, NULL), 0);
	limits.res.pids = &limits.pids;
	limits.pids.limit = 17;
	file_becomes("pids", "pids.max", "17", "pids.limit");
	limits.pids.limit = -1;
	file_becomes("pids", "pids.max", "max", "pids.limit");
	limits.res.pids = NULL;
	limits.res.unified = entries;
	limits.res.n_unified = 1;
	unified.key = (char *)"memory.high";
	unified.value = (char *)"1048576";
	file_becomes("memory", "memory.high", "1048576", "memory.high");
	host_down();
}

static void test_cgroup_refusals(void **state)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
	Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT, *rules[] = { &rule };
	Caisson__StringEntry unified = CAISSON__STRING_ENTRY__INIT, *entries[] = { &unified };
	struct error e = ERROR_INIT;

	host_up(&(struct lab_spec){ .args = SLEEP });
	res.memory = &memory;
	memory.swappiness = 60;
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, &e), -EOPNOTSUPP);
	memory.swappiness = 0;
	memory.limit = 4096;
	memory.swap = 1024;
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, &e), -EINVAL);
	assert_string_equal(e.text, "memory.swap is below memory.limit");
	res.memory = NULL;
	res.unified = entries;
	res.n_unified = 1;
	unified.key = (char *)"../cgroup.procs";
	unified.value = (char *)"1";
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, &e), -EINVAL);
	unified.key = (char *)"cgroup.procs";
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, &e), -EINVAL);
	res.n_unified = 0;
	res.devices = rules;
	res.n_devices = 1;
	rule.type = (char *)"x";
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, &e), -EINVAL);
	rule.type = (char *)"c";
	rule.access = (char *)"rx";
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, &e), -EINVAL);
	host_down();
}

/* Rules can change while the container runs. */
static void test_device_update(void **state)
{
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT, *rules[] = { &rule };
	struct lab_spec open_fuse = {
		.script = "[ -e /data/f ] || mknod /data/f c 10 229; : </data/f && echo opened"
	};

	host_up(&(struct lab_spec){ .args = SLEEP });
	assert_string_equal(exec_output(&open_fuse, NULL), "");
	rule.allow = true;
	rule.type = (char *)"c";
	rule.major = 10;
	rule.minor = 229;
	rule.major_set = rule.minor_set = true;
	rule.access = (char *)"rw";
	res.devices = rules;
	res.n_devices = 1;
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, NULL), 0);
	if (access("/dev/fuse", F_OK) == 0)
		assert_string_equal(exec_output(&open_fuse, NULL), "opened\n");
	rule.allow = false;
	assert_int_equal(ctr_cgroup_update(LAB_ID, &res, NULL), 0);
	assert_string_equal(exec_output(&open_fuse, NULL), "");
	host_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exec_errors),
		cmocka_unit_test(test_exec_terminal),
		cmocka_unit_test(test_exec_string_user),
		cmocka_unit_test(test_exec_after_swap),
		cmocka_unit_test(test_exec_user_namespace),
		cmocka_unit_test(test_shared_namespaces),
		cmocka_unit_test(test_namespace_paths),
		cmocka_unit_test(test_joined_time_namespace),
		cmocka_unit_test(test_exec_cpus),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_nested_cgroup),
		cmocka_unit_test(test_memory_limits),
		cmocka_unit_test(test_cpu_limits),
		cmocka_unit_test(test_other_limits),
		cmocka_unit_test(test_cgroup_refusals),
		cmocka_unit_test(test_device_update),
	};

	return cmocka_run_group_tests(tests, lab_up, lab_down);
}
