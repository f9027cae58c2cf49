/* SPDX-License-Identifier: Apache-2.0 */
/* events - see events.h. */
#include "agent/events.h"

#include "agent/agent.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { WATCH_MEMORY, WATCH_POPULATED };

static const char *const watch_files[] = {
	[WATCH_MEMORY] = "memory.events",
	[WATCH_POPULATED] = "cgroup.events",
};

static void report_oom(struct events *ev)
{
	Grpc__OOMEvent resp = GRPC__OOMEVENT__INIT;
	struct container *c;
	struct pending *p;

	list_for_each(c, &ev->agent->containers.head, link) {
		if (!c->oom)
			continue;
		p = pending_first(&ev->waiters);
		if (!p)
			return;
		c->oom = false;
		resp.container_id = c->id;
		rpc_call_reply(pending_take(p), &resp.base);
	}
}

void events_look(struct events *ev, struct container *c)
{
	uint64_t n;

	if (c->watch[WATCH_MEMORY] < 0 || ctr_cgroup_oom_kills(c->cgroup, &n) < 0)
		return;
	if (n > c->oom_kills) {
		log_info("container %s: the OOM killer struck (%llu)", c->id,
			 (unsigned long long)n);
		c->oom = true;
	}
	c->oom_kills = n;
	report_oom(ev);
}

static void on_watch(struct events *ev, int wd)
{
	struct container *c;

	list_for_each(c, &ev->agent->containers.head, link) {
		if (wd == c->watch[WATCH_MEMORY])
			events_look(ev, c);
		else if (wd == c->watch[WATCH_POPULATED])
			container_settle(c);
	}
}

static void on_inotify(struct loop_source *s, int fd, uint32_t events, void *data)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct events *ev = data;
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t i = 0; i + (ssize_t)sizeof(struct inotify_event) <= n;) {
		const struct inotify_event *ie = (const struct inotify_event *)(buf + i);

		on_watch(ev, ie->wd);
		i += (ssize_t)(sizeof(*ie) + ie->len);
	}
}

void events_init(struct events *ev, struct agent *a)
{
	*ev = (struct events){ .agent = a, .fd = -1 };
	pending_list_init(&ev->waiters, LIMIT_AGENT_WAITERS);
}

int events_start(struct events *ev, struct error *e)
{
	ev->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (ev->fd < 0)
		return error_set(e, errno, "inotify");
	ev->io = loop_add_io(ev->agent->loop, ev->fd, EPOLLIN, on_inotify, ev);
	return ev->io ? 0 : error_set(e, errno, "watch inotify");
}

void events_done(struct events *ev)
{
	pending_fail_all(&ev->waiters, ECANCELED, "the agent ends");
	ev->io = loop_source_free(ev->io);
	ev->fd = fd_close(ev->fd);
}

void events_watch(struct events *ev, struct container *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(watch_files); i++) {
		autofree char *path = ctr_cgroup_file(c->cgroup, watch_files[i]);

		c->watch[i] = inotify_add_watch(ev->fd, path, IN_MODIFY);
		if (c->watch[i] < 0 && errno != ENOENT)
			log_warn("watch %s: %s", path, strerror(errno));
	}
	events_look(ev, c);
}

void events_unwatch(struct events *ev, struct container *c)
{
	/* The kernel has dropped the watches of removed files by itself; then this fails, which is
	 * as good. */
	for (size_t i = 0; i < ARRAY_SIZE(c->watch); i++) {
		if (c->watch[i] >= 0)
			inotify_rm_watch(ev->fd, c->watch[i]);
		c->watch[i] = -1;
	}
}

void events_wait_oom(struct events *ev, struct rpc_call *call)
{
	struct error e = ERROR_INIT;

	if (pending_add(&ev->waiters, call, NULL, &e) < 0)
		rpc_call_fail(call, &e);
	else
		report_oom(ev);
}
