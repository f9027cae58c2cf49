/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_writer - JSON text onto a struct buf, a value at a time; declared in json.h.
 *
 * The state is one bit per level for "a member stands here" and one for "this is an object". The
 * first failure sticks; from then on nothing is written. A key where none belongs, or none where
 * one does, is such a failure (-EINVAL).
 */
#include "base/buf.h"
#include "base/limits.h"
#include "wire/json.h"
#include "wire/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(LIMIT_JSON_DEPTH <= 64, "a bit per level");

void json_writer_init(struct json_writer *w, struct buf *out, const char *indent)
{
	*w = (struct json_writer){ .out = out, .indent = indent };
}

int json_writer_end(const struct json_writer *w)
{
	if (w->err)
		return w->err;
	return w->depth || !w->started ? -EINVAL : 0;
}

static uint64_t level_bit(const struct json_writer *w)
{
	return (uint64_t)1 << (w->depth - 1);
}

static void put(struct json_writer *w, const char *p, size_t n)
{
	if (!w->err)
		w->err = buf_add(w->out, p, n);
}

static void put_str(struct json_writer *w, const char *s)
{
	put(w, s, strlen(s));
}

static void put_newline(struct json_writer *w)
{
	if (!w->indent)
		return;
	put(w, "\n", 1);
	for (unsigned i = 0; i < w->depth; i++)
		put_str(w, w->indent);
}

/* The escapes of one code point: "" if it stands for itself. */
static void escape_of(uint32_t c, char out[8])
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *found = c && c < 0x80 ? strchr(from, (int)c) : NULL;

	out[0] = '\0';
	if (found)
		snprintf(out, 8, "\\%c", to[found - from]);
	else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == 0x2028 || c == 0x2029)
		snprintf(out, 8, "\\u%04x", c & 0xffff);
}

static void put_quoted(struct json_writer *w, const char *s, size_t n)
{
	size_t plain = 0, i = 0; /* bytes [plain, i) stand for themselves and are not yet written */

	put(w, "\"", 1);
	while (i < n) {
		char escape[8];
		uint32_t c;
		int len = utf8_decode(s + i, n - i, &c);

		if (len < 0)
			snprintf(escape, sizeof(escape), "\\ufffd");
		else
			escape_of(c, escape);
		len = MAX(len, 1);
		if (*escape) {
			put(w, s + plain, i - plain);
			put_str(w, escape);
			plain = i + (size_t)len;
		}
		i += (size_t)len;
	}
	put(w, s + plain, n - plain);
	put(w, "\"", 1);
}

/* The comma, the line break and the key in front of a value. False: nothing may be written. */
static bool begin_value(struct json_writer *w, const char *key)
{
	bool in_object = w->depth && (w->objects & level_bit(w));

	if (!w->err && (in_object != (key != NULL) || (!w->depth && w->started)))
		w->err = -EINVAL;
	if (w->err)
		return false;
	w->started = true;
	if (w->depth) {
		if (w->filled & level_bit(w))
			put(w, ",", 1);
		w->filled |= level_bit(w);
		put_newline(w);
	}
	if (key) {
		put_quoted(w, key, strlen(key));
		put_str(w, w->indent ? ": " : ":");
	}
	return !w->err;
}

static void open_level(struct json_writer *w, const char *key, bool object)
{
	if (!begin_value(w, key))
		return;
	if (w->depth == LIMIT_JSON_DEPTH) {
		w->err = -E2BIG;
		return;
	}
	put(w, object ? "{" : "[", 1);
	w->depth++;
	w->filled &= ~level_bit(w);
	w->objects = object ? w->objects | level_bit(w) : w->objects & ~level_bit(w);
}

void json_open_object(struct json_writer *w, const char *key)
{
	open_level(w, key, true);
}

void json_open_array(struct json_writer *w, const char *key)
{
	open_level(w, key, false);
}

void json_close(struct json_writer *w)
{
	bool object, filled;

	if (!w->err && !w->depth)
		w->err = -EINVAL;
	if (w->err)
		return;
	object = w->objects & level_bit(w);
	filled = w->filled & level_bit(w);
	w->depth--;
	if (filled)
		put_newline(w);
	put(w, object ? "}" : "]", 1);
}

void json_add_null(struct json_writer *w, const char *key)
{
	if (begin_value(w, key))
		put_str(w, "null");
}

void json_add_strn(struct json_writer *w, const char *key, const char *s, size_t n)
{
	if (begin_value(w, key))
		put_quoted(w, s, n);
}

void json_add_str(struct json_writer *w, const char *key, const char *s)
{
	if (s)
		json_add_strn(w, key, s, strlen(s));
	else
		json_add_null(w, key);
}

void json_add_strv(struct json_writer *w, const char *key, char *const *v, size_t n)
{
	json_open_array(w, key);
	for (size_t i = 0; i < n; i++)
		json_add_str(w, NULL, v[i]);
	json_close(w);
}

void json_add_u64(struct json_writer *w, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	if (begin_value(w, key))
		put_str(w, text);
}

void json_add_i64(struct json_writer *w, const char *key, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIi64, v);
	if (begin_value(w, key))
		put_str(w, text);
}

void json_add_double(struct json_writer *w, const char *key, double v)
{
	char text[32];

	if (!isfinite(v)) {
		json_add_null(w, key);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	/* "-0" would read back as an integer, which has no -0. */
	if (v == 0 && signbit(v))
		snprintf(text, sizeof(text), "-0.0");
	if (begin_value(w, key))
		put_str(w, text);
}

void json_add_bool(struct json_writer *w, const char *key, bool v)
{
	if (begin_value(w, key))
		put_str(w, v ? "true" : "false");
}

static void add_integer(struct json_writer *w, const char *key, const struct json *v)
{
	if (v->integer.negative)
		json_add_i64(w, key, (int64_t)v->integer.bits);
	else
		json_add_u64(w, key, v->integer.bits);
}

static void add_members(struct json_writer *w, const char *key, const struct json *v)
{
	const struct json *m;

	open_level(w, key, v->type == JSON_OBJECT);
	json_for_each(m, v)
		json_add_value(w, m->key, m);
	json_close(w);
}

void json_add_value(struct json_writer *w, const char *key, const struct json *v)
{
	switch (v->type) {
	case JSON_NULL:
		json_add_null(w, key);
		break;
	case JSON_BOOL:
		json_add_bool(w, key, v->boolean);
		break;
	case JSON_INT:
		add_integer(w, key, v);
		break;
	case JSON_DOUBLE:
		json_add_double(w, key, v->real);
		break;
	case JSON_STRING:
		json_add_str(w, key, v->string);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		add_members(w, key, v);
		break;
	}
}
