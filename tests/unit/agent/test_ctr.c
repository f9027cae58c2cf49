/* SPDX-License-Identifier: Apache-2.0 */
/* What a container process finds around it, asked from inside. */
#include "ctrlab.h"

#include "base/fd.h"
#include "base/str.h"
#include "oci/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct lab_run run;

static void expect(const struct lab_spec *parts, const char *want)
{
	const char *got = lab_output(parts, &run);

	if (!str_eq(got, want))
		fail_msg("printed \"%s\" and \"%s\" instead of \"%s\"", got, run.stderr_text, want);
}

static void expect_in(const struct lab_spec *parts, const char *want)
{
	const char *got = lab_output(parts, &run);

	if (!strstr(got, want))
		fail_msg("printed \"%s\" and \"%s\" without \"%s\"", got, run.stderr_text, want);
}

static void refused(const struct lab_spec *parts, int code, const char *want)
{
	struct error e = ERROR_INIT;
	const char *text = lab_refusal(parts, &run, &e);

	if (!strstr(text, want))
		fail_msg("\"%s\" does not say \"%s\"", text, want);
	assert_int_equal(e.code, code);
}

static void test_namespaces(void **state)
{
	static const char *const names[] = { "pid", "ipc", "uts", "mnt", "net", "cgroup", "user" };
	struct lab_spec s = { .script = "echo $$; for n in pid ipc uts mnt net cgroup user; do "
					"readlink /proc/self/ns/$n; done" };
	autodone(strv) lines = STRV_INIT;

	lab_need();
	strv_split(&lines, lab_output(&s, &run), "\n");
	assert_int_equal(run.status, 0);
	assert_int_equal(lines.n, 1 + ARRAY_SIZE(names));
	assert_string_equal(lines.v[0], "1");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64], own[64] = "";

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		assert_true(readlink(path, own, sizeof(own) - 1) > 0);
		/* The user namespace was not asked for. */
		assert_int_equal(str_eq(own, lines.v[i + 1]), str_eq(names[i], "user"));
	}
}

static void test_cgroup_namespace(void **state)
{
	lab_need();
	expect_in(&(struct lab_spec){ .script = "cat /proc/self/cgroup" }, "0::/\n");
}

static void test_exit_status(void **state)
{
	lab_need();
	lab_output(&(struct lab_spec){ .script = "exit 77" }, &run);
	assert_int_equal(run.status, 77);
	/* Not by a signal from inside: pid 1 of a namespace does not take those. */
	lab_output(&(struct lab_spec){ .script = "(kill -9 $$); sleep 0; exit 3" }, &run);
	assert_int_equal(run.status, 3);
}

static void test_root(void **state)
{
	lab_need();
	expect(&(struct lab_spec){ .script = "ls -d /data /work 2>/dev/null; ls / | head -3; grep "
					     "-c . /proc/self/mounts; "
					     "awk '$2 == \"/\"' /proc/self/mounts | wc -l" },
	       "/data\nbin\nclosed\ndata\n4\n1\n");
	expect(&(struct lab_spec){ .readonly = true,
				   .script = "touch /new 2>&1; touch /dev/new && echo made" },
	       "touch: /new: Read-only file system\nmade\n");
}

static void test_dev(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.linux =
				",\"devices\":[{\"path\":\"/dev/"
				"fuse\",\"type\":\"c\",\"major\":10,\"minor\":229,\"fileMode\":432,"
				"\"uid\":7,\"gid\":8},{\"path\":\"/dev/net/pipe\",\"type\":\"p\"}]",
			.script = "cd /dev; stat -c '%n %t:%T %a' null zero full random urandom "
				  "tty; stat -c '%n %t:%T %a %u:%g' "
				  "fuse; [ -p net/pipe ] && echo pipe; for l in fd stdin stdout "
				  "stderr ptmx; do readlink $l; done; "
				  "echo x >null; head -c 2 zero | wc -c" },
		"null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\ntty "
		"5:0 666\nfuse a:e5 660 7:8\npipe\n"
		"/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n2\n");
}

static void test_device_rules(void **state)
{
	lab_need();
	/* full is one of the usual ones, mem is not. */
	expect(&(struct lab_spec){ .script = "mknod /tmp/mem c 1 1 && echo made; cat /tmp/mem 2>&1 "
					     "| head -c 100; "
					     "head -c 1 /dev/full | wc -c; rm /tmp/mem",
				   .linux = ",\"resources\":{\"devices\":[{\"allow\":false,"
					    "\"access\":\"rwm\"}]}" },
	       "made\ncat: can't open '/tmp/mem': Operation not permitted\n1\n");
	expect(
		&(struct lab_spec){
			.script = "mknod /tmp/kmsg c 1 11; : </tmp/kmsg && echo opened; (: "
				  ">/tmp/kmsg) 2>/dev/null || "
				  "echo not for writing; rm /tmp/kmsg",
			.caps = "\"CAP_MKNOD\",\"CAP_SYSLOG\"",
			.linux =
				",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
				"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,"
				"\"access\":\"r\"}]}" },
		"opened\nnot for writing\n");
}

static void test_hidden_paths(void **state)
{
	lab_need();
	expect(&(struct lab_spec){ .linux =
					   ",\"maskedPaths\":[\"/proc/kallsyms\",\"/proc/scsi\",\"/"
					   "data\",\"/bin\",\"/none\",\"/etc/passwd/x\"],"
					   "\"readonlyPaths\":[\"/proc/sys\",\"/etc\",\"/none\"]",
				   .args = "[\"/home/busybox\",\"sh\",\"-c\",\"exec 2>&1; wc -c "
					   "</proc/kallsyms; ls -A /data /bin; >/data/x; "
					   ">/etc/x; echo 1 >/proc/sys/kernel/panic; cat "
					   "/etc/passwd | wc -l\"]",
				   .mounts = ",{\"destination\":\"/home\",\"source\":\"/"
					     "bin\",\"type\":\"bind\",\"options\":[\"bind\"]}" },
	       "0\n/bin:\n\n/data:\nsh: can't create /data/x: Read-only file system\n"
	       "sh: can't create /etc/x: Read-only file system\n"
	       "sh: can't create /proc/sys/kernel/panic: Read-only file system\n3\n");
}

static void test_mount_options(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.mounts = ",{\"destination\":\"/made/"
				  "here\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":["
				  "\"size=64k\","
				  "\"mode=1700\",\"noexec\",\"nosuid\",\"nodev\",\"ro\"]},"
				  "{\"destination\":\"/made/here/"
				  "in\",\"type\":\"bind\",\"source\":\"rootfs/"
				  "data\",\"options\":[\"rbind\","
				  "\"ro\",\"noatime\"]},"
				  "{\"destination\":\"/made/file\",\"source\":\"/etc/"
				  "hosts\",\"options\":[\"bind\"]}",
			.script = "awk '$2 ~ /made.here/ { print $2, $4 }' /proc/self/mounts | sed "
				  "'s/,mode=755//;s/,inode64//'; cat /made/here/in/old; "
				  "(>/made/here/in/x) 2>&1; (>/made/here/x) 2>&1; [ -f /made/file "
				  "] && echo file; "
				  "umount /made/here 2>/dev/null || echo kept" },
		"/made/here ro,nosuid,nodev,noexec,relatime,size=64k,mode=1700\n"
		"/made/here/in ro,noatime\nold\n"
		"/bin/sh: can't create /made/here/in/x: Read-only file system\n"
		"/bin/sh: can't create /made/here/x: Read-only file system\nfile\nkept\n");
}

static void test_tmpcopyup(void **state)
{
	lab_need();
	assert_int_equal(mkdir(lab_root("/data/deep"), 0751), 0);
	assert_int_equal(symlink("../old", lab_root("/data/deep/link")), 0);
	expect(
		&(struct lab_spec){
			.mounts = ",{\"destination\":\"/"
				  "data\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":["
				  "\"tmpcopyup\"]}",
			.script = "cd /data; cat old deep/link; stat -c '%a %n' . old deep; echo "
				  "new >old" },
		"old\nold\n755 .\n640 old\n751 deep\n");
	expect(&(struct lab_spec){ .script = "cat /data/old" }, "old\n");
}

/* What the image puts in the way of a mount must not lead out of it. */
static void test_hostile_links(void **state)
{
	autofree char *outside = xasprintf("%s/outside", lab_dir()), *link = NULL, *inside = NULL,
		      *want = NULL;

	lab_need();
	assert_int_equal(mkdir(outside, 0755), 0);
	link = xasprintf("%s/deeper", outside);
	assert_int_equal(symlink(outside, lab_root("/out")), 0);
	assert_int_equal(symlink(link, lab_root("/dangling")), 0);
	assert_int_equal(symlink("../../../../../../../etc", lab_root("/up")), 0);
	assert_int_equal(symlink("/loop", lab_root("/loop")), 0);
	want = xasprintf("%s/work\n%s/a\n%s/deeper/b\n/etc/new\n/escaped\n", outside, outside,
			 outside);
	expect(
		&(struct lab_spec){
			.mounts = ",{\"destination\":\"/out/"
				  "a\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
				  "{\"destination\":\"/dangling/"
				  "b\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
				  "{\"destination\":\"/up/new\",\"type\":\"bind\",\"source\":\"/"
				  "etc/hosts\",\"options\":[\"bind\"]},"
				  "{\"destination\":\"/../../"
				  "escaped\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}",
			.cwd = "\"/out/work\"",
			.script = "pwd; awk '$2 ~ /outside|up|etc|escaped/ { print $2 }' "
				  "/proc/self/mounts" },
		want);
	/* The real one outside is as empty as before; what was made lies in the rootfs. */
	assert_int_equal(rmdir(outside), 0);
	inside = xstrdup(lab_root(link));
	assert_int_equal(access(inside, F_OK), 0);
	assert_int_equal(access("/etc/new", F_OK), -1);
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/"
					      "loop\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}" },
		-ELOOP, "at \"/loop\"");
}

static void test_proc_is_guarded(void **state)
{
	lab_need();
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/proc/self/"
					      "attr\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}" },
		-EPERM, "inside /proc");
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/"
					      "proc\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}" },
		-EPERM, "only a proc");
	assert_int_equal(symlink("/proc/sys", lab_root("/innocent")), 0);
	refused(&(struct lab_spec){ .mounts =
					    ",{\"destination\":\"/"
					    "innocent\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}" },
		-EPERM, "/proc/sys cannot be mounted over");
	assert_int_equal(symlink("/data", lab_root("/linked")), 0);
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/"
					      "linked\",\"type\":\"proc\",\"source\":\"proc\"}" },
		-EINVAL, "filesystem \"proc\" must be mounted on an ordinary directory");
	expect(&(struct lab_spec){ .mounts =
					   ",{\"destination\":\"/proc/uptime\",\"source\":\"rootfs/"
					   "data/old\",\"options\":[\"bind\"]}",
				   .script = "cat /proc/uptime" },
	       "old\n");
}

static void test_mount_errors(void **state)
{
	lab_need();
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/"
					      "x\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":"
					      "[\"size=much\"]}" },
		-EINVAL, "mount \"t\" to rootfs at \"/x\": ");
	refused(
		&(struct lab_spec){
			.mounts = ",{\"destination\":\"/x\",\"type\":\"nofs\",\"source\":\"t\"}" },
		-ENODEV, "file system \"nofs\" is not supported");
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/x\",\"source\":\"/not/"
					      "there\",\"options\":[\"bind\"]}" },
		-ENOENT, "mount \"/not/there\"");
	refused(&(struct lab_spec){ .mounts = ",{\"destination\":\"/data/old\",\"source\":\"/"
					      "etc\",\"options\":[\"bind\"]}" },
		-ENOTDIR, "not a directory");
}

static void test_capabilities(void **state)
{
	lab_need();
	expect(&(struct lab_spec){ .caps = "\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"",
				   .script = "grep Cap /proc/self/status | tr -d '\\t'" },
	       "CapInh:0000000000000000\nCapPrm:0000000000000420\nCapEff:0000000000000420\nCapBnd:"
	       "0000000000000420\n"
	       "CapAmb:0000000000000000\n");
	expect(
		&(struct lab_spec){
			.user = "{\"uid\":1000,\"gid\":1000}",
			.script = "grep Cap /proc/self/status | cut -c 9- | tr '\\n' ' '" },
		"0000000000000000 0000000000000000 0000000000000000 00000000080000e3 "
		"0000000000000000 ");
	/* What nobody knows cannot be granted; the rest is. */
	expect(&(struct lab_spec){ .caps = "\"CAP_MADE_UP\",\"CAP_KILL\"",
				   .script = "grep CapEff /proc/self/status | cut -f 2" },
	       "0000000000000020\n");
}

static void test_ambient(void **state)
{
	struct lab_spec parts = { .user = "{\"uid\":1000,\"gid\":1000}",
				  .caps = "\"CAP_KILL\"",
				  .script =
					  "grep Cap /proc/self/status | cut -c 9- | tr '\\n' ' '" };
	char *names[] = { (char *)"CAP_KILL" };
	struct error e = ERROR_INIT;
	Grpc__Spec *spec;
	Grpc__LinuxCapabilities *c;

	lab_need();
	spec = lab_parse(&parts);
	c = spec->process->capabilities;
	c->n_inheritable = c->n_ambient = 1;
	c->inheritable = c->ambient = names;
	if (lab_create(spec, NULL, &run, &e) < 0)
		fail_msg("%s", e.text);
	lab_start(&run);
	lab_finish(&run);
	assert_string_equal(run.stdout_text, "0000000000000020 0000000000000020 0000000000000020 "
					     "0000000000000020 0000000000000020 ");
	c->n_inheritable = c->n_ambient = 0;
	c->inheritable = c->ambient = NULL;
	oci_spec_free(spec);
}

static void test_user(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.user = "{\"uid\":1000,\"gid\":100,\"additionalGids\":[5,6],\"umask\":63}",
			.script = "id -u; id -g; id -G; umask; echo $HOME; stat -c %u "
				  "/proc/self/fd/1 -L" },
		"1000\n100\n100 5 6\n0077\n/home/user\n1000\n");
	expect(&(struct lab_spec){ .script = "umask; echo $HOME" }, "0022\n/root\n");
	expect(&(struct lab_spec){ .user = "{\"uid\":4321,\"gid\":0}", .script = "echo $HOME" },
	       "/\n");
	expect(&(struct lab_spec){ .env = "[\"PATH=/bin\",\"HOME=/mine\",\"A=1\",\"A=2\"]",
				   .script = "echo $HOME $A" },
	       "/mine 2\n");
}

static void string_user(const char *uid, const char *gid, const char *want)
{
	struct lab_spec parts = { .script = "echo $(id -u) $(id -g) $(id -G)" };
	Grpc__StringUser su = GRPC__STRING_USER__INIT;
	struct ctr_request rq = { .shared = CTR_SHARED_NS_NONE, .string_user = &su };
	Grpc__Spec *spec = lab_parse(&parts);
	struct error e = ERROR_INIT;

	su.uid = xstrdup(uid);
	su.gid = xstrdup(gid);
	if (lab_create(spec, &rq, &run, &e) < 0)
		fail_msg("%s", e.text);
	if (run.report.type == CTR_READY)
		lab_start(&run);
	lab_finish(&run);
	assert_string_equal(run.report.type == CTR_ERROR ? run.report.text : run.stdout_text, want);
	free(su.uid);
	free(su.gid);
	oci_spec_free(spec);
}

static void test_string_user(void **state)
{
	lab_need();
	string_user("user", "", "1000 1000 1000 10 63\n");
	string_user("1000", "audio", "1000 63 63\n");
	string_user("4711", "", "4711 0 0\n");
	string_user("nobody", "", "no user \"nobody\" in the container's /etc/passwd");
	string_user("root", "none", "no group \"none\" in the container's /etc/group");
}

static void test_limits_and_scores(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.process = ",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":33,\"hard\":"
				   "44},"
				   "{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0}],"
				   "\"oomScoreAdj\":321",
			.script =
				"ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj" },
		"33\n44\n0\n321\n");
	refused(
		&(struct lab_spec){
			.process =
				",\"rlimits\":[{\"type\":\"RLIMIT_FUN\",\"soft\":1,\"hard\":1}]" },
		-EINVAL, "unknown rlimit \"RLIMIT_FUN\"");
}

static void test_priorities(void **state)
{
	lab_need();
	expect(&(struct lab_spec){ .process = ",\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":"
					      "5},\"ioPriority\":{\"class\":"
					      "\"IOPRIO_CLASS_IDLE\",\"priority\":7}",
				   .linux = ",\"personality\":{\"domain\":\"LINUX32\"}",
				   .script = "cut -d ' ' -f 19,41 /proc/self/stat; ionice -p 1 | "
					     "cut -c 1-4; uname -m" },
	       "5 3\nidle\ni686\n");
	refused(&(struct lab_spec){ .process = ",\"scheduler\":{\"policy\":\"SCHED_FAST\"}" },
		-EINVAL, "SCHED_FAST");
}

static void test_names_and_sysctls(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.top = ",\"hostname\":\"box\",\"domainname\":\"dom\"",
			.linux = ",\"sysctl\":{\"net.ipv4.ip_forward\":\"1\",\"kernel.shmmax\":"
				 "\"4096\",\"net/ipv4/ip_default_ttl\":\"17\"}",
			.script = "hostname; cat /proc/sys/kernel/domainname "
				  "/proc/sys/net/ipv4/ip_forward "
				  "/proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_default_ttl; ip "
				  "link show lo | grep -c UP,LOWER_UP" },
		"box\ndom\n1\n4096\n17\n1\n");
	refused(&(struct lab_spec){ .linux = ",\"sysctl\":{\"kernel.no.such\":\"1\"}" }, -ENOENT,
		"sysctl kernel.no.such");
	refused(&(struct lab_spec){ .top = ",\"hostname\":\"box\"",
				    .namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"}" },
		-EINVAL, "uts namespace");
}

static void test_working_directory(void **state)
{
	lab_need();
	expect(&(struct lab_spec){ .cwd = "\"/made/by/us\"", .script = "pwd" }, "/made/by/us\n");
	/* A user that may not enter a directory of root's gets into it all the same, as with runc.
	 */
	expect(&(struct lab_spec){ .cwd = "\"/closed\"",
				   .user = "{\"uid\":1000,\"gid\":1000}",
				   .script = "pwd" },
	       "/closed\n");
	refused(&(struct lab_spec){ .cwd = "\"/data/old\"" }, -ENOTDIR, "working directory");
	refused(&(struct lab_spec){ .cwd = "\"/proc/self/fd/3\"" }, -ELOOP, "/proc/self/fd/3");
}

static void test_new_privileges(void **state)
{
	lab_need();
	expect(&(struct lab_spec){ .script = "grep NoNewPrivs /proc/self/status" },
	       "NoNewPrivs:\t0\n");
	expect(&(struct lab_spec){ .process = ",\"noNewPrivileges\":true",
				   .script = "grep NoNewPrivs /proc/self/status" },
	       "NoNewPrivs:\t1\n");
}

#define SECCOMP(rules) \
	",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rules "]}"

static void test_seccomp(void **state)
{
	static const char script[] = "exec 2>&1; grep Seccomp: /proc/self/status; mkdir /data/d; "
				     "mknod /data/n p; echo alive";

	lab_need();
	for (int nnp = 0; nnp < 2; nnp++) {
		expect(&(struct lab_spec){ .process = nnp ? ",\"noNewPrivileges\":true" : "",
					   .linux = SECCOMP(
						   "{\"names\":[\"mkdir\",\"mkdirat\",\"no_such_"
						   "call\"],\"action\":\"SCMP_ACT_ERRNO\","
						   "\"errnoRet\":18},{\"names\":[\"mknod\","
						   "\"mknodat\"],\"action\":\"SCMP_ACT_ERRNO\"}"),
					   .script = script },
		       "Seccomp:\t2\nmkdir: can't create directory '/data/d': Invalid cross-device "
		       "link\n"
		       "mknod: /data/n: Operation not permitted\nalive\n");
	}
	/* What the set-up needs last is not what the profile must allow. */
	expect(&(struct lab_spec){ .process = ",\"noNewPrivileges\":true",
				   .linux = SECCOMP("{\"names\":[\"setresuid\",\"capset\","
						    "\"recvfrom\",\"setgroups\",\"fchdir\"],"
						    "\"action\":\"SCMP_ACT_KILL_PROCESS\"}"),
				   .script = "echo alive" },
	       "alive\n");
}

static void test_seccomp_arguments(void **state)
{
	lab_need();
	/* sethostname's length: 3 and 5 are alternatives, since they concern one argument. */
	expect(&(struct lab_spec){ .caps = "\"CAP_SYS_ADMIN\"",
				   .linux = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
					    "\"architectures\":[\"SCMP_ARCH_X86_64\","
					    "\"SCMP_ARCH_X86\"],\"flags\":[\"SECCOMP_FILTER_FLAG_"
					    "LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],"
					    "\"syscalls\":[{\"names\":[\"sethostname\"],\"action\":"
					    "\"SCMP_ACT_ERRNO\",\"args\":["
					    "{\"index\":1,\"value\":3,\"op\":\"SCMP_CMP_EQ\"},{"
					    "\"index\":1,\"value\":5,\"op\":"
					    "\"SCMP_CMP_EQ\"}]}]}",
				   .script = "for h in abc abcd abcde; do hostname $h 2>/dev/null "
					     "&& hostname; done" },
	       "abcd\n");
	refused(&(struct lab_spec){ .linux = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_SING\"}" },
		-EINVAL, "unsupported action \"SCMP_ACT_SING\"");
	refused(
		&(struct lab_spec){
			.linux =
				SECCOMP("{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}") },
		-EINVAL, "SCMP_ACT_NOTIFY needs a listenerPath");
	refused(
		&(struct lab_spec){
			.linux = ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}" },
		-EINVAL, "cannot be the default");
	refused(&(struct lab_spec){ .linux = SECCOMP("{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_"
						     "ERRNO\",\"args\":[{\"index\":6,"
						     "\"op\":\"SCMP_CMP_EQ\"}]}") },
		-EINVAL, "argument index 6");
}

/* Takes the listener from the socket and refuses the first call it tells of. */
static void supervise(int listen_fd, char *state, size_t size)
{
	struct seccomp_notif ask = { 0 };
	struct seccomp_notif_resp answer = { 0 };
	autoclose int conn = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	autoclose int listener = -1;
	size_t nfds = 1;
	ssize_t n;

	assert_true(conn >= 0);
	n = fd_recv(conn, state, size - 1, &listener, &nfds);
	assert_true(n > 0);
	assert_int_equal(nfds, 1);
	state[n] = '\0';
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask), 0);
	answer.id = ask.id;
	answer.error = -EXFULL;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
}

static void test_seccomp_supervisor(void **state)
{
	autofree char *path = NULL, *linux = NULL, *pid = NULL;
	struct error e = ERROR_INIT;
	char text[4096] = "";

	lab_need();
	path = xasprintf("%s/supervisor", lab_dir());
	linux = xasprintf(",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":["
			  "\"SECCOMP_FILTER_FLAG_TSYNC\"],\"listenerPath\":\"%s\","
			  "\"listenerMetadata\":\"who\",\"syscalls\":[{\"names\":[\"mkdir\","
			  "\"mkdirat\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
			  path);
	refused(&(struct lab_spec){ .linux = linux }, -ENOENT, "listenerPath");
	for (int nnp = 0; nnp < 2; nnp++) {
		struct lab_spec parts = { .process = nnp ? ",\"noNewPrivileges\":true" : "",
					  .linux = linux,
					  .script = "mkdir /data/d 2>&1; ls -l /proc/self/fd | "
						    "grep -c seccomp" };
		Grpc__Spec *spec = lab_parse(&parts);
		autoclose int listen_fd = unix_listen(path, SOCK_STREAM, 0600);

		if (lab_create(spec, NULL, &run, &e) < 0 || run.report.type != CTR_READY)
			fail_msg("%s %s", e.text, run.report.text);
		lab_start(&run);
		supervise(listen_fd, text, sizeof(text));
		free(pid);
		pid = xasprintf("\"pid\":%d,\"metadata\":\"who\"", (int)run.pid);
		lab_finish(&run);
		assert_string_equal(run.stdout_text,
				    "mkdir: can't create directory '/data/d': Exchange full\n0\n");
		assert_non_null(strstr(text, "\"fds\":[\"seccompFd\"]"));
		assert_non_null(strstr(text, pid));
		assert_non_null(strstr(text, "\"status\":\"creating\""));
		oci_spec_free(spec);
	}
	unlink(path);
}

/* Engines tell 126 from 127 by these words. */
static void test_command_errors(void **state)
{
	static const struct {
		const char *args, *text;
		int code;
	} cases[] = {
		{ "[\"foo\"]", "exec: \"foo\": executable file not found in $PATH", -ENOENT },
		{ "[\"plain\"]", "exec: \"plain\": executable file not found in $PATH", -ENOENT },
		{ "[\"/foo\"]", "exec: \"/foo\": stat /foo: no such file or directory", -ENOENT },
		{ "[\"./bin/foo\"]",
		  "exec: \"./bin/foo\": stat ./bin/foo: no such file or directory", -ENOENT },
		{ "[\"/bin/plain\"]", "exec: \"/bin/plain\": permission denied", -EACCES },
		{ "[\"/bin\"]", "exec: \"/bin\": is a directory", -EISDIR },
		{ "[\"/bin/sh/x\"]", "exec: \"/bin/sh/x\": stat /bin/sh/x: not a directory",
		  -ENOTDIR },
	};

	lab_need();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error e = ERROR_INIT;

		assert_string_equal(lab_refusal(&(struct lab_spec){ .args = cases[i].args }, &run,
						&e),
				    cases[i].text);
		assert_int_equal(e.code, cases[i].code);
	}
}

/* What only execve finds out comes after the release. */
static void test_exec_error(void **state)
{
	struct lab_spec parts = { .args = "[\"/bin/text\"]" };
	struct error e = ERROR_INIT;
	Grpc__Spec *spec;

	lab_need();
	spec = lab_parse(&parts);
	assert_int_equal(lab_create(spec, NULL, &run, &e), 0);
	assert_int_equal(run.report.type, CTR_READY);
	lab_start(&run);
	assert_int_equal(run.report.type, CTR_ERROR);
	assert_int_equal(run.report.code, -ENOEXEC);
	assert_string_equal(run.report.text, "exec /bin/text: exec format error");
	lab_finish(&run);
	oci_spec_free(spec);
}

static void test_refusals(void **state)
{
	lab_need();
	refused(&(struct lab_spec){ .process = ",\"selinuxLabel\":\"a:b:c\"" }, -EOPNOTSUPP,
		"SELinux");
	refused(&(struct lab_spec){ .namespaces = "{\"type\":\"mount\"},{\"type\":\"mount\"}" },
		-EINVAL, "listed twice");
	refused(&(struct lab_spec){ .namespaces = "{\"type\":\"mount\"},{\"type\":\"ipc\",\"path\":"
						  "\"/proc/self/ns/net\"}" },
		-EINVAL, "/proc/self/ns/net is not a ipc namespace");
	refused(
		&(struct lab_spec){
			.namespaces =
				"{\"type\":\"mount\"},{\"type\":\"ipc\",\"path\":\"/etc/hosts\"}" },
		-EINVAL, "is not a namespace");
	refused(&(struct lab_spec){ .linux = ",\"cgroupsPath\":\"/a/../../b\"" }, -EINVAL,
		"bad part \"..\"");
	refused(&(struct lab_spec){ .linux = ",\"rootfsPropagation\":\"sideways\"" }, -EINVAL,
		"rootfsPropagation");
	expect(&(struct lab_spec){ .process = ",\"apparmorProfile\":\"strict\"",
				   .script = "echo ok" },
	       "ok\n");
}

/* Nothing of the agent's comes along: neither descriptors nor its program. */
static void test_no_leaks(void **state)
{
	int leak = open("/etc/hosts", O_RDONLY); /* on purpose without O_CLOEXEC */

	lab_need();
	expect(&(struct lab_spec){ .script = "ls /proc/self/fd | wc -l; readlink /proc/1/exe; tr "
					     "'\\0' ' ' </proc/1/environ; "
					     "grep -c . /proc/self/mountinfo" },
	       "4\n/bin/busybox\nPATH=/bin HOME=/root 4\n");
	expect(&(struct lab_spec){ .args = "[\"/bin/busybox\",\"grep\",\"-E\",\"Sig(Blk|Ign)\",\"/"
					   "proc/self/status\"]" },
	       "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	close(leak);
}

static void test_terminal(void **state)
{
	struct lab_spec parts = {
		.process = ",\"terminal\":true,\"consoleSize\":{\"height\":33,\"width\":77}",
		.script = "tty; stty size; test -c /dev/console && echo console; [ -t 2 ] && read "
			  "x && echo got $x",
		.user = "{\"uid\":1000,\"gid\":1000}"
	};
	struct error e = ERROR_INIT;
	char text[512] = "";
	size_t n = 0;
	Grpc__Spec *spec;
	ssize_t r, written = 0;

	lab_need();
	spec = lab_parse(&parts);
	if (lab_create(spec, NULL, &run, &e) < 0 || run.report.type != CTR_READY)
		fail_msg("%s%s", e.text, run.report.text);
	assert_true(run.master >= 0);
	lab_start(&run);
	/* EIO: the last process has closed it. */
	while ((r = read(run.master, text + n, sizeof(text) - 1 - n)) > 0) {
		/* Not before, or the echo stands anywhere. */
		if (!written && strstr(text, "console\r\n"))
			written = write(run.master, "hello\n", 6);
		n += (size_t)r;
	}
	assert_int_equal(written, 6);
	lab_finish(&run);
	assert_non_null(strstr(text, "/dev/pts/0\r\n33 77\r\nconsole\r\n"));
	assert_non_null(strstr(text, "got hello\r\n"));
	oci_spec_free(spec);
	refused(&(struct lab_spec){ .process = ",\"terminal\":true",
				    .mounts = ",{\"destination\":\"/dev/"
					      "pts\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}" },
		-ENOENT, "terminal: the container's /dev/pts/ptmx");
	refused(&(struct lab_spec){ .process = ",\"terminal\":true",
				    .mounts = ",{\"destination\":\"/dev/pts/ptmx\",\"source\":\"/"
					      "dev/null\",\"options\":[\"bind\"]}" },
		-EINVAL, "is not that of a devpts");
}

/* A container that is abandoned before its release ends by itself. */
static void test_abandoned(void **state)
{
	struct lab_spec parts = { .script = "echo never" };
	struct error e = ERROR_INIT;
	Grpc__Spec *spec;

	lab_need();
	spec = lab_parse(&parts);
	assert_int_equal(lab_create(spec, NULL, &run, &e), 0);
	assert_int_equal(run.report.type, CTR_READY);
	lab_finish(&run);
	assert_int_equal(run.status, 1);
	assert_string_equal(run.stdout_text, "");
	oci_spec_free(spec);
}

static void test_hooks(void **state)
{
	autofree char *file = xstrdup(lab_root("/data/hook")), *top = NULL;

	lab_need();
	/* createContainer: in the container's namespaces, but before its root is entered. */
	top = xasprintf(
		",\"hostname\":\"late\",\"hooks\":{\"createContainer\":[{\"path\":\"/bin/"
		"sh\",\"args\":[\"sh\",\"-c\","
		"\"(readlink /proc/self/ns/net; cat) >%s\"],\"env\":[\"PATH=/bin:/usr/bin\"]}],"
		"\"startContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"hostname "
		">/data/started\"]}]}",
		file);
	expect(
		&(struct lab_spec){
			.top = top,
			.script = "[ \"$(head -1 /data/hook)\" = \"$(readlink /proc/self/ns/net)\" "
				  "] && echo same; cat /data/started; "
				  "grep -c '\"status\":\"creating\"' /data/hook",
			.caps = "\"CAP_DAC_OVERRIDE\"" },
		"same\nlate\n1\n");
	refused(&(struct lab_spec){ .top = ",\"hooks\":{\"createContainer\":[{\"path\":\"/bin/"
					   "sh\",\"args\":[\"sh\",\"-c\",\"echo why; "
					   "exit 3\"]}]}" },
		-EIO, "why");
}

static const char user_namespace[] =
	"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":"
	"\"network\"},{\"type\":\"cgroup\"},"
	"{\"type\":\"user\"}";
#define USER_MAPS                                                                  \
	",\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]"

static void test_user_namespace(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.namespaces = user_namespace,
			.linux = USER_MAPS
			",\"maskedPaths\":[\"/proc/kallsyms\"],\"readonlyPaths\":[\"/proc/sys\"]",
			.mounts = ",{\"destination\":\"/"
				  "sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":["
				  "\"ro\"]}",
			.top = ",\"hostname\":\"mapped\"",
			.process = ",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":100,"
				   "\"hard\":200}],\"terminal\":false",
			.script = "id -u; tr -s ' ' </proc/self/uid_map; stat -c '%u %t:%T' "
				  "/dev/null; echo x >/dev/null && hostname; "
				  "ulimit -Hn; (>/etc/new) 2>&1; wc -c </proc/kallsyms; ls "
				  "/sys/kernel | grep -c notes" },
		"0\n 0 100000 65536\n65534 1:3\nmapped\n200\n/bin/sh: can't create /etc/new: "
		"Permission denied\n0\n1\n");
}

/* Root's files become those of 1000, where the file system can (tmpfs: Linux 6.3). */
static void test_mapped_mount(void **state)
{
	struct lab_spec parts = {
		.mounts = ",{\"destination\":\"/mapped\",\"source\":\"rootfs/"
			  "data\",\"options\":[\"bind\"],"
			  "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
			  "\"gidMappings\":[{\"containerID\":0,\"hostID\":2000,\"size\":1}]}",
		.script = "stat -c %u:%g /mapped/old /data/old"
	};
	struct error e = ERROR_INIT;
	Grpc__Spec *spec;

	lab_need();
	spec = lab_parse(&parts);
	assert_int_equal(lab_create(spec, NULL, &run, &e), 0);
	if (run.report.type == CTR_READY) {
		lab_start(&run);
		lab_finish(&run);
		assert_string_equal(run.stdout_text, "1000:2000\n0:0\n");
	} else {
		lab_finish(&run);
		assert_int_equal(run.report.code, -EINVAL);
		assert_non_null(strstr(run.report.text, "map the mount's ids"));
	}
	oci_spec_free(spec);
}

static void test_time_namespace(void **state)
{
	lab_need();
	expect(
		&(struct lab_spec){
			.namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"time\"}",
			.linux = ",\"timeOffsets\":{\"boottime\":{\"secs\":100000000}}",
			.script =
				"[ $(cut -d . -f 1 /proc/uptime) -gt 100000000 ] && echo shifted" },
		"shifted\n");
	refused(&(struct lab_spec){ .linux = ",\"timeOffsets\":{\"boottime\":{\"secs\":1}}" },
		-EINVAL, "time offsets need a new time namespace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_cgroup_namespace),
		cmocka_unit_test(test_exit_status),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_dev),
		cmocka_unit_test(test_device_rules),
		cmocka_unit_test(test_hidden_paths),
		cmocka_unit_test(test_mount_options),
		cmocka_unit_test(test_tmpcopyup),
		cmocka_unit_test(test_hostile_links),
		cmocka_unit_test(test_proc_is_guarded),
		cmocka_unit_test(test_mount_errors),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_ambient),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_string_user),
		cmocka_unit_test(test_limits_and_scores),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_names_and_sysctls),
		cmocka_unit_test(test_working_directory),
		cmocka_unit_test(test_new_privileges),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_seccomp_arguments),
		cmocka_unit_test(test_seccomp_supervisor),
		cmocka_unit_test(test_command_errors),
		cmocka_unit_test(test_exec_error),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_leaks),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_mapped_mount),
		cmocka_unit_test(test_time_namespace),
	};

	return cmocka_run_group_tests(tests, lab_up, lab_down);
}
