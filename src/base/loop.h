/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the one event loop of a process: descriptors, timers, signals and children over epoll.
 *
 * Callbacks must not block. A source may be freed in any callback, its own included. Callbacks get
 * what they asked for and the @data they were added with. The loop owns nothing but its own state.
 */
#pragma once

#include "base/mem.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

struct loop;
struct loop_source;
struct signalfd_siginfo;

/* NULL and errno when the kernel refuses. */
struct loop *loop_new(void);
void loop_free(struct loop *l); /* frees remaining sources too */
DEFINE_AUTOPTR(loop, loop_free);

/* Runs until loop_quit; returns its code, or -errno if waiting fails. */
int loop_run(struct loop *l);
/* Waits once for at most @timeout_ms (-1: for ever) and dispatches. */
int loop_run_once(struct loop *l, int timeout_ms);
void loop_quit(struct loop *l, int code);
bool loop_quitting(const struct loop *l);

/* @events: EPOLLIN, EPOLLOUT, ... level-triggered unless EPOLLET is among them. The descriptor
 * stays the caller's and must outlive the source. NULL and errno. */
typedef void loop_io_fn(struct loop_source *s, int fd, uint32_t events, void *data);
struct loop_source *loop_add_io(struct loop *l, int fd, uint32_t events, loop_io_fn *fn,
				void *data);
/* 0 events keeps the source but hears only errors. */
int loop_io_set(struct loop_source *s, uint32_t events);

/* One shot after @ms; re-arm with loop_timer_set, ms < 0 disarms. */
typedef void loop_timer_fn(struct loop_source *s, void *data);
struct loop_source *loop_add_timer(struct loop *l, int64_t ms, loop_timer_fn *fn, void *data);
int loop_timer_set(struct loop_source *s, int64_t ms);

/* Blocks @sig for the process and delivers it here (signalfd). */
typedef void loop_signal_fn(struct loop_source *s, const struct signalfd_siginfo *si, void *data);
struct loop_source *loop_add_signal(struct loop *l, int sig, loop_signal_fn *fn, void *data);

/* Called once when the child @pid has ended; it has been reaped: @status as from waitpid(2). The
 * source is freed after the call. */
typedef void loop_child_fn(struct loop_source *s, pid_t pid, int status, void *data);
struct loop_source *loop_add_child(struct loop *l, pid_t pid, loop_child_fn *fn, void *data);

/* Runs @fn once from the loop, after the current callbacks: for work that must not recurse. */
typedef void loop_defer_fn(struct loop_source *s, void *data);
struct loop_source *loop_add_defer(struct loop *l, loop_defer_fn *fn, void *data);

/* Removes and frees; NULL is fine. Returns NULL. */
struct loop_source *loop_source_free(struct loop_source *s);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t loop_now_ms(void);
