/* SPDX-License-Identifier: Apache-2.0 */
/* systest - what the tests of src/sys share: skipping aloud, and work in a child that may change
 * itself. */
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIP_UNLESS(cond, why)                               \
	do {                                                 \
		if (!(cond)) {                               \
			print_message("SKIPPED: %s\n", why); \
			skip();                              \
		}                                            \
	} while (0)

/* Runs @fn in a child; its line number of failure (CHECK) or 0. */
static inline int in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* For children, where cmocka's asserts do not work: says what failed and ends with 1. */
#define CHECK(cond)                                                                       \
	do {                                                                              \
		if (!(cond)) {                                                            \
			fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #cond); \
			_exit(1);                                                         \
		}                                                                         \
	} while (0)
