/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml_parser - what the two halves of the TOML reader share: toml.c (keys, tables, structure) and
 * toml_value.c (strings, numbers, times). Private to src/wire.
 */
#pragma once

#include "wire/toml.h"

struct toml_parser {
	const char *p, *end; /* valid UTF-8, checked before */
	const char *line_start;
	unsigned line;
	unsigned depth; /* of the table or array being filled */
	size_t values;
	const char *origin;
	struct error *e;
};

struct toml_place {
	unsigned line, column;
};

static inline struct toml_place toml_here(const struct toml_parser *ps)
{
	return (struct toml_place){ ps->line, (unsigned)(ps->p - ps->line_start) + 1 };
}

int toml_fail(struct toml_parser *ps, struct toml_place at, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* "unexpected 'x', expected <wanted>" at the current place. */
int toml_fail_unexpected(struct toml_parser *ps, const char *wanted);

static inline bool toml_at(const struct toml_parser *ps, char c)
{
	return ps->p < ps->end && *ps->p == c;
}

static inline bool toml_skip(struct toml_parser *ps, char c)
{
	if (!toml_at(ps, c))
		return false;
	ps->p++;
	return true;
}

/* LF or CRLF. */
bool toml_skip_newline(struct toml_parser *ps);

/* At a quote. @multiline allows the forms with three quotes. *ret is owned. */
int toml_parse_string(struct toml_parser *ps, bool multiline, char **ret);
/* A number, boolean, date or time into @v (type and value). */
int toml_parse_word(struct toml_parser *ps, struct toml *v);
