/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events - what happens in the sandbox as containerd's messages. The sandbox tells things in the
 * order that must hold (create, start, exit, delete; exec-added, exec-started, exit), and the
 * publisher keeps it.
 */
#include "shim/shim.h"

#include "base/str.h"
#include "shim/publish.h"

#include "events.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

typedef void event_fn(struct publisher *pub, const char *topic, const struct process_status *st);

static void send_create(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskCreate m = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;
	autofree Containerd__Types__Mount *mounts = xcalloc(st->nrootfs, sizeof(*mounts));
	autofree Containerd__Types__Mount **list = xcalloc(st->nrootfs, sizeof(*list));

	for (size_t i = 0; i < st->nrootfs; i++) {
		containerd__types__mount__init(&mounts[i]);
		mounts[i].type = TEXT(st->rootfs[i].type);
		mounts[i].source = TEXT(st->rootfs[i].source);
		mounts[i].target = TEXT(st->rootfs[i].target);
		mounts[i].options = (char **)(uintptr_t)st->rootfs[i].options;
		mounts[i].n_options = st->rootfs[i].noptions;
		list[i] = &mounts[i];
	}
	io.stdin = TEXT(st->in);
	io.stdout = TEXT(st->out);
	io.stderr = TEXT(st->err);
	io.terminal = st->terminal;
	m.container_id = TEXT(st->id);
	m.bundle = TEXT(st->bundle);
	m.rootfs = list;
	m.n_rootfs = st->nrootfs;
	m.io = &io;
	m.pid = (uint32_t)st->pid;
	publisher_send(pub, topic, &m.base);
}

static void send_start(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskStart m = CONTAINERD__EVENTS__TASK_START__INIT;
	Containerd__Events__TaskExecStarted x = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	m.container_id = x.container_id = TEXT(st->id);
	m.pid = x.pid = (uint32_t)st->pid;
	x.exec_id = TEXT(st->exec_id);
	if (*st->exec_id)
		publisher_send(pub, "/tasks/exec-started", &x.base);
	else
		publisher_send(pub, topic, &m.base);
}

static void send_exit(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskExit m = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = st->exited_at.tv_sec;
	at.nanos = (int32_t)st->exited_at.tv_nsec;
	m.container_id = TEXT(st->id);
	m.id = TEXT(*st->exec_id ? st->exec_id : st->id);
	m.pid = (uint32_t)st->pid;
	m.exit_status = st->exit_status;
	m.exited_at = &at;
	publisher_send(pub, topic, &m.base);
}

static void send_exec_added(struct publisher *pub, const char *topic,
			    const struct process_status *st)
{
	Containerd__Events__TaskExecAdded m = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;

	m.container_id = TEXT(st->id);
	m.exec_id = TEXT(st->exec_id);
	publisher_send(pub, topic, &m.base);
}

static void send_delete(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskDelete m = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	at.seconds = st->exited_at.tv_sec;
	at.nanos = (int32_t)st->exited_at.tv_nsec;
	m.container_id = TEXT(st->id);
	m.pid = (uint32_t)st->pid;
	m.exit_status = st->exit_status;
	m.exited_at = &at;
	publisher_send(pub, topic, &m.base);
}

static void send_oom(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskOOM m = CONTAINERD__EVENTS__TASK_OOM__INIT;

	m.container_id = TEXT(st->id);
	publisher_send(pub, topic, &m.base);
}

static void send_paused(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskPaused m = CONTAINERD__EVENTS__TASK_PAUSED__INIT;

	m.container_id = TEXT(st->id);
	publisher_send(pub, topic, &m.base);
}

static void send_resumed(struct publisher *pub, const char *topic, const struct process_status *st)
{
	Containerd__Events__TaskResumed m = CONTAINERD__EVENTS__TASK_RESUMED__INIT;

	m.container_id = TEXT(st->id);
	publisher_send(pub, topic, &m.base);
}

static const struct {
	const char *topic;
	event_fn *send;
} events[] = {
	[SANDBOX_EVENT_CREATED] = { "/tasks/create", send_create },
	[SANDBOX_EVENT_STARTED] = { "/tasks/start", send_start },
	[SANDBOX_EVENT_EXITED] = { "/tasks/exit", send_exit },
	[SANDBOX_EVENT_EXEC_ADDED] = { "/tasks/exec-added", send_exec_added },
	[SANDBOX_EVENT_DELETED] = { "/tasks/delete", send_delete },
	[SANDBOX_EVENT_OOM] = { "/tasks/oom", send_oom },
	[SANDBOX_EVENT_PAUSED] = { "/tasks/paused", send_paused },
	[SANDBOX_EVENT_RESUMED] = { "/tasks/resumed", send_resumed },
};

void shim_event(void *data, enum sandbox_event ev, struct process *p)
{
	const struct shim *s = data;
	struct process_status st;

	if (!s->publisher)
		return;
	process_status(p, &st);
	events[ev].send(s->publisher, events[ev].topic, &st);
}
