/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "rpc/address.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_parse(void **state)
{
	static const struct {
		const char *text, *again;
		enum rpc_address_kind kind;
		const char *path;
		uint32_t cid, port;
	} good[] = {
		{ "unix:///run/a b.sock", "unix:///run/a b.sock", RPC_ADDRESS_UNIX, "/run/a b.sock",
		  0, 0 },
		{ "/run/x.ttrpc", "unix:///run/x.ttrpc", RPC_ADDRESS_UNIX, "/run/x.ttrpc", 0, 0 },
		{ "vsock://3:1024", "vsock://3:1024", RPC_ADDRESS_VSOCK, NULL, 3, 1024 },
		{ "vsock://-1:1024", "vsock://-1:1024", RPC_ADDRESS_VSOCK, NULL, UINT32_MAX, 1024 },
		{ "hvsock:///a:b/vsock:7", "hvsock:///a:b/vsock:7", RPC_ADDRESS_HVSOCK,
		  "/a:b/vsock", 0, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		autodone(rpc_address) a = RPC_ADDRESS_INIT;
		autofree char *again = NULL;

		assert_int_equal(rpc_address_parse(good[i].text, &a, NULL), 0);
		assert_int_equal(a.kind, good[i].kind);
		assert_true(str_eq(a.path, good[i].path));
		assert_int_equal(a.cid, good[i].cid);
		assert_int_equal(a.port, good[i].port);
		again = rpc_address_format(&a);
		assert_string_equal(again, good[i].again);
	}
}

static void test_parse_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"/",
		"unix://",
		"unix:///",
		"unix://relative",
		"unix:/a",
		"tcp://1.2.3.4:5",
		"vsock://",
		"vsock://3",
		"vsock://3:",
		"vsock://:5",
		"vsock://-2:5",
		"vsock://3:-1",
		"vsock://3:4294967295",
		"vsock://4294967296:1",
		"vsock://3:1x",
		"hvsock://a:1",
		"hvsock:///:1",
		"hvsock:///a",
		"hvsock:///a:",
		"hvsock:///a:b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rpc_address a = { .cid = 77 };
		struct error e = ERROR_INIT;

		assert_int_equal(rpc_address_parse(bad[i], &a, &e), -EINVAL);
		assert_non_null(strstr(e.text, "address \""));
		assert_int_equal(a.cid, 77);
	}
}

static int setup(void **state)
{
	char dir[] = "/tmp/test-address-XXXXXX";

	assert_non_null(mkdtemp(dir));
	*state = xstrdup(dir);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(path_remove_tree_at(AT_FDCWD, *state), 0);
	free(*state);
	return 0;
}

static void exchange(int listener, int fd)
{
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char c = 0;

	assert_true(conn >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(conn, &c, 1), 1);
	assert_int_equal(c, 'x');
	fd_close(conn);
	fd_close(fd);
}

static void test_unix(void **state)
{
	/* Longer than sun_path, too. */
	autofree char *deep = xasprintf("%s/%0150d", (char *)*state, 1);
	autofree char *near = xasprintf("%s/s", (char *)*state);
	autofree char *far = xasprintf("%s/s", deep);
	const char *const paths[] = { near, far };

	assert_int_equal(mkdir(deep, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		autofree char *text = xasprintf("unix://%s", paths[i]);
		autodone(rpc_address) a = RPC_ADDRESS_INIT;
		struct error e = ERROR_INIT;
		struct stat st;
		int listener;

		assert_int_equal(rpc_dial(text, 1000, &e), -ENOENT);
		assert_non_null(strstr(e.text, "connect to unix:///tmp/"));
		assert_int_equal(rpc_address_parse(text, &a, NULL), 0);
		listener = rpc_address_listen(&a, &e);
		assert_true(listener >= 0);
		assert_int_equal(stat(paths[i], &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		exchange(listener, rpc_dial(text, 1000, NULL));
		fd_close(listener);
		assert_int_equal(rpc_dial(text, 1000, NULL), -ECONNREFUSED);
		listener = rpc_address_listen(&a, NULL); /* over the stale file */
		assert_true(listener >= 0);
		fd_close(listener);
	}
}

static void test_full_backlog(void **state)
{
	autofree char *path = xasprintf("%s/s", (char *)*state);
	int listener = unix_listen(path, SOCK_STREAM, 0600);
	int64_t start;
	int fd;

	assert_int_equal(listen(listener, 0), 0);
	fd = rpc_dial(path, 1000, NULL);
	assert_true(fd >= 0);
	start = loop_now_ms();
	assert_int_equal(rpc_dial(path, 50, NULL), -ETIMEDOUT);
	assert_in_range(loop_now_ms() - start, 50, 5000);
	fd_close(fd);
	fd_close(listener);
}

static void test_hvsock_listen(void **state)
{
	struct rpc_address a = { .kind = RPC_ADDRESS_HVSOCK, .port = 1024 };
	autofree char *path = xasprintf("%s/v", (char *)*state);
	autofree char *real = xasprintf("%s_1024", path);
	int listener;

	a.path = path;
	listener = rpc_address_listen(&a, NULL);
	assert_true(listener >= 0);
	exchange(listener, unix_connect(real, SOCK_STREAM));
	fd_close(listener);
	a.path = (char *)(uintptr_t) "/no/such/directory/v";
	assert_int_equal(rpc_address_listen(&a, NULL), -ENOENT);
}

/* AF_VSOCK may be missing here; then the error names the address. Where it is there, nobody listens
 * on this port. */
static void test_vsock(void **state)
{
	struct error e = ERROR_INIT;

	assert_true(rpc_dial("vsock://1:4026531839", 200, &e) < 0);
	assert_non_null(strstr(e.text, "connect to vsock://1:4026531839"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test_setup_teardown(test_unix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_backlog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hvsock_listen, setup, teardown),
		cmocka_unit_test(test_vsock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
