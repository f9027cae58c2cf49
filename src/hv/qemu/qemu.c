/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qemu - see qemu.h.
 *
 * States: new (devices are added), prepared (all names are resolved and checked), running, ended.
 * start makes every descriptor and the plan of the jail, forks, and keeps its ends; from then on
 * the console, stderr, the control connection and the child's end arrive from the loop.
 *
 * A guest that panics reboots at once (panic=-1), which ends QEMU (-no-reboot): PANICKED then comes
 * just before EXITED, with the line from the console. Where a parameter of the user's keeps the
 * panicked kernel alive, PANICKED comes PANIC_GRACE_MS after the line.
 */
#include "hv/qemu/qemu.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "hv/qemu/paths.h"
#include "hv/qemu/state.h"
#include "hv/verity.h"
#include "hv/vmlog.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PANIC_GRACE_MS 2000
#define KVM_DEVICE "/dev/kvm"
/* Sets of descriptors made at the start have the descriptor's number. */
#define FIRST_FDSET 65536

static void qemu_init(struct hv *h)
{
	struct qemu *q = qemu_of(h);

	q->jail = JAIL_INIT;
	q->cgroup_fd = -1;
	q->entropy_fd = -1;
	q->next_fdset = FIRST_FDSET;
	list_init(&q->hot);
	q->resize.job = QMP_JOB_INIT;
	qemu_snapshot_init(q);
}

int qemu_not_running(struct error *e)
{
	return error_plain(e, ESRCH, "the VM is not running");
}

static int qemu_add(struct hv *h, struct hv_dev *d, struct error *e)
{
	struct qemu *q = qemu_of(h);
	int r = qemu_check_dev(d, e);

	if (r < 0)
		return r;
	switch (q->state) {
	case QEMU_NEW:
		return qemu_dev_add_cold(q, d, e);
	case QEMU_RUNNING:
		return qemu_hotplug_add(q, d, e);
	default:
		return qemu_not_running(e);
	}
}

static int qemu_remove(struct hv *h, struct hv_dev *d, struct error *e)
{
	struct qemu *q = qemu_of(h);

	return q->state == QEMU_RUNNING ? qemu_hotplug_remove(q, d, e) : qemu_not_running(e);
}

/* The hash tree is in the second partition. */
static int prepare_verity(struct qemu *q, struct error *e)
{
	int r;

	if (!str_eq(q->root, "/dev/vda1"))
		return error_plain(e, EINVAL,
				   "guest image %s has no partitions, so no hash tree: "
				   "hypervisor.qemu.kernel_verity_params does not fit it",
				   q->hv.cfg.image);
	r = verity_param(q->hv.cfg.verity, q->root, "/dev/vda2", &q->verity, e);
	if (r == 0)
		q->root = VERITY_ROOT;
	return r;
}

static int prepare_image(struct qemu *q, struct error *e)
{
	const struct hv_config *c = &q->hv.cfg;
	struct hv_dev disk = {
		.type = HV_DEV_BLK, .id = "image", .fd = -1, .path = c->image, .readonly = true
	};
	struct hv_dev image;
	int r;

	if (str_empty(c->image))
		return 0;
	if (q->initrd)
		return error_plain(e, EINVAL,
				   "both a guest image and an initrd are set: "
				   "hypervisor.qemu.image and .initrd "
				   "exclude each other");
	r = qemu_image_root(c->image, &q->root, e);
	if (r == 0 && !str_empty(c->verity))
		r = prepare_verity(q, e);
	if (r == 0)
		r = qemu_dev_add_cold(q, &disk, e);
	if (r < 0)
		return r;
	/* The first disk is vda. */
	image = q->devs[q->ndevs - 1];
	memmove(&q->devs[1], &q->devs[0], (q->ndevs - 1) * sizeof(image));
	q->devs[0] = image;
	return 0;
}

static int prepare_entropy(struct qemu *q, struct error *e)
{
	const char *path = q->hv.cfg.entropy;

	if (str_empty(path))
		return 0;
	q->entropy_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return q->entropy_fd < 0 ? error_set(e, errno, "open entropy source %s", path) : 0;
}

static int prepare_jail(struct qemu *q, struct error *e)
{
	const struct hv_config *c = &q->hv.cfg;
	autofree char *root = xasprintf("%s/vmm-root", c->dir);
	int r = jail_init(&q->jail, root, e);

	if (r < 0)
		return r;
	q->jail.uid = c->uid;
	q->jail.gid = c->gid;
	jail_add_system(&q->jail);
	jail_add_file(&q->jail, q->program);
	jail_add_file(&q->jail, q->kernel);
	if (q->initrd)
		jail_add_file(&q->jail, q->initrd);
	return c->accel == HV_ACCEL_KVM ? jail_add_node(&q->jail, KVM_DEVICE, e) : 0;
}

static int qemu_prepare(struct hv *h, struct error *e)
{
	struct qemu *q = qemu_of(h);
	const struct hv_config *c = &h->cfg;
	int r = qemu_check_config(c, e);

	if (r < 0)
		return r;
	if (q->state != QEMU_NEW)
		return error_plain(e, EINVAL, "the VM is prepared already");
	q->machine = qemu_machine_find(c, e);
	if (!q->machine)
		return e ? e->code : -EINVAL;
	r = qemu_find_program(c->path, &q->program, e);
	if (r == 0)
		r = qemu_find_kernel(c, &q->kernel, e);
	if (r == 0)
		r = qemu_find_initrd(c, &q->initrd, e);
	if (r == 0)
		r = prepare_image(q, e);
	q->resize.now = (struct hv_size){ .vcpus = c->vcpus, .mem_mib = c->mem_mib };
	if (r == 0 && q->ndevs > q->machine->max_devices)
		r = error_plain(e, ENOSPC, "%zu devices: machine %s takes %zu", q->ndevs,
				q->machine->name, q->machine->max_devices);
	if (r == 0)
		r = prepare_entropy(q, e);
	if (r == 0)
		r = prepare_jail(q, e);
	if (r == 0)
		r = qemu_snapshot_prepare(q, e);
	if (r == 0)
		q->state = QEMU_PREPARED;
	return r;
}

static void panic_tell(struct qemu *q)
{
	if (q->panic_told)
		return;
	q->panic_told = true;
	hv_emit(&q->hv, HV_EVENT_PANICKED, "%s", q->panic);
}

static void panic_lasts(struct loop_source *s, void *data)
{
	panic_tell(data);
}

static void console_line(const char *line, void *data)
{
	const char *text = strstr(line, "Kernel panic - not syncing");
	struct qemu *q = data;
	const char *awaited = q->hv.cfg.listen_for;

	if (!str_empty(awaited) && strstr(line, awaited))
		hv_emit(&q->hv, HV_EVENT_SAID, "%s", awaited);
	if (!text || q->panic)
		return;
	q->panic = xstrdup(text);
	q->panic_timer = loop_add_timer(q->hv.loop, PANIC_GRACE_MS, panic_lasts, q);
}

static void event_shutdown(struct qemu *q, const struct json *data)
{
	const char *reason = json_to_str(json_get(data, "reason"));

	if (str_eq(reason, "guest-shutdown"))
		q->end = "the guest powered off";
	else if (str_eq(reason, "guest-reset"))
		q->end = "the guest rebooted";
}

static void qmp_event(const char *name, const struct json *data, void *arg)
{
	struct qemu *q = arg;

	if (str_eq(name, "SHUTDOWN"))
		event_shutdown(q, data);
	else if (str_eq(name, "GUEST_PANICKED") && !q->panic)
		q->panic = xstrdup("Kernel panic (told by pvpanic, nothing on the console)");
	qemu_hotplug_event(q, name, data);
	qemu_snapshot_event(q, name, data);
}

/* "oom_kill N" of the cgroup: memory.events of v2, memory.oom_control of v1. 0 where there is none.
 */
static uint64_t oom_kills(int cgroup_fd)
{
	static const char *const files[] = { "memory.events", "memory.oom_control" };

	for (size_t i = 0; cgroup_fd >= 0 && i < ARRAY_SIZE(files); i++) {
		autofree char *text = NULL;
		const char *p;

		if (file_read_at(cgroup_fd, files[i], LIMIT_PROC_FILE, &text, NULL) < 0)
			continue;
		p = strstr(text, "oom_kill ");
		return p ? strtoull(p + strlen("oom_kill "), NULL, 10) : 0;
	}
	return 0;
}

/* QEMU's last words without its own name in front. */
static const char *last_words(struct qemu *q)
{
	const char *line = vmlog_last(q->errors);
	const char *name = strrchr(q->program, '/') + 1;
	const char *rest = str_skip_prefix(line, name);

	return rest && rest[0] == ':' && rest[1] == ' ' ? rest + 2 : line;
}

static void emit_exited(struct qemu *q)
{
	int status = q->hv.status;
	const char *words = last_words(q);
	char tmp[16];

	if (q->snapshot.failed.code)
		hv_emit(&q->hv, HV_EVENT_EXITED, "the saved VM could not be loaded: %s",
			error_text(&q->snapshot.failed));
	else if (q->stopping && WIFSIGNALED(status))
		hv_emit(&q->hv, HV_EVENT_EXITED, "QEMU was stopped");
	else if (q->hv.oom_killed)
		hv_emit(&q->hv, HV_EVENT_EXITED,
			"QEMU was killed: out of memory (the limit of the sandbox's cgroup)");
	else if (WIFSIGNALED(status))
		hv_emit(&q->hv, HV_EVENT_EXITED, "QEMU was killed by %s%s%s",
			signal_name(WTERMSIG(status), tmp), *words ? ": " : "", words);
	else if (q->panic)
		hv_emit(&q->hv, HV_EVENT_EXITED, "the guest panicked: %s", q->panic);
	else if (WEXITSTATUS(status) == 0 && q->end)
		hv_emit(&q->hv, HV_EVENT_EXITED, "%s", q->end);
	else
		hv_emit(&q->hv, HV_EVENT_EXITED, "QEMU ended with status %d%s%s",
			WEXITSTATUS(status), *words ? ": " : "", words);
}

static void child_ended(struct loop_source *s, pid_t pid, int status, void *data)
{
	struct qemu *q = data;

	q->child = NULL;
	q->state = QEMU_ENDED;
	q->hv.pid = 0;
	q->hv.status = status;
	vmlog_drain(q->console, LIMIT_HV_LOG);
	vmlog_drain(q->errors, LIMIT_HV_LOG);
	qmp_client_drain(q->qmp);
	q->hv.oom_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
			   oom_kills(q->cgroup_fd) > q->oom_before;
	/* QEMU has no other reason for this status; its word was lost, or came before the greeting.
	 */
	if (!q->end && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		q->end = "the guest powered off or rebooted";
	if (q->panic)
		panic_tell(q);
	else if (q->end)
		hv_emit(&q->hv, HV_EVENT_SHUTDOWN, "%s", q->end);
	emit_exited(q);
}

/* The ends of what joins us and QEMU. */
struct ends {
	int qmp[2], console[2], errors[2]; /* ours, QEMU's */
};

static void ends_done(struct ends *x)
{
	for (int i = 0; i < 2; i++) {
		fd_close(x->qmp[i]);
		fd_close(x->console[i]);
		fd_close(x->errors[i]);
	}
}
DEFINE_AUTODONE(ends, ends_done);

static int ends_make(struct ends *x, struct error *e)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x->qmp) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, x->console) < 0 ||
	    pipe2(x->errors, O_CLOEXEC) < 0)
		return error_set(e, errno, "make the connections to QEMU");
	/* Messages that nobody has room for are lost; QEMU does not wait for us. */
	return fd_set_nonblock(x->errors[1], true);
}

static int connect_devs(struct qemu *q, struct error *e)
{
	for (size_t i = 0; i < q->ndevs; i++) {
		int r = qemu_dev_connect(&q->devs[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_args(struct qemu *q, const struct ends *x, struct strv *ret, struct error *e)
{
	struct qemu_vm vm = {
		.cfg = &q->hv.cfg,
		.machine = q->machine,
		.program = q->program,
		.kernel = q->kernel,
		.initrd = q->initrd,
		.root = q->root,
		.verity = q->verity,
		.tsc_khz = q->hv.cfg.accel == HV_ACCEL_TCG ? tsc_khz_since(&q->hv.born) : 0,
		.qmp_fd = x->qmp[1],
		.console_fd = x->console[1],
		.memory = q->snapshot.ram,
		.incoming = q->hv.cfg.restore != NULL,
		.entropy_fd = q->entropy_fd,
		.devs = q->devs,
		.ndevs = q->ndevs,
	};

	return qemu_args(&vm, ret, e);
}

static int jail_setup(void *data, struct error *e)
{
	return jail_enter(data, e);
}

static pid_t spawn(struct qemu *q, const struct ends *x, struct error *e)
{
	static char path[] = "PATH=/usr/bin:/bin";
	static char *const env[] = { path, NULL };
	autodone(strv) argv = STRV_INIT;
	struct proc_spec spec = PROC_SPEC_INIT;
	int keep[LIMIT_HV_DEVICES * HV_DEV_FDS + 3];
	int r = make_args(q, x, &argv, e);

	if (r < 0)
		return r;
	keep[spec.nkeep++] = x->qmp[1];
	keep[spec.nkeep++] = x->console[1];
	if (q->entropy_fd >= 0)
		keep[spec.nkeep++] = q->entropy_fd;
	for (size_t i = 0; i < q->ndevs; i++)
		spec.nkeep += hv_dev_fds(&q->devs[i], keep + spec.nkeep);
	q->jail.cgroup_fd = q->hv.cfg.cgroup_fd;
	spec.path = q->program;
	spec.argv = argv.v;
	spec.env = env;
	spec.out = spec.err = x->errors[1];
	spec.keep = keep;
	spec.new_session = true;
	spec.pdeathsig = SIGKILL;
	spec.uid = q->hv.cfg.uid;
	spec.gid = q->hv.cfg.gid;
	spec.setup = jail_setup;
	spec.data = &q->jail;
	return proc_spawn(&spec, e);
}

/* Everything the loop hears of QEMU, before it runs. */
static int listen_to(struct qemu *q, struct ends *x, struct error *e)
{
	const struct hv_config *c = &q->hv.cfg;
	uint64_t max = c->debug ? LIMIT_HV_LOG_DEBUG : LIMIT_HV_LOG;

	q->console = vmlog_new(q->hv.loop, x->console[0], c->dir, "console.log", max, console_line,
			       q, e);
	x->console[0] = -1;
	if (!q->console)
		return e && e->code ? e->code : -EIO;
	q->errors =
		vmlog_new(q->hv.loop, x->errors[0], c->dir, "vmm.log", LIMIT_HV_LOG, NULL, NULL, e);
	x->errors[0] = -1;
	if (!q->errors)
		return e && e->code ? e->code : -EIO;
	q->qmp = qmp_client_new(q->hv.loop, x->qmp[0], qmp_event, q, e);
	x->qmp[0] = -1;
	return q->qmp ? 0 : e && e->code ? e->code : -EIO;
}

static int start_child(struct qemu *q, const struct ends *x, struct error *e)
{
	pid_t pid;

	if (q->hv.cfg.cgroup_fd >= 0) {
		q->cgroup_fd = fcntl(q->hv.cfg.cgroup_fd, F_DUPFD_CLOEXEC, 3);
		q->oom_before = oom_kills(q->cgroup_fd);
	}
	pid = spawn(q, x, e);
	if (pid < 0)
		return pid;
	q->hv.pid = pid;
	q->child = loop_add_child(q->hv.loop, pid, child_ended, q);
	/* Without a watcher hv_free still kills and waits for it. */
	return q->child ? 0 : error_set(e, errno, "watch QEMU");
}

static int qemu_start(struct hv *h, struct error *e)
{
	autodone(ends) x = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct qemu *q = qemu_of(h);
	int r;

	if (q->state != QEMU_PREPARED)
		return error_plain(e, EINVAL, "the VM is not prepared, or has been started");
	r = ends_make(&x, e);
	if (r == 0)
		r = connect_devs(q, e);
	if (r == 0)
		r = listen_to(q, &x, e);
	if (r == 0)
		r = start_child(q, &x, e);
	if (r < 0)
		return r;
	q->state = QEMU_RUNNING;
	q->entropy_fd = fd_close(q->entropy_fd);
	for (size_t i = 0; i < q->ndevs; i++)
		qemu_dev_close(&q->devs[i]);
	return qemu_snapshot_started(q, e);
}

static int qemu_stop(struct hv *h, struct error *e)
{
	struct qemu *q = qemu_of(h);

	if (q->state != QEMU_RUNNING)
		return qemu_not_running(e);
	q->stopping = true;
	return kill(h->pid, SIGKILL) < 0 ? error_set(e, errno, "kill QEMU (pid %d)", (int)h->pid)
					 : 0;
}

/* QEMU answers when it is done. */
static void paused(const struct json *data, const struct error *e, void *arg)
{
	struct qemu *q = arg;

	if (e)
		log_warn("sandbox %s is not paused: %s", q->hv.cfg.name, error_text(e));
	else
		hv_emit(&q->hv, HV_EVENT_PAUSED, "paused");
}

static void resumed(const struct json *data, const struct error *e, void *arg)
{
	struct qemu *q = arg;

	if (e)
		log_warn("sandbox %s is not resumed: %s", q->hv.cfg.name, error_text(e));
	else
		hv_emit(&q->hv, HV_EVENT_RESUMED, "running");
}

static int qemu_pause(struct hv *h, bool on, struct error *e)
{
	struct qemu *q = qemu_of(h);

	if (q->state != QEMU_RUNNING)
		return qemu_not_running(e);
	qmp_client_begin(q->qmp, on ? "stop" : "cont");
	return qmp_client_send(q->qmp, on ? paused : resumed, q, e);
}

static void qemu_free(struct hv *h)
{
	struct qemu *q = qemu_of(h);

	loop_source_free(q->child);
	loop_source_free(q->panic_timer);
	qmp_client_free(q->qmp);
	qemu_hotplug_free(q);
	qemu_resize_free(q);
	qemu_snapshot_free(q);
	vmlog_free(q->console);
	vmlog_free(q->errors);
	for (size_t i = 0; i < q->ndevs; i++)
		qemu_dev_done(&q->devs[i]);
	fd_close(q->cgroup_fd);
	fd_close(q->entropy_fd);
	jail_done(&q->jail);
	free(q->program);
	free(q->kernel);
	free(q->initrd);
	free(q->verity);
	free(q->panic);
}

const struct hv_ops hv_qemu = {
	.name = "qemu",
	.caps = HV_CAP_VHOST_USER | HV_CAP_PAUSE | HV_CAP_SAVE | HV_CAP_HOTPLUG | HV_CAP_RESIZE,
	.size = sizeof(struct qemu),
	.init = qemu_init,
	.prepare = qemu_prepare,
	.start = qemu_start,
	.stop = qemu_stop,
	.pause = qemu_pause,
	.save = qemu_save,
	.add = qemu_add,
	.remove = qemu_remove,
	.resize = qemu_resize,
	.free = qemu_free,
};
