/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks - the host's hooks of a container, run in a child so that the loop goes on.
 *
 * The child reports a struct error over a pipe when it ends; an end without a report is a failure
 * too.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct hooks_run {
	struct list link; /* in container.hooks */
	pid_t pid;
	int report;
	op_done_fn *done; /* NULL: forgotten */
	void *data;
};

static void run_free(struct hooks_run *h)
{
	list_del(&h->link);
	fd_close(h->report);
	free(h);
}

static void child_ended(struct loop_source *s, pid_t pid, int status, void *data)
{
	struct hooks_run *h = data;
	struct error e = ERROR_INIT;
	op_done_fn *done = h->done;
	void *done_data = h->data;

	if (done && fd_read_full(h->report, &e, sizeof(e)) != (ssize_t)sizeof(e))
		error_plain(&e, EIO, "the process that ran the hooks ended early (wait status %#x)",
			    status);
	run_free(h);
	if (done)
		done(done_data, e.code ? &e : NULL);
}

static _Noreturn void run_in_child(const struct container *c, enum oci_hook_kind kind,
				   const char *status, int report)
{
	autofree char *annotations = oci_annotations_json(c->spec);
	const struct oci_state st = {
		.id = c->id,
		.status = status,
		.bundle = c->bundle,
		.annotations_json = annotations,
		.pid = str_eq(status, "stopped") ? 0 : c->init.pid,
	};
	struct error e = ERROR_INIT;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (oci_hooks_run(c->spec, kind, &st, -1, &e) < 0 && !e.code)
		e.code = -EIO;
	_exit(fd_write_full(report, &e, sizeof(e)) < 0 ? 1 : 0);
}

int hooks_start(struct container *c, enum oci_hook_kind kind, const char *status, op_done_fn *done,
		void *data, struct error *e)
{
	struct loop *l = c->sandbox->loop;
	struct hooks_run *h;
	int p[2], r;
	pid_t pid;

	if (!oci_hooks_count(c->spec, kind))
		return -ENOENT;
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe");
	pid = fork();
	if (pid == 0)
		run_in_child(c, kind, status, p[1]);
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return error_set(e, errno, "fork");
	}
	h = xnew(struct hooks_run);
	*h = (struct hooks_run){ .pid = pid, .report = p[0], .done = done, .data = data };
	list_init(&h->link);
	list_add(&c->hooks, &h->link);
	if (loop_add_child(l, pid, child_ended, h))
		return -EINPROGRESS;
	r = error_set(e, errno, "watch the process that runs the hooks");
	kill(pid, SIGKILL);
	run_free(h);
	return r;
}

void hooks_forget(struct container *c)
{
	while (!list_empty(&c->hooks)) {
		struct hooks_run *h = list_entry(c->hooks.next, struct hooks_run, link);

		/* The child stays watched, to be reaped; its hooks die with it. */
		h->done = NULL;
		kill(h->pid, SIGKILL);
		list_del(&h->link);
	}
}
