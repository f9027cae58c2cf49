/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of options: that they hold together, that nothing of runc's and crun's is missing,
 * that the manual is theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/limits.h"
#include "cli/cli.h"

#include <fcntl.h>

/* The options of runc 1.1 and crun 1.8, by command. Those of checkpoint and restore are not looked
 * at. */
static const struct {
	const char *command, *options;
} expected[] = {
	{ "create", "bundle b console-socket pid-file no-pivot no-new-keyring preserve-fds config "
		    "f no-subreaper" },
	{ "run", "bundle b console-socket detach d keep pid-file no-subreaper no-pivot "
		 "no-new-keyring preserve-fds config f" },
	{ "exec", "console-socket cwd env e tty t user u additional-gids g process p detach d "
		  "pid-file process-label "
		  "apparmor no-new-privs cap c preserve-fds cgroup ignore-paused" },
	{ "kill", "all a regex r" },
	{ "delete", "force f regex r" },
	{ "list", "format f quiet q" },
	{ "ps", "format f" },
	{ "events", "interval stats" },
	{ "update", "resources r blkio-weight cpu-period cpu-quota cpu-share cpu-rt-period "
		    "cpu-rt-runtime cpuset-cpus "
		    "cpuset-mems memory memory-reservation memory-swap pids-limit l3-cache-schema "
		    "mem-bw-schema "
		    "kernel-memory kernel-memory-tcp" },
	{ "spec", "bundle b rootless file f" },
	{ "start", "" },
	{ "state", "" },
	{ "pause", "" },
	{ "resume", "" },
	{ "checkpoint", "" },
	{ "restore", "" },
	{ "features", "" },
};

static bool has(const struct arg_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n; i++) {
		const struct arg_option *o = &spec->options[i];

		if (str_eq(o->name, name) || (name[1] == '\0' && o->letter == name[0]))
			return true;
	}
	return false;
}

static void test_nothing_missing(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct cli_command *c = cli_find_command(expected[i].command);
		autodone(strv) names = STRV_INIT;

		assert_non_null(c);
		strv_split(&names, expected[i].options, " ");
		for (size_t k = 0; k < names.n; k++)
			if (!has(&c->options, names.v[k]))
				fail_msg("%s has no option %s", c->name, names.v[k]);
	}
	assert_true(has(&cli_globals, "debug") && has(&cli_globals, "log") &&
		    has(&cli_globals, "log-format") && has(&cli_globals, "root") &&
		    has(&cli_globals, "criu") && has(&cli_globals, "systemd-cgroup") &&
		    has(&cli_globals, "rootless") && has(&cli_globals, "cgroup-manager") &&
		    has(&cli_globals, "v") && has(&cli_globals, "h"));
}

static size_t size_of(enum arg_type type)
{
	static const size_t sizes[] = {
		[ARG_BOOL] = sizeof(bool),           [ARG_STRING] = sizeof(char *),
		[ARG_STRINGS] = sizeof(struct strv), [ARG_INT] = sizeof(int),
		[ARG_U64] = sizeof(uint64_t),        [ARG_SIGNAL] = sizeof(int),
	};

	return sizes[type];
}

static void check_table(const char *command, const struct arg_spec *spec, size_t size)
{
	for (size_t i = 0; i < spec->n; i++) {
		const struct arg_option *o = &spec->options[i];

		if (!o->name || str_empty(o->help) || (o->type == ARG_BOOL) != !o->metavar)
			fail_msg("%s: option %zu is not complete", command, i);
		if (o->offset + size_of(o->type) > size)
			fail_msg("%s: --%s lies outside of the options", command, o->name);
		for (size_t k = 0; k < i; k++) {
			const struct arg_option *p = &spec->options[k];

			if (str_eq(o->name, p->name) || (o->letter && o->letter == p->letter) ||
			    o->offset == p->offset)
				fail_msg("%s: --%s and --%s are in each other's way", command,
					 o->name, p->name);
		}
	}
}

static void test_tables(void **state)
{
	check_table("caisson", &cli_globals, sizeof(struct cli));
	for (size_t i = 0; cli_commands[i]; i++) {
		const struct cli_command *c = cli_commands[i];

		assert_non_null(c->run);
		assert_false(str_empty(c->summary));
		assert_non_null(c->operands);
		assert_true(c->max < 0 || c->min <= c->max);
		check_table(c->name, &c->options, c->size);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(c->name, cli_commands[k]->name);
	}
	assert_null(cli_find_command("proxy"));
}

static void test_manual(void **state)
{
	autofree char *have = NULL, *want = NULL;
	size_t n;
	FILE *f = open_memstream(&want, &n);

	assert_non_null(f);
	cli_print_man(f);
	fclose(f);
	assert_int_equal(file_read_at(AT_FDCWD, SOURCE_ROOT "/docs/man/caisson.8.scd", MIB(1),
				      &have, NULL),
			 0);
	/* Otherwise: ninja update-cli-docs */
	assert_string_equal(have, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_missing),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
