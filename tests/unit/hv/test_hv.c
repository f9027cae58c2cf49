/* SPDX-License-Identifier: Apache-2.0 */
/* hv: configuration is copied and checked, events come in order and may free what they are about.
 */
#include "base/limits.h"
#include "base/loop.h"
#include "hv/hv.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int freed;

static void fake_init(struct hv *h)
{
	h->status = 77;
}

static void fake_free(struct hv *h)
{
	freed++;
}

static const struct hv_ops fake = {
	.name = "fake", .size = sizeof(struct hv), .init = fake_init, .free = fake_free
};

struct seen {
	char text[200];
	bool free_in_event;
};

static void on_event(struct hv *h, enum hv_event ev, const char *text, void *data)
{
	struct seen *s = data;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%d:%s;", (int)ev, text);
	if (s->free_in_event)
		hv_free(h);
}

static struct hv_config good(void)
{
	return (struct hv_config){
		.name = "s1", .dir = "/run/x", .vcpus = 1, .mem_mib = 128, .cgroup_fd = -1
	};
}

static void test_drivers(void **state)
{
	const struct hv_ops *q = hv_driver("qemu");

	assert_non_null(q);
	assert_true(q->caps & HV_CAP_VHOST_USER);
	assert_null(hv_driver("none"));
	assert_null(hv_driver(NULL));
	/* An operation is there exactly if its capability is. */
	assert_int_equal(!!(q->caps & HV_CAP_PAUSE), q->pause != NULL);
	assert_int_equal(!!(q->caps & HV_CAP_SAVE), q->save != NULL);
	assert_int_equal(!!(q->caps & HV_CAP_RESIZE), q->resize != NULL);
	assert_int_equal(!!(q->caps & HV_CAP_HOTPLUG), q->remove != NULL);
}

static void test_copies(void **state)
{
	autoptr(loop) l = loop_new();
	char name[] = "s1";
	struct hv_config c = good();
	struct hv *h;

	c.name = name;
	c.kernel = "/k";
	h = hv_new(&fake, &c, l, on_event, NULL, NULL);
	assert_non_null(h);
	name[0] = 'X';
	assert_string_equal(h->cfg.name, "s1");
	assert_string_equal(h->cfg.kernel, "/k");
	assert_null(h->cfg.initrd);
	assert_int_equal(h->status, 77);
	hv_free(h);
	hv_free(NULL);
}

static void test_refused(void **state)
{
	static const struct hv_config bad[] = {
		{ .name = "../x", .dir = "/run/x", .vcpus = 1 },
		{ .name = "a,b", .dir = "/run/x", .vcpus = 1 },
		{ .name = "s", .dir = "run", .vcpus = 1 },
		{ .name = "s", .dir = "", .vcpus = 1 },
		{ .name = "s", .dir = "/run/x", .vcpus = 0 },
		{ .name = "s", .dir = "/run/x", .vcpus = LIMIT_HV_VCPUS + 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error e = ERROR_INIT;

		assert_null(hv_new(&fake, &bad[i], NULL, on_event, NULL, &e));
		assert_int_equal(e.code, -EINVAL);
	}
}

static void test_order(void **state)
{
	autoptr(loop) l = loop_new();
	struct seen s = { 0 };
	struct hv_config c = good();
	autoptr(hv) h = hv_new(&fake, &c, l, on_event, &s, NULL);

	hv_emit(h, HV_EVENT_PANICKED, "a %d\nb", 1);
	hv_emit(h, HV_EVENT_EXITED, "z");
	assert_string_equal(s.text, "");
	loop_run_once(l, 0);
	loop_run_once(l, 0);
	assert_string_equal(s.text, "1:a 1 b;0:z;");
}

static void test_free_in_event(void **state)
{
	autoptr(loop) l = loop_new();
	struct seen s = { .free_in_event = true };
	struct hv_config c = good();
	struct hv *h = hv_new(&fake, &c, l, on_event, &s, NULL);

	freed = 0;
	hv_emit(h, HV_EVENT_PANICKED, "first");
	hv_emit(h, HV_EVENT_EXITED, "never heard");
	for (int i = 0; i < 3; i++)
		loop_run_once(l, 0);
	assert_string_equal(s.text, "1:first;");
	assert_int_equal(freed, 1);
}

static void test_free_kills(void **state)
{
	autoptr(loop) l = loop_new();
	struct hv_config c = good();
	struct hv *h = hv_new(&fake, &c, l, on_event, NULL, NULL);
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	h->pid = pid;
	hv_free(h);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drivers),       cmocka_unit_test(test_copies),
		cmocka_unit_test(test_refused),       cmocka_unit_test(test_order),
		cmocka_unit_test(test_free_in_event), cmocka_unit_test(test_free_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
