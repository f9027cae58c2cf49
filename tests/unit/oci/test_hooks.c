/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: order, stdin, arguments and environment, failures that end it and failures that do not,
 * time-outs. */
#include "oci/oci.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/caisson-test-XXXXXX";

static const struct oci_state st = { .id = "c1", .status = "created", .bundle = "/b", .pid = 7 };

static int set_up(void **state)
{
	return mkdtemp(dir) && setenv("HOOK_TEST", "inherited", 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	return path_remove_tree_at(AT_FDCWD, dir);
}

/* A specification whose hooks of @kind are shell commands, which find the directory of this test as
 * "$0". */
static oci_spec *make(const char *kind, const char *const *commands, const char *more)
{
	autodone(strv) hooks = STRV_INIT;
	autofree char *list = NULL;
	autofree char *text = NULL;
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	for (; *commands; commands++)
		strv_addf(&hooks, "{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"%s\",\"%s\"]%s}",
			  *commands, dir, more);
	list = strv_join(&hooks, ",");
	text = xasprintf("{\"hooks\":{\"%s\":[%s]}}", kind, list);
	if (oci_spec_parse(text, strlen(text), "t", &s, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return s;
}

static int run(const char *kind_name, enum oci_hook_kind kind, const char *const *commands,
	       const char *more, struct error *e)
{
	oci_spec *s = make(kind_name, commands, more);
	int r = oci_hooks_run(s, kind, &st, -1, e);

	oci_spec_free(s);
	return r;
}

static void check_file(const char *name, const char *want)
{
	autofree char *path = xasprintf("%s/%s", dir, name);
	autofree char *text = NULL;

	assert_int_equal(file_read_at(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_string_equal(text, want);
	unlink(path);
}

static void test_order_and_stdin(void **state)
{
	static const char *const commands[] = { "cat > $0/in", "echo one >> $0/log",
						"echo two >> $0/log", NULL };
	autofree char *want = oci_state_json(&st);
	struct error e = ERROR_INIT;

	assert_int_equal(run("createRuntime", OCI_HOOK_CREATE_RUNTIME, commands, "", &e), 0);
	check_file("in", want);
	check_file("log", "one\ntwo\n");
}

static void test_environment(void **state)
{
	static const char *const commands[] = { "echo $HOOK_TEST-$MINE > $0/log", NULL };

	assert_int_equal(run("prestart", OCI_HOOK_PRESTART, commands, "", NULL), 0);
	check_file("log", "inherited-\n");
	assert_int_equal(
		run("prestart", OCI_HOOK_PRESTART, commands, ",\"env\":[\"MINE=1\"]", NULL), 0);
	check_file("log", "-1\n");
}

static void test_first_failure_ends_it(void **state)
{
	static const char *const commands[] = {
		"echo one > $0/log; echo out; echo bad thing >&2; exit 3", "echo two >> $0/log",
		NULL
	};
	struct error e = ERROR_INIT;

	assert_int_equal(run("createRuntime", OCI_HOOK_CREATE_RUNTIME, commands, "", &e), -EIO);
	assert_string_equal(e.text, "createRuntime hook /bin/sh: exit status 3: out bad thing");
	check_file("log", "one\n");
	assert_int_equal(run("createRuntime", OCI_HOOK_CREATE_RUNTIME, commands, "", NULL), -EIO);
	check_file("log", "one\n");
}

static void test_poststop_goes_on(void **state)
{
	static const char *const commands[] = { "exit 1", "echo two > $0/log", NULL };
	struct error e = ERROR_INIT;

	assert_int_equal(run("poststop", OCI_HOOK_POSTSTOP, commands, "", &e), 0);
	assert_int_equal(e.code, 0);
	check_file("log", "two\n");
	assert_int_equal(run("poststart", OCI_HOOK_POSTSTART, commands, "", &e), 0);
	check_file("log", "two\n");
}

static void test_timeout(void **state)
{
	static const char *const commands[] = { "exec sleep 60", NULL };
	struct error e = ERROR_INIT;

	assert_int_equal(run("createContainer", OCI_HOOK_CREATE_CONTAINER, commands,
			     ",\"timeout\":1", &e),
			 -ETIMEDOUT);
	assert_string_equal(e.text, "createContainer hook /bin/sh: timed out");
}

static void test_many_bytes_of_output(void **state)
{
	static const char *const commands[] = { "yes | head -c 100000; exit 1", NULL };
	struct error e = ERROR_INIT;

	assert_int_equal(run("prestart", OCI_HOOK_PRESTART, commands, "", &e), -EIO);
	assert_non_null(strstr(e.text, "exit status 1: y y y"));
}

static void test_silent_failure(void **state)
{
	static const char *const commands[] = { "echo; exit 1", NULL };
	struct error e = ERROR_INIT;

	assert_int_equal(run("prestart", OCI_HOOK_PRESTART, commands, "", &e), -EIO);
	assert_string_equal(e.text, "prestart hook /bin/sh: exit status 1");
}

/* The hook sees the namespace that was handed over and not the one the caller is in. */
static void test_network_namespace(void **state)
{
	static const char *const commands[] = { "readlink /proc/self/ns/net > $0/log", NULL };
	autoclose int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	oci_spec *s = make("createRuntime", commands, "");
	struct error e = ERROR_INIT;
	char link[64] = "";
	int r;

	assert_true(before >= 0);
	assert_true(readlink("/proc/self/ns/net", link, sizeof(link) - 2) > 0);
	strcat(link, "\n");
	if (unshare(CLONE_NEWNET) < 0) {
		oci_spec_free(s);
		print_message("no new network namespace here: %s\n", strerror(errno));
		skip();
	}
	r = oci_hooks_run(s, OCI_HOOK_CREATE_RUNTIME, &st, before, &e);
	assert_int_equal(setns(before, CLONE_NEWNET), 0);
	assert_string_equal(e.text, "");
	assert_int_equal(r, 0);
	check_file("log", link);
	oci_spec_free(s);
}

static void test_bad_network_namespace(void **state)
{
	static const char *const commands[] = { "true", NULL };
	autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	oci_spec *s = make("createRuntime", commands, "");
	struct error e = ERROR_INIT;

	assert_int_equal(oci_hooks_run(s, OCI_HOOK_CREATE_RUNTIME, &st, null, &e), -EINVAL);
	assert_string_equal(e.text, "createRuntime hook /bin/sh: enter the network namespace: "
				    "Invalid argument");
	oci_spec_free(s);
}

static void test_absent_program(void **state)
{
	static const char text[] = "{\"hooks\":{\"startContainer\":[{\"path\":\"/nonexistent\"}]}}";
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	assert_int_equal(oci_spec_parse(text, strlen(text), "t", &s, &e), 0);
	assert_int_equal(oci_hooks_count(s, OCI_HOOK_START_CONTAINER), 1);
	assert_int_equal(oci_hooks_count(s, OCI_HOOK_POSTSTOP), 0);
	assert_int_equal(oci_hooks_run(s, OCI_HOOK_POSTSTOP, &st, -1, &e), 0);
	assert_int_equal(oci_hooks_run(s, OCI_HOOK_START_CONTAINER, &st, -1, &e), -ENOENT);
	assert_string_equal(e.text, "startContainer hook /nonexistent: execute /nonexistent: No "
				    "such file or directory");
	oci_spec_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_stdin),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_first_failure_ends_it),
		cmocka_unit_test(test_poststop_goes_on),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_many_bytes_of_output),
		cmocka_unit_test(test_silent_failure),
		cmocka_unit_test(test_network_namespace),
		cmocka_unit_test(test_bad_network_namespace),
		cmocka_unit_test(test_absent_program),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
