/* SPDX-License-Identifier: Apache-2.0 */
/* Filters as the kernel applies them: each is installed in a child, which then tries. */
#include "systest.h"

#include "sys/filter.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct filter_program program;

static void install(void)
{
	/* cmocka catches it. */
	signal(SIGSYS, SIG_DFL);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(filter_install(&program, NULL, NULL) == 0);
}

static void compile(struct filter *f)
{
	struct error e = ERROR_INIT;

	filter_program_done(&program);
	if (filter_compile(f, &program, &e) < 0)
		fail_msg("%s", e.text);
}

static void refuse_mkdir(void)
{
	install();
	CHECK(syscall(SYS_mkdir, "/", 0) < 0 && errno == EMLINK);
	CHECK(syscall(SYS_rmdir, "/") < 0 && errno == EPERM);
	CHECK(getppid() > 0);
}

static void test_errno(void **state)
{
	autoptr(filter) f = NULL;
	uint32_t err = EMLINK;

	assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
	assert_int_equal(filter_add(f, "mkdir", "SCMP_ACT_ERRNO", &err, NULL, 0, NULL), 0);
	assert_int_equal(filter_add(f, "rmdir", "SCMP_ACT_ERRNO", NULL, NULL, 0, NULL), 0);
	/* Unknown to the library, the default again, stated twice: all happen in profiles. */
	assert_int_equal(filter_add(f, "no_such_call", "SCMP_ACT_ERRNO", NULL, NULL, 0, NULL), 0);
	assert_int_equal(filter_add(f, "open", "SCMP_ACT_ALLOW", NULL, NULL, 0, NULL), 0);
	assert_int_equal(filter_add(f, "mkdir", "SCMP_ACT_ERRNO", &err, NULL, 0, NULL), 0);
	compile(f);
	assert_int_equal(in_child(refuse_mkdir), 0);
}

static void compare_arguments(void)
{
	install();
	/* dup3(a, b, flags): flags & 2 == 2 and a >= 100 */
	CHECK(syscall(SYS_dup3, 100, 5, 3) < 0 && errno == EXDEV);
	CHECK(syscall(SYS_dup3, 99, 5, 3) < 0 && errno != EXDEV);
	CHECK(syscall(SYS_dup3, 100, 5, 1) < 0 && errno != EXDEV);
	/* kill(pid, 7 or 9) */
	CHECK(syscall(SYS_kill, 0x7ffffff, 7) < 0 && errno == EXDEV);
	CHECK(syscall(SYS_kill, 0x7ffffff, 9) < 0 && errno == EXDEV);
	CHECK(syscall(SYS_kill, 0x7ffffff, 8) < 0 && errno == ESRCH);
}

static void test_arguments(void **state)
{
	struct filter_arg masked[] = { { 2, 2, 2, "SCMP_CMP_MASKED_EQ" },
				       { 0, 100, 0, "SCMP_CMP_GE" } };
	struct filter_arg either[] = { { 1, 7, 0, "SCMP_CMP_EQ" }, { 1, 9, 0, "SCMP_CMP_EQ" } };
	struct filter_arg bad[] = { { 6, 0, 0, "SCMP_CMP_EQ" }, { 0, 0, 0, "SCMP_CMP_LIKE" } };
	autoptr(filter) f = NULL;
	struct error e = ERROR_INIT;
	uint32_t err = EXDEV, huge = 70000;

	assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
	assert_int_equal(filter_add(f, "dup3", "SCMP_ACT_ERRNO", &err, masked, 2, NULL), 0);
	assert_int_equal(filter_add(f, "kill", "SCMP_ACT_ERRNO", &err, either, 2, NULL), 0);
	assert_int_equal(filter_add(f, "kill", "SCMP_ACT_ERRNO", &err, bad, 1, &e), -EINVAL);
	assert_int_equal(filter_add(f, "kill", "SCMP_ACT_ERRNO", &err, bad + 1, 1, &e), -EINVAL);
	assert_string_equal(e.text, "seccomp: unsupported operator \"SCMP_CMP_LIKE\"");
	assert_int_equal(filter_add(f, "kill", "SCMP_ACT_ERRNO", &huge, NULL, 0, &e), -EINVAL);
	compile(f);
	assert_int_equal(in_child(compare_arguments), 0);
}

static void die(void)
{
	install();
	syscall(SYS_rmdir, "/");
}

static void test_kill(void **state)
{
	static const struct {
		const char *action;
		int signal;
	} cases[] = { { "SCMP_ACT_KILL_PROCESS", SIGSYS },
		      { "SCMP_ACT_KILL", SIGSYS },
		      { "SCMP_ACT_TRAP", SIGSYS } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoptr(filter) f = NULL;
		int status = -1;
		pid_t pid;

		assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
		assert_int_equal(filter_add(f, "rmdir", cases[i].action, NULL, NULL, 0, NULL), 0);
		compile(f);
		pid = fork();
		if (pid == 0) {
			die();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == cases[i].signal);
	}
}

static void allow_list(void)
{
	install();
	/* Not getppid(3), which cannot fail. */
	CHECK(syscall(SYS_getppid) < 0 && errno == ENOSYS);
}

static void test_default(void **state)
{
	/* The last ones are for sanitizers. */
	static const char *const allowed[] = { "exit_group", "exit",  "write", "fstat",
					       "newfstatat", "read",  "close", "sigaltstack",
					       "mmap",       "munmap" };
	autoptr(filter) f = NULL;
	uint32_t err = ENOSYS;

	assert_int_equal(filter_new("SCMP_ACT_ERRNO", &err, &f, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		assert_int_equal(filter_add(f, allowed[i], "SCMP_ACT_ALLOW", NULL, NULL, 0, NULL),
				 0);
	assert_int_equal(filter_add_arch(f, "SCMP_ARCH_X86", NULL), 0);
	assert_int_equal(filter_add_arch(f, "SCMP_ARCH_X86", NULL), 0);
	assert_int_equal(filter_add_flag(f, "SECCOMP_FILTER_FLAG_TSYNC", NULL), 0);
	assert_int_equal(filter_add_flag(f, "SECCOMP_FILTER_FLAG_LOG", NULL), 0);
	compile(f);
	assert_true(program.n > 5);
	assert_int_equal(in_child(allow_list), 0);
}

static void test_refusals(void **state)
{
	autoptr(filter) f = NULL;
	autoptr(filter) none = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(filter_new("SCMP_ACT_NOTIFY", NULL, &none, &e), -EINVAL);
	assert_string_equal(e.text, "seccomp: SCMP_ACT_NOTIFY cannot be the default");
	assert_int_equal(filter_new("", NULL, &none, &e), -EINVAL);
	assert_int_equal(filter_new("SCMP_ACT_ALLOW", NULL, &f, NULL), 0);
	assert_int_equal(filter_add_arch(f, "SCMP_ARCH_VAX", &e), -EINVAL);
	assert_int_equal(filter_add_flag(f, "SECCOMP_FILTER_FLAG_NEW_LISTENER", &e), -EINVAL);
}

static int down(void **state)
{
	filter_program_done(&program);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errno),    cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_kill),     cmocka_unit_test(test_default),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, down);
}
