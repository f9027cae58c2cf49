/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbjson, reading: a walk over the JSON tree and the message descriptors at once, see pbjson.h.
 *
 * The message under construction is at every moment one that protobuf_c_message_free_unpacked can
 * free: counts and presence are set behind the value. Depth and size are bounded by those of the
 * JSON tree.
 */
#include "wire/pbjson.h"

#include "base/error.h"
#include "base/limits.h"
#include "wire/base64.h"
#include "wire/pbjson_fields.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define PATH_TEXT_MAX 256

/* Where we are, as a chain through the callers' stacks. */
struct place {
	const struct place *up;
	const char *key; /* NULL: an element of an array */
	size_t index;
};

struct walk {
	struct strv *unknown;
	struct error *e;
};

static void place_print(const struct place *at, char text[PATH_TEXT_MAX])
{
	size_t n;

	text[0] = '\0';
	if (!at)
		return;
	place_print(at->up, text);
	n = strlen(text);
	if (at->key)
		snprintf(text + n, PATH_TEXT_MAX - n, "%s%s", n ? "." : "", at->key);
	else
		snprintf(text + n, PATH_TEXT_MAX - n, "[%zu]", at->index);
}

static int fail(struct walk *w, const struct place *at, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(struct walk *w, const struct place *at, int err, const char *fmt, ...)
{
	char path[PATH_TEXT_MAX];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = error_plainv(w->e, err, fmt, ap);
	va_end(ap);
	place_print(at, path);
	if (*path)
		error_prefix(w->e, "%s", path);
	return r;
}

static int fail_type(struct walk *w, const struct place *at, const struct json *v,
		     const char *wanted)
{
	return fail(w, at, EINVAL, "%s where %s belongs", json_type_name(v), wanted);
}

static void note_unknown(struct walk *w, const struct place *at)
{
	char path[PATH_TEXT_MAX];

	if (!w->unknown || w->unknown->n >= LIMIT_PBJSON_UNKNOWN)
		return;
	place_print(at, path);
	str_make_printable(path);
	strv_add(w->unknown, path);
}

/* Equal without case and underscores? */
static bool names_match(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "_");
		b += strspn(b, "_");
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (!*a)
			return true;
	}
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *desc,
						  const char *key)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(desc, key);

	for (unsigned i = 0; !f && i < desc->n_fields; i++) {
		if (names_match(desc->fields[i].name, key))
			f = &desc->fields[i];
	}
	return f && !pbjson_is_companion(desc, f) ? f : NULL;
}

/* Any of the integer types, into @to. */
static int parse_integer(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
			 const struct json *v, void *to)
{
	bool is_signed = pbjson_is_signed(f->type), is_wide = pbjson_size(f->type) == 8;
	int64_t i = 0;
	uint64_t u = 0;
	int r = is_signed ? json_to_i64(v, &i) : json_to_u64(v, &u);

	if (r == -EINVAL)
		return v->type == JSON_DOUBLE ? fail(w, at, EINVAL, "not an integer")
					      : fail_type(w, at, v, "an integer");
	if (r < 0 || (!is_wide && (i < INT32_MIN || i > INT32_MAX || u > UINT32_MAX)))
		return fail(w, at, ERANGE, "out of range of %s %s integer",
			    is_signed ? "a signed" : "an unsigned", is_wide ? "64-bit" : "32-bit");
	if (is_wide)
		*(uint64_t *)to = is_signed ? (uint64_t)i : u;
	else
		*(uint32_t *)to = is_signed ? (uint32_t)i : (uint32_t)u;
	return 0;
}

static int parse_real(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		      const struct json *v, void *to)
{
	double d;

	if (json_to_double(v, &d) < 0)
		return fail_type(w, at, v, "a number");
	if (f->type == PROTOBUF_C_TYPE_FLOAT && fabs(d) > (double)FLT_MAX)
		return fail(w, at, ERANGE, "out of range");
	if (f->type == PROTOBUF_C_TYPE_FLOAT)
		*(float *)to = (float)d;
	else
		*(double *)to = d;
	return 0;
}

static int parse_enum(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		      const struct json *v, void *to)
{
	const ProtobufCEnumDescriptor *desc = f->descriptor;
	const ProtobufCEnumValue *found = NULL;
	int64_t n;

	if (v->type == JSON_STRING)
		found = protobuf_c_enum_descriptor_get_value_by_name(desc, v->string);
	else if (json_to_i64(v, &n) == 0 && n >= INT_MIN && n <= INT_MAX)
		found = protobuf_c_enum_descriptor_get_value(desc, (int)n);
	else if (v->type != JSON_INT)
		return fail_type(w, at, v, "a name");
	if (!found)
		return fail(w, at, EINVAL, "not a value of %s", desc->short_name);
	*(int *)to = found->value;
	return 0;
}

static int parse_bool(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		      const struct json *v, void *to)
{
	if (v->type != JSON_BOOL)
		return fail_type(w, at, v, "a boolean");
	*(protobuf_c_boolean *)to = v->boolean;
	return 0;
}

static int parse_string(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
			const struct json *v, void *to)
{
	char *s;

	if (v->type != JSON_STRING)
		return fail_type(w, at, v, "a string");
	s = mem_try_dup(v->string, strlen(v->string) + 1);
	if (!s)
		return fail(w, at, ENOMEM, "out of memory");
	*(char **)to = s;
	return 0;
}

static int parse_bytes(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		       const struct json *v, void *to)
{
	autofree uint8_t *data = NULL;
	ssize_t n;

	if (v->type != JSON_STRING)
		return fail_type(w, at, v, "base64 text");
	data = mem_try_calloc(strlen(v->string) / 4 * 3 + 1, 1);
	if (!data)
		return fail(w, at, ENOMEM, "out of memory");
	n = base64_decode(v->string, data);
	if (n < 0)
		return fail(w, at, EINVAL, "not base64");
	*(ProtobufCBinaryData *)to =
		(ProtobufCBinaryData){ .len = (size_t)n, .data = take_ptr(data) };
	return 0;
}

static int parse_message(struct walk *w, const struct place *at,
			 const ProtobufCMessageDescriptor *desc, const struct json *v,
			 ProtobufCMessage **ret);

static int parse_submessage(struct walk *w, const struct place *at,
			    const ProtobufCFieldDescriptor *f, const struct json *v, void *to)
{
	return parse_message(w, at, f->descriptor, v, to);
}

static void free_message(ProtobufCMessage **m)
{
	if (*m)
		protobuf_c_message_free_unpacked(*m, NULL);
}
#define autopb cleanup(free_message)

typedef int parse_fn(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		     const struct json *v, void *to);

/* One value of the field's type, into the (zeroed) place @to. */
static parse_fn *const parsers[] = {
	[PROTOBUF_C_TYPE_INT32] = parse_integer,      [PROTOBUF_C_TYPE_SINT32] = parse_integer,
	[PROTOBUF_C_TYPE_SFIXED32] = parse_integer,   [PROTOBUF_C_TYPE_INT64] = parse_integer,
	[PROTOBUF_C_TYPE_SINT64] = parse_integer,     [PROTOBUF_C_TYPE_SFIXED64] = parse_integer,
	[PROTOBUF_C_TYPE_UINT32] = parse_integer,     [PROTOBUF_C_TYPE_FIXED32] = parse_integer,
	[PROTOBUF_C_TYPE_UINT64] = parse_integer,     [PROTOBUF_C_TYPE_FIXED64] = parse_integer,
	[PROTOBUF_C_TYPE_FLOAT] = parse_real,         [PROTOBUF_C_TYPE_DOUBLE] = parse_real,
	[PROTOBUF_C_TYPE_BOOL] = parse_bool,          [PROTOBUF_C_TYPE_ENUM] = parse_enum,
	[PROTOBUF_C_TYPE_STRING] = parse_string,      [PROTOBUF_C_TYPE_BYTES] = parse_bytes,
	[PROTOBUF_C_TYPE_MESSAGE] = parse_submessage,
};

/* "key": value of a map, as an entry message. */
static int parse_entry(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		       const struct json *v, void *to)
{
	const ProtobufCMessageDescriptor *desc = f->descriptor;
	const ProtobufCFieldDescriptor *value = &desc->fields[1];
	autopb ProtobufCMessage *m = mem_try_calloc(1, desc->sizeof_message);
	char *key = mem_try_dup(v->key, strlen(v->key) + 1);
	int r = 0;

	if (!m || !key) {
		free(take_ptr(m)); /* not yet a message */
		free(key);
		return fail(w, at, ENOMEM, "out of memory");
	}
	protobuf_c_message_init(desc, m);
	*(char **)pbjson_member(m, desc->fields[0].offset) = key;
	if (v->type != JSON_NULL)
		r = parsers[value->type](w, at, value, v, pbjson_member(m, value->offset));
	if (r == 0)
		*(ProtobufCMessage **)to = take_ptr(m);
	return r;
}

static int parse_repeated(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
			  const struct json *v, ProtobufCMessage *m)
{
	size_t *n = pbjson_member(m, f->quantifier_offset), size = pbjson_size(f->type);
	char **array = pbjson_member(m, f->offset);
	bool map = pbjson_is_map(f);
	const struct json *el;

	if (v->type != (map ? JSON_OBJECT : JSON_ARRAY))
		return fail_type(w, at, v, map ? "an object" : "an array");
	if (!v->count)
		return 0;
	*array = mem_try_calloc(v->count, size);
	if (!*array)
		return fail(w, at, ENOMEM, "out of memory");
	json_for_each(el, v) {
		struct place here = { .up = at, .key = el->key, .index = *n };
		int r = (map ? parse_entry : parsers[f->type])(w, &here, f, el, *array + *n * size);

		if (r < 0)
			return r;
		(*n)++;
	}
	return 0;
}

static int parse_field(struct walk *w, const struct place *at, const ProtobufCFieldDescriptor *f,
		       const struct json *v, ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *companion;
	int r;

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_repeated(w, at, f, v, m);
	r = parsers[f->type](w, at, f, v, pbjson_member(m, f->offset));
	if (r < 0)
		return r;
	pbjson_set_present(f, m);
	companion = pbjson_companion(m->descriptor, f);
	if (companion)
		*(protobuf_c_boolean *)pbjson_member(m, companion->offset) = true;
	return 0;
}

/* @seen has a flag for each field of the message. */
static int parse_key(struct walk *w, const struct place *at, const struct json *v,
		     ProtobufCMessage *m, bool *seen)
{
	const ProtobufCFieldDescriptor *f = find_field(m->descriptor, v->key);
	size_t i = f ? (size_t)(f - m->descriptor->fields) : 0;

	if (!f) {
		note_unknown(w, at);
		return 0;
	}
	if (v->type == JSON_NULL)
		return 0;
	if (seen[i])
		return fail(w, at, EINVAL, "given twice");
	seen[i] = true;
	return parse_field(w, at, f, v, m);
}

static int parse_message(struct walk *w, const struct place *at,
			 const ProtobufCMessageDescriptor *desc, const struct json *v,
			 ProtobufCMessage **ret)
{
	autofree bool *seen = mem_try_calloc(desc->n_fields + 1, sizeof(*seen));
	autopb ProtobufCMessage *m = NULL;
	const struct json *member;

	if (v->type != JSON_OBJECT)
		return fail_type(w, at, v, "an object");
	m = mem_try_calloc(1, desc->sizeof_message);
	if (!m || !seen) {
		free(take_ptr(m)); /* not yet a message */
		return fail(w, at, ENOMEM, "out of memory");
	}
	protobuf_c_message_init(desc, m);
	json_for_each(member, v) {
		struct place here = { .up = at, .key = member->key };
		int r = parse_key(w, &here, member, m, seen);

		if (r < 0)
			return r;
	}
	*ret = take_ptr(m);
	return 0;
}

int pbjson_parse(const struct json *v, const ProtobufCMessageDescriptor *desc, struct strv *unknown,
		 ProtobufCMessage **ret, struct error *e)
{
	struct walk w = { .unknown = unknown, .e = e };

	return parse_message(&w, NULL, desc, v, ret);
}
