/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - the reader: recursive descent over the bytes in memory, see json.h for what it refuses.
 *
 * Depth and number of values are bounded, so that neither stack nor heap is the sender's to size.
 * Keys of one object are compared after sorting: an object of many keys costs n log n.
 */
#include "wire/json.h"

#include "base/error.h"
#include "base/limits.h"
#include "wire/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 128 /* characters of a number with fraction or exponent */

struct parser {
	const char *p, *end;
	const char *line_start;
	unsigned line;
	unsigned depth;
	size_t values;
	const char *origin;
	struct error *e;
};

void json_free(struct json *v)
{
	while (v) {
		struct json *next = v->next;

		json_free(v->child); /* as deep as the parser went */
		if (v->type == JSON_STRING)
			free(v->string);
		free(v->key);
		free(v);
		v = next;
	}
}

/* An error at @at, on the current line. */
static int fail_at(struct parser *ps, const char *at, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fail_at(struct parser *ps, const char *at, int err, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = error_plainv(ps->e, err, fmt, ap);
	va_end(ap);
	error_prefix(ps->e, "%s:%u:%u", ps->origin, ps->line, (unsigned)(at - ps->line_start) + 1);
	return r;
}

/* What stands at the current place, for "unexpected ...". */
static int fail_unexpected(struct parser *ps, const char *wanted)
{
	if (ps->p == ps->end)
		return fail_at(ps, ps->p, EINVAL, "unexpected end, expected %s", wanted);
	if (*ps->p > ' ' && *ps->p < 0x7f)
		return fail_at(ps, ps->p, EINVAL, "unexpected '%c', expected %s", *ps->p, wanted);
	return fail_at(ps, ps->p, EINVAL, "unexpected byte 0x%02x, expected %s",
		       (unsigned char)*ps->p, wanted);
}

static void skip_space(struct parser *ps)
{
	for (; ps->p < ps->end; ps->p++) {
		if (*ps->p == '\n') {
			ps->line++;
			ps->line_start = ps->p + 1;
		} else if (*ps->p != ' ' && *ps->p != '\t' && *ps->p != '\r') {
			return;
		}
	}
}

static bool at_char(const struct parser *ps, char c)
{
	return ps->p < ps->end && *ps->p == c;
}

static bool skip_char(struct parser *ps, char c)
{
	if (!at_char(ps, c))
		return false;
	ps->p++;
	return true;
}

static int parse_hex4(struct parser *ps, uint32_t *ret)
{
	uint32_t v = 0;

	if (ps->end - ps->p < 4)
		return fail_at(ps, ps->p, EINVAL, "\\u needs four hexadecimal digits");
	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)ps->p[i];

		if (!isxdigit(c))
			return fail_at(ps, ps->p, EINVAL, "\\u needs four hexadecimal digits");
		v = v << 4 | (uint32_t)(isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	ps->p += 4;
	*ret = v;
	return 0;
}

/* Behind "\u": one escape, or the two of a surrogate pair. */
static int parse_unicode_escape(struct parser *ps, uint32_t *ret)
{
	const char *at = ps->p - 2;
	uint32_t c, low;
	int r = parse_hex4(ps, &c);

	if (r < 0)
		return r;
	if (c == 0)
		return fail_at(ps, at, EINVAL, "U+0000 in a string");
	if (c < 0xd800 || c > 0xdfff) {
		*ret = c;
		return 0;
	}
	if (c > 0xdbff || ps->end - ps->p < 2 || ps->p[0] != '\\' || ps->p[1] != 'u')
		return fail_at(ps, at, EINVAL, "half of a surrogate pair");
	ps->p += 2;
	r = parse_hex4(ps, &low);
	if (r < 0)
		return r;
	if (low < 0xdc00 || low > 0xdfff)
		return fail_at(ps, at, EINVAL, "half of a surrogate pair");
	*ret = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	return 0;
}

/* Behind a backslash: writes the meaning to @out and returns the bytes written. */
static int parse_escape(struct parser *ps, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t c = 0;
	int r;

	if (ps->p == ps->end)
		return fail_unexpected(ps, "an escape");
	if (*ps->p == 'u') {
		ps->p++;
		r = parse_unicode_escape(ps, &c);
		return r < 0 ? r : (int)utf8_encode(c, out);
	}
	found = *ps->p ? strchr(from, *ps->p) : NULL;
	if (!found)
		return fail_unexpected(ps, "one of \"\\/bfnrtu behind a backslash");
	ps->p++;
	*out = to[found - from];
	return 1;
}

/* One character of a string, escaped or not: bytes written to @out, never more than were read. */
static int parse_char(struct parser *ps, char *out)
{
	uint32_t c;
	int n;

	if (skip_char(ps, '\\'))
		return parse_escape(ps, out);
	n = utf8_decode(ps->p, (size_t)(ps->end - ps->p), &c);
	if (n < 0)
		return fail_at(ps, ps->p, EINVAL, "a string is not valid UTF-8");
	if (c < 0x20)
		return fail_at(ps, ps->p, EINVAL, "control character 0x%02x in a string", c);
	memcpy(out, ps->p, (size_t)n);
	ps->p += n;
	return n;
}

/* The bytes up to the closing quote: room enough for the decoded string. */
static size_t raw_length(const struct parser *ps)
{
	const char *q = ps->p;

	while (q < ps->end && *q != '"')
		q += *q == '\\' && ps->end - q > 1 ? 2 : 1;
	return (size_t)(q - ps->p);
}

static int parse_string(struct parser *ps, char **ret)
{
	const char *at = ps->p++;
	autofree char *s = mem_try_calloc(raw_length(ps) + 1, 1);
	size_t len = 0;

	if (!s)
		return fail_at(ps, at, ENOMEM, "out of memory");
	while (ps->p < ps->end && *ps->p != '"') {
		int n = parse_char(ps, s + len);

		if (n < 0)
			return n;
		len += (size_t)n;
	}
	if (!skip_char(ps, '"'))
		return fail_at(ps, at, EINVAL, "a string without its end");
	s[len] = '\0';
	*ret = take_ptr(s);
	return 0;
}

static size_t skip_digits(struct parser *ps)
{
	const char *start = ps->p;

	while (ps->p < ps->end && isdigit((unsigned char)*ps->p))
		ps->p++;
	return (size_t)(ps->p - start);
}

/* Fraction and exponent, if there are any; *ret_real says so. */
static int skip_fraction(struct parser *ps, bool *ret_real)
{
	*ret_real = false;
	if (skip_char(ps, '.')) {
		*ret_real = true;
		if (!skip_digits(ps))
			return fail_unexpected(ps, "a digit behind the point");
	}
	if (skip_char(ps, 'e') || skip_char(ps, 'E')) {
		*ret_real = true;
		if (!skip_char(ps, '-'))
			skip_char(ps, '+');
		if (!skip_digits(ps))
			return fail_unexpected(ps, "a digit in the exponent");
	}
	return 0;
}

static int convert_real(struct parser *ps, const char *start, struct json *v)
{
	char text[NUMBER_MAX + 1];
	size_t len = (size_t)(ps->p - start);

	if (len > NUMBER_MAX)
		return fail_at(ps, start, E2BIG, "a number of more than %d characters", NUMBER_MAX);
	memcpy(text, start, len);
	text[len] = '\0';
	v->type = JSON_DOUBLE;
	v->real = strtod(text, NULL);
	if (!isfinite(v->real))
		return fail_at(ps, start, ERANGE, "the number %s is out of range", text);
	return 0;
}

static int convert_integer(struct parser *ps, const char *start, struct json *v)
{
	bool negative = *start == '-', fits = true;
	uint64_t bits = 0, most = negative ? (uint64_t)1 << 63 : UINT64_MAX;

	for (const char *q = start + negative; q < ps->p && fits; q++) {
		fits = !__builtin_mul_overflow(bits, 10, &bits) &&
		       !__builtin_add_overflow(bits, (uint64_t)(*q - '0'), &bits) && bits <= most;
	}
	if (!fits)
		return fail_at(ps, start, ERANGE, "the number %.*s is out of range",
			       (int)MIN(ps->p - start, (ptrdiff_t)NUMBER_MAX), start);
	v->type = JSON_INT;
	v->integer.negative = negative && bits;
	v->integer.bits = negative ? -bits : bits;
	return 0;
}

static int parse_number(struct parser *ps, struct json *v)
{
	const char *start = ps->p;
	bool real;
	int r;

	skip_char(ps, '-');
	if (skip_char(ps, '0')) {
		if (ps->p < ps->end && isdigit((unsigned char)*ps->p))
			return fail_at(ps, start, EINVAL, "a number with a leading zero");
	} else if (!skip_digits(ps)) {
		return fail_unexpected(ps, "a digit");
	}
	r = skip_fraction(ps, &real);
	if (r < 0)
		return r;
	return real ? convert_real(ps, start, v) : convert_integer(ps, start, v);
}

static int parse_word(struct parser *ps, struct json *v)
{
	static const struct {
		const char *word;
		enum json_type type;
		bool value;
	} words[] = {
		{ "true", JSON_BOOL, true },
		{ "false", JSON_BOOL, false },
		{ "null", JSON_NULL, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i].word);

		if ((size_t)(ps->end - ps->p) < len || memcmp(ps->p, words[i].word, len) != 0)
			continue;
		ps->p += len;
		v->type = words[i].type;
		v->boolean = words[i].value;
		return 0;
	}
	return fail_unexpected(ps, "a value");
}

static int compare_keys(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

/* The later one of two members with the same key is the one to blame. */
static int fail_duplicate(struct parser *ps, const struct json *a, const struct json *b)
{
	const struct json *late =
		a->line > b->line || (a->line == b->line && a->column > b->column) ? a : b;
	int r = error_plain(ps->e, EINVAL, "key \"%s\" is given twice", late->key);

	error_prefix(ps->e, "%s:%u:%u", ps->origin, late->line, late->column);
	return r;
}

static int check_duplicates(struct parser *ps, const struct json *object)
{
	autofree const struct json **sorted = NULL;
	const struct json *m;
	size_t n = 0;

	if (object->count < 2)
		return 0;
	sorted = mem_try_calloc(object->count, sizeof(*sorted));
	if (!sorted)
		return fail_at(ps, ps->p, ENOMEM, "out of memory");
	json_for_each(m, object)
		sorted[n++] = m;
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			return fail_duplicate(ps, sorted[i - 1], sorted[i]);
	}
	return 0;
}

static int parse_value(struct parser *ps, struct json **ret);

/* "key": value, in an object; value, in an array. */
static int parse_member(struct parser *ps, bool object, struct json **ret)
{
	autofree char *key = NULL;
	int r;

	if (object) {
		if (!at_char(ps, '"'))
			return fail_unexpected(ps, "a key");
		r = parse_string(ps, &key);
		if (r < 0)
			return r;
		skip_space(ps);
		if (!skip_char(ps, ':'))
			return fail_unexpected(ps, "':'");
		skip_space(ps);
	}
	r = parse_value(ps, ret);
	if (r == 0)
		(*ret)->key = take_ptr(key);
	return r;
}

static int parse_members(struct parser *ps, struct json *parent, char close)
{
	bool object = parent->type == JSON_OBJECT;
	struct json **tail = &parent->child;
	int r;

	ps->p++;
	skip_space(ps);
	if (skip_char(ps, close))
		return 0;
	for (;;) {
		r = parse_member(ps, object, tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
		parent->count++;
		skip_space(ps);
		if (skip_char(ps, close))
			return object ? check_duplicates(ps, parent) : 0;
		if (!skip_char(ps, ','))
			return fail_unexpected(ps, object ? "',' or '}'" : "',' or ']'");
		skip_space(ps);
	}
}

static int parse_nested(struct parser *ps, struct json *v)
{
	int r;

	if (ps->depth == LIMIT_JSON_DEPTH)
		return fail_at(ps, ps->p, E2BIG, "nested deeper than %d", LIMIT_JSON_DEPTH);
	ps->depth++;
	v->type = *ps->p == '{' ? JSON_OBJECT : JSON_ARRAY;
	r = parse_members(ps, v, *ps->p == '{' ? '}' : ']');
	ps->depth--;
	return r;
}

static int parse_any(struct parser *ps, struct json *v)
{
	char *s;
	int r;

	if (ps->p == ps->end)
		return fail_unexpected(ps, "a value");
	if (*ps->p == '{' || *ps->p == '[')
		return parse_nested(ps, v);
	if (*ps->p == '-' || isdigit((unsigned char)*ps->p))
		return parse_number(ps, v);
	if (*ps->p != '"')
		return parse_word(ps, v);
	r = parse_string(ps, &s);
	if (r < 0)
		return r;
	v->type = JSON_STRING;
	v->string = s;
	return 0;
}

static int parse_value(struct parser *ps, struct json **ret)
{
	autoptr(json) v = NULL;
	int r;

	if (ps->values++ == LIMIT_JSON_VALUES)
		return fail_at(ps, ps->p, E2BIG, "more than %d values", LIMIT_JSON_VALUES);
	v = mem_try_calloc(1, sizeof(*v));
	if (!v)
		return fail_at(ps, ps->p, ENOMEM, "out of memory");
	v->line = ps->line;
	v->column = (unsigned)(ps->p - ps->line_start) + 1;
	r = parse_any(ps, v);
	if (r < 0)
		return r;
	*ret = take_ptr(v);
	return 0;
}

int json_parse(const char *text, size_t len, const char *origin, struct json **ret, struct error *e)
{
	struct parser ps = { .p = text,
			     .end = text + len,
			     .line_start = text,
			     .line = 1,
			     .origin = origin,
			     .e = e };
	autoptr(json) v = NULL;
	int r;

	skip_space(&ps);
	r = parse_value(&ps, &v);
	if (r < 0)
		return r;
	skip_space(&ps);
	if (ps.p != ps.end)
		return fail_unexpected(&ps, "the end");
	*ret = take_ptr(v);
	return 0;
}

const char *json_type_name(const struct json *v)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",        [JSON_BOOL] = "a boolean",  [JSON_INT] = "a number",
		[JSON_DOUBLE] = "a number",  [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return names[v->type];
}

int json_to_u64(const struct json *v, uint64_t *ret)
{
	if (v->type != JSON_INT)
		return -EINVAL;
	if (v->integer.negative)
		return -ERANGE;
	*ret = v->integer.bits;
	return 0;
}

int json_to_i64(const struct json *v, int64_t *ret)
{
	if (v->type != JSON_INT)
		return -EINVAL;
	if (!v->integer.negative && v->integer.bits > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)v->integer.bits;
	return 0;
}

int json_to_double(const struct json *v, double *ret)
{
	if (v->type == JSON_DOUBLE)
		*ret = v->real;
	else if (v->type == JSON_INT)
		*ret = v->integer.negative ? (double)(int64_t)v->integer.bits
					   : (double)v->integer.bits;
	else
		return -EINVAL;
	return 0;
}

int json_to_bool(const struct json *v, bool *ret)
{
	if (v->type != JSON_BOOL)
		return -EINVAL;
	*ret = v->boolean;
	return 0;
}

const char *json_to_str(const struct json *v)
{
	return v && v->type == JSON_STRING ? v->string : NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
	const struct json *m;

	if (!object || object->type != JSON_OBJECT)
		return NULL;
	json_for_each(m, object) {
		if (strcmp(m->key, key) == 0)
			return m;
	}
	return NULL;
}

static int find_member(const struct json *object, const char *key, const struct json **ret,
		       struct error *e)
{
	const struct json *m = json_get(object, key);

	if (!m || m->type == JSON_NULL)
		return error_plain(e, ENOENT, "%s: missing", key);
	*ret = m;
	return 0;
}

/* The result of a conversion of @key, in words. */
static int explain(int r, const char *key, const char *wanted, struct error *e)
{
	if (r == -ERANGE)
		return error_plain(e, ERANGE, "%s: out of range", key);
	if (r < 0)
		return error_plain(e, r, "%s: not %s", key, wanted);
	return 0;
}

/* The typed getters differ in the conversion and in the name of what was wanted. */
#define DEFINE_GETTER(suffix, ctype, convert, wanted)                                 \
	int json_get_##suffix(const struct json *object, const char *key, ctype *ret, \
			      struct error *e)                                        \
	{                                                                             \
		const struct json *m;                                                 \
		int r = find_member(object, key, &m, e);                              \
                                                                                      \
		return r < 0 ? r : explain(convert(m, ret), key, wanted, e);          \
	}

static int to_u32(const struct json *v, uint32_t *ret)
{
	uint64_t n;
	int r = json_to_u64(v, &n);

	if (r < 0)
		return r;
	if (n > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)n;
	return 0;
}

static int to_int(const struct json *v, int *ret)
{
	int64_t n;
	int r = json_to_i64(v, &n);

	if (r < 0)
		return r;
	if (n < INT_MIN || n > INT_MAX)
		return -ERANGE;
	*ret = (int)n;
	return 0;
}

static int to_str(const struct json *v, const char **ret)
{
	if (v->type != JSON_STRING)
		return -EINVAL;
	*ret = v->string;
	return 0;
}

static int to_array(const struct json *v, const struct json **ret)
{
	if (v->type != JSON_ARRAY)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int to_object(const struct json *v, const struct json **ret)
{
	if (v->type != JSON_OBJECT)
		return -EINVAL;
	*ret = v;
	return 0;
}

DEFINE_GETTER(str, const char *, to_str, "a string")
DEFINE_GETTER(u64, uint64_t, json_to_u64, "an integer")
DEFINE_GETTER(u32, uint32_t, to_u32, "an integer")
DEFINE_GETTER(i64, int64_t, json_to_i64, "an integer")
DEFINE_GETTER(int, int, to_int, "an integer")
DEFINE_GETTER(double, double, json_to_double, "a number")
DEFINE_GETTER(bool, bool, json_to_bool, "a boolean")
DEFINE_GETTER(array, const struct json *, to_array, "an array")
DEFINE_GETTER(object, const struct json *, to_object, "an object")
