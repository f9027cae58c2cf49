/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - see loop.h.
 *
 * Every source is a descriptor in one epoll set: timerfd, signalfd and pidfd make the other kinds
 * out of the first. A source freed while events are being dispatched goes to a graveyard until the
 * batch is over, so that a stale event finds it dead instead of gone.
 */
#include "base/loop.h"

#include "base/fd.h"
#include "base/list.h"
#include "base/proc.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOP_BATCH 32

enum source_kind { SOURCE_IO, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD, SOURCE_DEFER };

struct loop_source {
	struct list link; /* in the loop's sources, deferred or graveyard */
	struct loop *loop;
	enum source_kind kind;
	int fd; /* -1 for deferred work */
	bool own_fd, in_epoll, dead;
	pid_t pid;
	union {
		loop_io_fn *io;
		loop_timer_fn *timer;
		loop_signal_fn *signal;
		loop_child_fn *child;
		loop_defer_fn *defer;
	} fn;
	void *data;
};

struct loop {
	int epfd;
	bool quit, dispatching;
	int code;
	struct list sources, deferred, graveyard;
};

struct loop *loop_new(void)
{
	struct loop *l = xnew(struct loop);

	list_init(&l->sources);
	list_init(&l->deferred);
	list_init(&l->graveyard);
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd >= 0)
		return l;
	free(l);
	return NULL;
}

static void bury(struct loop *l)
{
	while (!list_empty(&l->graveyard)) {
		struct loop_source *s = list_entry(l->graveyard.next, struct loop_source, link);

		list_del(&s->link);
		free(s);
	}
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	l->dispatching = true; /* everything goes through the graveyard, which is emptied last */
	while (!list_empty(&l->sources))
		loop_source_free(list_entry(l->sources.next, struct loop_source, link));
	while (!list_empty(&l->deferred))
		loop_source_free(list_entry(l->deferred.next, struct loop_source, link));
	bury(l);
	fd_close(l->epfd);
	free(l);
}

static struct loop_source *source_new(struct loop *l, enum source_kind kind, int fd, bool own,
				      void *data)
{
	struct loop_source *s = xnew(struct loop_source);

	s->loop = l;
	s->kind = kind;
	s->fd = fd;
	s->own_fd = own;
	s->data = data;
	list_init(&s->link);
	list_add(kind == SOURCE_DEFER ? &l->deferred : &l->sources, &s->link);
	return s;
}

/* Enters @s into the epoll set; on failure frees it and returns NULL with errno. */
static struct loop_source *source_watch(struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(s->loop->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return loop_source_free(s);
	s->in_epoll = true;
	return s;
}

struct loop_source *loop_source_free(struct loop_source *s)
{
	int saved = errno;

	if (!s || s->dead)
		return NULL;
	s->dead = true;
	if (s->in_epoll)
		epoll_ctl(s->loop->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	if (s->own_fd)
		fd_close(s->fd);
	list_del(&s->link);
	if (s->loop->dispatching)
		list_add(&s->loop->graveyard, &s->link);
	else
		free(s);
	errno = saved;
	return NULL;
}

struct loop_source *loop_add_io(struct loop *l, int fd, uint32_t events, loop_io_fn *fn, void *data)
{
	struct loop_source *s = source_new(l, SOURCE_IO, fd, false, data);

	s->fn.io = fn;
	return source_watch(s, events);
}

int loop_io_set(struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	return epoll_ctl(s->loop->epfd, EPOLL_CTL_MOD, s->fd, &ev) < 0 ? -errno : 0;
}

struct loop_source *loop_add_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *data)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *s;

	if (fd < 0)
		return NULL;
	s = source_new(l, SOURCE_TIMER, fd, true, data);
	s->fn.timer = fn;
	s = source_watch(s, EPOLLIN);
	if (s)
		loop_timer_set(s, ms);
	return s;
}

int loop_timer_set(struct loop_source *s, int64_t ms)
{
	struct itimerspec it = { 0 };

	if (ms >= 0) {
		it.it_value.tv_sec = ms / 1000;
		it.it_value.tv_nsec = ms % 1000 * 1000000;
		if (ms == 0)
			it.it_value.tv_nsec = 1; /* 0 would disarm */
	}
	return timerfd_settime(s->fd, 0, &it, NULL) < 0 ? -errno : 0;
}

struct loop_source *loop_add_signal(struct loop *l, int sig, loop_signal_fn *fn, void *data)
{
	struct loop_source *s;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, sig);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return NULL;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return NULL;
	s = source_new(l, SOURCE_SIGNAL, fd, true, data);
	s->fn.signal = fn;
	return source_watch(s, EPOLLIN);
}

struct loop_source *loop_add_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *data)
{
	int fd = proc_pidfd_open(pid);
	struct loop_source *s;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	s = source_new(l, SOURCE_CHILD, fd, true, data);
	s->fn.child = fn;
	s->pid = pid;
	return source_watch(s, EPOLLIN);
}

struct loop_source *loop_add_defer(struct loop *l, loop_defer_fn *fn, void *data)
{
	struct loop_source *s = source_new(l, SOURCE_DEFER, -1, false, data);

	s->fn.defer = fn;
	return s;
}

static void dispatch_timer(struct loop_source *s)
{
	uint64_t n;

	if (read(s->fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		s->fn.timer(s, s->data);
}

static void dispatch_signal(struct loop_source *s)
{
	struct signalfd_siginfo si;

	while (!s->dead && read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		s->fn.signal(s, &si, s->data);
}

static void dispatch_child(struct loop_source *s)
{
	int status = 0;
	pid_t r = waitpid(s->pid, &status, WNOHANG);

	if (r == 0)
		return;
	s->fn.child(s, s->pid, r < 0 ? 0 : status, s->data);
	loop_source_free(s);
}

static void dispatch(struct loop_source *s, uint32_t events)
{
	switch (s->kind) {
	case SOURCE_IO:
		s->fn.io(s, s->fd, events, s->data);
		break;
	case SOURCE_TIMER:
		dispatch_timer(s);
		break;
	case SOURCE_SIGNAL:
		dispatch_signal(s);
		break;
	case SOURCE_CHILD:
		dispatch_child(s);
		break;
	case SOURCE_DEFER:
		break;
	}
}

/* Runs what was deferred before this call; what that defers waits for the next round. */
static void run_deferred(struct loop *l)
{
	struct loop_source *last = list_empty(&l->deferred)
					   ? NULL
					   : list_entry(l->deferred.prev, struct loop_source, link);

	while (last && !list_empty(&l->deferred)) {
		struct loop_source *s = list_entry(l->deferred.next, struct loop_source, link);
		bool end = s == last;

		s->fn.defer(s, s->data);
		loop_source_free(s);
		if (end || last->dead)
			break;
	}
}

int loop_run_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[LOOP_BATCH];
	int n = epoll_wait(l->epfd, ev, LOOP_BATCH, list_empty(&l->deferred) ? timeout_ms : 0);
	bool outer = !l->dispatching;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->dispatching = true;
	for (int i = 0; i < n; i++) {
		struct loop_source *s = ev[i].data.ptr;

		if (!s->dead)
			dispatch(s, ev[i].events);
	}
	run_deferred(l);
	if (outer) {
		l->dispatching = false;
		bury(l);
	}
	return 0;
}

int loop_run(struct loop *l)
{
	while (!l->quit) {
		int r = loop_run_once(l, -1);

		if (r < 0)
			return r;
	}
	return l->code;
}

void loop_quit(struct loop *l, int code)
{
	l->quit = true;
	l->code = code;
}

bool loop_quitting(const struct loop *l)
{
	return l->quit;
}

int64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
