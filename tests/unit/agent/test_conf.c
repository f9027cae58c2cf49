/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's command line as the agent reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "agent/conf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void test_defaults(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	assert_string_equal(c.server_addr, "vsock://-1:1024");
	assert_string_equal(c.run_dir, "/run/kata-containers");
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c.log_port, 1025);
	assert_int_equal(c.stream_port, 1027);
	assert_int_equal(c.pipe_size, 0);
	assert_int_equal(c.hotplug_timeout_s, 3);
	assert_false(c.debug_console);
}

static void test_all_keys(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(
		&c,
		"console=ttyS0 quiet agent.log=debug agent.log_vport=7 agent.debug_console\n"
		"agent.debug_console_vport=8 agent.server_addr=\"vsock://3:9\" "
		"agent.passfd_listener_port=10 agent.container_pipe_size=131072 agent.devmode=1 "
		"agent.hotplug_timeout=7");
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.log_port, 7);
	assert_true(c.debug_console);
	assert_int_equal(c.debug_console_port, 8);
	assert_string_equal(c.server_addr, "vsock://3:9");
	assert_int_equal(c.stream_port, 10);
	assert_int_equal(c.pipe_size, 131072);
	assert_int_equal(c.hotplug_timeout_s, 7);
	assert_true(c.devmode);
	assert_int_equal(c.unknown.n, 0);
}

static void test_quotes(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(
		&c, "\"agent.log=error x\" agent.server_addr=unix:///a\" \"b agent.devmode=\"true");
	/* The whole quoted word is one setting, and its value no level. */
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_string_equal(c.server_addr, "unix:///a b");
	assert_true(c.devmode);
	assert_int_equal(c.unknown.n, 1);
}

static void test_names_of_levels(void **state)
{
	static const struct {
		const char *text;
		int level;
	} cases[] = {
		{ "agent.log=critical", LOG_LEVEL_ERROR },
		{ "agent.log=error", LOG_LEVEL_ERROR },
		{ "agent.log=warn", LOG_LEVEL_WARN },
		{ "agent.log=trace", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autodone(agent_conf) c;

		agent_conf_init(&c);
		agent_conf_parse_cmdline(&c, cases[i].text);
		assert_int_equal(c.log_level, cases[i].level);
	}
}

static void test_unknown_and_invalid_are_named(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(&c, "agent.hotplug=3 agent.log_vport=x agent.log= "
				     "agent.devmode=maybe other.thing=1");
	assert_int_equal(c.unknown.n, 4);
	assert_string_equal(c.unknown.v[0], "agent.hotplug is not known");
	assert_string_equal(c.unknown.v[1], "agent.log_vport: \"x\" is not a valid value");
	assert_int_equal(c.log_port, 1025);
}

static void test_what_follows_two_dashes_is_not_ours(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(&c, "agent.log=debug -- agent.log=error agent.nonsense");
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.unknown.n, 0);
}

static void test_number_of_warnings_is_bounded(void **state)
{
	autodone(agent_conf) c;
	char text[LIMIT_AGENT_UNKNOWN * 32 * 2] = "";
	size_t n = 0;

	agent_conf_init(&c);
	for (int i = 0; i < LIMIT_AGENT_UNKNOWN * 2; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "agent.u%d=1 ", i);
	agent_conf_parse_cmdline(&c, text);
	assert_int_equal(c.unknown.n, LIMIT_AGENT_UNKNOWN);
}

/* What other agents do and this one does not is said, unless it is switched off anyway. */
static void test_without_effect(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(&c, "agent.trace agent.trace=false agent.mem_agent_enable=0 "
				     "agent.mem_agent_memcg_swap=1 agent.https_proxy=a:1 "
				     "agent.guest_components_procs=none");
	assert_int_equal(c.unknown.n, 4);
	assert_string_equal(c.unknown.v[0], "agent.trace has no effect: this agent does not trace");
	assert_string_equal(c.unknown.v[1],
			    "agent.mem_agent_memcg_swap has no effect: there is no mem-agent");
}

/* Loads @text as a file of settings. */
static int load(struct agent_conf *c, const char *text, struct error *e)
{
	char path[] = "/tmp/test-conf-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	fd_close(fd);
	r = agent_conf_load_file(c, path, e);
	unlink(path);
	return r;
}

static void test_file(void **state)
{
	autodone(agent_conf) c;
	struct error e = ERROR_INIT;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(&c, "agent.config_file=/etc/agent.toml agent.log=error");
	assert_string_equal(c.config_file, "/etc/agent.toml");
	assert_int_equal(load(&c,
			      "log_level = 'debug'\ndebug_console = true\nlog_vport = 9\n"
			      "server_addr = \"vsock://3:4\"\ntracing = true\nnobody = [1]\n",
			      &e),
			 0);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_true(c.debug_console);
	assert_int_equal(c.log_port, 9);
	assert_string_equal(c.server_addr, "vsock://3:4");
	assert_int_equal(c.unknown.n, 2);
	assert_true(load(&c, "log_level = ", &e) < 0);
	assert_true(load(&c, "\nlog_vport = 'many'\n", &e) < 0);
	assert_non_null(strstr(e.text, ":2: log_vport has no valid value"));
	assert_true(agent_conf_load_file(&c, "/nonexistent", &e) < 0);
}

static void test_environment(void **state)
{
	autodone(agent_conf) c;

	agent_conf_init(&c);
	setenv("KATA_AGENT_SERVER_ADDR", "unix:///x", 1);
	setenv("KATA_AGENT_LOG_LEVEL", "warn", 1);
	setenv("KATA_AGENT_POLICY_FILE", "/p.rego", 1);
	agent_conf_apply_env(&c);
	assert_string_equal(c.server_addr, "unix:///x");
	assert_int_equal(c.log_level, LOG_LEVEL_WARN);
	assert_string_equal(c.policy_file, "/p.rego");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_names_of_levels),
		cmocka_unit_test(test_unknown_and_invalid_are_named),
		cmocka_unit_test(test_what_follows_two_dashes_is_not_ours),
		cmocka_unit_test(test_number_of_warnings_is_bounded),
		cmocka_unit_test(test_without_effect),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
