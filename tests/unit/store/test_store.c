/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	struct fixture *f = xnew(struct fixture);

	strcpy(f->path, "/tmp/test-store-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dir >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fd_close(f->dir);
	assert_int_equal(path_remove_tree_at(AT_FDCWD, f->path), 0);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *text)
{
	assert_int_equal(file_replace_at(f->dir, "state.json", text, strlen(text), 0600), 0);
}

static void expect_file(struct fixture *f, const char *want)
{
	autofree char *got = NULL;

	assert_int_equal(file_read_at(f->dir, "state.json", 100000, &got, NULL), 0);
	assert_string_equal(got, want);
}

#define S(text) ((char *)(uintptr_t)(text))

static void test_container(void **state)
{
	struct fixture *f = *state;
	const struct store_container c = {
		.id = S("web+1"),
		.bundle = S("/b \"x\""),
		.sandbox = S("pod"),
		.socket = S("unix:///s"),
		.created = S("2024-01-02T03:04:05.000000006Z"),
		.owner = S("1000"),
		.rootfs = S("/b/rootfs"),
		.pid = 4711,
		.pid_start = UINT64_MAX,
		.annotations = S("{\"a\": [1, {\"b\": null}]}"),
		.terminal = true,
	};
	autodone(store_container) got = { 0 };
	struct stat st;

	assert_int_equal(store_container_save(f->dir, &c, NULL), 0);
	expect_file(
		f,
		"{\n\t\"version\": 1,\n\t\"id\": \"web+1\",\n\t\"bundle\": \"/b "
		"\\\"x\\\"\",\n\t\"sandbox\": \"pod\","
		"\n\t\"socket\": \"unix:///s\",\n\t\"created\": \"2024-01-02T03:04:05.000000006Z\","
		"\n\t\"owner\": \"1000\",\n\t\"rootfs\": \"/b/rootfs\",\n\t\"pid\": 4711,"
		"\n\t\"pidStartTime\": 18446744073709551615,\n\t\"annotations\": {\n\t\t\"a\": "
		"[\n\t\t\t1,"
		"\n\t\t\t{\n\t\t\t\t\"b\": null\n\t\t\t}\n\t\t]\n\t},\n\t\"terminal\": true\n}\n");
	assert_int_equal(fstatat(f->dir, "state.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(store_container_load(f->dir, &got, NULL), 0);
	assert_string_equal(got.id, c.id);
	assert_string_equal(got.bundle, c.bundle);
	assert_string_equal(got.sandbox, c.sandbox);
	assert_string_equal(got.socket, c.socket);
	assert_string_equal(got.created, c.created);
	assert_string_equal(got.owner, c.owner);
	assert_string_equal(got.rootfs, c.rootfs);
	assert_string_equal(got.annotations, "{\"a\":[1,{\"b\":null}]}");
	assert_int_equal(got.pid, 4711);
	assert_true(got.pid_start == UINT64_MAX);
	assert_true(got.terminal);
}

static void test_container_minimal(void **state)
{
	struct fixture *f = *state;
	struct store_container c = { .id = S("a"), .bundle = S("/b"), .sandbox = S("s") };
	autodone(store_container) got = { 0 };

	assert_int_equal(store_container_save(f->dir, &c, NULL), 0);
	assert_int_equal(store_container_load(f->dir, &got, NULL), 0);
	assert_null(got.socket);
	assert_null(got.annotations);
	assert_int_equal(got.pid, 0);
	/* Saving replaces. */
	c.pid = 7;
	assert_int_equal(store_container_save(f->dir, &c, NULL), 0);
	store_container_done(&got);
	assert_int_equal(store_container_load(f->dir, &got, NULL), 0);
	assert_int_equal(got.pid, 7);
}

static void test_sandbox(void **state)
{
	struct fixture *f = *state;
	struct store_process processes[] = {
		{ .name = S("qemu"), .pid = 10, .start_time = 100 },
		{ .name = S("shim"), .pid = INT32_MAX, .start_time = 1 },
	};
	struct store_sandbox s = {
		.id = S("pod"),
		.ns = S("k8s.io"),
		.bundle = S("/b"),
		.config_path = S("/etc/c.toml"),
		.engine = S("qemu"),
		.processes = processes,
		.nprocesses = 2,
	};
	autodone(store_sandbox) got = { 0 };

	strv_add(&s.cgroups, "/sys/fs/cgroup/a/b");
	strv_add(&s.containers, "pod");
	strv_add(&s.containers, "web");
	assert_int_equal(store_sandbox_save(f->dir, &s, NULL), 0);
	strv_done(&s.cgroups);
	strv_done(&s.containers);
	assert_int_equal(store_sandbox_load(f->dir, &got, NULL), 0);
	assert_string_equal(got.id, "pod");
	assert_string_equal(got.ns, "k8s.io");
	assert_string_equal(got.bundle, "/b");
	assert_string_equal(got.config_path, "/etc/c.toml");
	assert_string_equal(got.engine, "qemu");
	assert_int_equal(got.cgroups.n, 1);
	assert_string_equal(got.cgroups.v[0], "/sys/fs/cgroup/a/b");
	assert_int_equal(got.containers.n, 2);
	assert_string_equal(got.containers.v[1], "web");
	assert_int_equal(got.nprocesses, 2);
	assert_string_equal(got.processes[0].name, "qemu");
	assert_int_equal(got.processes[1].pid, INT32_MAX);
	assert_int_equal(got.processes[0].start_time, 100);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	struct store_container c = { .pid = 77 };
	struct error e = ERROR_INIT;

	assert_int_equal(store_container_load(f->dir, &c, &e), -ENOENT);
	assert_string_equal(e.text, "read state.json: No such file or directory");
	assert_int_equal(c.pid, 77);
}

static void test_bad_containers(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "" },
		{ "{", "" },
		{ "[]", "" },
		{ "{}", "version" },
		{ "{\"version\":0}", "has version 0, this program reads version 1" },
		{ "{\"version\":2,\"id\":\"a\"}", "has version 2, this program reads version 1" },
		{ "{\"version\":\"1\"}", "version" },
		{ "{\"version\":1}", "id: id must not be empty" },
		{ "{\"version\":1,\"id\":5}", "id: must be a string, not a number" },
		{ "{\"version\":1,\"id\":\"../x\"}", "id: invalid id \"../x\"" },
		{ "{\"version\":1,\"id\":\"a\"}", "bundle: is missing" },
		{ "{\"version\":1,\"id\":\"a\",\"bundle\":\"b\"}",
		  "bundle: must be an absolute path, not \"b\"" },
		{ "{\"version\":1,\"id\":\"a\",\"bundle\":\"/b\"}",
		  "sandbox: id must not be empty" },
#define GOOD "{\"version\":1,\"id\":\"a\",\"bundle\":\"/b\",\"sandbox\":\"s\","
		{ GOOD "\"pid\":-1}", "pid: must be a process id, not -1" },
		{ GOOD "\"pid\":1}", "pid: must be a process id, not 1" },
		{ GOOD "\"pid\":2147483648}", "pid: must be a process id, not 2147483648" },
		{ GOOD "\"pid\":\"5\"}", "pid: must be a process id" },
		{ GOOD "\"pidStartTime\":-1}", "pidStartTime: must be a whole number from 0" },
		{ GOOD "\"pidStartTime\":1.5}", "pidStartTime: must be a whole number from 0" },
		{ GOOD "\"terminal\":1}", "terminal: must be true or false, not a number" },
		{ GOOD "\"annotations\":[]}", "annotations: must be an object, not an array" },
		{ GOOD "\"id\":\"b\"}", "" },
		{ GOOD "\"x\":1} ,", "" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct store_container c = { .pid = 77 };
		struct error e = ERROR_INIT;

		put(f, bad[i].text);
		assert_int_equal(store_container_load(f->dir, &c, &e), -EINVAL);
		assert_int_equal(strncmp(e.text, "state.json: ", 12), 0);
		assert_non_null(strstr(e.text, bad[i].why));
		assert_int_equal(c.pid, 77);
		assert_null(c.id);
	}
}

static void test_bad_sandboxes(void **state)
{
	static const struct {
		const char *rest, *why;
	} bad[] = {
		{ "\"cgroups\":{}", "cgroups: must be an array, not an object" },
		{ "\"cgroups\":[1]", "cgroups: must hold strings, not a number" },
		{ "\"cgroups\":[\"/\"]", "cgroups: \"/\" is no path of a cgroup" },
		{ "\"cgroups\":[\"sys/a/b\"]", "cgroups: \"sys/a/b\" is no path of a cgroup" },
		{ "\"cgroups\":[\"/sys/a/../../b\"]",
		  "cgroups: \"/sys/a/../../b\" is no path of a cgroup" },
		{ "\"containers\":[\"a\",\"b/c\"]", "containers: invalid id \"b/c\"" },
		{ "\"containers\":\"a\"", "containers: must be an array, not a string" },
		{ "\"processes\":{}", "processes: must be an array, not an object" },
		{ "\"processes\":[5]", "processes: must be an object, not a number" },
		{ "\"processes\":[{}]", "processes: name: must have 1 to 64 characters" },
		{ "\"processes\":[{\"name\":\"a\"}]",
		  "processes: pid: must be a process id, not 0" },
		{ "\"processes\":[{\"name\":\"a\",\"pid\":-1}]",
		  "processes: pid: must be a process id, not -1" },
		{ "\"processes\":[{\"name\":\"a\",\"pid\":9}]",
		  "processes: startTime: is missing" },
		{ "\"processes\":[{\"name\":\"a\",\"pid\":9,\"startTime\":1},{\"name\":7}]",
		  "processes: name: must be a string" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autofree char *text = xasprintf("{\"version\":1,\"id\":\"a\",%s}", bad[i].rest);
		struct store_sandbox s = { .nprocesses = 77 };
		struct error e = ERROR_INIT;

		put(f, text);
		assert_int_equal(store_sandbox_load(f->dir, &s, &e), -EINVAL);
		assert_non_null(strstr(e.text, bad[i].why));
		assert_int_equal(s.nprocesses, 77);
	}
}

static void test_unknown_and_null(void **state)
{
	struct fixture *f = *state;
	autodone(store_sandbox) s = { 0 };

	put(f, "{\"version\":1,\"id\":\"a\",\"future\":{\"x\":[]},\"engine\":null,\"processes\":[],"
	       "\"cgroups\":null}");
	assert_int_equal(store_sandbox_load(f->dir, &s, NULL), 0);
	assert_null(s.engine);
	assert_int_equal(s.nprocesses, 0);
}

/* What would be refused when loading is not written, and what was there before stays. */
static void test_refuses_to_save(void **state)
{
	static const struct {
		struct store_container c;
		const char *why;
	} bad[] = {
		{ { .bundle = S("/b"), .sandbox = S("s") },
		  "write state.json: id: id must not be empty" },
		{ { .id = S("a"), .bundle = S("b"), .sandbox = S("s") },
		  "write state.json: bundle: must be an absolute path, not \"b\"" },
		{ { .id = S("a"), .bundle = S("/b"), .sandbox = S("s"), .pid = -1 },
		  "write state.json: pid: must be a process id, not -1" },
		{ { .id = S("a"), .bundle = S("/b"), .sandbox = S("s"), .annotations = S("[]") },
		  "write state.json: annotations: must be an object, not an array" },
	};
	struct fixture *f = *state;

	put(f, "before");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error e = ERROR_INIT;

		assert_int_equal(store_container_save(f->dir, &bad[i].c, &e), -EINVAL);
		assert_string_equal(e.text, bad[i].why);
	}
	expect_file(f, "before");
}

static void test_no_directory(void **state)
{
	struct store_container c = { .id = S("a"), .bundle = S("/b"), .sandbox = S("s") };
	struct error e = ERROR_INIT;

	assert_int_equal(store_container_save(-1, &c, &e), -EBADF);
	assert_string_equal(e.text, "write state.json: Bad file descriptor");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_container),        T(test_container_minimal), T(test_sandbox),
		T(test_absent),           T(test_bad_containers),    T(test_bad_sandboxes),
		T(test_unknown_and_null), T(test_refuses_to_save),   T(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
