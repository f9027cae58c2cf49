/* SPDX-License-Identifier: Apache-2.0 */
/* The growing buffer: its maximum, consuming, reserving, and the two ends of a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/buf.h"
#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_maximum(void **state)
{
	autodone(buf) b = BUF_INIT(10);

	assert_int_equal(buf_add(&b, "0123456", 7), 0);
	assert_int_equal(buf_add(&b, "789a", 4), -ENOBUFS);
	assert_int_equal(buf_len(&b), 7);
	assert_int_equal(buf_add(&b, "789", 3), 0);
	assert_int_equal(buf_add(&b, "a", 1), -ENOBUFS);
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_string_equal(buf_str(&b), "0123456789");
	assert_int_equal(buf_addf(&b, "%d", 1), -ENOBUFS);
	assert_null(buf_reserve(&b, SIZE_MAX));
	/* What was consumed makes room again. */
	buf_consume(&b, 4);
	assert_int_equal(buf_add(&b, "abcd", 4), 0);
	assert_string_equal(buf_str(&b), "456789abcd");
}

static void test_growth(void **state)
{
	autodone(buf) b = BUF_INIT(1 << 20);
	size_t total = 0;

	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(buf_addf(&b, "%06u", i), 0);
		total += 6;
		if (i % 3 == 0) {
			buf_consume(&b, 6);
			total -= 6;
		}
	}
	assert_int_equal(buf_len(&b), total);
	assert_memory_equal(buf_ptr(&b), "006667", 6);
	buf_consume(&b, SIZE_MAX);
	assert_int_equal(buf_len(&b), 0);
}

static void test_format(void **state)
{
	autodone(buf) b = BUF_INIT(300);

	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_addf(&b, "%0256d", 0), 0); /* exactly the first allocation */
	assert_int_equal(buf_len(&b), 256);
	assert_int_equal(strlen(buf_str(&b)), 256);
	assert_int_equal(buf_add_str(&b, "x"), 0);
	buf_clear(&b);
	assert_int_equal(buf_len(&b), 0);
	assert_string_equal(buf_str(&b), "");
}

static void test_reserve(void **state)
{
	autodone(buf) b = BUF_INIT(8);
	char *p = buf_reserve(&b, 8);

	assert_non_null(p);
	memcpy(p, "abcdefgh", 8);
	assert_int_equal(buf_len(&b), 0);
	buf_commit(&b, 3);
	assert_string_equal(buf_str(&b), "abc");
	assert_null(buf_reserve(&b, 6));
}

static void test_read(void **state)
{
	autodone(buf) b = BUF_INIT(6);
	int p[2];

	assert_int_equal(pipe(p), 0);
	fd_set_nonblock(p[0], true);
	assert_int_equal(buf_read(&b, p[0], 4), -EAGAIN);
	assert_int_equal(fd_write_full(p[1], "abcdefgh", 8), 0);
	assert_int_equal(buf_read(&b, p[0], 4), 4);
	assert_int_equal(buf_read(&b, p[0], 4), 2); /* no more than fits */
	assert_int_equal(buf_read(&b, p[0], 4), -ENOBUFS);
	buf_consume(&b, 1);
	assert_int_equal(buf_read(&b, p[0], 4), 1);
	buf_consume(&b, 6);
	close(p[1]);
	assert_int_equal(buf_read(&b, p[0], 4), 1);
	assert_int_equal(buf_read(&b, p[0], 4), 0);
	assert_string_equal(buf_str(&b), "h");
	close(p[0]);
	assert_int_equal(buf_read(&b, p[0], 4), -EBADF);
}

static void test_write(void **state)
{
	autodone(buf) b = BUF_INIT(1 << 20);
	int s[2], p[2];
	ssize_t n;

	assert_int_equal(buf_write(&b, -1), 0); /* nothing to write */
	assert_non_null(buf_reserve(&b, 1 << 20));
	memset(buf_reserve(&b, 1 << 20), 'x', 1 << 20);
	buf_commit(&b, 1 << 20);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	n = buf_write(&b, s[0]); /* blocking sockets are not waited for */
	assert_true(n > 0 && n < 1 << 20);
	assert_int_equal(buf_len(&b), (1 << 20) - n);
	while (n > 0)
		n = buf_write(&b, s[0]);
	assert_int_equal(n, -EAGAIN);
	close(s[1]);
	assert_true(buf_write(&b, s[0]) == -EPIPE); /* and no SIGPIPE */
	close(s[0]);

	buf_clear(&b);
	assert_int_equal(buf_add_str(&b, "hello"), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(buf_write(&b, p[1]), 5);
	assert_int_equal(buf_len(&b), 0);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maximum), cmocka_unit_test(test_growth),
		cmocka_unit_test(test_format),  cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_read),    cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
