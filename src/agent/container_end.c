/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_end - what happens to a container from outside: frozen, killed, removed; and what the
 * kernel tells of its processes. See container.h.
 */
#include "agent/container.h"

#include "agent/agent.h"
#include "agent/console.h"
#include "agent/ctr.h"
#include "agent/hooks.h"

#include "rpc/ttrpc.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define REMOVE_AGAIN_MS 100 /* in case nothing tells that a cgroup has become empty */

/* --- freezing --- */

static void thawed_or_frozen(struct container *c)
{
	struct pending *p;

	if (!pending_first(&c->freezers) || ctr_cgroup_frozen(c->cgroup) != c->frozen)
		return;
	while ((p = pending_first(&c->freezers)))
		rpc_call_reply_empty(pending_take(p));
}

int container_freeze(struct container *c, bool on, struct rpc_call *call, struct error *e)
{
	int r = ctr_cgroup_freeze(c->cgroup, on, e);

	if (r < 0)
		return r;
	if (c->frozen != on)
		pending_fail_all(&c->freezers, ECANCELED,
				 "the container was asked for the opposite");
	c->frozen = on;
	r = pending_add(&c->freezers, call, NULL, e);
	if (r >= 0)
		thawed_or_frozen(c);
	return r;
}

/* --- removing --- */

void container_kill(struct container *c)
{
	struct process *p;
	int r = c->has_cgroup ? ctr_cgroup_kill(c->cgroup) : 0;

	if (r < 0 && r != -ENOENT)
		log_warn("container %s: kill its cgroup: %s", c->id, strerror(-r));
	/* Those that have not got into the cgroup yet. */
	list_for_each(p, &c->processes, link) {
		if (p->state != PROCESS_EXITED)
			kill(p->pid, SIGKILL);
	}
}

int container_signal_all(struct container *c, int sig, struct error *e)
{
	autofree pid_t *pids = NULL;
	size_t n = 0;
	int r = ctr_cgroup_pids(c->cgroup, &pids, &n);

	if (r < 0)
		return error_set(e, r, "processes of container %s", c->id);
	for (size_t i = 0; i < n; i++)
		if (pids[i] > 0 && kill(pids[i], sig) < 0 && errno != ESRCH)
			r = error_set(e, errno, "signal %d to process %d", sig, (int)pids[i]);
	return r;
}

static void container_free(struct container *c)
{
	struct process *p;

	list_for_each(p, &c->processes, link)
		process_free(p);
	events_unwatch(&c->agent->events, c);
	loop_source_free(c->remove_again);
	loop_source_free(c->remove_timeout);
	if (c->lends_pidns)
		sandbox_return_pidns(&c->agent->sandbox);
	storages_release(&c->agent->sandbox.storages, &c->storages, NULL, NULL);
	sharedirs_release(&c->agent->sandbox.shared, &c->shared);
	list_del(&c->link);
	c->agent->containers.n--;
	ctr_pins_done(&c->pins);
	pending_fail_all(&c->freezers, ENOENT, "the container was removed");
	hook_run_free(c->hooks);
	free(c->spec);
	free(c->cgroup);
	free(c->bundle);
	free(c->id);
	free(c->failure);
	free(c);
}

void containers_done(struct containers *cs)
{
	struct container *c;

	list_for_each(c, &cs->head, link) {
		container_kill(c);
		if (c->failed_call)
			rpc_call_fail(take_ptr(c->failed_call), c->failure);
		pending_fail_all(&c->removers, ECANCELED, "the agent ends");
		container_free(c);
	}
}

static bool all_reaped(const struct container *c)
{
	struct process *p;

	if (c->op)
		return false;
	list_for_each(p, &c->processes, link)
		if (p->state != PROCESS_EXITED)
			return false;
	return true;
}

static void removed(void *data);

static void on_poststop(void *data, const struct error *why)
{
	struct container *c = data;

	c->hooks = NULL;
	removed(c);
}

/* True if the removal goes on when they are over. */
static bool run_poststop_hooks(struct container *c)
{
	struct error e = ERROR_INIT;

	if (!(c->hook_kinds & HOOKS_POSTSTOP) || c->hooks_ran)
		return false;
	c->hooks_ran = true;
	c->hooks = hooks_start(c, HOOKS_POSTSTOP, "stopped", 0, on_poststop, c, &e);
	if (!c->hooks)
		log_warn("container %s: %s", c->id, e.text);
	return c->hooks;
}

static void removed(void *data)
{
	struct container *c = data;
	struct pending *p;
	int r;

	if (run_poststop_hooks(c))
		return;
	r = path_remove_tree_at(AT_FDCWD, c->bundle);

	if (r < 0)
		log_warn("container %s: remove %s: %s", c->id, c->bundle, strerror(-r));
	while ((p = pending_first(&c->removers)))
		rpc_call_reply_empty(pending_take(p));
	if (c->failed_call)
		rpc_call_fail(take_ptr(c->failed_call), c->failure);
	container_free(c);
}

static void try_remove(struct container *c)
{
	int r = all_reaped(c) ? 0 : -EBUSY;

	if (c->releasing)
		return;
	if (r == 0 && c->has_cgroup)
		r = ctr_cgroup_remove(c->cgroup);
	if (r == -EBUSY) {
		if (loop_timer_set(c->remove_again, REMOVE_AGAIN_MS) < 0)
			log_error("container %s: timer: %s", c->id, strerror(errno));
		return;
	}
	if (r < 0)
		log_warn("container %s: remove its cgroup: %s", c->id, strerror(-r));
	c->releasing = true;
	storages_release(&c->agent->sandbox.storages, &c->storages, removed, c);
}

static void on_again(struct loop_source *s, void *data)
{
	try_remove(data);
}

void container_settle(struct container *c)
{
	thawed_or_frozen(c);
	if (c->removing)
		loop_timer_set(c->remove_again, 0);
}

static int begin_remove(struct container *c, struct error *e)
{
	if (c->removing)
		return 0;
	c->remove_again = loop_add_timer(c->agent->loop, 0, on_again, c);
	if (!c->remove_again)
		return error_set(e, errno, "timer");
	c->removing = true;
	container_kill(c);
	if (c->op)
		storages_cancel(&c->agent->sandbox.storages, c->op);
	return 0;
}

void container_failed(struct container *c, struct rpc_call *call, const struct error *why)
{
	c->failed_call = call;
	c->failure = xmemdup(why, sizeof(*why));
	/* Without a timer it stays until the host removes it. */
	if (begin_remove(c, NULL) < 0)
		rpc_call_fail(take_ptr(c->failed_call), why);
}

static void on_timeout(struct loop_source *s, void *data)
{
	struct container *c = data;
	struct process *p;
	unsigned n = 0;

	list_for_each(p, &c->processes, link)
		n += p->state != PROCESS_EXITED;
	log_warn("container %s: %u processes do not end", c->id, n);
	pending_fail_all(&c->removers, ETIMEDOUT, "the container's processes do not end");
}

int container_remove(struct agent *a, const char *id, uint32_t timeout_s, struct rpc_call *call,
		     struct error *e)
{
	struct container *c;
	int r = id_check(id, "container id", e);

	if (r < 0)
		return r;
	c = container_lookup(a, id);
	if (!c)
		return error_plain(e, ENOENT, "container %s does not exist", id);
	r = begin_remove(c, e);
	if (r < 0)
		return r;
	if (timeout_s) {
		loop_source_free(c->remove_timeout);
		c->remove_timeout =
			loop_add_timer(a->loop, (int64_t)timeout_s * 1000, on_timeout, c);
	}
	return pending_add(&c->removers, call, NULL, e);
}

/* --- children --- */

static struct process *process_of_pid(struct agent *a, pid_t pid)
{
	struct container *c;
	struct process *p;

	list_for_each(c, &a->containers.head, link)
		list_for_each(p, &c->processes, link)
			if (p->state != PROCESS_EXITED && p->pid == pid)
				return p;
	return NULL;
}

/* What a set-up had to say before it ended comes first. */
static void sync_all(struct agent *a)
{
	struct container *c;
	struct process *p;

	list_for_each(c, &a->containers.head, link)
		list_for_each(p, &c->processes, link)
			process_sync(p);
}

static void reaped(struct agent *a, pid_t pid, int status)
{
	struct process *p = process_of_pid(a, pid);
	struct container *c;

	if (!p) { /* a shell of the debug console, or an orphan of some container */
		console_reaped(a->console, pid);
		return;
	}
	c = p->ctr;
	events_look(&a->events, c);
	/* In a pid namespace that others share, the kernel does not end the rest. */
	if (p == container_init_process(c))
		container_kill(c);
	process_exited(p, status);
	if (p->gone)
		process_free(p);
	container_settle(c);
}

void containers_reap(struct agent *a)
{
	int status;
	pid_t pid;

	sync_all(a);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(a, pid, status);
}
