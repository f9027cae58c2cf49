/* SPDX-License-Identifier: Apache-2.0 */
/* vmlog: what a guest prints for ever takes no more than two files, no more than its share of time,
 * and lines stay whole. */
#include "scratch.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/str.h"
#include "hv/hv.h"
#include "hv/vmlog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct loop *loop;
	struct vmlog *log;
	char *dir;
	int writer;
	struct strv lines;
};

static void keep_line(const char *line, void *data)
{
	strv_add(data, line);
}

static void open_log(struct fixture *f, uint64_t max)
{
	int p[2];

	*f = (struct fixture){ .loop = loop_new(), .dir = scratch_new() };
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	f->writer = p[1];
	f->log = vmlog_new(f->loop, p[0], f->dir, "console.log", max, keep_line, &f->lines, NULL);
	assert_non_null(f->log);
}

static void close_log(struct fixture *f)
{
	vmlog_free(f->log);
	loop_free(f->loop);
	fd_close(f->writer);
	strv_done(&f->lines);
	scratch_free(&f->dir);
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->writer, text, strlen(text)), strlen(text));
	assert_int_equal(loop_run_once(f->loop, 1000), 0);
}

static off_t size_of(struct fixture *f, const char *name)
{
	autofree char *path = xasprintf("%s/%s", f->dir, name);
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void test_lines(void **state)
{
	autofree char *text = NULL;
	struct fixture f;

	open_log(&f, 10000);
	assert_string_equal(vmlog_last(f.log), "");
	say(&f, "one\r\ntw");
	assert_string_equal(vmlog_last(f.log), "one");
	say(&f, "o\n\n\x1b[31mred\n");
	assert_int_equal(f.lines.n, 3);
	assert_string_equal(f.lines.v[1], "two");
	assert_string_equal(f.lines.v[2], "?[31mred");
	say(&f, "no end");
	assert_string_equal(vmlog_last(f.log), "?[31mred");
	vmlog_drain(f.log, 1000);
	assert_string_equal(vmlog_last(f.log), "no end");
	text = scratch_read(f.dir, "console.log");
	assert_string_equal(text, "one\r\ntwo\n\n\x1b[31mred\nno end");
	close_log(&f);
}

static void test_long_line_is_cut(void **state)
{
	char line[3 * LIMIT_HV_LOG_LINE];
	struct fixture f;

	open_log(&f, 10000);
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 6, "\nnext\n", 6);
	assert_int_equal(write(f.writer, line, sizeof(line)), sizeof(line));
	loop_run_once(f.loop, 1000);
	assert_int_equal(f.lines.n, 2);
	assert_int_equal(strlen(f.lines.v[0]), LIMIT_HV_LOG_LINE - 1);
	assert_string_equal(f.lines.v[1], "next");
	close_log(&f);
}

static void test_two_files_at_most(void **state)
{
	autofree char *tail = NULL;
	char line[32];
	struct fixture f;

	open_log(&f, 1000);
	for (int i = 0; i < 500; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		say(&f, line);
	}
	assert_in_range(size_of(&f, "console.log"), 1, 1000);
	assert_in_range(size_of(&f, "console.log.1"), 900, 1000);
	assert_int_equal(size_of(&f, "console.log.2"), -1);
	assert_int_equal(f.lines.n, 500);
	/* More than the current file has: the previous one is read too. */
	tail = hv_console_tail(f.dir, 120);
	assert_true(str_ends_with(tail, "line 498\nline 499"));
	assert_non_null(strstr(tail, "line 380\n"));
	assert_null(strstr(tail, "line 379\n"));
	close_log(&f);
}

/* A writer that never stops gets its burst in each window, and no more. */
static void test_rate(void **state)
{
	static char flood[65536];
	int64_t start = loop_now_ms(), now = start;
	size_t sent = 0, windows;
	struct fixture f;

	memset(flood, 'y', sizeof(flood));
	flood[sizeof(flood) - 1] = '\n';
	open_log(&f, MIB(1));
	while (now - start < 350) {
		ssize_t n = write(f.writer, flood, sizeof(flood));

		sent += n > 0 ? (size_t)n : 0;
		loop_run_once(f.loop, 10);
		now = loop_now_ms();
	}
	windows = (size_t)(now - start) / LIMIT_HV_LOG_WINDOW_MS + 1;
	assert_true(sent >= LIMIT_HV_LOG_BURST);
	assert_true(sent <= windows * (LIMIT_HV_LOG_BURST + 16384) + 2 * sizeof(flood));
	close_log(&f);
}

static void test_file_gone_bad(void **state)
{
	struct fixture f;

	open_log(&f, 50);
	say(&f, "first\n");
	path_remove_tree_at(AT_FDCWD, f.dir);
	/* Rotation fails now; the lines are still seen. */
	say(&f, "0123456789012345678901234567890123456789012345678901\n");
	say(&f, "last\n");
	assert_string_equal(vmlog_last(f.log), "last");
	close_log(&f);
}

static void test_cannot_create(void **state)
{
	autoptr(loop) l = loop_new();
	struct error e = ERROR_INIT;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_null(vmlog_new(l, p[0], "/nonexistent/dir", "console.log", 100, NULL, NULL, &e));
	assert_int_equal(e.code, -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/dir/console.log"));
	/* It was taken all the same. */
	assert_int_equal(fcntl(p[0], F_GETFD), -1);
	close(p[1]);
}

static void test_tail(void **state)
{
	autoscratch dir = scratch_new();
	autofree char *none = hv_console_tail(dir, 5);
	autofree char *path = scratch_file(dir, "console.log",
					   "a\r\n\x01"
					   "b\n\0c\nd",
					   10);
	autofree char *two = hv_console_tail(dir, 2);
	autofree char *all = hv_console_tail(dir, 100);

	assert_string_equal(none, "");
	assert_string_equal(two, "?c\nd");
	assert_string_equal(all, "a\n?b\n?c\nd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_two_files_at_most),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_file_gone_bad),
		cmocka_unit_test(test_cannot_create),
		cmocka_unit_test(test_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
