/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template - documentation made from the table: configuration.toml with every supported key
 * commented out at its default, the list of keys of the man page (scdoc) and of
 * docs/configuration.md.
 */
#include "config/keys.h"

#include <inttypes.h>

#define COLUMNS 80

static const enum config_section documented[] = { CONFIG_HYPERVISOR, CONFIG_AGENT, CONFIG_RUNTIME,
						  CONFIG_FACTORY };

/* Prints words after @lead on each line. */
static void print_wrapped(FILE *f, const char *lead, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + 1 + n > COLUMNS) {
			fputc('\n', f);
			column = 0;
		}
		column += (size_t)fprintf(f, "%s%.*s", column ? " " : lead, (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', f);
}

/* Range, choices, Kata's default, annotation: one line, or "". Owned. */
static char *facts(const struct config_key *k)
{
	const char *values = k->works ? k->works : k->choices;
	char annotation[CONFIG_KEY_NAME_MAX];
	autodone(strv) v = STRV_INIT;

	if (values) {
		autofree char *list = config_choices_text(values);

		strv_addf(&v, "Values: %s.", list);
	}
	if ((k->type == CONFIG_INT || k->type == CONFIG_U64 || k->type == CONFIG_FLOAT) && k->max)
		strv_addf(&v, "From %" PRId64 " to %" PRId64 ".", k->min, k->max);
	if (k->kata)
		strv_addf(&v, "Kata's default: %s.", k->kata);
	if (config_key_annotation(k, annotation) && !(k->flags & CONFIG_FILE_ONLY))
		strv_addf(&v, "Annotation: %s.", annotation);
	return strv_join(&v, " ");
}

static void template_key(const struct config_key *k, FILE *f)
{
	autofree char *more = facts(k);

	fputc('\n', f);
	print_wrapped(f, "# ", k->help);
	if (*more)
		print_wrapped(f, "# ", more);
	fprintf(f, "#%s = %s\n", k->key, k->def);
}

void config_print_template(FILE *f)
{
	char name[CONFIG_KEY_NAME_MAX];

	fputs("# Configuration of Caisson: Kata Containers' keys and sections. Every key is shown\n"
	      "# with its default; remove the '#' in front of one to set it. Files named\n"
	      "# config.d/NAME.toml beside this one are read after it, in the order of their\n"
	      "# names, and win key by key. See caisson-configuration.toml(5).\n",
	      f);
	for (size_t s = 0; s < ARRAY_SIZE(documented); s++) {
		fprintf(f, "\n[%s]\n", config_section_name(documented[s], config_engines[0], name));
		for (size_t i = 0; i < config_keys_n; i++)
			if (config_keys[i].section == documented[s] &&
			    config_key_stored(&config_keys[i]))
				template_key(&config_keys[i], f);
	}
}

/* ---- scdoc ---- */

/* Text with what scdoc would take as markup escaped. */
static void print_scdoc(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (strchr("_*\\#<>[]|:.`~\"'", *s) && *s != '.' && *s != ':' && *s != '"' &&
		    *s != '\'')
			fputc('\\', f);
		fputc(*s, f);
	}
}

static void man_key(const struct config_key *k, FILE *f)
{
	autofree char *more = facts(k);

	fprintf(f, "*%s* = ", k->key);
	print_scdoc(f, k->def ? k->def : "...");
	fputs("\n\t", f);
	print_scdoc(f, k->help);
	if (*more) {
		fputc(' ', f);
		print_scdoc(f, more);
	}
	fputs("\n\n", f);
}

/* The keys of all sections without an offset, as one paragraph each. */
static void list_unsupported(FILE *f, const char *lead, void (*put)(FILE *f, const char *s))
{
	char name[CONFIG_KEY_NAME_MAX];

	for (enum config_section s = 0; s < CONFIG_SECTIONS; s++) {
		const char *sep = "";

		fprintf(f, "%s", lead);
		put(f, config_section_name(s, config_engines[0], name));
		fputs(": ", f);
		for (size_t i = 0; i < config_keys_n; i++) {
			const struct config_key *k = &config_keys[i];

			if (k->section != s || k->offset || !k->key)
				continue;
			fputs(sep, f);
			put(f, k->key);
			sep = ", ";
		}
		fputs(*sep ? ".\n\n" : "none.\n\n", f);
	}
}

void config_print_man(FILE *f)
{
	char name[CONFIG_KEY_NAME_MAX];

	for (size_t s = 0; s < ARRAY_SIZE(documented); s++) {
		fprintf(f, "## [%s]\n\n",
			config_section_name(documented[s], config_engines[0], name));
		for (size_t i = 0; i < config_keys_n; i++)
			if (config_keys[i].section == documented[s] && config_keys[i].offset)
				man_key(&config_keys[i], f);
	}
	fputs("## NOT SUPPORTED YET\n\n", f);
	list_unsupported(f, "", print_scdoc);
}

/* ---- Markdown ---- */

static void print_cell(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '|')
			fputc('\\', f);
		fputc(*s, f);
	}
}

static void markdown_key(const struct config_key *k, FILE *f)
{
	autofree char *more = facts(k);

	fprintf(f, "| `%s` | ", k->key);
	if (k->def) {
		fputc('`', f);
		print_cell(f, k->def);
		fputc('`', f);
	}
	fputs(" | ", f);
	print_cell(f, k->help);
	if (*more) {
		fputc(' ', f);
		print_cell(f, more);
	}
	fputs(" |\n", f);
}

static void put_plain(FILE *f, const char *s)
{
	fputs(s, f);
}

void config_print_markdown(FILE *f)
{
	char name[CONFIG_KEY_NAME_MAX];

	for (size_t s = 0; s < ARRAY_SIZE(documented); s++) {
		fprintf(f, "### `[%s]`\n\n| key | default | meaning |\n|-|-|-|\n",
			config_section_name(documented[s], config_engines[0], name));
		for (size_t i = 0; i < config_keys_n; i++)
			if (config_keys[i].section == documented[s] && config_keys[i].offset)
				markdown_key(&config_keys[i], f);
		fputc('\n', f);
	}
	fputs("### Not supported yet\n\n", f);
	list_unsupported(f, "- ", put_plain);
}
