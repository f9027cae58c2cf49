/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot - a VM saved to two files, and VMs that continue from them.
 *
 * "memory" is the guest's memory, with holes where it was never touched; "state" is what QEMU's
 * migration writes of the devices when memory is left out (capability x-ignore-shared). The memory
 * of a VM that is saved or loaded is a file of a tmpfs of its own that has no name once QEMU runs.
 * A clone gets a copy of what was touched: device processes see a guest's memory through the file,
 * so it cannot be a private mapping of the saved one; and no page is shared between guests.
 *
 * Loading: the copy is made by a child in the VM's cgroup while QEMU starts, then the state is
 * loaded, then PAUSED is told. Saving: the state is written, then the memory is copied out.
 */
#include "hv/qemu/state.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void qemu_snapshot_init(struct qemu *q)
{
	struct qemu_snapshot *s = &q->snapshot;

	s->ram_fd = s->source_fd = s->state_fd = -1;
	s->job = QMP_JOB_INIT;
}

/* --- the file of the guest's memory --- */

static void ram_forget(struct qemu_snapshot *s)
{
	if (!s->ram_dir)
		return;
	umount2(s->ram_dir, MNT_DETACH);
	rmdir(s->ram_dir);
	free(take_ptr(s->ram_dir));
}

static int ram_make(struct qemu *q, struct error *e)
{
	const struct hv_config *c = &q->hv.cfg;
	struct qemu_snapshot *s = &q->snapshot;
	autofree char *dir = xasprintf("%s/ram", c->dir);
	autofree char *options =
		xasprintf("mode=0711,size=%lluM", (unsigned long long)c->mem_mib + 1);

	if (geteuid() != 0)
		return error_plain(e, EPERM, "saved VMs need root, for the file of their memory");
	if (mkdir(dir, 0711) < 0 && errno != EEXIST)
		return error_set(e, errno, "create %s", dir);
	if (mount("caisson", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0) {
		rmdir(dir);
		return error_set(e, errno, "mount a tmpfs on %s", dir);
	}
	s->ram = xasprintf("%s/memory", dir);
	s->ram_dir = take_ptr(dir);
	s->ram_fd = open(s->ram, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->ram_fd < 0 || fchown(s->ram_fd, c->uid, c->gid) < 0 ||
	    ftruncate(s->ram_fd, (off_t)(c->mem_mib << 20)) < 0)
		return error_set(e, errno, "make %s", s->ram);
	jail_add_data(&q->jail, s->ram);
	return 0;
}

static int open_source(struct qemu *q, struct error *e)
{
	const char *dir = q->hv.cfg.restore;
	struct qemu_snapshot *s = &q->snapshot;
	autoclose int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	s->source_fd = dirfd < 0 ? -1 : openat(dirfd, "memory", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	s->state_fd = s->source_fd < 0 ? -1
				       : openat(dirfd, "state", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return s->state_fd < 0 ? error_set(e, errno, "open the saved VM %s", dir) : 0;
}

int qemu_snapshot_prepare(struct qemu *q, struct error *e)
{
	const struct hv_config *c = &q->hv.cfg;
	int r;

	if (!c->restore && !c->to_save)
		return 0;
	r = c->restore ? open_source(q, e) : 0;
	return r < 0 ? r : ram_make(q, e);
}

/* --- copying --- */

static int enter_cgroup(int dirfd)
{
	return dirfd < 0 ? 0 : file_write_at(dirfd, "cgroup.procs", "0");
}

static _Noreturn void copy_child(int from, int to, bool zeros, int cgroup_fd)
{
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The pages count where they are used. */
	r = enter_cgroup(cgroup_fd);
	if (r == 0)
		r = fd_copy_sparse(from, to, zeros);
	_exit(r < 0 ? (-r & 0x7f) : 0);
}

static int copy_start(struct qemu *q, int from, int to, int cgroup_fd, loop_child_fn *fn,
		      struct error *e)
{
	struct qemu_snapshot *s = &q->snapshot;

	s->copy_pid = fork();
	if (s->copy_pid < 0) {
		s->copy_pid = 0;
		return error_set(e, errno, "copy the guest's memory");
	}
	if (s->copy_pid == 0)
		/* What is saved once is read often: it is worth looking for zeros. */
		copy_child(from, to, s->doing == SNAPSHOT_SAVING, cgroup_fd);
	s->copy = loop_add_child(q->hv.loop, s->copy_pid, fn, q);
	return s->copy ? 0 : error_set(e, errno, "watch the copy of the guest's memory");
}

/* What the child's end says; 0 when all is there. */
static int copy_ended(struct qemu *q, int status, struct error *e)
{
	q->snapshot.copy = NULL;
	q->snapshot.copy_pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(e, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
			 "copy the guest's memory");
}

/* --- the commands of both --- */

static void add_capability(struct json_writer *w, const char *name)
{
	json_open_object(w, NULL);
	json_add_str(w, "capability", name);
	json_add_bool(w, "state", true);
	json_close(w);
}

static void capabilities(struct json_writer *w, const void *arg)
{
	json_open_array(w, "capabilities");
	add_capability(w, "x-ignore-shared");
	add_capability(w, "events");
	json_close(w);
}

static void fd_name(struct json_writer *w, const void *arg)
{
	json_add_str(w, "fdname", "state");
}

static void fd_uri(struct json_writer *w, const void *arg)
{
	json_add_str(w, "uri", "fd:state");
}

static const struct qmp_step load_steps[] = {
	{ "migrate-set-capabilities", capabilities, false, NULL, NULL },
	{ "getfd", fd_name, true, "closefd", fd_name },
	{ "migrate-incoming", fd_uri, false, NULL, NULL },
};

static const struct qmp_step save_steps[] = {
	{ "migrate-set-capabilities", capabilities, false, NULL, NULL },
	{ "getfd", fd_name, true, "closefd", fd_name },
	{ "migrate", fd_uri, false, NULL, NULL },
};

static void done(struct qemu *q, const struct error *e)
{
	struct qemu_snapshot *s = &q->snapshot;
	bool loading = s->doing == SNAPSHOT_LOADING;

	if (s->doing == SNAPSHOT_IDLE)
		return;
	s->doing = SNAPSHOT_IDLE;
	s->source_fd = fd_close(s->source_fd);
	s->state_fd = fd_close(s->state_fd);
	if (!loading) {
		hv_answer(&q->hv, s->done, e, s->data);
	} else if (!e) {
		hv_emit(&q->hv, HV_EVENT_PAUSED, "restored");
	} else {
		/* Of no use any more: its end tells why. */
		s->failed = *e;
		kill(q->hv.pid, SIGKILL);
	}
}

static void begun(const struct error *e, void *data)
{
	if (e)
		done(data, e);
}

/* --- loading --- */

static void loaded_memory(struct loop_source *src, pid_t pid, int status, void *data)
{
	struct qemu *q = data;
	struct qemu_snapshot *s = &q->snapshot;
	struct error e = ERROR_INIT;

	if (copy_ended(q, status, &e) < 0 ||
	    qmp_job_run(&s->job, q->qmp, load_steps, ARRAY_SIZE(load_steps), take_fd(s->state_fd),
			q, begun, q, &e) < 0)
		done(q, &e);
}

int qemu_snapshot_started(struct qemu *q, struct error *e)
{
	struct qemu_snapshot *s = &q->snapshot;

	ram_forget(s);
	if (!q->hv.cfg.restore)
		return 0;
	s->doing = SNAPSHOT_LOADING;
	return copy_start(q, s->source_fd, s->ram_fd, q->cgroup_fd, loaded_memory, e);
}

/* --- saving --- */

static void saved_memory(struct loop_source *src, pid_t pid, int status, void *data)
{
	struct qemu *q = data;
	struct error e = ERROR_INIT;

	done(q, copy_ended(q, status, &e) < 0 ? &e : NULL);
}

static void migrated(struct qemu *q)
{
	struct qemu_snapshot *s = &q->snapshot;
	struct error e = ERROR_INIT;

	if (s->doing == SNAPSHOT_LOADING)
		done(q, NULL);
	else if (copy_start(q, s->ram_fd, s->source_fd, -1, saved_memory, &e) < 0)
		done(q, &e);
}

void qemu_snapshot_event(struct qemu *q, const char *name, const struct json *data)
{
	const char *status = json_to_str(json_get(data, "status"));
	struct error e = ERROR_INIT;

	if (!str_eq(name, "MIGRATION") || q->snapshot.doing == SNAPSHOT_IDLE)
		return;
	if (str_eq(status, "completed")) {
		migrated(q);
	} else if (str_eq(status, "failed") || str_eq(status, "cancelled")) {
		error_plain(&e, EIO, "QEMU says that the state of the devices has %s", status);
		done(q, &e);
	}
}

/* "memory" becomes source_fd, the file that is written last. */
static int create_files(struct qemu *q, int dirfd, struct error *e)
{
	struct qemu_snapshot *s = &q->snapshot;
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;

	s->source_fd = openat(dirfd, "memory", flags, 0400);
	s->state_fd = s->source_fd < 0 ? -1 : openat(dirfd, "state", flags, 0400);
	if (s->state_fd >= 0)
		return 0;
	error_set(e, errno, "create the files of a saved VM");
	s->source_fd = fd_close(s->source_fd);
	return e ? e->code : -EIO;
}

int qemu_save(struct hv *h, int dirfd, hv_done_fn *fn, void *data, struct error *e)
{
	struct qemu *q = qemu_of(h);
	struct qemu_snapshot *s = &q->snapshot;
	int r;

	if (q->state != QEMU_RUNNING)
		return qemu_not_running(e);
	if (s->ram_fd < 0)
		return error_plain(e, EINVAL, "the VM was not started to be saved");
	if (s->doing != SNAPSHOT_IDLE)
		return error_plain(e, EBUSY, "the VM is being %s",
				   s->doing == SNAPSHOT_SAVING ? "saved" : "loaded");
	r = create_files(q, dirfd, e);
	if (r < 0)
		return r;
	r = qmp_job_run(&s->job, q->qmp, save_steps, ARRAY_SIZE(save_steps), take_fd(s->state_fd),
			q, begun, q, e);
	if (r < 0) {
		s->source_fd = fd_close(s->source_fd);
		return r;
	}
	s->doing = SNAPSHOT_SAVING;
	s->done = fn;
	s->data = data;
	return -EINPROGRESS;
}

void qemu_snapshot_free(struct qemu *q)
{
	struct qemu_snapshot *s = &q->snapshot;

	loop_source_free(s->copy);
	if (s->copy_pid > 0) {
		kill(s->copy_pid, SIGKILL);
		proc_wait(s->copy_pid, 1000, NULL);
	}
	qmp_job_done(&s->job);
	ram_forget(s);
	fd_close(s->ram_fd);
	fd_close(s->source_fd);
	fd_close(s->state_fd);
	free(s->ram);
}
