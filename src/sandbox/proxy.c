/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy - the sandbox's side of init proxies (rpc/handover.h): those that wait to be claimed, what
 * is told to one, and what one says.
 *
 * A proxy stands for its process: its end kills the process, the process's end is told to it. Data
 * goes from the guest to the proxy directly.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/handover.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

/* --- proxies that wait to be claimed --- */

struct attached {
	struct list link;
	char *id, *exec_id;
	pid_t pid;
	int fd, mnt_ns;
	struct loop_source *source;
};

static void attached_free(struct attached *a)
{
	list_del(&a->link);
	loop_source_free(a->source);
	fd_close(a->fd);
	fd_close(a->mnt_ns);
	free(a->id);
	free(a->exec_id);
	free(a);
}

/* Before its process exists, a proxy has nothing to say but its end. */
static void attached_ready(struct loop_source *s, int fd, uint32_t events, void *data)
{
	attached_free(data);
}

static struct attached *attached_find(struct sandbox *s, const char *id, const char *exec_id)
{
	struct attached *a;

	list_for_each(a, &s->attached, link)
		if (str_eq(a->id, id) && str_eq(a->exec_id, exec_id))
			return a;
	return NULL;
}

int sandbox_attach_proxy(struct sandbox *s, const char *id, const char *exec_id, pid_t pid, int fd,
			 int mnt_ns, struct error *e)
{
	struct attached *a;

	if (attached_find(s, id, exec_id)) {
		fd_close(fd);
		fd_close(mnt_ns);
		return error_plain(e, EEXIST, "another proxy waits for %s %s", id, exec_id);
	}
	fd_set_nonblock(fd, true);
	a = xnew(struct attached);
	a->id = xstrdup(id);
	a->exec_id = xstrdup(exec_id);
	a->pid = pid;
	a->fd = fd;
	a->mnt_ns = mnt_ns;
	/* No EPOLLIN: signals that come before the process exists stay queued for it. */
	a->source = loop_add_io(s->loop, fd, EPOLLRDHUP, attached_ready, a);
	list_init(&a->link);
	list_add(&s->attached, &a->link);
	return 0;
}

void attached_drop_all(struct sandbox *s)
{
	while (!list_empty(&s->attached))
		attached_free(list_entry(s->attached.next, struct attached, link));
}

/* --- what a process and its proxy say to each other --- */

static void proxy_ready(struct loop_source *s, int fd, uint32_t events, void *data);

int proxy_claim(struct process *p, struct error *e)
{
	struct sandbox *s = p->container->sandbox;
	struct attached *a = attached_find(s, p->container->id, p->exec_id);

	if (!a)
		return error_plain(e, ESRCH, "no init proxy is attached for %s %s",
				   p->container->id, p->exec_id);
	p->pid = a->pid;
	p->proxy = take_fd(a->fd);
	if (str_empty(p->exec_id))
		p->mnt_ns = take_fd(a->mnt_ns);
	a->source = loop_source_free(a->source);
	attached_free(a);
	p->proxy_source = loop_add_io(s->loop, p->proxy, EPOLLIN | EPOLLRDHUP, proxy_ready, p);
	return 0;
}

void proxy_drop(struct process *p)
{
	p->proxy_source = loop_source_free(p->proxy_source);
	p->proxy = fd_close(p->proxy);
}

void proxy_tell(struct process *p, enum handover_type type, uint32_t value, const char *text,
		const int *fds, size_t nfds)
{
	struct handover_msg m = { .type = type, .value = value };
	int r;

	if (p->proxy < 0)
		return;
	snprintf(m.text, sizeof(m.text), "%s", text ? text : "");
	r = handover_send(p->proxy, &m, fds, nfds);
	if (r < 0)
		log_debug("proxy of %s %s: %s", p->container->id, p->exec_id, strerror(-r));
}

void proxy_hand_over(struct process *p)
{
	int fds[STREAM_COUNT];
	uint32_t bits = 0;
	size_t n = 0;

	for (int i = 0; i < STREAM_COUNT; i++) {
		if (p->stream[i] < 0)
			continue;
		bits |= 1u << i;
		fds[n++] = p->stream[i];
	}
	proxy_tell(p, HANDOVER_STREAMS, bits, NULL, fds, n);
	process_close_streams(p);
}

static void forwarded(void *data, const struct error *e)
{
	if (e)
		log_debug("forward from a proxy: %s", error_text(e));
}

static void proxy_said(struct process *p, const struct handover_msg *m)
{
	struct error e = ERROR_INIT;
	int r;

	switch (m->type) {
	case HANDOVER_SIGNAL:
		r = process_kill(p, m->value, false, forwarded, p, &e);
		break;
	case HANDOVER_WINSIZE:
		r = process_resize(p, m->value >> 16, m->value & 0xffff, forwarded, p, &e);
		break;
	default:
		r = error_plain(&e, EPROTO, "unknown message %u", m->type);
	}
	if (r < 0)
		log_debug("proxy of %s %s: %s", p->container->id, p->exec_id, error_text(&e));
}

/* The proxy stands for the process: its end is the process's. One that is being made is killed when
 * it is there (process_watch). */
void proxy_gone(struct process *p)
{
	struct error e = ERROR_INIT;
	bool exec = !str_empty(p->exec_id);

	proxy_drop(p);
	/* Of an exec that has ended, or was never started, nobody will ask again. */
	if (exec && (p->state == PROCESS_STOPPED || (!p->in_guest && !p->done))) {
		process_delete_exec(p, NULL);
		return;
	}
	if (p->state == PROCESS_STOPPED || (exec && !p->in_guest))
		return;
	log_info("init proxy %d of %s %s has gone: killing the process", (int)p->pid,
		 p->container->id, p->exec_id);
	if (process_kill(p, SIGKILL, false, forwarded, p, &e) < 0)
		log_debug("%s", error_text(&e));
}

static void proxy_ready(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct process *p = data;
	struct handover_msg m;
	size_t nfds = 0;
	int r = handover_recv(fd, &m, NULL, &nfds);

	if (r == -EAGAIN && !(events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)))
		return;
	if (r > 0 && p->state != PROCESS_CREATING)
		proxy_said(p, &m);
	else if (r <= 0)
		proxy_gone(p);
}
