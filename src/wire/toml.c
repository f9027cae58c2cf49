/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml - keys, tables and structure; values are toml_value.c's. See toml.h for what is read and
 * refused.
 *
 * How a table came to be decides what may still happen to it (TOML 1.0, "Keys", "Table", "Array of
 * Tables"):
 *  - IMPLICIT, by [a.b] for a: may be defined by a header, extended by headers and dotted keys;
 *  - DOTTED, by a.b = 1 for a: may be extended by dotted keys and, below it, by headers;
 *  - HEADER, by [a] or [[a]]: may be extended by headers below it;
 *  - INLINE, by {...}: is complete.
 * An array is either a value or grows by [[a]].
 */
#include "wire/toml.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "wire/toml_parser.h"
#include "wire/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum how { IMPLICIT = 1, DOTTED, HEADER, INLINE, ARRAY_VALUE, ARRAY_OF_TABLES };

void toml_free(struct toml *t)
{
	while (t) {
		struct toml *next = t->next;

		toml_free(t->child); /* at most LIMIT_TOML_DEPTH and a few deep */
		if (t->type == TOML_STRING)
			free(t->string);
		free(t->key);
		free(t);
		t = next;
	}
}

int toml_fail(struct toml_parser *ps, struct toml_place at, int err, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = error_plainv(ps->e, err, fmt, ap);
	va_end(ap);
	error_prefix(ps->e, "%s:%u:%u", ps->origin, at.line, at.column);
	return r;
}

int toml_fail_unexpected(struct toml_parser *ps, const char *wanted)
{
	struct toml_place at = toml_here(ps);

	if (ps->p == ps->end)
		return toml_fail(ps, at, EINVAL, "unexpected end, expected %s", wanted);
	if (*ps->p == '\n' || *ps->p == '\r')
		return toml_fail(ps, at, EINVAL, "unexpected end of the line, expected %s", wanted);
	if (*ps->p > ' ' && *ps->p < 0x7f)
		return toml_fail(ps, at, EINVAL, "unexpected '%c', expected %s", *ps->p, wanted);
	return toml_fail(ps, at, EINVAL, "unexpected byte 0x%02x, expected %s",
			 (unsigned char)*ps->p, wanted);
}

bool toml_skip_newline(struct toml_parser *ps)
{
	if (toml_at(ps, '\r') && ps->end - ps->p > 1 && ps->p[1] == '\n')
		ps->p++;
	if (!toml_skip(ps, '\n'))
		return false;
	ps->line++;
	ps->line_start = ps->p;
	return true;
}

static void skip_space(struct toml_parser *ps)
{
	while (toml_at(ps, ' ') || toml_at(ps, '\t'))
		ps->p++;
}

static int skip_comment(struct toml_parser *ps)
{
	if (!toml_at(ps, '#'))
		return 0;
	for (; ps->p < ps->end && *ps->p != '\n'; ps->p++) {
		if (*ps->p == '\r' && ps->end - ps->p > 1 && ps->p[1] == '\n')
			return 0;
		if (((unsigned char)*ps->p < 0x20 && *ps->p != '\t') || *ps->p == 0x7f)
			return toml_fail(ps, toml_here(ps), EINVAL,
					 "control character 0x%02x in a comment",
					 (unsigned char)*ps->p);
	}
	return 0;
}

/* White space, comments and line ends. */
static int skip_blank(struct toml_parser *ps)
{
	int r;

	do {
		skip_space(ps);
		r = skip_comment(ps);
	} while (r == 0 && toml_skip_newline(ps));
	return r;
}

static int end_line(struct toml_parser *ps)
{
	int r;

	skip_space(ps);
	r = skip_comment(ps);
	if (r == 0 && ps->p < ps->end && !toml_skip_newline(ps))
		r = toml_fail_unexpected(ps, "the end of the line");
	return r;
}

/* --- the tree --- */

static uint32_t hash_key(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static struct toml *find(const struct toml *table, const char *key)
{
	uint32_t h = hash_key(key);
	struct toml *m;

	toml_for_each(m, table) {
		if (m->hash == h && strcmp(m->key, key) == 0)
			return m;
	}
	return NULL;
}

static int new_value(struct toml_parser *ps, struct toml_place at, enum toml_type type,
		     unsigned how, struct toml **ret)
{
	struct toml *v = ps->values < LIMIT_TOML_VALUES ? mem_try_calloc(1, sizeof(*v)) : NULL;

	if (!v && ps->values == LIMIT_TOML_VALUES)
		return toml_fail(ps, at, E2BIG, "more than %d values", LIMIT_TOML_VALUES);
	if (!v)
		return toml_fail(ps, at, ENOMEM, "out of memory");
	ps->values++;
	v->type = type;
	v->line = at.line;
	v->column = at.column;
	if (type == TOML_TABLE || type == TOML_ARRAY)
		v->list.how = how;
	*ret = v;
	return 0;
}

/* Takes @v; @key is NULL in arrays. */
static void append(struct toml *parent, const char *key, struct toml *v)
{
	if (key) {
		v->key = xstrdup(key);
		v->hash = hash_key(key);
	}
	if (parent->list.last)
		parent->list.last->next = v;
	else
		parent->child = v;
	parent->list.last = v;
	parent->count++;
}

static int add_table(struct toml_parser *ps, struct toml_place at, struct toml *parent,
		     const char *key, enum how how, struct toml **ret)
{
	int r = new_value(ps, at, TOML_TABLE, how, ret);

	if (r == 0)
		append(parent, key, *ret);
	return r;
}

static int fail_twice(struct toml_parser *ps, struct toml_place at, const struct toml *old)
{
	return toml_fail(ps, at, EINVAL, "\"%s\" is defined twice (first on line %u)", old->key,
			 old->line);
}

/* The table @key of @table on the way of a dotted key. */
static int enter_dotted(struct toml_parser *ps, struct toml_place at, struct toml *table,
			const char *key, struct toml **ret)
{
	struct toml *m = find(table, key);

	if (!m)
		return add_table(ps, at, table, key, DOTTED, ret);
	if (m->type != TOML_TABLE || (m->list.how != DOTTED && m->list.how != IMPLICIT))
		return fail_twice(ps, at, m);
	m->list.how = DOTTED;
	*ret = m;
	return 0;
}

/* The table @key of @table on the way of a header; of an array of tables the last one. */
static int enter_header(struct toml_parser *ps, struct toml_place at, struct toml *table,
			const char *key, struct toml **ret)
{
	struct toml *m = find(table, key);

	if (!m)
		return add_table(ps, at, table, key, IMPLICIT, ret);
	if (m->type == TOML_ARRAY && m->list.how == ARRAY_OF_TABLES)
		m = m->list.last;
	else if (m->type != TOML_TABLE || m->list.how == INLINE)
		return fail_twice(ps, at, m);
	*ret = m;
	return 0;
}

/* Puts @v at @keys below @table; it is the table's then. */
static int assign(struct toml_parser *ps, struct toml_place at, struct toml *table,
		  const struct strv *keys, struct toml *v)
{
	const char *last = keys->v[keys->n - 1];
	const struct toml *old;

	for (size_t i = 0; i + 1 < keys->n; i++) {
		int r = enter_dotted(ps, at, table, keys->v[i], &table);

		if (r < 0)
			return r;
	}
	old = find(table, last);
	if (old)
		return fail_twice(ps, at, old);
	append(table, last, v);
	return 0;
}

/* [a.b]: the table that the following lines fill. */
static int open_table(struct toml_parser *ps, struct toml_place at, struct toml *table,
		      const char *key, struct toml **ret)
{
	struct toml *m = find(table, key);

	if (!m)
		return add_table(ps, at, table, key, HEADER, ret);
	if (m->type != TOML_TABLE || m->list.how != IMPLICIT)
		return fail_twice(ps, at, m);
	m->list.how = HEADER;
	m->line = at.line;
	m->column = at.column;
	*ret = m;
	return 0;
}

/* [[a.b]]: one more element. */
static int open_element(struct toml_parser *ps, struct toml_place at, struct toml *table,
			const char *key, struct toml **ret)
{
	struct toml *m = find(table, key);
	int r;

	if (m && (m->type != TOML_ARRAY || m->list.how != ARRAY_OF_TABLES))
		return fail_twice(ps, at, m);
	if (!m) {
		r = new_value(ps, at, TOML_ARRAY, ARRAY_OF_TABLES, &m);
		if (r < 0)
			return r;
		append(table, key, m);
	}
	return add_table(ps, at, m, NULL, HEADER, ret);
}

/* --- the text --- */

static bool is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static int parse_key(struct toml_parser *ps, char **ret)
{
	const char *start = ps->p;

	if (toml_at(ps, '"') || toml_at(ps, '\''))
		return toml_parse_string(ps, false, ret);
	while (ps->p < ps->end && is_bare(*ps->p))
		ps->p++;
	if (ps->p == start)
		return toml_fail_unexpected(ps, "a key");
	*ret = xstrndup(start, (size_t)(ps->p - start));
	return 0;
}

/* a . "b" . c, with white space around each. */
static int parse_keys(struct toml_parser *ps, struct strv *ret)
{
	do {
		char *key;
		int r;

		skip_space(ps);
		if (ps->depth + ret->n >= LIMIT_TOML_DEPTH)
			return toml_fail(ps, toml_here(ps), E2BIG, "nested deeper than %d",
					 LIMIT_TOML_DEPTH);
		r = parse_key(ps, &key);
		if (r < 0)
			return r;
		strv_take(ret, key);
		skip_space(ps);
	} while (toml_skip(ps, '.'));
	return 0;
}

static int parse_value(struct toml_parser *ps, struct toml **ret);

/* key = value, into @table. */
static int parse_pair(struct toml_parser *ps, struct toml *table)
{
	struct toml_place at = toml_here(ps);
	autodone(strv) keys = STRV_INIT;
	autoptr(toml) v = NULL;
	int r = parse_keys(ps, &keys);

	if (r < 0)
		return r;
	if (!toml_skip(ps, '='))
		return toml_fail_unexpected(ps, "'='");
	skip_space(ps);
	ps->depth += (unsigned)keys.n;
	r = parse_value(ps, &v);
	ps->depth -= (unsigned)keys.n;
	if (r < 0)
		return r;
	r = assign(ps, at, table, &keys, v);
	if (r == 0)
		v = NULL; /* the table's */
	return r;
}

/* Behind '[': values, with line ends and comments anywhere between. */
static int parse_array(struct toml_parser *ps, struct toml *array)
{
	for (;;) {
		struct toml *v;
		int r = skip_blank(ps);

		if (r < 0)
			return r;
		if (toml_skip(ps, ']'))
			return 0;
		r = parse_value(ps, &v);
		if (r < 0)
			return r;
		append(array, NULL, v);
		r = skip_blank(ps);
		if (r < 0)
			return r;
		if (toml_skip(ps, ']'))
			return 0;
		if (!toml_skip(ps, ','))
			return toml_fail_unexpected(ps, "',' or ']'");
	}
}

/* Behind '{': pairs on this line. */
static int parse_inline(struct toml_parser *ps, struct toml *table)
{
	skip_space(ps);
	if (toml_skip(ps, '}'))
		return 0;
	for (;;) {
		int r;

		skip_space(ps);
		r = parse_pair(ps, table);
		if (r < 0)
			return r;
		skip_space(ps);
		if (toml_skip(ps, '}'))
			return 0;
		if (!toml_skip(ps, ','))
			return toml_fail_unexpected(ps, "',' or '}'");
	}
}

/* All in an inline table is complete, also what dotted keys made in it. */
static void close_inline(struct toml *table)
{
	struct toml *m;

	table->list.how = INLINE;
	toml_for_each(m, table) {
		if (m->type == TOML_TABLE)
			close_inline(m);
	}
}

static int parse_nested(struct toml_parser *ps, struct toml *v)
{
	bool array = *ps->p++ == '[';
	int r;

	if (ps->depth >= LIMIT_TOML_DEPTH)
		return toml_fail(ps, toml_here(ps), E2BIG, "nested deeper than %d",
				 LIMIT_TOML_DEPTH);
	v->type = array ? TOML_ARRAY : TOML_TABLE;
	v->list.how = array ? ARRAY_VALUE : INLINE;
	ps->depth++;
	r = array ? parse_array(ps, v) : parse_inline(ps, v);
	ps->depth--;
	if (r == 0 && !array)
		close_inline(v);
	return r;
}

static int parse_value(struct toml_parser *ps, struct toml **ret)
{
	autoptr(toml) v = NULL;
	char *s;
	int r = new_value(ps, toml_here(ps), TOML_BOOL, 0, &v);

	if (r < 0)
		return r;
	if (toml_at(ps, '"') || toml_at(ps, '\'')) {
		r = toml_parse_string(ps, true, &s);
		if (r == 0) {
			v->type = TOML_STRING;
			v->string = s;
		}
	} else if (toml_at(ps, '[') || toml_at(ps, '{')) {
		r = parse_nested(ps, v);
	} else {
		r = toml_parse_word(ps, v);
	}
	if (r == 0)
		*ret = take_ptr(v);
	return r;
}

/* [a.b] or [[a.b]]; *ret is the table for the lines that follow. */
static int parse_header(struct toml_parser *ps, struct toml *root, struct toml **ret)
{
	struct toml_place at = toml_here(ps);
	autodone(strv) keys = STRV_INIT;
	struct toml *table = root;
	bool element;
	int r;

	ps->p++;
	element = toml_skip(ps, '[');
	ps->depth = 0;
	r = parse_keys(ps, &keys);
	if (r < 0)
		return r;
	if (!toml_skip(ps, ']') || (element && !toml_skip(ps, ']')))
		return toml_fail_unexpected(ps, element ? "']]'" : "']'");
	for (size_t i = 0; i + 1 < keys.n; i++) {
		r = enter_header(ps, at, table, keys.v[i], &table);
		if (r < 0)
			return r;
	}
	ps->depth = (unsigned)keys.n;
	return (element ? open_element : open_table)(ps, at, table, keys.v[keys.n - 1], ret);
}

static int parse_document(struct toml_parser *ps, struct toml *root)
{
	struct toml *table = root;

	for (;;) {
		int r = skip_blank(ps);

		if (r < 0 || ps->p == ps->end)
			return r;
		r = toml_at(ps, '[') ? parse_header(ps, root, &table) : parse_pair(ps, table);
		if (r == 0)
			r = end_line(ps);
		if (r < 0)
			return r;
	}
}

/* All text is UTF-8. Tells the place of the first byte that is not. */
static int check_utf8(struct toml_parser ps)
{
	while (ps.p < ps.end) {
		uint32_t c;
		int n = utf8_decode(ps.p, (size_t)(ps.end - ps.p), &c);

		if (n < 0)
			return toml_fail(&ps, toml_here(&ps), EINVAL, "not valid UTF-8");
		if (!toml_skip_newline(&ps))
			ps.p += n;
	}
	return 0;
}

int toml_parse(const char *text, size_t len, const char *origin, struct toml **ret, struct error *e)
{
	struct toml_parser ps = { .p = text,
				  .end = text + len,
				  .line_start = text,
				  .line = 1,
				  .origin = origin,
				  .e = e };
	autoptr(toml) root = NULL;
	int r;

	if (len > LIMIT_CONFIG_TOML)
		return error_plain(e, E2BIG, "%s: longer than %zu bytes", origin,
				   LIMIT_CONFIG_TOML);
	r = check_utf8(ps);
	if (r < 0)
		return r;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		ps.p = ps.line_start = text + 3; /* a byte order mark */
	r = new_value(&ps, toml_here(&ps), TOML_TABLE, HEADER, &root);
	if (r == 0)
		r = parse_document(&ps, root);
	if (r == 0)
		*ret = take_ptr(root);
	return r;
}

const struct toml *toml_get(const struct toml *table, const char *key)
{
	return table && table->type == TOML_TABLE ? find(table, key) : NULL;
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string",     [TOML_INT] = "an integer",
		[TOML_FLOAT] = "a float",       [TOML_BOOL] = "a boolean",
		[TOML_TIME] = "a date or time", [TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[type];
}
