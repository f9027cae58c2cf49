/* SPDX-License-Identifier: Apache-2.0 */
/* ctrlab - see ctrlab.h. */
#include "ctrlab.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "oci/oci.h"
#include "sys/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define TIMEOUT_MS 20000

static char dir[64];
static const char *missing;

const char *lab_dir(void)
{
	return dir;
}

const char *lab_root(const char *path)
{
	static char full[4096];

	snprintf(full, sizeof(full), "%s/rootfs%s", dir, path);
	return full;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(lab_root(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static void make_rootfs(void)
{
	static const char *const dirs[] = { "",     "/bin", "/etc",  "/proc", "/sys",
					    "/dev", "/tmp", "/home", "/data", "/closed" };
	struct proc_spec cp = PROC_SPEC_INIT;
	char *argv[] = { (char *)"/bin/cp", (char *)"/bin/busybox", NULL, NULL };
	struct error e = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdir(lab_root(dirs[i]), 0755), 0);
	argv[2] = xstrdup(lab_root("/bin/busybox"));
	cp.argv = argv;
	assert_int_equal(proc_run(&cp, NULL, 0, TIMEOUT_MS, 0, NULL, &e), 0);
	free(argv[2]);
	assert_int_equal(symlink("busybox", lab_root("/bin/sh")), 0);
	write_file(
		"/etc/passwd",
		"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\nbad line\n",
		0644);
	write_file("/etc/group",
		   "root:x:0:\nusers:x:1000:\nwheel:x:10:root,user\naudio:x:63:user\n", 0644);
	write_file("/data/old", "old\n", 0640);
	write_file("/bin/text", "not a program\n", 0755);
	write_file("/bin/plain", "not executable\n", 0644);
	assert_int_equal(chmod(lab_root("/closed"), 0700), 0);
	assert_int_equal(chmod(lab_root("/tmp"), 01777), 0);
}

int lab_up(void **state)
{
	if (geteuid() != 0)
		missing = "not root";
	else if (access("/bin/busybox", X_OK) < 0)
		missing = "no /bin/busybox (package busybox-static)";
	else if (!cgroup_mount())
		missing = "no cgroup2 is mounted";
	else if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		missing = "no mount namespaces";
	if (missing)
		return 0;
	snprintf(dir, sizeof(dir), "/tmp/caisson-ctr-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	/* A file system of its own: what is left behind goes with the namespace. */
	if (mount("tmpfs", dir, "tmpfs", 0, "mode=755") < 0)
		return -1;
	make_rootfs();
	return 0;
}

int lab_down(void **state)
{
	if (!dir[0])
		return 0;
	umount2(dir, MNT_DETACH);
	return rmdir(dir);
}

void lab_need(void)
{
	if (!missing)
		return;
	print_message("SKIPPED: no containers can be made here: %s\n", missing);
	skip();
}

/* As a JSON string with its quotes. */
static char *quote(const char *s)
{
	char *out = xcalloc(strlen(s) * 2 + 3, 1), *p = out;

	*p++ = '"';
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			*p++ = '\\';
		if (*s == '\n') {
			*p++ = '\\';
			*p++ = 'n';
		} else {
			*p++ = *s;
		}
	}
	*p = '"';
	return out;
}

static char *make_args(const struct lab_spec *p)
{
	autofree char *script = NULL;

	if (!p->script)
		return xstrdup(p->args ? p->args : "[\"/bin/true\"]");
	script = quote(p->script);
	return xasprintf("[\"/bin/sh\",\"-c\",%s]", script);
}

#define OR(a, b) ((a) ? (a) : (b))
#define USUAL_CAPS                                                                             \
	"\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_SETGID\",\"CAP_" \
	"MKNOD\""

Grpc__Spec *lab_parse(const struct lab_spec *p)
{
	static const char usual_namespaces[] =
		"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{"
		"\"type\":\"network\"},{\"type\":\"cgroup\"}";
	const char *caps = OR(p->caps, USUAL_CAPS);
	autofree char *args = make_args(p), *json = NULL;
	struct error e = ERROR_INIT;
	oci_spec *spec = NULL;

	json = xasprintf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\",\"readonly\":%s},\"process\":{"
		"\"args\":%s,\"user\":%s,"
		"\"env\":%s,\"cwd\":%s,\"capabilities\":{\"bounding\":[%s],\"effective\":[%s],"
		"\"permitted\":[%s]}%s},"
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/"
		"dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"mode="
		"755\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/"
		"pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\","
		"\"noexec\","
		"\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}%s],"
		"\"linux\":{\"namespaces\":[%s]%s}%s}",
		lab_root(""), p->readonly ? "true" : "false", args,
		OR(p->user, "{\"uid\":0,\"gid\":0}"), OR(p->env, "[\"PATH=/bin\"]"),
		OR(p->cwd, "\"/\""), caps, caps, caps, OR(p->process, ""), OR(p->mounts, ""),
		OR(p->namespaces, usual_namespaces), OR(p->linux, ""), OR(p->top, ""));
	if (oci_spec_parse(json, strlen(json), "test", &spec, &e) < 0)
		fail_msg("%s in %s", e.text, json);
	return spec;
}

static void make_pipe(int *ret_read, int *ret_write)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	*ret_read = p[0];
	*ret_write = p[1];
}

/* The next message, or 0 at the end of file. */
static int next_report(struct lab_run *run)
{
	struct pollfd p = { .fd = run->sync, .events = POLLIN };
	int r, master = -1;

	do {
		r = poll(&p, 1, TIMEOUT_MS);
		if (r == 0)
			fail_msg("no report within %d ms", TIMEOUT_MS);
		r = ctr_report_recv(run->sync, &run->report, &master);
	} while (r == -EAGAIN);
	if (master >= 0)
		run->master = master;
	return r;
}

static void init_run(struct lab_run *run)
{
	memset(run, 0, sizeof(*run));
	run->sync = run->out = run->err = run->master = -1;
}

static int begin(struct ctr_request *rq, const Grpc__Process *process, const struct ctr_pins *pins,
		 pid_t init, struct lab_run *run, struct error *e)
{
	struct ctr_child child;
	int r;

	init_run(run);
	rq->stdio[0] = -1;
	make_pipe(&run->out, &rq->stdio[1]);
	make_pipe(&run->err, &rq->stdio[2]);
	r = process ? ctr_exec(rq, process, pins, init, &child, e) : ctr_create(rq, &child, e);
	close(rq->stdio[1]);
	close(rq->stdio[2]);
	if (r < 0)
		return r;
	run->pid = child.pid;
	run->sync = child.sync;
	next_report(run);
	return 0;
}

int lab_create(const Grpc__Spec *spec, const struct ctr_request *more, struct lab_run *run,
	       struct error *e)
{
	struct ctr_request rq = more ? *more : (struct ctr_request){ .shared = CTR_SHARED_NS_NONE };

	rq.id = rq.id ? rq.id : LAB_ID;
	rq.spec = spec;
	rq.bundle = dir;
	return begin(&rq, NULL, NULL, 0, run, e);
}

int lab_exec(const Grpc__Spec *spec, const Grpc__Process *process, const struct ctr_pins *pins,
	     pid_t init, const struct ctr_request *more, struct lab_run *run, struct error *e)
{
	struct ctr_request rq = more ? *more : (struct ctr_request){ .shared = CTR_SHARED_NS_NONE };

	rq.id = LAB_ID;
	rq.spec = spec;
	rq.bundle = dir;
	return begin(&rq, process, pins, init, run, e);
}

void lab_start(struct lab_run *run)
{
	struct error e = ERROR_INIT;

	if (run->report.type != CTR_READY)
		fail_msg("not ready: %s", run->report.text);
	if (ctr_release(run->sync, &e) < 0)
		fail_msg("release: %s", e.text);
	if (next_report(run) == 0)
		run->report.type = 0;
}

/* Both pipes at once, so that neither blocks the writer. */
static void drain(struct lab_run *run)
{
	struct pollfd p[2] = { { .fd = run->out, .events = POLLIN },
			       { .fd = run->err, .events = POLLIN } };
	char *text[2] = { run->stdout_text, run->stderr_text };
	size_t len[2] = { strlen(text[0]), strlen(text[1]) };

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, TIMEOUT_MS) == 0)
			fail_msg("the container printed nothing more within %d ms: %s%s",
				 TIMEOUT_MS, text[0], text[1]);
		for (int i = 0; i < 2; i++) {
			ssize_t n = p[i].fd >= 0 && p[i].revents ? read(p[i].fd, text[i] + len[i],
									LAB_OUTPUT_MAX - 1 - len[i])
								 : 1;

			if (p[i].fd < 0 || !p[i].revents)
				continue;
			if (n <= 0)
				p[i].fd = -1;
			else
				len[i] += (size_t)n;
		}
	}
	run->out = fd_close(run->out);
	run->err = fd_close(run->err);
}

void lab_wait(struct lab_run *run)
{
	run->sync = fd_close(run->sync);
	if (run->pid > 0) {
		int status = -1;

		drain(run);
		assert_int_equal(proc_wait(run->pid, TIMEOUT_MS, &status), 0);
		run->status = proc_exit_code(status);
	}
	run->out = fd_close(run->out);
	run->err = fd_close(run->err);
	run->master = fd_close(run->master);
	run->pid = 0;
}

void lab_finish(struct lab_run *run)
{
	lab_wait(run);
	ctr_cgroup_kill(LAB_ID);
	assert_int_equal(ctr_cgroup_remove(LAB_ID), 0);
}

const char *lab_output(const struct lab_spec *parts, struct lab_run *run)
{
	Grpc__Spec *spec = lab_parse(parts);
	struct error e = ERROR_INIT;

	if (lab_create(spec, NULL, run, &e) < 0)
		fail_msg("create: %s", e.text);
	lab_start(run);
	if (run->report.type)
		fail_msg("exec: %s", run->report.text);
	lab_finish(run);
	oci_spec_free(spec);
	return run->stdout_text;
}

const char *lab_refusal(const struct lab_spec *parts, struct lab_run *run, struct error *e)
{
	Grpc__Spec *spec = lab_parse(parts);
	int r = lab_create(spec, NULL, run, e);

	if (r == 0) {
		if (run->report.type != CTR_ERROR)
			fail_msg("the container was set up");
		error_plain(e, run->report.code, "%s", run->report.text);
	}
	lab_finish(run);
	oci_spec_free(spec);
	return e->text;
}
