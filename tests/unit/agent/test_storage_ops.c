/* SPDX-License-Identifier: Apache-2.0 */
/* Several requests at once, cancelled ones, failed ones; directories that are kept up to date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "storelab.h"

#include "agent/watch.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* One of several requests. */
struct request {
	struct storelab *f;
	Grpc__Storage st, *list[1];
	struct storages_request rq;
	struct storage_op *op;
	struct strv refs;
	struct error e;
	int result;
	struct device_node node;
};

static void on_done(void *data, const struct error *e, const struct device_node *devices)
{
	struct request *q = data;

	q->node = devices ? devices[0] : (struct device_node){ 0 };
	q->result = error_copy(&q->e, e);
	q->op = NULL;
}

static void begin(struct request *q, struct storelab *f, const char *driver, const char *source,
		  const char *type)
{
	*q = (struct request){ .f = f, .result = 1 };
	grpc__storage__init(&q->st);
	q->st.driver = (char *)driver;
	q->st.source = (char *)source;
	q->st.fstype = (char *)type;
	q->st.mount_point = f->path;
	q->list[0] = &q->st;
	q->rq = (struct storages_request){
		.id = "c1", .storages = q->list, .n_storages = 1, .done = on_done, .data = q
	};
	assert_int_equal(storages_add(&f->s, &q->rq, &q->refs, &q->op, &q->e), 0);
}

static int finish(struct request *q)
{
	while (q->result == 1)
		assert_true(loop_run_once(q->f->loop, 20000) >= 0);
	return q->result;
}

static bool has_child(struct storelab *f)
{
	return f->jobs.n > 0;
}

/* The second waits for the first, which mounts it for both. */
static void test_two_at_once(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from");
	struct request a, b;

	if (!storelab_can_mount())
		skip();
	storelab_put(f, "from/file", "once");
	begin(&a, f, "bind", from, "");
	begin(&b, f, "bind", from, "");
	assert_int_equal(f->jobs.n, 1);
	assert_int_equal(finish(&b), 0);
	assert_int_equal(a.result, 0);
	assert_true(storelab_has(f, "a/b/file", "once"));
	storelab_release(f, &a.refs);
	assert_true(storelab_has(f, "a/b/file", "once"));
	storelab_release(f, &b.refs);
	assert_false(storelab_has(f, "a/b/file", "once"));
	assert_int_equal(f->s.n, 0);
}

/* One that is being let go of is mounted again for who comes next. */
static void test_again_while_it_goes(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from");
	struct request a, b;

	if (!storelab_can_mount())
		skip();
	storelab_put(f, "from/file", "again");
	begin(&a, f, "bind", from, "");
	assert_int_equal(finish(&a), 0);
	storages_release(&f->s, &a.refs, NULL, NULL);
	assert_true(has_child(f));
	begin(&b, f, "bind", from, "");
	assert_int_equal(finish(&b), 0);
	assert_true(storelab_has(f, "a/b/file", "again"));
	storelab_release(f, &b.refs);
	assert_int_equal(f->s.n, 0);
}

/* What failed for one is tried again for the next, and leaves nothing. */
static void test_the_next_one_tries_itself(void **state)
{
	struct storelab *f = *state;
	struct request a, b;

	f->s.env.timeout_ms = 100;
	begin(&a, f, "blk", "/dev/no-such-disk", "ext4");
	begin(&b, f, "blk", "/dev/no-such-disk", "ext4");
	assert_int_equal(finish(&a), -ENODEV);
	assert_int_equal(b.result, 1);
	storelab_release(f, &a.refs);
	assert_int_equal(finish(&b), -ENODEV);
	storelab_release(f, &b.refs);
	assert_int_equal(f->s.n, 0);
}

static void test_cancel(void **state)
{
	struct storelab *f = *state;
	struct request a, b;

	f->s.env.timeout_ms = 60000;
	begin(&a, f, "blk", "/dev/no-such-disk", "ext4");
	begin(&b, f, "blk", "/dev/no-such-disk", "ext4");
	storages_cancel(&f->s, b.op); /* it has not begun */
	assert_int_equal(b.result, -ECANCELED);
	storages_cancel(&f->s, a.op);
	assert_int_equal(finish(&a), -ECANCELED);
	storelab_release(f, &b.refs);
	storelab_release(f, &a.refs);
	assert_int_equal(f->s.n, 0);
}

/* Nothing that takes time holds up what does not. */
static void test_others_go_on(void **state)
{
	struct storelab *f = *state;
	struct request slow, quick;
	char path[160];

	f->s.env.timeout_ms = 60000;
	begin(&slow, f, "blk", "/dev/no-such-disk", "ext4");
	snprintf(path, sizeof(path), "%s", f->path);
	snprintf(f->path, sizeof(f->path), "%s/c", f->dir);
	begin(&quick, f, "local", "", "");
	assert_int_equal(quick.result, 0);
	assert_int_equal(slow.result, 1);
	storelab_release(f, &quick.refs);
	snprintf(f->path, sizeof(f->path), "%s", path);
	storages_cancel(&f->s, slow.op);
	assert_int_equal(finish(&slow), -ECANCELED);
	storelab_release(f, &slow.refs);
}

/* A request with a device and nothing to mount. */
static void test_only_a_device(void **state)
{
	struct storelab *f = *state;
	autofree char *sys = storelab_dir(f, "sys/class/block/vdz"), *dev = storelab_dir(f, "dev");
	autofree char *node = xasprintf("%s/vdz", dev), *top = xasprintf("%s/sys", f->dir);
	Grpc__Device d = GRPC__DEVICE__INIT, *list[] = { &d };
	struct request q = { .f = f, .result = 1 };

	if (mknod(node, S_IFBLK | 0600, makedev(254, 7)) < 0) {
		print_message("SKIPPED: not root: no device nodes\n");
		skip();
	}
	f->s.env.sys = top;
	f->s.env.dev = dev;
	d.type = (char *)"blk";
	d.vm_path = (char *)"/dev/vdz";
	q.rq = (struct storages_request){
		.id = "c1", .devices = list, .n_devices = 1, .done = on_done, .data = &q
	};
	assert_int_equal(storages_add(&f->s, &q.rq, &q.refs, &q.op, &q.e), 0);
	assert_int_equal(finish(&q), 0);
	assert_int_equal(q.node.major, 254);
	assert_int_equal(q.node.minor, 7);
}

/* More than may be under way at a time: the rest waits its turn. */
static void test_very_many(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from");
	struct request q[3 * LIMIT_AGENT_STORAGE_JOBS];
	char paths[ARRAY_SIZE(q)][128], name[32];

	if (!storelab_can_mount())
		skip();
	storelab_put(f, "from/file", "x");
	for (size_t i = 0; i < ARRAY_SIZE(q); i++) {
		snprintf(f->path, sizeof(f->path), "%s/m%zu", f->dir, i);
		memcpy(paths[i], f->path, sizeof(f->path));
		begin(&q[i], f, "bind", from, "");
		q[i].st.mount_point = paths[i];
		assert_true(f->jobs.n <= LIMIT_AGENT_STORAGE_JOBS);
	}
	for (size_t i = 0; i < ARRAY_SIZE(q); i++) {
		assert_int_equal(finish(&q[i]), 0);
		snprintf(name, sizeof(name), "m%zu/file", i);
		assert_true(storelab_has(f, name, "x"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(q); i++)
		storages_release(&f->s, &q[i].refs, NULL, NULL);
	while (f->s.n)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
	assert_int_equal(f->jobs.n, 0);
	assert_int_equal(f->s.under_way, 0);
}

/* --- watched directories --- */

static void wait_for(struct storelab *f, const char *name, const char *text)
{
	int64_t end = loop_now_ms() + 20000;

	while (!storelab_has(f, name, text) && loop_now_ms() < end)
		assert_true(loop_run_once(f->loop, 1000) >= 0);
	if (!storelab_has(f, name, text))
		fail_msg("%s does not become \"%s\"", name, text);
}

/* As Kubernetes does it: a directory of the time, a link to it, links to the files through that. */
static void test_a_configuration_is_switched(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from"), *one = storelab_dir(f, "from/..1");
	autofree char *link = xasprintf("%s/..data", from), *file = xasprintf("%s/key", from);
	autofree char *next = xasprintf("%s/..tmp", from), *two = NULL;
	struct request a;
	struct stat st;

	if (!storelab_can_mount())
		skip();
	f->s.watch_ms = 30;
	storelab_put(f, "from/..1/key", "first");
	assert_int_equal(symlink("..1", link), 0);
	assert_int_equal(symlink("..data/key", file), 0);
	begin(&a, f, "watchable-bind", from, "");
	assert_int_equal(finish(&a), 0);
	assert_true(storelab_has(f, "a/b/key", "first"));
	two = storelab_dir(f, "from/..2");
	storelab_put(f, "from/..2/key", "second");
	assert_int_equal(symlink("..2", next), 0);
	assert_int_equal(rename(next, link), 0);
	path_remove_tree_at(AT_FDCWD, one);
	wait_for(f, "a/b/key", "second");
	storelab_put(f, "from/..2/key", "third, and longer");
	wait_for(f, "a/b/key", "third, and longer");
	assert_int_equal(chmod(two, 0700), 0);
	storelab_put(f, "from/..2/other", "last");
	wait_for(f, "a/b/..2/other", "last");
	storelab_release(f, &a.refs);
	assert_int_equal(lstat(f->path, &st), -1);
	/* With nothing to watch the timer ends by itself. */
	while (f->s.watch)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
}

static void test_large_ones_are_bound(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from");
	struct request a;

	if (!storelab_can_mount())
		skip();
	for (int i = 0; i <= LIMIT_AGENT_WATCHED; i++) {
		char name[32];

		snprintf(name, sizeof(name), "from/f%d", i);
		storelab_put(f, name, "x");
	}
	begin(&a, f, "watchable-bind", from, "");
	assert_int_equal(finish(&a), 0);
	assert_null(f->s.watch);
	storelab_put(f, "from/f0", "seen at once");
	assert_true(storelab_has(f, "a/b/f0", "seen at once"));
	storelab_release(f, &a.refs);
}

static void test_one_that_grows_is_given_up(void **state)
{
	struct storelab *f = *state;
	autofree char *from = storelab_dir(f, "from"),
		      *big = xcalloc(1, LIMIT_AGENT_WATCHED_BYTES + 2);
	struct request a;

	if (!storelab_can_mount())
		skip();
	f->s.watch_ms = 30;
	storelab_put(f, "from/file", "small");
	begin(&a, f, "watchable-bind", from, "");
	assert_int_equal(finish(&a), 0);
	assert_non_null(f->s.watch);
	memset(big, 'x', LIMIT_AGENT_WATCHED_BYTES + 1);
	storelab_put(f, "from/file", big);
	while (f->s.watch)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
	assert_true(storelab_has(f, "a/b/file", "small"));
	storelab_release(f, &a.refs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, storelab_setup, storelab_teardown)
		T(test_two_at_once),
		T(test_again_while_it_goes),
		T(test_the_next_one_tries_itself),
		T(test_cancel),
		T(test_others_go_on),
		T(test_only_a_device),
		T(test_very_many),
		T(test_a_configuration_is_switched),
		T(test_large_ones_are_bound),
		T(test_one_that_grows_is_given_up),
	};

	log_set_fd(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
