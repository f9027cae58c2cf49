/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: what they find out comes back, whatever becomes of them is told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/job.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	struct loop *loop;
	struct jobs jobs;
	int done;
	struct error e;
	char result[64];
	size_t n;
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	f->loop = loop_new();
	jobs_init(&f->jobs, f->loop);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	jobs_done(&f->jobs);
	loop_free(f->loop);
	while (waitpid(-1, NULL, 0) > 0)
		;
	free(f);
	return 0;
}

static void on_done(void *data, const struct error *e, const char *result, size_t n)
{
	struct fixture *f = data;

	f->done++;
	error_copy(&f->e, e);
	f->n = n;
	/* Of a failure there is none. */
	assert_true(!result == !!e);
	assert_true(!e || !n);
	if (n)
		memcpy(f->result, result, MIN(n, sizeof(f->result)));
}

static void run(struct fixture *f, job_work_fn *work, int timeout_ms)
{
	struct error e = ERROR_INIT;

	assert_int_equal(job_start(&f->jobs, work, on_done, f, timeout_ms, NULL, &e), 0);
	while (!f->done)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->jobs.n, 0);
}

static int say(void *data, struct buf *result, struct error *e)
{
	return buf_add_str(result, "found");
}

static int not_there(void *data, struct buf *result, struct error *e)
{
	return error_plain(e, ENODEV, "no such thing");
}

static int die(void *data, struct buf *result, struct error *e)
{
	raise(SIGKILL);
	return 0;
}

static int hang(void *data, struct buf *result, struct error *e)
{
	pause();
	return 0;
}

static int much(void *data, struct buf *result, struct error *e)
{
	void *p = buf_reserve(result, LIMIT_AGENT_JOB_RESULT);

	if (!p || buf_reserve(result, LIMIT_AGENT_JOB_RESULT + 1))
		return error_plain(e, EPROTO, "the result has another limit");
	memset(p, 'x', LIMIT_AGENT_JOB_RESULT);
	buf_commit(result, LIMIT_AGENT_JOB_RESULT);
	return 0;
}

/* Only 0 to 2, and the pipe to the agent. */
static int count_files(void *data, struct buf *result, struct error *e)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n <= 4 ? 0 : error_plain(e, EMFILE, "%d descriptors", n);
}

static void test_a_result(void **state)
{
	struct fixture *f = *state;

	run(f, say, 20000);
	assert_int_equal(f->e.code, 0);
	assert_int_equal(f->n, 5);
	assert_memory_equal(f->result, "found", 5);
}

static void test_a_large_result(void **state)
{
	struct fixture *f = *state;

	run(f, much, 20000);
	assert_int_equal(f->e.code, 0);
	assert_int_equal(f->n, LIMIT_AGENT_JOB_RESULT);
}

static void test_an_error(void **state)
{
	struct fixture *f = *state;

	run(f, not_there, 20000);
	assert_int_equal(f->e.code, -ENODEV);
	assert_string_equal(f->e.text, "no such thing");
}

static void test_a_death(void **state)
{
	struct fixture *f = *state;

	run(f, die, 20000);
	assert_int_equal(f->e.code, -EIO);
	assert_non_null(strstr(f->e.text, "died"));
}

static void test_too_long(void **state)
{
	struct fixture *f = *state;

	run(f, hang, 50);
	assert_int_equal(f->e.code, -ETIMEDOUT);
}

static void test_cancelled(void **state)
{
	struct fixture *f = *state;
	struct job *j;

	assert_int_equal(job_start(&f->jobs, hang, on_done, f, 20000, &j, NULL), 0);
	job_cancel(j);
	assert_int_equal(f->done, 0);
	while (!f->done)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
	assert_int_equal(f->e.code, -ECANCELED);
}

static void test_no_descriptors(void **state)
{
	struct fixture *f = *state;
	int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */

	run(f, count_files, 20000);
	close(extra);
	assert_string_equal(f->e.text, "");
}

static void test_not_too_many(void **state)
{
	struct fixture *f = *state;
	struct error e = ERROR_INIT;

	for (int i = 0; i < LIMIT_AGENT_JOBS; i++)
		assert_int_equal(job_start(&f->jobs, hang, on_done, f, 20000, NULL, &e), 0);
	assert_int_equal(job_start(&f->jobs, hang, on_done, f, 20000, NULL, &e), -ENOBUFS);
	jobs_done(&f->jobs);
	assert_int_equal(f->done, LIMIT_AGENT_JOBS);
	assert_int_equal(f->jobs.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_a_result),       T(test_a_large_result), T(test_an_error),
		T(test_a_death),        T(test_too_long),       T(test_cancelled),
		T(test_no_descriptors), T(test_not_too_many),
	};

	log_set_fd(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
