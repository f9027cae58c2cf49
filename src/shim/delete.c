/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete - what containerd calls when it has lost a shim, and after every regular end as well.
 *
 * The shim of the container's own sandbox gets a moment to end (it may be telling the last events),
 * then what is left of it is removed. A container of a pod has nothing to clean up while the shim
 * of its pod answers.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "base/proc.h"
#include "store/store.h"

#include "google/protobuf/timestamp.pb-c.h"
#include "task.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define END_MS 2000 /* containerd waits for 5 s */

static const struct store_process *find(const struct store_sandbox *st, const char *name)
{
	for (size_t i = 0; i < st->nprocesses; i++)
		if (str_eq(st->processes[i].name, name))
			return &st->processes[i];
	return NULL;
}

static void wait_for_end(const struct store_process *p)
{
	autoclose int fd = p ? proc_pidfd_open((pid_t)p->pid) : -1;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (fd >= 0 && proc_alive((pid_t)p->pid, p->start_time))
		poll(&pfd, 1, END_MS);
}

/* On stdout, as containerd reads it: a process that was killed now. */
static void print_response(pid_t pid)
{
	Containerd__Task__V2__DeleteResponse m = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp ts = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	uint8_t bytes[128];

	ts.seconds = time(NULL);
	m.pid = (uint32_t)pid;
	m.exit_status = 128 + SIGKILL;
	m.exited_at = &ts;
	fwrite(bytes, 1, containerd__task__v2__delete_response__pack(&m, bytes), stdout);
}

static bool answers(const char *socket)
{
	autoclose int fd = unix_connect(socket, SOCK_STREAM);

	return fd >= 0;
}

/* *ret_pid: the machine's, as long as it is known. */
static int clean_up(const struct shim_plan *p, pid_t *ret_pid, struct error *e)
{
	autoclose int dirfd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autodone(store_sandbox) st = { 0 };
	const struct store_process *vmm;
	int r;

	if (dirfd >= 0 && store_sandbox_load(dirfd, &st, NULL) == 0) {
		vmm = find(&st, "vmm");
		*ret_pid = vmm ? (pid_t)vmm->pid : 0;
		if (shim_for_engine(p->options))
			wait_for_end(find(&st, "shim"));
	}
	r = sandbox_clean_up(p->dir, e);
	if (r == 0 && unlink(p->socket) < 0 && errno != ENOENT)
		return error_set(e, errno, "remove %s", p->socket);
	return r;
}

int shim_delete(const struct shim_options *o, struct error *e)
{
	autodone(shim_plan) p = { 0 };
	pid_t pid = 0;
	int r = shim_plan_make(o, false, &p, e);

	if (r == 0 && !(p.member && answers(p.socket)))
		r = clean_up(&p, &pid, e);
	if (r == 0 && shim_for_engine(o))
		print_response(pid);
	return r;
}
