/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: forwards, backwards, waiting, abandoned, and those who call at the wrong time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/loop.h"
#include "base/str.h"
#include "sandbox/op.h"

#include <errno.h>
#include <stdio.h>

/* What happened, one letter each: runs in lower case, undos in upper case, "." for done. */
struct trace {
	struct op op;
	struct loop *loop;
	char text[64];
	struct error error;
	int done;
	bool fail_c, wait_b, set_text, recall;
};

static int setup(void **state)
{
	struct trace *t = xnew(struct trace);

	t->loop = loop_new();
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct trace *t = *state;

	loop_free(t->loop);
	free(t);
	return 0;
}

static int run_a(void *data, struct error *e)
{
	strcat(((struct trace *)data)->text, "a");
	return 0;
}

static int run_b(void *data, struct error *e)
{
	struct trace *t = data;

	strcat(t->text, "b");
	return t->wait_b ? -EINPROGRESS : 0;
}

static int run_c(void *data, struct error *e)
{
	struct trace *t = data;

	strcat(t->text, "c");
	if (t->fail_c && t->set_text)
		return error_plain(e, EXFULL, "c is full");
	return t->fail_c ? -EXFULL : 0;
}

static void undo_a(void *data)
{
	struct trace *t = data;

	strcat(t->text, "A");
	/* What is undone may report its end to the operation, which must not start anew. */
	if (t->recall)
		op_continue(&t->op, &(struct error){ 0 });
}

static void undo_c(void *data)
{
	strcat(((struct trace *)data)->text, "C");
}

static const struct op_step steps[] = {
	{ "step a", run_a, undo_a },
	{ "step b", run_b, NULL },
	{ "step c", run_c, undo_c },
};

static void done(void *data, const struct error *e)
{
	struct trace *t = data;

	t->done++;
	strcat(t->text, ".");
	error_copy(&t->error, e);
}

static void start(struct trace *t)
{
	op_start(&t->op, t->loop, "test", steps, ARRAY_SIZE(steps), done, t);
	assert_string_equal(t->text, ""); /* nothing happens inside op_start */
	loop_run_once(t->loop, 0);
}

static void test_forward(void **state)
{
	struct trace *t = *state;

	start(t);
	assert_string_equal(t->text, "abc.");
	assert_int_equal(t->error.code, 0);
	assert_false(t->op.active);
	/* Over is over. */
	op_continue(&t->op, NULL);
	op_abandon(&t->op);
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "abc.");
}

static void test_failure(void **state)
{
	struct trace *t = *state;

	t->fail_c = true;
	start(t);
	assert_string_equal(t->text, "abcA."); /* the failed step is not undone */
	assert_int_equal(t->error.code, -EXFULL);
	assert_string_equal(t->error.text, "step c: Exchange full");
}

static void test_failure_with_text(void **state)
{
	struct trace *t = *state;

	t->fail_c = t->set_text = t->recall = true;
	start(t);
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "abcA.");
	assert_int_equal(t->done, 1);
	assert_string_equal(t->error.text, "c is full");
}

static void test_waiting(void **state)
{
	struct trace *t = *state;

	t->wait_b = true;
	start(t);
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "ab");
	op_continue(&t->op, NULL);
	assert_string_equal(t->text, "ab");                   /* from the loop */
	op_continue(&t->op, &(struct error){ .code = -EIO }); /* twice: the first counts */
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "abc.");
	assert_int_equal(t->error.code, 0);
}

static void test_waiting_fails(void **state)
{
	struct error e = ERROR_INIT;
	struct trace *t = *state;

	t->wait_b = true;
	start(t);
	error_plain(&e, ENOENT, "b is gone");
	op_continue(&t->op, &e);
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "abA.");
	assert_int_equal(t->error.code, -ENOENT);
	assert_string_equal(t->error.text, "b is gone");
}

static void test_abandoned(void **state)
{
	struct trace *t = *state;

	t->wait_b = t->recall = true;
	start(t);
	op_abandon(&t->op);
	assert_string_equal(t->text, "abA");
	op_continue(&t->op, NULL); /* too late */
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "abA");
	assert_int_equal(t->done, 0);
}

static void test_abandoned_early(void **state)
{
	struct trace *t = *state;

	op_start(&t->op, t->loop, "test", steps, ARRAY_SIZE(steps), done, t);
	op_abandon(&t->op);
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "");
}

static void on_step(void *data, const char *op, const char *step, int64_t began_us)
{
	struct trace *t = data;

	assert_true(began_us > 0);
	snprintf(t->text + strlen(t->text), sizeof(t->text) - strlen(t->text), "<%s>", step);
}

static void test_trace(void **state)
{
	struct trace *t = *state;

	t->wait_b = true;
	op_start(&t->op, t->loop, "test", steps, ARRAY_SIZE(steps), done, t);
	op_trace(&t->op, on_step, t);
	loop_run_once(t->loop, 0);
	op_continue(&t->op, NULL);
	loop_run_once(t->loop, 0);
	assert_string_equal(t->text, "a<step a>b<step b>c<step c>.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forward, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_with_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abandoned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abandoned_early, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
