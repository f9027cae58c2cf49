/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: levels, the three formats, one line whatever the text, and errno kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <unistd.h>

static int pipe_out;

/* What is in the pipe now, NUL-terminated. */
static const char *take(void)
{
	static char line[4096];
	ssize_t n = read(pipe_out, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

static int setup(void **state)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	pipe_out = p[0];
	*state = (void *)(intptr_t)p[1];
	return 0;
}

static int teardown(void **state)
{
	log_set_fd(-1);
	close(pipe_out);
	close((int)(intptr_t)*state);
	return 0;
}

static void matches(const char *line, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, line, 0, NULL, 0) != 0)
		fail_msg("%s does not match %s", line, pattern);
	regfree(&re);
}

static void test_levels(void **state)
{
	log_init("prog", (int)(intptr_t)*state, LOG_FORMAT_BARE, LOG_LEVEL_WARN);
	assert_int_equal(log_max_level(), LOG_LEVEL_WARN);
	log_info("not this");
	assert_string_equal(take(), "");
	log_warn("this %d", 1);
	assert_string_equal(take(), "prog: this 1\n");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("all");
	assert_string_equal(take(), "prog: all\n");
	log_set_fd(-1);
	log_error("into the void");
	assert_string_equal(take(), "");
}

static void test_names(void **state)
{
	assert_int_equal(log_level_parse("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("warn"), LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("warning"), LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("Debug"), -EINVAL);
	assert_int_equal(log_level_parse(NULL), -EINVAL);
	assert_string_equal(log_level_name(LOG_LEVEL_INFO), "info");
}

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z"

static void test_formats(void **state)
{
	log_init("prog", (int)(intptr_t)*state, LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_info("hello");
	matches(take(), "^" TIME " info prog\\[[0-9]+\\]: hello\n$");
	log_init("prog", (int)(intptr_t)*state, LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_error("a \"quoted\" \\ path\nand more");
	matches(take(), "^\\{\"level\":\"error\",\"time\":\"" TIME
			"\",\"msg\":\"a \\\\\"quoted\\\\\" \\\\\\\\ path and more\"\\}\n$");
}

static void test_long_lines(void **state)
{
	static const enum log_format formats[] = { LOG_FORMAT_TEXT, LOG_FORMAT_JSON,
						   LOG_FORMAT_BARE };
	char text[5000];

	memset(text, '"', sizeof(text) - 1); /* twice as long in JSON */
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		const char *line;

		log_init("prog", (int)(intptr_t)*state, formats[i], LOG_LEVEL_INFO);
		log_info("%s", text);
		line = take();
		assert_true(strlen(line) > 1000 && strlen(line) <= 2048);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		if (formats[i] == LOG_FORMAT_JSON)
			assert_string_equal(line + strlen(line) - 3, "\"}\n");
	}
}

static void test_errno(void **state)
{
	log_init("prog", (int)(intptr_t)*state, LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	errno = ENOTTY;
	log_info("x");
	assert_int_equal(errno, ENOTTY);
	log_set_fd(pipe_out); /* not for writing */
	log_info("x");
	assert_int_equal(errno, ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errno, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
