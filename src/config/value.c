/* SPDX-License-Identifier: Apache-2.0 */
/* value - see value.h. Each type is a row of types[]: check, store, compare, print. */
#include "config/value.h"

#include "base/limits.h"
#include "wire/json.h"
#include "wire/toml.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>

static void *field(const struct config *c, const struct config_key *k)
{
	return (char *)c + k->offset;
}

/* ---- checks ---- */

/* Whether @s is one of "a|b|c". */
static bool among(const char *choices, const char *s)
{
	size_t n = strlen(s);

	for (const char *p = choices;; p++) {
		size_t len = strcspn(p, "|");

		if (len == n && strncmp(p, s, n) == 0)
			return true;
		p += len;
		if (!*p)
			return false;
	}
}

static int check_type(const struct toml *v, enum toml_type want, const char *what, struct error *e)
{
	if (v->type == want)
		return 0;
	return error_plain(e, EINVAL, "must be %s, not %s", what, toml_type_name(v->type));
}

static int check_text(const struct config_key *k, const char *s, struct error *e)
{
	size_t max = k->max ? (size_t)k->max : LIMIT_CONFIG_STRING;

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return error_plain(e, EINVAL, "must not contain control characters");
	if (k->offset && strlen(s) > max)
		return error_plain(e, EINVAL, "is longer than %zu bytes", max);
	return 0;
}

static int check_bool(const struct config_key *k, const struct toml *v, struct error *e)
{
	return check_type(v, TOML_BOOL, "true or false", e);
}

static int check_int(const struct config_key *k, const struct toml *v, struct error *e)
{
	int64_t max = k->max || k->min ? k->max : UINT32_MAX;
	int r = check_type(v, TOML_INT, "an integer", e);

	if (r < 0)
		return r;
	if (v->integer < k->min || v->integer > max)
		return error_plain(e, ERANGE,
				   "must be from %" PRId64 " to %" PRId64 ", not %" PRId64, k->min,
				   max, v->integer);
	if (k->flags & CONFIG_POWER_OF_2 && v->integer & (v->integer - 1))
		return error_plain(e, EINVAL, "must be a power of two, not %" PRId64, v->integer);
	return 0;
}

static double real_of(const struct toml *v)
{
	return v->type == TOML_INT ? (double)v->integer : v->real;
}

static int check_float(const struct config_key *k, const struct toml *v, struct error *e)
{
	if (v->type != TOML_INT && v->type != TOML_FLOAT)
		return error_plain(e, EINVAL, "must be a number, not %s", toml_type_name(v->type));
	if (!isfinite(real_of(v)) || real_of(v) < (double)k->min || real_of(v) > (double)k->max)
		return error_plain(e, ERANGE, "must be from %" PRId64 " to %" PRId64, k->min,
				   k->max);
	return 0;
}

static int check_string(const struct config_key *k, const struct toml *v, struct error *e)
{
	int r = check_type(v, TOML_STRING, "a string", e);

	if (r < 0)
		return r;
	r = check_text(k, v->string, e);
	if (r < 0)
		return r;
	if (k->choices && !among(k->choices, v->string)) {
		autofree char *list = config_choices_text(k->choices);

		return error_plain(e, EINVAL, "must be one of %s, not \"%s\"", list, v->string);
	}
	return 0;
}

static int check_path(const struct config_key *k, const struct toml *v, struct error *e)
{
	int r = check_string(k, v, e);

	if (r < 0)
		return r;
	if (v->string[0] && v->string[0] != '/')
		return error_plain(e, EINVAL, "must be an absolute path, not \"%s\"", v->string);
	return 0;
}

/*
 * An extended regular expression of a modest kind. Perl's classes (\d, \w) and flags mean something
 * else or nothing to regcomp(3), and repetition counts can make it eat all memory: neither is
 * needed to name a key.
 */
static int check_regex(const char *s, struct error *e)
{
	regex_t re;
	char why[128];
	int r;

	if (strlen(s) > LIMIT_CONFIG_REGEX)
		return error_plain(e, EINVAL, "has an expression of more than %d bytes",
				   LIMIT_CONFIG_REGEX);
	for (const char *p = s; *p; p++)
		if ((*p == '\\' && strchr("dDwWsSbBAzZpPQE123456789<>`'", p[1])) || *p == '{' ||
		    (*p == '(' && p[1] == '?'))
			return error_plain(e, EINVAL,
					   "has \"%s\", which is more than an extended regular "
					   "expression",
					   s);
	r = regcomp(&re, s, REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		regerror(r, &re, why, sizeof(why));
		return error_plain(e, EINVAL, "has \"%s\", which is not a regular expression: %s",
				   s, why);
	}
	regfree(&re);
	return 0;
}

static int check_list(const struct config_key *k, const struct toml *v, struct error *e)
{
	const struct toml *m;
	int r = check_type(v, TOML_ARRAY, "a list of strings", e);

	if (r < 0)
		return r;
	toml_for_each(m, v) {
		r = check_type(m, TOML_STRING, "a list of strings only", e);
		if (r == 0)
			r = check_text(k, m->string, e);
		if (r == 0 && k->flags & CONFIG_REGEXES)
			r = check_regex(m->string, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_tables(const struct config_key *k, const struct toml *v, struct error *e)
{
	const struct toml *m;
	int r = check_type(v, TOML_ARRAY, "a list of tables", e);

	if (r < 0)
		return r;
	toml_for_each(m, v) {
		r = check_type(m, TOML_TABLE, "a list of tables only", e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- fields ---- */

static void store_bool(void *f, const struct config_key *k, const struct toml *v)
{
	*(bool *)f = v->boolean;
}

static void store_int(void *f, const struct config_key *k, const struct toml *v)
{
	*(uint32_t *)f = (uint32_t)v->integer * (k->scale ? k->scale : 1);
}

static void store_u64(void *f, const struct config_key *k, const struct toml *v)
{
	*(uint64_t *)f = (uint64_t)v->integer;
}

static void store_float(void *f, const struct config_key *k, const struct toml *v)
{
	*(double *)f = real_of(v);
}

static void store_string(void *f, const struct config_key *k, const struct toml *v)
{
	char **s = f;

	free(*s);
	*s = v->string[0] ? xstrdup(v->string) : NULL;
}

static void store_list(void *f, const struct config_key *k, const struct toml *v)
{
	const struct toml *m;

	strv_done(f);
	toml_for_each(m, v)
		strv_add(f, m->string);
}

static void done_string(void *f)
{
	free(*(char **)f);
	*(char **)f = NULL;
}

static void done_list(void *f)
{
	strv_done(f);
}

/* ---- writing ---- */

void config_print_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch == '"' || ch == '\\')
			fprintf(f, "\\%c", ch);
		else if (ch < ' ' || ch == 0x7f)
			fprintf(f, "\\u%04X", ch);
		else
			fputc(ch, f);
	}
	fputc('"', f);
}

static void print_bool(const void *f, FILE *out)
{
	fputs(*(const bool *)f ? "true" : "false", out);
}

static void print_int(const void *f, FILE *out)
{
	fprintf(out, "%" PRIu32, *(const uint32_t *)f);
}

static void print_u64(const void *f, FILE *out)
{
	fprintf(out, "%" PRIu64, *(const uint64_t *)f);
}

static void print_float(const void *f, FILE *out)
{
	fprintf(out, "%.10g", *(const double *)f);
}

static void print_string(const void *f, FILE *out)
{
	const char *s = *(char *const *)f;

	config_print_string(out, s ? s : "");
}

static void print_list(const void *f, FILE *out)
{
	const struct strv *v = f;

	fputc('[', out);
	for (size_t i = 0; i < v->n; i++) {
		fputs(i ? ", " : "", out);
		config_print_string(out, v->v[i]);
	}
	fputc(']', out);
}

static void json_of_bool(const void *f, const char *key, struct json_writer *w)
{
	json_add_bool(w, key, *(const bool *)f);
}

static void json_of_int(const void *f, const char *key, struct json_writer *w)
{
	json_add_u64(w, key, *(const uint32_t *)f);
}

static void json_of_u64(const void *f, const char *key, struct json_writer *w)
{
	json_add_u64(w, key, *(const uint64_t *)f);
}

static void json_of_float(const void *f, const char *key, struct json_writer *w)
{
	json_add_double(w, key, *(const double *)f);
}

static void json_of_string(const void *f, const char *key, struct json_writer *w)
{
	const char *s = *(char *const *)f;

	json_add_str(w, key, s ? s : "");
}

static void json_of_list(const void *f, const char *key, struct json_writer *w)
{
	const struct strv *v = f;

	json_add_strv(w, key, v->v, v->n);
}

/* ---- the table of types ---- */

static const struct {
	int (*check)(const struct config_key *k, const struct toml *v, struct error *e);
	void (*store)(void *f, const struct config_key *k, const struct toml *v);
	void (*print)(const void *f, FILE *out);
	void (*json)(const void *f, const char *key, struct json_writer *w);
	void (*done)(void *f); /* NULL: owns nothing */
} types[] = {
	[CONFIG_BOOL] = { check_bool, store_bool, print_bool, json_of_bool, NULL },
	[CONFIG_INT] = { check_int, store_int, print_int, json_of_int, NULL },
	[CONFIG_U64] = { check_int, store_u64, print_u64, json_of_u64, NULL },
	[CONFIG_FLOAT] = { check_float, store_float, print_float, json_of_float, NULL },
	[CONFIG_STRING] = { check_string, store_string, print_string, json_of_string, done_string },
	[CONFIG_PATH] = { check_path, store_string, print_string, json_of_string, done_string },
	[CONFIG_LIST] = { check_list, store_list, print_list, json_of_list, done_list },
	[CONFIG_TABLES] = { .check = check_tables },
};

int config_value_check(const struct config_key *k, const struct toml *v, struct error *e)
{
	return types[k->type].check(k, v, e);
}

void config_value_store(struct config *c, const struct config_key *k, const struct toml *v)
{
	types[k->type].store(field(c, k), k, v);
}

void config_value_print(const struct config *c, const struct config_key *k, FILE *f)
{
	types[k->type].print(field(c, k), f);
}

void config_value_json(const struct config *c, const struct config_key *k, struct json_writer *w)
{
	types[k->type].json(field(c, k), k->key, w);
}

void config_value_done(struct config *c, const struct config_key *k)
{
	if (types[k->type].done)
		types[k->type].done(field(c, k));
}

bool config_value_works(const struct config_key *k, const struct toml *v)
{
	if (!k->works)
		return true;
	return among(k->works, v->type == TOML_BOOL ? (v->boolean ? "true" : "false") : v->string);
}

/* ---- defaults ---- */

/* "value = @literal" as a table. */
static int parse_literal(const char *literal, struct toml **ret, struct error *e)
{
	autofree char *text = xasprintf("value = %s", literal);

	return toml_parse(text, strlen(text), "default", ret, e);
}

int config_value_default(const struct config_key *k, struct toml **ret, struct error *e)
{
	return parse_literal(k->def, ret, e);
}

static bool same_value(const struct toml *a, const struct toml *b)
{
	if (a->type != b->type)
		return (a->type == TOML_INT && b->type == TOML_FLOAT) ||
				       (a->type == TOML_FLOAT && b->type == TOML_INT)
			       ? real_of(a) == real_of(b)
			       : false;
	switch (a->type) {
	case TOML_STRING:
		return str_eq(a->string, b->string);
	case TOML_INT:
		return a->integer == b->integer;
	case TOML_FLOAT:
		return a->real == b->real;
	case TOML_BOOL:
		return a->boolean == b->boolean;
	case TOML_ARRAY:
		break;
	case TOML_TIME:
	case TOML_TABLE:
		return false; /* no default holds one */
	}
	if (a->count != b->count)
		return false;
	for (a = a->child, b = b->child; a; a = a->next, b = b->next)
		if (!same_value(a, b))
			return false;
	return true;
}

static bool equals_literal(const char *literal, const struct toml *v)
{
	autoptr(toml) t = NULL;

	return literal && parse_literal(literal, &t, NULL) == 0 && same_value(t->child, v);
}

bool config_value_harmless(const struct config_key *k, const struct toml *v)
{
	return equals_literal(k->def, v) || equals_literal(k->kata, v);
}

/* ---- annotations ---- */

/* As Go's strconv.ParseBool. */
static const char *bool_literal(const char *s)
{
	if (among("1|t|T|true|TRUE|True", s))
		return "true";
	return among("0|f|F|false|FALSE|False", s) ? "false" : NULL;
}

static int quoted_list(const struct config_key *k, const char *text, FILE *f, struct error *e)
{
	const char seps[] = { k->separator, '\0' };
	autodone(strv) parts = STRV_INIT;

	if (!k->separator)
		return error_plain(e, EINVAL, "cannot be written as an annotation");
	strv_split(&parts, text, seps);
	print_list(&parts, f);
	return 0;
}

static int print_number(const struct config_key *k, const char *text, FILE *f, struct error *e)
{
	int64_t i;
	char *end;
	double d;
	int r = str_to_i64(text, 10, &i);

	if (r == 0) {
		fprintf(f, "%" PRId64, i);
		return 0;
	}
	if (k->type != CONFIG_FLOAT)
		return error_plain(e, EINVAL, "must be an integer, not \"%s\"", text);
	d = strtod(text, &end);
	if (end == text || *end || !isfinite(d))
		return error_plain(e, EINVAL, "must be a number, not \"%s\"", text);
	fprintf(f, "%.17e", d);
	return 0;
}

static int print_literal(const struct config_key *k, const char *text, FILE *f, struct error *e)
{
	switch (k->type) {
	case CONFIG_BOOL:
		if (!bool_literal(text))
			return error_plain(e, EINVAL, "must be true or false, not \"%s\"", text);
		fputs(bool_literal(text), f);
		return 0;
	case CONFIG_INT:
	case CONFIG_U64:
	case CONFIG_FLOAT:
		return print_number(k, text, f, e);
	case CONFIG_STRING:
	case CONFIG_PATH:
		config_print_string(f, text);
		return 0;
	case CONFIG_LIST:
		return quoted_list(k, text, f, e);
	case CONFIG_TABLES: /* JSON; all that matters is whether it is empty, since none is
			       supported */
		fputs(*text ? "[{}]" : "[]", f);
		return 0;
	}
	return error_plain(e, EINVAL, "cannot be written as an annotation");
}

int config_value_from_text(const struct config_key *k, const char *text, struct toml **ret,
			   struct error *e)
{
	autofree char *literal = NULL;
	size_t n;
	FILE *f = open_memstream(&literal, &n);
	int r;

	if (!f)
		return error_set(e, errno, "annotation");
	r = print_literal(k, text, f, e);
	if (fclose(f) != 0 && r == 0)
		r = error_set(e, errno, "annotation");
	return r < 0 ? r : parse_literal(literal, ret, e);
}
