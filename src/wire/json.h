/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - JSON (RFC 8259) to a tree, and a streaming writer.
 *
 * The reader is strict, because its input decides what a container may do: one value and nothing
 * behind it, valid UTF-8, no key twice in one object, integers kept exactly from -2^63 to 2^64-1
 * and refused beyond, nesting up to LIMIT_JSON_DEPTH, at most LIMIT_JSON_VALUES values. U+0000 in
 * strings is refused, so that every string is a C string.
 *
 * The writer escapes as Go's encoding/json does (also <, >, &, U+2028, U+2029), since engines
 * compare such output.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,
	JSON_DOUBLE,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/* A value. Members of arrays and objects form a list in the order of the text. */
struct json {
	enum json_type type;
	unsigned line, column; /* where it starts, from 1; columns count bytes */
	char *key;             /* inside an object, else NULL */
	struct json *child;    /* arrays, objects: the first member */
	struct json *next;     /* the next member of the parent */
	size_t count;          /* arrays, objects: members */
	union {
		bool boolean;
		struct {
			bool negative; /* then the value is (int64_t)bits */
			uint64_t bits;
		} integer;
		double real; /* numbers with fraction or exponent */
		char *string;
	};
};

/* Parses @len bytes; @origin names the source in errors ("<origin>:<line>:<column>: ..."). The
 * caller frees *ret. -EINVAL (malformed), -E2BIG (a limit), -ENOMEM. */
int json_parse(const char *text, size_t len, const char *origin, struct json **ret,
	       struct error *e);
void json_free(struct json *v);
DEFINE_AUTOPTR(json, json_free);

#define json_for_each(pos, parent) for (pos = (parent)->child; pos; pos = pos->next)

/* "null", "a boolean", "a number", "a string", "an array", "an object": for messages. */
const char *json_type_name(const struct json *v);

/* The value itself: -EINVAL (another type; a number with fraction or exponent is not an integer),
 * -ERANGE. */
int json_to_u64(const struct json *v, uint64_t *ret);
int json_to_i64(const struct json *v, int64_t *ret);
int json_to_double(const struct json *v, double *ret); /* integers too */
int json_to_bool(const struct json *v, bool *ret);
/* NULL if it is not a string (or @v is NULL). Lives as long as the tree. */
const char *json_to_str(const struct json *v);

/* The member, or NULL if there is none (or @object is none, or NULL). */
const struct json *json_get(const struct json *object, const char *key);

/* A member by key: -ENOENT (absent or null), -EINVAL (type), -ERANGE, with a reason that names the
 * key. *ret is untouched unless 0 is returned, so that a default may stand there. */
int json_get_str(const struct json *object, const char *key, const char **ret, struct error *e);
int json_get_u64(const struct json *object, const char *key, uint64_t *ret, struct error *e);
int json_get_u32(const struct json *object, const char *key, uint32_t *ret, struct error *e);
int json_get_i64(const struct json *object, const char *key, int64_t *ret, struct error *e);
int json_get_int(const struct json *object, const char *key, int *ret, struct error *e);
int json_get_double(const struct json *object, const char *key, double *ret, struct error *e);
int json_get_bool(const struct json *object, const char *key, bool *ret, struct error *e);
int json_get_array(const struct json *object, const char *key, const struct json **ret,
		   struct error *e);
int json_get_object(const struct json *object, const char *key, const struct json **ret,
		    struct error *e);

/*
 * The writer appends to a struct buf. Everything it adds takes a @key: a string inside an object,
 * NULL inside an array and for the outermost value. Failures (a full buffer, deeper than
 * LIMIT_JSON_DEPTH) stick and come out at json_writer_end.
 */
struct json_writer {
	struct buf *out;
	const char *indent; /* one level of it; NULL: no white space at all */
	unsigned depth;     /* of open arrays and objects */
	bool started;       /* the outermost value is there */
	uint64_t filled;    /* a bit per level: a member was written there */
	uint64_t objects;   /* a bit per level: an object, else an array */
	int err;
};

/* @indent "  " gives runc's state output, "\t" its config.json. Kept by reference. */
void json_writer_init(struct json_writer *w, struct buf *out, const char *indent);
/* 0 or the first failure; -EINVAL if something is still open. */
int json_writer_end(const struct json_writer *w);

void json_open_object(struct json_writer *w, const char *key);
void json_open_array(struct json_writer *w, const char *key);
/* Closes the innermost array or object. */
void json_close(struct json_writer *w);
/* A NULL string is written as null; bytes that are not UTF-8 become U+FFFD. */
void json_add_str(struct json_writer *w, const char *key, const char *s);
void json_add_strn(struct json_writer *w, const char *key, const char *s, size_t n);
void json_add_strv(struct json_writer *w, const char *key, char *const *v, size_t n);
void json_add_u64(struct json_writer *w, const char *key, uint64_t v);
void json_add_i64(struct json_writer *w, const char *key, int64_t v);
/* The shortest text that reads back as the same number; not finite: null. */
void json_add_double(struct json_writer *w, const char *key, double v);
void json_add_bool(struct json_writer *w, const char *key, bool v);
void json_add_null(struct json_writer *w, const char *key);
/* A parsed value with all below it; its own key is not used. */
void json_add_value(struct json_writer *w, const char *key, const struct json *v);
