/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: every accepted form, what is refused, and where the operands end up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/args.h"
#include "base/error.h"

#include <errno.h>

struct opts {
	bool interactive, tty, all;
	const char *root, *log;
	struct strv env;
	int limit, sig;
	uint64_t size;
};

static const struct arg_option table[] = {
	{ "interactive", 'i', ARG_BOOL, offsetof(struct opts, interactive), NULL, "keep stdin" },
	{ "tty", 't', ARG_BOOL, offsetof(struct opts, tty), NULL, "a terminal" },
	{ "all", 0, ARG_BOOL, offsetof(struct opts, all), NULL, "all of them" },
	{ "root", 'r', ARG_STRING, offsetof(struct opts, root), "DIR", "where state is" },
	{ "log", 0, ARG_STRING, offsetof(struct opts, log), "FILE", "where to log" },
	{ "env", 'e', ARG_STRINGS, offsetof(struct opts, env), "K=V", "environment" },
	{ "limit", 'l', ARG_INT, offsetof(struct opts, limit), "N", "a number" },
	{ "size", 0, ARG_U64, offsetof(struct opts, size), "N", "a size" },
	{ "signal", 's', ARG_SIGNAL, offsetof(struct opts, sig), "SIG", "a signal" },
};
static const struct arg_spec plain = { table, ARRAY_SIZE(table), false, false };
static const struct arg_spec go = { table, ARRAY_SIZE(table), true, false };
static const struct arg_spec global = { table, ARRAY_SIZE(table), false, true };

/* Words of a command line, and the vector that a parser may reorder. */
struct line {
	struct strv words;
	char **argv;
	int argc;
};

static void line_done(struct line *l)
{
	strv_done(&l->words);
	free(l->argv);
}
DEFINE_AUTODONE(line, line_done);

/* Parses "a b c" as the arguments of a program. */
static int parse(const struct arg_spec *spec, const char *text, struct opts *o, struct line *l,
		 struct error *e)
{
	*o = (struct opts){ 0 };
	strv_add(&l->words, "prog");
	strv_split(&l->words, text, " ");
	l->argc = (int)l->words.n;
	l->argv = xmemdup(l->words.v, (l->words.n + 1) * sizeof(*l->argv));
	return args_parse(spec, l->argc, l->argv, o, e);
}

static void check(const struct arg_spec *spec, const char *line, struct opts *o,
		  const char *operands)
{
	autodone(line) l = { .argc = 0 };
	autodone(strv) rest = STRV_INIT;
	autofree char *joined = NULL;
	struct error e = ERROR_INIT;
	int first = parse(spec, line, o, &l, &e);

	if (first < 0)
		fail_msg("%s: %s", line, e.text);
	for (int i = first; i < l.argc; i++)
		strv_add(&rest, l.argv[i]);
	joined = strv_join(&rest, " ");
	assert_string_equal(joined, operands);
	/* Strings point into argv, which goes away. */
	o->root = o->root ? "set" : NULL;
	o->log = NULL;
	strv_done(&o->env);
}

static void refused(const struct arg_spec *spec, const char *line, const char *why)
{
	autodone(line) l = { .argc = 0 };
	struct error e = ERROR_INIT;
	struct opts o;

	assert_int_equal(parse(spec, line, &o, &l, &e), -EINVAL);
	assert_string_equal(e.text, why);
	strv_done(&o.env);
}

static void test_letters(void **state)
{
	struct opts o;

	check(&plain, "-it", &o, "");
	assert_true(o.interactive && o.tty && !o.all);
	check(&plain, "-itr/x a", &o, "a");
	assert_true(o.interactive && o.tty);
	assert_string_equal(o.root, "set");
	check(&plain, "-l5", &o, "");
	assert_int_equal(o.limit, 5);
	check(&plain, "-l=-6 -sKILL", &o, "");
	assert_int_equal(o.limit, -6);
	assert_int_equal(o.sig, 9);
	check(&plain, "-l -7", &o, "");
	assert_int_equal(o.limit, -7);
}

static void test_long(void **state)
{
	struct opts o;

	check(&plain, "--all --size=18446744073709551615 --limit 3", &o, "");
	assert_true(o.all);
	assert_true(o.size == UINT64_MAX);
	assert_int_equal(o.limit, 3);
	check(&plain, "--all=false --tty=true", &o, "");
	assert_true(!o.all && o.tty);
	check(&plain, "--tty --tty=false", &o, "");
	assert_false(o.tty);
}

static void test_values(void **state)
{
	autodone(line) l = { .argc = 0 };
	struct error e = ERROR_INIT;
	struct opts o;
	int first;

	first = parse(&plain, "-e A=1 --env=B=2 -eC=3 --root= --log -", &o, &l, &e);
	assert_int_equal(first, l.argc);
	assert_int_equal(o.env.n, 3);
	assert_string_equal(o.env.v[0], "A=1");
	assert_string_equal(o.env.v[1], "B=2");
	assert_string_equal(o.env.v[2], "C=3");
	assert_string_equal(o.root, "");
	assert_string_equal(o.log, "-");
	strv_done(&o.env);
}

static void test_single_dash(void **state)
{
	struct opts o;

	check(&go, "-limit 4 -all -size=9 x", &o, "x");
	assert_int_equal(o.limit, 4);
	assert_true(o.all);
	assert_int_equal(o.size, 9);
	/* What is no long name is letters. */
	check(&go, "-it --tty=false", &o, "");
	assert_true(o.interactive && !o.tty);
	refused(&plain, "-all", "unknown option -all");
}

static void test_operands(void **state)
{
	struct opts o;

	check(&plain, "a -t b --limit 2 c", &o, "a b c");
	assert_true(o.tty);
	check(&plain, "a -t -- -i --all", &o, "a -i --all");
	assert_true(o.tty && !o.interactive && !o.all);
	check(&plain, "- -t", &o, "-");
	check(&plain, "-- --", &o, "--");
	check(&plain, "", &o, "");
	check(&global, "-t run -i x", &o, "run -i x");
	assert_true(o.tty && !o.interactive);
	check(&global, "-t -- -i", &o, "-i");
	assert_false(o.interactive);
}

static void test_refused(void **state)
{
	refused(&plain, "--nothing", "unknown option --nothing");
	refused(&plain, "--roo=x", "unknown option --roo=x");
	refused(&plain, "--rootx=x", "unknown option --rootx=x");
	refused(&plain, "-itz", "unknown option -itz");
	refused(&plain, "a --root", "option --root needs a value");
	refused(&plain, "-itr", "option -itr needs a value");
	refused(&plain, "--limit 1x", "invalid value \"1x\" for option --limit");
	refused(&plain, "--limit=3000000000",
		"invalid value \"3000000000\" for option --limit=3000000000");
	refused(&plain, "--size -1", "invalid value \"-1\" for option --size");
	refused(&plain, "--all=maybe", "invalid value \"maybe\" for option --all=maybe");
	refused(&plain, "-s NOPE", "invalid value \"NOPE\" for option -s");
	refused(&plain, "-s 0", "invalid value \"0\" for option -s");
}

static void test_help(void **state)
{
	autofree char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	args_print_options(&plain, f);
	fclose(f);
	assert_non_null(strstr(text, "  -i, --interactive                keep stdin\n"));
	assert_non_null(strstr(text, "      --log FILE                   where to log\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters),  cmocka_unit_test(test_long),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_single_dash),
		cmocka_unit_test(test_operands), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
