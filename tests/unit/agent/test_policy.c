/* SPDX-License-Identifier: Apache-2.0 */
/* The part of Rego that is a policy, and the places of what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/policy.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD "package agent_policy\n"

static int filter(struct policy *p, const char *method, struct error *e)
{
	return policy_filter(p, "grpc.AgentService", method, NULL, e);
}

static struct policy parse(const char *text)
{
	struct error e = ERROR_INIT;
	struct policy p = POLICY_NONE;

	if (policy_parse(text, strlen(text), &p, NULL, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}

static void test_without_one_all_is_allowed(void **state)
{
	struct policy p = POLICY_NONE;

	assert_int_equal(filter(&p, "ExecProcess", NULL), 0);
	assert_true(policy_allows(&p, POLICY_READ_STREAM));
}

static void test_what_is_not_named_is_blocked(void **state)
{
	struct policy p = parse("# comment\n\n" HEAD
				"\n\tdefault CreateContainerRequest := true # yes\r\n"
				"default ExecProcessRequest := false\n");
	struct error e = ERROR_INIT;

	assert_int_equal(filter(&p, "CreateContainer", &e), 0);
	assert_int_equal(filter(&p, "ExecProcess", &e), -EACCES);
	assert_string_equal(e.text, "ExecProcessRequest is blocked by policy");
	assert_int_equal(filter(&p, "SetPolicy", &e), -EACCES);
	assert_int_equal(policy_filter(&p, "grpc.Health", "Check", NULL, NULL), 0);
	assert_false(policy_allows(&p, POLICY_EXEC_PROCESS));
	assert_false(policy_allows(&p, POLICY_WRITE_STREAM));
}

/* Both streams are one type of request. Reading is answered with nothing, not refused. */
static void test_streams(void **state)
{
	struct policy p = parse(HEAD "default ReadStreamRequest := true");

	assert_true(policy_allows(&p, POLICY_READ_STREAM));
	p = parse(HEAD "default ReadStreamRequest := false");
	assert_false(policy_allows(&p, POLICY_READ_STREAM));
	assert_int_equal(filter(&p, "ReadStdout", NULL), 0);
	assert_int_equal(filter(&p, "ReadStderr", NULL), 0);
	assert_int_equal(filter(&p, "WriteStdin", NULL), -EACCES);
}

static void test_rules_win_over_defaults(void **state)
{
	static const char *const texts[] = {
		HEAD "default AddSwapRequest := false\nAddSwapRequest := true\n",
		HEAD "AddSwapRequest = true\ndefault AddSwapRequest = false\n",
		HEAD "import rego.v1\nimport future.keywords.if\nimport future.keywords\n"
		     "AddSwapRequest := true",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct policy p = parse(texts[i]);

		assert_int_equal(filter(&p, "AddSwap", NULL), 0);
	}
}

static void test_permissive(void **state)
{
	struct policy p = parse(HEAD "default AllowRequestsFailingPolicy := true\n");

	assert_int_equal(filter(&p, "ExecProcess", NULL), 0);
	p = parse(HEAD "default AllowRequestsFailingPolicy := false\n");
	assert_int_equal(filter(&p, "ExecProcess", NULL), -EACCES);
}

static void test_unknown_names_are_told(void **state)
{
	static const char text[] = HEAD
		"default PullImageRequest := true\ndefault Nobody := false\n";
	autodone(strv) unknown = STRV_INIT;
	struct policy p;

	assert_int_equal(policy_parse(text, strlen(text), &p, &unknown, NULL), 0);
	assert_int_equal(unknown.n, 2);
	assert_string_equal(unknown.v[0], "PullImageRequest");
}

/* The rest of the language is refused, at its place. */
static void test_refusals(void **state)
{
	static const struct {
		const char *text, *place;
	} bad[] = {
		{ "", "1:1: " },
		{ "# only words\n", "2:1: " },
		{ "default ExecProcessRequest := true\n", "1:1: " },
		{ "package other\n", "1:9: " },
		{ HEAD "package agent_policy\n", "2:8: " },
		{ HEAD "default ExecProcessRequest := true default X := true\n", "2:36: " },
		{ HEAD "default ExecProcessRequest := 1\n", "2:31: " },
		{ HEAD "default ExecProcessRequest := input.x\n", "2:31: " },
		{ HEAD "default ExecProcessRequest == true\n", "2:28: " },
		{ HEAD "default ExecProcessRequest true\n", "2:28: " },
		{ HEAD "\nExecProcessRequest {\n  input.x == 1\n}\n", "3:20: " },
		{ HEAD "ExecProcessRequest if input.x == 1\n", "2:20: " },
		{ HEAD "allow(x) := true\n", "2:6: " },
		{ HEAD "default ExecProcessRequest := true\ndefault ExecProcessRequest := false\n",
		  "3:9: " },
		{ HEAD "ExecProcessRequest := true\nExecProcessRequest := false\n", "3:1: " },
		{ HEAD "default AllowRequestsFailingPolicy := true\n"
		       "default AllowRequestsFailingPolicy := true\n",
		  "3:9: " },
		{ HEAD "import data.other\n", "2:8: " },
		{ HEAD "policy_data := {\"a\": 1}\n", "2:16: " },
		{ HEAD "{\n", "2:1: " },
		{ HEAD "default a.b := true\n", "2:9: " },
		{ HEAD "default\nX := true\n", "2:8: " },
		{ HEAD "default X :=\ntrue\n", "2:13: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct policy p = { .allowed = 42 };
		struct error e = ERROR_INIT;

		assert_int_equal(policy_parse(bad[i].text, strlen(bad[i].text), &p, NULL, &e),
				 -EINVAL);
		if (strncmp(e.text, bad[i].place, strlen(bad[i].place)) != 0)
			fail_msg("\"%s\" is not at %s: %s", bad[i].text, bad[i].place, e.text);
		assert_int_equal(p.allowed, 42);
	}
}

static void test_a_bad_one_changes_nothing(void **state)
{
	static const char bad[] = HEAD "allow { true }\n";
	struct policy p = parse(HEAD "default ExecProcessRequest := true\n");
	struct error e = ERROR_INIT;

	assert_int_equal(policy_set(&p, bad, strlen(bad), &e), -EINVAL);
	assert_int_equal(strncmp(e.text, "policy: 2:7: ", 13), 0);
	assert_int_equal(filter(&p, "ExecProcess", NULL), 0);
	assert_int_equal(filter(&p, "AddSwap", NULL), -EACCES);
}

static void test_files(void **state)
{
	char path[] = "/tmp/test-policy-XXXXXX";
	int fd = mkstemp(path);
	struct policy p = POLICY_NONE;
	struct error e = ERROR_INIT;

	assert_int_equal(policy_load(&p, "/nonexistent/policy", &e), 0);
	assert_false(p.in_force);
	assert_int_equal(fd_write_full(fd, "package x\n", 10), 0);
	assert_int_equal(policy_load(&p, path, &e), -EINVAL);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(pwrite(fd, HEAD, strlen(HEAD), 0), strlen(HEAD));
	assert_int_equal(policy_load(&p, path, &e), 0);
	assert_true(p.in_force);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_one_all_is_allowed),
		cmocka_unit_test(test_what_is_not_named_is_blocked),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_rules_win_over_defaults),
		cmocka_unit_test(test_permissive),
		cmocka_unit_test(test_unknown_names_are_told),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_a_bad_one_changes_nothing),
		cmocka_unit_test(test_files),
	};

	log_set_fd(-1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
