/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: what is allowed in which state, waiting, execs and their proxies, and the end of it
 * all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include "base/fd.h"
#include "base/loop.h"
#include "rpc/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPEC "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"linux\":{}}"
#define PROCESS "{\"args\":[\"true\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}"
#define STATES (PROCESS_STOPPED + 1)

struct answer {
	int calls;
	struct error error;
};

static void answered(void *data, const struct error *e)
{
	struct answer *a = data;

	a->calls++;
	error_clear(&a->error);
	error_copy(&a->error, e);
}

static void nobody(void *data, const struct error *e)
{
}

static void stats_answered(void *data, const struct error *e, const Grpc__StatsContainerResponse *r)
{
	answered(data, e);
}

static int try_start(struct container *c, struct answer *a, struct error *e)
{
	return process_start(&c->init, answered, a, e);
}

static int try_kill(struct container *c, struct answer *a, struct error *e)
{
	return process_kill(&c->init, SIGTERM, false, answered, a, e);
}

static int try_resize(struct container *c, struct answer *a, struct error *e)
{
	return process_resize(&c->init, 25, 80, answered, a, e);
}

static int try_close_stdin(struct container *c, struct answer *a, struct error *e)
{
	return process_close_stdin(&c->init, answered, a, e);
}

static int try_pause(struct container *c, struct answer *a, struct error *e)
{
	return container_pause(c, true, answered, a, e);
}

static int try_resume(struct container *c, struct answer *a, struct error *e)
{
	return container_pause(c, false, answered, a, e);
}

static int try_update(struct container *c, struct answer *a, struct error *e)
{
	Grpc__LinuxResources r = GRPC__LINUX_RESOURCES__INIT;

	return container_update(c, &r, answered, a, e);
}

static int try_stats(struct container *c, struct answer *a, struct error *e)
{
	return container_stats(c, true, stats_answered, a, e);
}

/* Per state, CREATING first: 0, or the errno of the refusal. */
static const struct {
	const char *name;
	int (*try)(struct container *c, struct answer *a, struct error *e);
	int expect[STATES];
} actions[] = {
	{ "start", try_start, { EBUSY, 0, EBUSY, EBUSY, EBUSY } },
	{ "kill", try_kill, { ESRCH, 0, 0, 0, ESRCH } },
	{ "resize", try_resize, { ESRCH, 0, 0, 0, ESRCH } },
	{ "close stdin", try_close_stdin, { ESRCH, 0, 0, 0, ESRCH } },
	{ "pause", try_pause, { EBUSY, EBUSY, 0, EBUSY, EBUSY } },
	{ "resume", try_resume, { EBUSY, EBUSY, EBUSY, 0, EBUSY } },
	{ "update", try_update, { EBUSY, 0, 0, 0, EBUSY } },
	{ "stats", try_stats, { EBUSY, 0, 0, 0, EBUSY } },
};

static void test_allowed(void **state)
{
	static const int deletable[STATES] = { EBUSY, 0, EBUSY, EBUSY, 0 };
	struct fixture *f = *state;
	struct container *c = fixture_container(f, "c1", SPEC, nobody, NULL, NULL);

	for (int st = 0; st < STATES; st++) {
		for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
			struct answer a = { 0 };
			struct error e = ERROR_INIT;
			int r;

			c->init.state = (enum process_state)st;
			r = actions[i].try(c, &a, &e);
			if (r != -actions[i].expect[st])
				fail_msg("%s in state %d: %d %s", actions[i].name, st, r, e.text);
			assert_int_equal(a.calls, 0); /* never from inside the call */
			loop_run_once(f->loop, 0);
			assert_int_equal(a.calls, r == 0);
			/* There is no guest. */
			assert_int_equal(a.error.code, r == 0 ? -ENOTCONN : 0);
		}
		assert_int_equal(process_may_delete(&c->init, NULL), -deletable[st]);
	}
	c->init.state = PROCESS_RUNNING;
	assert_int_equal(process_kill(&c->init, 65, false, nobody, NULL, NULL), -EINVAL);
	c->init.terminal = false;
	assert_int_equal(process_resize(&c->init, 1, 1, nobody, NULL, NULL), -EINVAL);
}

/* --- the end --- */

struct told {
	char text[256]; /* what a sandbox tells, in order */
};

static void tell(void *data, enum sandbox_event ev, struct process *p)
{
	static const char *const names[] = {
		[SANDBOX_EVENT_STARTED] = "started ",
		[SANDBOX_EVENT_EXITED] = "exited ",
		[SANDBOX_EVENT_EXEC_ADDED] = "exec ",
	};
	struct told *t = data;

	if ((size_t)ev < ARRAY_SIZE(names) && names[ev])
		strncat(t->text, names[ev], sizeof(t->text) - strlen(t->text) - 1);
}

static void wait_until_told(struct fixture *f, const struct told *t, const char *text)
{
	int64_t end = loop_now_ms() + 10000;

	while (!str_eq(t->text, text) && loop_now_ms() < end)
		loop_run_once(f->loop, 50);
	assert_string_equal(t->text, text);
}

/* A process may end before the answer to its start comes: that is told behind it. */
static void test_end_before_start(void **state)
{
	struct fixture *f = *state;
	struct container *c = fixture_container(f, "c1", SPEC, nobody, NULL, NULL);
	struct answer a = { 0 };
	struct told t = { 0 };

	f->sandbox->event = tell;
	f->sandbox->event_data = &t;
	c->init.state = PROCESS_CREATED;
	assert_int_equal(process_start(&c->init, answered, &a, NULL), 0);
	process_exited(&c->init, 3, NULL);
	assert_string_equal(t.text, "");
	assert_int_equal(c->init.state, PROCESS_CREATED);
	/* There is no guest: the answer is a failure, and then nothing holds the end back. */
	loop_run_once(f->loop, 0);
	assert_int_equal(a.calls, 1);
	wait_until_told(f, &t, "exited ");
	assert_int_equal(c->init.exit_status, 3);
}

/* Of a process whose streams we carry the end is told when they have ended, and once. */
static void test_end_after_output(void **state)
{
	struct fixture *f = *state;
	struct container *c = fixture_container(f, "c1", SPEC, nobody, NULL, NULL);
	struct exec_params p = { .exec_id = "e", .in = "", .out = "", .err = "" };
	struct told t = { 0 };
	int guest[STREAM_COUNT], pair[2];
	struct process *e;

	c->init.state = PROCESS_RUNNING;
	assert_int_equal(oci_process_parse(PROCESS, strlen(PROCESS), "p", &p.process, NULL), 0);
	f->sandbox->event = tell;
	f->sandbox->event_data = &t;
	assert_int_equal(process_exec(c, &p, NULL), 0);
	e = container_process(c, "e");
	e->state = PROCESS_RUNNING;
	for (int i = 0; i < STREAM_COUNT; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
					    pair),
				 0);
		e->stream[i] = pair[0];
		guest[i] = pair[1];
	}
	process_hand_over(e);
	process_exited(e, 4, NULL);
	for (int i = 0; i < 5; i++)
		loop_run_once(f->loop, 10);
	assert_string_equal(t.text, "exec ");
	assert_int_equal(e->state, PROCESS_RUNNING);
	for (int i = 0; i < STREAM_COUNT; i++)
		fd_close(guest[i]);
	wait_until_told(f, &t, "exec exited ");
	assert_int_equal(e->state, PROCESS_STOPPED);
	process_exited(e, 5, NULL);
	assert_int_equal(e->exit_status, 4);
	/* containerd deletes it. */
	assert_ptr_equal(container_process(c, "e"), e);
	assert_int_equal(process_delete_exec(e, NULL), 0);
}

struct waited {
	int calls;
	uint32_t status;
};

static void waited(void *data, uint32_t status, const struct timespec *at)
{
	struct waited *w = data;

	w->calls++;
	w->status = status;
	assert_true(at->tv_sec > 0);
}

static void test_wait(void **state)
{
	struct fixture *f = *state;
	struct answer a = { 0 };
	struct container *c = fixture_container(f, "c1", SPEC, nobody, NULL, NULL);
	struct waited before = { 0 }, after = { 0 }, cancelled = { 0 }, late = { 0 };
	struct process_waiter *w1, *w2;

	process_wait(&c->init, waited, &before);
	w1 = process_wait(&c->init, waited, &cancelled);
	w2 = process_wait(&c->init, waited, &cancelled);
	process_wait_cancel(w1);
	process_exited(&c->init, 7, NULL);
	process_exited(&c->init, 8, NULL); /* only once */
	process_wait_cancel(w2);           /* told, but not yet called */
	process_wait(&c->init, waited, &after);
	assert_int_equal(before.calls, 0);
	loop_run_once(f->loop, 0);
	assert_int_equal(before.calls, 1);
	assert_int_equal(before.status, 7);
	assert_int_equal(after.calls, 1);
	assert_int_equal(after.status, 7);
	assert_int_equal(cancelled.calls, 0);
	process_wait_cancel(NULL);
	/* A waiter outlives its process. */
	c = fixture_container(f, "c2", SPEC, answered, &a, NULL);
	process_wait(&c->init, waited, &late);
	container_free(c);
	loop_run_once(f->loop, 0);
	assert_int_equal(late.calls, 1);
	assert_int_equal(late.status, 137);
	assert_int_equal(a.calls, 1); /* and its creator is told */
	assert_int_equal(a.error.code, -ESRCH);
}

/* Whoever waits for a start hears of it when the container is deleted instead. */
static void test_start_cut_off(void **state)
{
	struct fixture *f = *state;
	struct answer created = { 0 }, started = { 0 };
	struct container *c = fixture_container(f, "c1", SPEC, answered, &created, NULL);

	c->init.state = PROCESS_CREATED;
	assert_int_equal(process_start(&c->init, answered, &started, NULL), 0);
	assert_int_equal(process_start(&c->init, answered, &started, NULL), -EBUSY);
	c->done = NULL;
	container_free(c);
	assert_int_equal(started.calls, 1);
	assert_string_equal(started.error.text, "it was deleted while it was being started");
	loop_run_once(f->loop, 0); /* the guest's answer comes to nobody */
	assert_int_equal(started.calls, 1);
	assert_int_equal(created.calls, 0);
}

static int add_exec(struct fixture *f, struct container *c, const char *id, int *ret_proxy,
		    struct error *e)
{
	static const char json[] =
		"{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}";
	struct exec_params p = {
		.exec_id = id, .in = HANDOVER_STDIO, .out = HANDOVER_STDIO, .err = HANDOVER_STDIO
	};
	int s[2] = { -1, -1 };

	assert_int_equal(oci_process_parse(json, strlen(json), "test", &p.process, e), 0);
	if (ret_proxy) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
		assert_int_equal(sandbox_attach_proxy(f->sandbox, c->id, id, getpid(), s[0], -1, e),
				 0);
		*ret_proxy = s[1];
	}
	return process_exec(c, &p, e);
}

static void test_exec(void **state)
{
	static const int expect[STATES] = { EBUSY, ESRCH, ESRCH, EBUSY, EBUSY };
	struct fixture *f = *state;
	struct container *c = fixture_container(f, "c1", SPEC, nobody, NULL, NULL);
	struct error e = ERROR_INIT;
	int proxy, other;

	/* ESRCH is behind the table: no proxy has been attached. */
	for (int st = 0; st < STATES; st++) {
		c->init.state = (enum process_state)st;
		assert_int_equal(add_exec(f, c, "e1", NULL, &e), -expect[st]);
	}
	c->init.state = PROCESS_RUNNING;
	assert_int_equal(add_exec(f, c, "a/b", NULL, &e), -EINVAL);
	assert_int_equal(add_exec(f, c, "e1", &proxy, &e), 0);
	assert_non_null(container_process(c, "e1"));
	assert_int_equal(add_exec(f, c, "e1", &other, &e), -EEXIST);
	assert_int_equal(process_delete_exec(container_process(c, "e1"), &e), 0);
	assert_null(container_process(c, "e1"));
	assert_int_equal(fd_read_full(proxy, &e, 1), 0); /* its proxy is let go */
	fd_close(proxy);
	fd_close(other);
	loop_run_once(f->loop, 0);
}

/* An exec is forgotten when nobody is left to ask for it, whichever ends first. */
static void test_exec_forgotten(void **state)
{
	struct fixture *f = *state;
	struct container *c = fixture_container(f, "c1", SPEC, nobody, NULL, NULL);
	struct error e = ERROR_INIT;
	struct process *p;
	int proxy;

	c->init.state = PROCESS_RUNNING;
	/* Never started. */
	assert_int_equal(add_exec(f, c, "e1", &proxy, &e), 0);
	fd_close(proxy);
	loop_run_once(f->loop, 1000);
	assert_null(container_process(c, "e1"));
	/* The process ends, then the proxy. */
	assert_int_equal(add_exec(f, c, "e2", &proxy, &e), 0);
	p = container_process(c, "e2");
	p->state = PROCESS_RUNNING;
	p->in_guest = true;
	process_exited(p, 0, NULL);
	loop_run_once(f->loop, 0);
	assert_non_null(container_process(c, "e2"));
	fd_close(proxy);
	loop_run_once(f->loop, 1000);
	assert_null(container_process(c, "e2"));
	/* The proxy is killed, then the process ends of it. */
	assert_int_equal(add_exec(f, c, "e3", &proxy, &e), 0);
	p = container_process(c, "e3");
	p->state = PROCESS_RUNNING;
	p->in_guest = true;
	fd_close(proxy);
	loop_run_once(f->loop, 1000);
	assert_non_null(container_process(c, "e3"));
	process_exited(p, 137, NULL);
	assert_non_null(container_process(c, "e3")); /* its caller may be looking at it */
	loop_run_once(f->loop, 0);
	assert_null(container_process(c, "e3"));
}

static void test_proxies(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(sandbox_attach_proxy(f->sandbox, "c1", "", 1,
					      fcntl(s[0], F_DUPFD_CLOEXEC, 3), -1, &e),
			 0);
	assert_int_equal(sandbox_attach_proxy(f->sandbox, "c1", "", 1,
					      fcntl(s[0], F_DUPFD_CLOEXEC, 3), -1, &e),
			 -EEXIST);
	assert_int_equal(sandbox_attach_proxy(f->sandbox, "c1", "e", 1, s[0], -1, &e), 0);
	/* One that ends before it is claimed frees its place. */
	fd_close(s[1]);
	loop_run_once(f->loop, 1000);
	assert_true(list_empty(&f->sandbox->attached));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_allowed, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_wait, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_end_before_start, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_end_after_output, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_start_cut_off, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_exec, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_exec_forgotten, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_proxies, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
