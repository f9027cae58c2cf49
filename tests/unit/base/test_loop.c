/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: order, re-arming, and sources that are freed while others of the batch wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
	*state = loop_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	loop_free(*state);
	return 0;
}

/* Two pipes that are readable at once, each with a source that frees both. */
struct pair {
	struct loop_source *s[2];
	int p[2][2], calls;
};

static void free_both(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct pair *pair = data;

	pair->calls++;
	assert_true(events & EPOLLIN);
	pair->s[0] = loop_source_free(pair->s[0]);
	pair->s[1] = loop_source_free(pair->s[1]);
}

static void test_freed_in_batch(void **state)
{
	struct loop *l = *state;
	struct pair pair = { .calls = 0 };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(pair.p[i], O_CLOEXEC), 0);
		assert_int_equal(write(pair.p[i][1], "x", 1), 1);
		pair.s[i] = loop_add_io(l, pair.p[i][0], EPOLLIN, free_both, &pair);
		assert_non_null(pair.s[i]);
	}
	assert_int_equal(loop_run_once(l, 1000), 0);
	assert_int_equal(pair.calls, 1); /* the other one was in the same batch */
	assert_int_equal(loop_run_once(l, 0), 0);
	assert_int_equal(pair.calls, 1);
	for (int i = 0; i < 2; i++) {
		close(pair.p[i][0]);
		close(pair.p[i][1]);
	}
	assert_null(loop_source_free(NULL));
}

/* A source freed and its descriptor's number taken by another within one batch. */
struct reuse {
	struct loop *l;
	struct loop_source *s[2];
	int fd[2], old, fresh;
};

static void fresh_ready(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct reuse *r = data;

	r->fresh++;
	loop_source_free(s);
}

static void old_ready(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct reuse *r = data;
	int other = fd == r->fd[0];

	r->old++;
	r->s[other] = loop_source_free(r->s[other]);
	r->s[other] = loop_add_io(r->l, r->fd[other], EPOLLIN, fresh_ready, r);
	loop_source_free(s);
}

static void test_reused_descriptor(void **state)
{
	struct reuse r = { .l = *state };
	int p[2][2];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(p[i], O_CLOEXEC), 0);
		assert_int_equal(write(p[i][1], "x", 1), 1);
		r.fd[i] = p[i][0];
		r.s[i] = loop_add_io(r.l, r.fd[i], EPOLLIN, old_ready, &r);
	}
	assert_int_equal(loop_run_once(r.l, 1000), 0);
	assert_int_equal(r.old, 1);
	assert_int_equal(r.fresh, 0); /* the stale event was not its own */
	assert_int_equal(loop_run_once(r.l, 1000), 0);
	assert_int_equal(r.fresh, 1);
	for (int i = 0; i < 2; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

static void count_io(struct loop_source *s, int fd, uint32_t events, void *data)
{
	(*(int *)data)++;
}

static void test_io_set(void **state)
{
	struct loop *l = *state;
	struct loop_source *s;
	int p[2], n = 0;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	s = loop_add_io(l, p[0], EPOLLIN, count_io, &n);
	loop_run_once(l, 0);
	loop_run_once(l, 0);
	assert_int_equal(n, 2); /* level-triggered */
	assert_int_equal(loop_io_set(s, 0), 0);
	loop_run_once(l, 0);
	assert_int_equal(n, 2);
	close(p[1]);
	loop_run_once(l, 0);
	assert_int_equal(n, 3); /* an end is always heard */
	loop_source_free(s);
	close(p[0]);
	errno = 0;
	assert_null(loop_add_io(l, p[0], EPOLLIN, count_io, &n));
	assert_int_equal(errno, EBADF);
	assert_null(loop_add_io(l, -1, EPOLLIN, count_io, &n));
	assert_int_equal(errno, EBADF);
}

struct timer {
	int calls, again;
	struct loop_source *other;
};

static void timer_fired(struct loop_source *s, void *data)
{
	struct timer *t = data;

	t->calls++;
	if (t->other)
		loop_timer_set(t->other, -1);
	if (t->calls < t->again)
		loop_timer_set(s, 1);
}

static void test_timers(void **state)
{
	struct timer a = { .again = 3 }, b = { 0 }, c = { 0 };
	struct loop *l = *state;
	struct loop_source *sa, *sb;
	int64_t t0 = loop_now_ms();

	sa = loop_add_timer(l, 20, timer_fired, &a);
	sb = loop_add_timer(l, -1, timer_fired, &b);
	loop_add_timer(l, 0, timer_fired, &c); /* at once, not disarmed; freed with the loop */
	while (a.calls < 3)
		assert_int_equal(loop_run_once(l, 1000), 0);
	assert_true(loop_now_ms() - t0 >= 20);
	assert_int_equal(loop_run_once(l, 5), 0);
	assert_int_equal(a.calls, 3);
	assert_int_equal(b.calls, 0);
	assert_int_equal(c.calls, 1);
	/* Two due at once, each disarms the other: one comes. */
	a = (struct timer){ .other = sb };
	b = (struct timer){ .other = sa };
	loop_timer_set(sa, 0);
	loop_timer_set(sb, 0);
	usleep(2000);
	loop_run_once(l, 1000);
	loop_run_once(l, 2);
	assert_int_equal(a.calls + b.calls, 1);
}

struct order {
	struct loop *l;
	char text[16];
	struct loop_source *victim;
};

static void defer_b(struct loop_source *s, void *data)
{
	struct order *o = data;

	strcat(o->text, "b");
	o->victim = loop_source_free(o->victim);
}

static void defer_c(struct loop_source *s, void *data)
{
	strcat(((struct order *)data)->text, "c");
}

static void defer_a(struct loop_source *s, void *data)
{
	struct order *o = data;

	strcat(o->text, "a");
	loop_add_defer(o->l, defer_c, o); /* the next round's */
	loop_source_free(s);              /* allowed, and not twice */
}

static void defer_quit(struct loop_source *s, void *data)
{
	struct order *o = data;

	assert_false(loop_quitting(o->l));
	loop_quit(o->l, 7);
}

static void test_deferred(void **state)
{
	struct order o = { .l = *state };

	loop_add_defer(o.l, defer_a, &o);
	loop_add_defer(o.l, defer_b, &o);
	o.victim = loop_add_defer(o.l, defer_c, &o);
	loop_run_once(o.l, -1); /* does not wait */
	assert_string_equal(o.text, "ab");
	loop_run_once(o.l, -1);
	assert_string_equal(o.text, "abc");
	loop_add_defer(o.l, defer_quit, &o);
	assert_int_equal(loop_run(o.l), 7);
	assert_true(loop_quitting(o.l));
	/* Work that never ran goes with the loop. */
	loop_add_defer(o.l, defer_a, &o);
}

struct ended {
	struct loop *l;
	pid_t pid;
	int status, calls;
};

static void child_ended(struct loop_source *s, pid_t pid, int status, void *data)
{
	struct ended *e = data;

	e->calls++;
	e->pid = pid;
	e->status = status;
	loop_quit(e->l, 0);
}

static void test_child(void **state)
{
	struct ended e = { .l = *state };
	pid_t pid = fork();

	if (pid == 0)
		_exit(42);
	assert_non_null(loop_add_child(e.l, pid, child_ended, &e));
	assert_int_equal(loop_run(e.l), 0);
	assert_int_equal(e.pid, pid);
	assert_true(WIFEXITED(e.status) && WEXITSTATUS(e.status) == 42);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* reaped */
	assert_int_equal(loop_run_once(e.l, 1), 0);
	assert_int_equal(e.calls, 1);
	assert_null(loop_add_child(e.l, pid, child_ended, &e));
	assert_int_equal(errno, ESRCH);
}

static void child_never(struct loop_source *s, pid_t pid, int status, void *data)
{
	fail_msg("called after it was freed");
}

static void test_child_freed(void **state)
{
	struct loop *l = *state;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	loop_source_free(loop_add_child(l, pid, child_never, NULL));
	assert_int_equal(waitpid(pid, NULL, 0), pid); /* still ours to reap */
	assert_int_equal(loop_run_once(l, 1), 0);
}

static void got_signal(struct loop_source *s, const struct signalfd_siginfo *si, void *data)
{
	int *n = data;

	assert_int_equal(si->ssi_signo, SIGUSR1);
	if (++*n == 2)
		loop_source_free(s);
}

static void test_signal(void **state)
{
	struct loop *l = *state;
	int n = 0;

	assert_non_null(loop_add_signal(l, SIGUSR1, got_signal, &n));
	raise(SIGUSR1);
	assert_int_equal(loop_run_once(l, 1000), 0);
	assert_int_equal(n, 1);
	raise(SIGUSR1);
	assert_int_equal(loop_run_once(l, 1000), 0);
	assert_int_equal(n, 2);
	raise(SIGUSR1); /* stays blocked */
	assert_int_equal(loop_run_once(l, 1), 0);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_freed_in_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reused_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_io_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_freed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
