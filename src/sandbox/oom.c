/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom - when memory has run out: in a container's limit, which the guest's agent tells, or in the
 * sandbox's limit on the host, where the kernel kills the machine.
 *
 * One GetOOMEvent is always on its way to the agent; an agent that does not know it is asked once.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>

static void event_came(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	const Grpc__OOMEvent *event = (const Grpc__OOMEvent *)resp;
	struct sandbox *s = data;
	struct container *c;

	if (e) {
		log_debug("events of memory: %s", error_text(e));
		return;
	}
	c = sandbox_find(s, event->container_id);
	if (c && c->init.state != PROCESS_STOPPED)
		sandbox_notify(&c->init, SANDBOX_EVENT_OOM);
	oom_watch(s);
}

void oom_watch(struct sandbox *s)
{
	Grpc__GetOOMEventRequest rq = GRPC__GET_OOMEVENT_REQUEST__INIT;

	if (s->state == SANDBOX_READY)
		guest_call(s, "GetOOMEvent", &rq.base, 0, event_came, s);
}

/* How often the kernel killed something in the group: "oom_kill N", of cgroup v1 or v2. */
static uint64_t host_kills(const struct sandbox *s)
{
	static const char *const files[] = { "memory.oom_control", "memory.events" };
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		autofree char *text = NULL;
		const char *line;

		if (s->cgroup_fd < 0 ||
		    file_read_at(s->cgroup_fd, files[i], LIMIT_PROC_FILE, &text, NULL) < 0)
			continue;
		line = strstr(text, "oom_kill ");
		if (line)
			n += strtoull(line + strlen("oom_kill "), NULL, 10);
	}
	return n;
}

bool oom_killed_machine(const struct sandbox *s)
{
	return host_kills(s) > 0;
}

/* Who manages containers is protected from the OOM killer, and that is inherited: a guest must not
 * be. */
void oom_expose(pid_t pid)
{
	autofree char *path = xasprintf("/proc/%d/oom_score_adj", (int)pid);
	autofree char *text = NULL;
	int r = file_read_at(AT_FDCWD, path, LIMIT_PROC_FILE, &text, NULL);

	if (r < 0 || *text != '-')
		return;
	r = file_write_at(AT_FDCWD, path, "0");
	if (r < 0)
		log_warn("%s: %s", path, strerror(-r));
}

void oom_tell_all(struct sandbox *s)
{
	struct container *c;

	list_for_each(c, &s->containers, link)
		if (c->init.in_guest && c->init.state != PROCESS_STOPPED)
			sandbox_notify(&c->init, SANDBOX_EVENT_OOM);
}
