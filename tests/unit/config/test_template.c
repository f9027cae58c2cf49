/* SPDX-License-Identifier: Apache-2.0 */
/* The documents made from the table are those in the tree; they say /usr/share/caisson whatever
 * this build's prefix is. */
#include "config/internal.h"

#include "base/fd.h"
#include "base/limits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char *printed(void (*print)(FILE *f))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	print(f);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* With CAISSON_DATADIR replaced. */
static char *printed_as_in_tree(void (*print)(FILE *f))
{
	autofree char *text = printed(print);
	char *out = NULL, *p = text, *q;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	for (; (q = strstr(p, CAISSON_DATADIR)); p = q + strlen(CAISSON_DATADIR))
		fprintf(f, "%.*s/usr/share/caisson", (int)(q - p), p);
	fputs(p, f);
	assert_int_equal(fclose(f), 0);
	return out;
}

static char *read_file(const char *path)
{
	char *text = NULL;

	assert_int_equal(file_read_at(AT_FDCWD, path, LIMIT_CONFIG_TOML, &text, NULL), 0);
	return text;
}

static void test_template_in_tree(void **state)
{
	autofree char *want = printed_as_in_tree(config_print_template);
	autofree char *have = read_file(SOURCE_ROOT "/data/configuration.toml");

	assert_string_equal(have, want);
}

static void test_man_page_in_tree(void **state)
{
	autofree char *want = printed_as_in_tree(config_print_man);
	autofree char *have = read_file(SOURCE_ROOT "/docs/man/caisson-configuration.toml.5.scd");

	assert_non_null(strstr(have, want));
}

static void test_page_in_tree(void **state)
{
	autofree char *want = printed_as_in_tree(config_print_markdown);
	autofree char *have = read_file(SOURCE_ROOT "/docs/configuration.md");

	assert_non_null(strstr(have, want));
}

static struct config *load(const char *text)
{
	struct config *c = NULL;
	struct error e = ERROR_INIT;

	if (config_load_text(text, strlen(text), "t", &c, &e) < 0)
		fail_msg("%s", e.text);
	return c;
}

/* Removes the '#' in front of keys; returns how many there were. */
static size_t uncomment(char *text)
{
	size_t n = 0;

	for (char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (p[0] == '#' && p[1] >= 'a' && p[1] <= 'z') {
			memmove(p, p + 1, strlen(p));
			n++;
		}
	}
	return n;
}

static size_t stored_keys(void)
{
	size_t n = 0;

	for (size_t i = 0; i < config_keys_n; i++)
		n += config_key_stored(&config_keys[i]);
	return n;
}

static void test_template_changes_nothing(void **state)
{
	autofree char *text = printed(config_print_template);
	autoptr(config) c = load(text);
	autoptr(config) defaults = load("");
	autofree char *have = config_to_json(c), *want = config_to_json(defaults);

	assert_int_equal(c->warnings.n, 0);
	assert_string_equal(have, want);
}

static void test_template_shows_the_defaults(void **state)
{
	autofree char *text = printed(config_print_template);
	size_t n = uncomment(text);
	autoptr(config) c = load(text);
	autoptr(config) defaults = load("");
	autofree char *have = config_to_json(c), *want = config_to_json(defaults);

	assert_int_equal(n, stored_keys());
	assert_int_equal(c->warnings.n, 0);
	*strstr(have, "\"origins\"") = '\0';
	*strstr(want, "\"origins\"") = '\0';
	assert_string_equal(have, want);
}

/* Prose keeps to 80 columns behind its "# ", but for single long words. */
static void test_line_length(void **state)
{
	autofree char *text = printed(config_print_template);
	autodone(strv) lines = STRV_INIT;

	strv_split(&lines, text, "\n");
	assert_true(lines.n > stored_keys());
	for (size_t i = 0; i < lines.n; i++) {
		const char *prose = str_skip_prefix(lines.v[i], "# ");

		if (prose && strchr(prose, ' '))
			assert_true(strlen(prose) <= 80);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template_in_tree),
		cmocka_unit_test(test_man_page_in_tree),
		cmocka_unit_test(test_page_in_tree),
		cmocka_unit_test(test_template_changes_nothing),
		cmocka_unit_test(test_template_shows_the_defaults),
		cmocka_unit_test(test_line_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
