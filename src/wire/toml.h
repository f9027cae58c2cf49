/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml - TOML 1.0 to a tree.
 *
 * All of the language: tables, dotted keys, arrays of tables, inline tables, the four kinds of
 * strings, integers in four bases, floats, booleans, dates and times. Whatever the specification
 * calls invalid is refused with its place; a key given twice is. One deliberate difference: U+0000
 * in strings and keys is refused, so that every string is a C string. Limits: LIMIT_CONFIG_TOML
 * bytes, LIMIT_TOML_DEPTH levels, LIMIT_TOML_VALUES values. There is no writer.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum toml_type { TOML_STRING, TOML_INT, TOML_FLOAT, TOML_BOOL, TOML_TIME, TOML_ARRAY, TOML_TABLE };

/* Offset date-time: all three. Local date-time: date and time. Local date, local time: one. */
struct toml_time {
	bool has_date, has_time, has_offset;
	unsigned year, month, day;                 /* 1-based, valid in the Gregorian calendar */
	unsigned hour, minute, second, nanosecond; /* second up to 60; further digits are cut */
	int offset;                                /* minutes east of UTC */
};

/* A value. Members of arrays and tables form a list in the order of the text. */
struct toml {
	enum toml_type type;
	unsigned line, column; /* where the value (or its table's header) starts, from 1; columns
				  count bytes */
	char *key;             /* inside a table, else NULL */
	struct toml *child;    /* arrays, tables: the first member */
	struct toml *next;     /* the next member of the parent */
	size_t count;          /* arrays, tables: members */
	union {
		char *string;
		int64_t integer;
		double real; /* also inf and nan */
		bool boolean;
		struct toml_time time;
		struct {
			struct toml *last; /* of the members */
			unsigned how;      /* the parser's: how the table or array came to be */
		} list;
	};
	uint32_t hash; /* the parser's: of the key */
};

/* Parses @len bytes. *ret is the root table; the caller frees it. Errors read
 * "<origin>:<line>:<column>: ...". -EINVAL (malformed), -E2BIG (a limit), -ENOMEM. */
int toml_parse(const char *text, size_t len, const char *origin, struct toml **ret,
	       struct error *e);
void toml_free(struct toml *t);
DEFINE_AUTOPTR(toml, toml_free);

#define toml_for_each(pos, parent) for (pos = (parent)->child; pos; pos = pos->next)

/* The member, or NULL if there is none (or @table is none, or NULL). */
const struct toml *toml_get(const struct toml *table, const char *key);

/* "a string", "an integer", "a float", "a boolean", "a date or time", "an array", "a table": for
 * messages. */
const char *toml_type_name(enum toml_type type);
