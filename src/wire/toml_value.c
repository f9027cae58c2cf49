/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml_value - strings, numbers, booleans, dates and times of TOML (1.0, "String" to "Local Time").
 *
 * A value without quotes is taken as one word first and then classified, so that an error shows the
 * whole word.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "wire/toml_parser.h"
#include "wire/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 128

/* --- strings --- */

struct quoting {
	char quote;
	bool multiline;
};

static bool at_quotes(const struct toml_parser *ps, char quote, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ps->p + i >= ps->end || ps->p[i] != quote)
			return false;
	}
	return true;
}

static int parse_hex(struct toml_parser *ps, size_t digits, struct buf *out)
{
	struct toml_place at = toml_here(ps);
	char encoded[UTF8_MAX];
	uint32_t c = 0;
	size_t n;

	for (; digits > 0; digits--, ps->p++) {
		if (ps->p == ps->end || !isxdigit((unsigned char)*ps->p))
			return toml_fail_unexpected(ps, "a hexadecimal digit");
		c = c << 4 |
		    (uint32_t)(isdigit((unsigned char)*ps->p) ? *ps->p - '0'
							      : (*ps->p | 0x20) - 'a' + 10);
	}
	if (!c)
		return toml_fail(ps, at, EINVAL, "U+0000 in a string");
	n = utf8_encode(c, encoded);
	if (!n)
		return toml_fail(ps, at, EINVAL, "not a Unicode scalar value");
	return buf_add(out, encoded, n);
}

/* A backslash at the end of a line: it and all white space up to the next character are skipped. */
static bool skip_line_continuation(struct toml_parser *ps)
{
	struct toml_parser ahead = *ps;

	while (toml_skip(&ahead, ' ') || toml_skip(&ahead, '\t'))
		continue;
	if (!toml_skip_newline(&ahead))
		return false;
	while (toml_skip(&ahead, ' ') || toml_skip(&ahead, '\t') || toml_skip_newline(&ahead))
		continue;
	*ps = ahead;
	return true;
}

/* Behind a backslash. */
static int parse_escape(struct toml_parser *ps, bool multiline, struct buf *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *found = ps->p < ps->end && *ps->p ? strchr(from, *ps->p) : NULL;

	if (found) {
		ps->p++;
		return buf_add(out, &to[found - from], 1);
	}
	if (toml_skip(ps, 'u'))
		return parse_hex(ps, 4, out);
	if (toml_skip(ps, 'U'))
		return parse_hex(ps, 8, out);
	if (multiline && skip_line_continuation(ps))
		return 0;
	return toml_fail_unexpected(ps, "one of btnfruU\"\\ behind a backslash");
}

static int parse_char(struct toml_parser *ps, const struct quoting *q, struct buf *out)
{
	if (q->multiline && toml_skip_newline(ps))
		return buf_add(out, "\n", 1);
	if (q->quote == '"' && toml_skip(ps, '\\'))
		return parse_escape(ps, q->multiline, out);
	if (((unsigned char)*ps->p < 0x20 && *ps->p != '\t') || *ps->p == 0x7f)
		return toml_fail(ps, toml_here(ps), EINVAL, "control character 0x%02x in a string",
				 (unsigned char)*ps->p);
	return buf_add(out, ps->p++, 1);
}

/* At a quote in the string: does it close it? One or two more may belong to the content of a
 * multi-line string. */
static bool skip_closing(struct toml_parser *ps, const struct quoting *q, struct buf *out)
{
	if (!q->multiline)
		return toml_skip(ps, q->quote);
	if (!at_quotes(ps, q->quote, 3))
		return false;
	for (int extra = 0; extra < 2 && at_quotes(ps, q->quote, 4); extra++)
		buf_add(out, ps->p++, 1);
	ps->p += 3;
	return true;
}

int toml_parse_string(struct toml_parser *ps, bool multiline, char **ret)
{
	autodone(buf) out = BUF_INIT(LIMIT_CONFIG_TOML);
	struct toml_place at = toml_here(ps);
	struct quoting q = { .quote = *ps->p, .multiline = multiline && at_quotes(ps, *ps->p, 3) };
	int r;

	ps->p += q.multiline ? 3 : 1;
	if (q.multiline)
		toml_skip_newline(ps);
	while (ps->p < ps->end) {
		if (*ps->p == q.quote && skip_closing(ps, &q, &out)) {
			*ret = xstrdup(buf_str(&out));
			return 0;
		}
		r = parse_char(ps, &q, &out);
		if (r < 0)
			return r;
	}
	return toml_fail(ps, at, EINVAL, "a string without its end");
}

/* --- numbers --- */

/* Copies @s without the underscores between digits; false if one stands elsewhere. */
static bool strip_underscores(const char *s, bool hex, char *out)
{
	int (*const is_digit)(int) = hex ? isxdigit : isdigit;

	for (size_t i = 0; s[i]; i++) {
		if (s[i] != '_')
			*out++ = s[i];
		else if (!i || !is_digit((unsigned char)s[i - 1]) ||
			 !is_digit((unsigned char)s[i + 1]))
			return false;
	}
	*out = '\0';
	return true;
}

static const char *skip_digits(const char *s)
{
	while (isdigit((unsigned char)*s))
		s++;
	return s;
}

/* Behind 0x, 0o or 0b: 2^@bits is the base. */
static int parse_prefixed(const char *s, unsigned bits, int64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	int64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		const char *found = memchr(digits, tolower((unsigned char)*s), (size_t)1 << bits);

		if (!found)
			return -EINVAL;
		if (v >> (63 - bits))
			return -ERANGE;
		v = v << bits | (found - digits);
	}
	*ret = v;
	return 0;
}

/* [+-] and digits without leading zero: where they end, or NULL. */
static const char *skip_decimal(const char *s)
{
	const char *digits = s + (*s == '+' || *s == '-');
	const char *end = skip_digits(digits);

	return end == digits || (*digits == '0' && end - digits > 1) ? NULL : end;
}

static int parse_real(const char *s, const char *int_end, double *ret)
{
	const char *q = int_end;

	if (*q == '.') {
		q = skip_digits(q + 1);
		if (q == int_end + 1)
			return -EINVAL;
	}
	if (*q == 'e' || *q == 'E') {
		const char *digits = q + 1 + (q[1] == '+' || q[1] == '-');

		q = skip_digits(digits);
		if (q == digits)
			return -EINVAL;
	}
	if (*q)
		return -EINVAL;
	*ret = strtod(s, NULL);
	return isfinite(*ret) ? 0 : -ERANGE;
}

static int parse_special(const char *s, double *ret)
{
	const char *word = s + (*s == '+' || *s == '-');

	if (!str_eq(word, "inf") && !str_eq(word, "nan"))
		return -EINVAL;
	*ret = copysign(*word == 'i' ? (double)INFINITY : (double)NAN, *s == '-' ? -1.0 : 1.0);
	return 0;
}

static int parse_number(const char *word, struct toml *v)
{
	unsigned bits = *word != '0'     ? 0
			: word[1] == 'x' ? 4
			: word[1] == 'o' ? 3
			: word[1] == 'b' ? 1
					 : 0;
	char s[WORD_MAX + 1];
	const char *end;

	if (!strip_underscores(word, bits == 4, s))
		return -EINVAL;
	v->type = TOML_INT;
	if (bits)
		return parse_prefixed(s + 2, bits, &v->integer);
	end = skip_decimal(s);
	if (end && !*end) {
		errno = 0;
		v->integer = strtoll(s, NULL, 10);
		return -errno;
	}
	v->type = TOML_FLOAT;
	return end ? parse_real(s, end, &v->real) : parse_special(s, &v->real);
}

/* --- dates and times --- */

/* Exactly @n digits; moves *s behind them. */
static bool take_number(const char **s, int n, unsigned *ret)
{
	unsigned v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		v = v * 10 + (unsigned)(**s - '0');
	}
	*ret = v;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static unsigned days_in(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **s, struct toml_time *t)
{
	t->has_date = take_number(s, 4, &t->year) && take_char(s, '-') &&
		      take_number(s, 2, &t->month) && take_char(s, '-') &&
		      take_number(s, 2, &t->day) && t->month >= 1 && t->month <= 12 &&
		      t->day >= 1 && t->day <= days_in(t->year, t->month);
	return t->has_date;
}

static bool take_fraction(const char **s, struct toml_time *t)
{
	unsigned scale = 100000000;

	if (!isdigit((unsigned char)**s))
		return false;
	for (; isdigit((unsigned char)**s); (*s)++, scale /= 10)
		t->nanosecond += (unsigned)(**s - '0') * scale;
	return true;
}

static bool take_time(const char **s, struct toml_time *t)
{
	t->has_time = take_number(s, 2, &t->hour) && take_char(s, ':') &&
		      take_number(s, 2, &t->minute) && take_char(s, ':') &&
		      take_number(s, 2, &t->second) && t->hour < 24 && t->minute < 60 &&
		      t->second <= 60 && (!take_char(s, '.') || take_fraction(s, t));
	return t->has_time;
}

static bool take_offset(const char **s, struct toml_time *t)
{
	unsigned hour, minute;
	char sign = **s;

	t->has_offset = true;
	if (take_char(s, 'Z') || take_char(s, 'z'))
		return true;
	(*s)++;
	if ((sign != '+' && sign != '-') || !take_number(s, 2, &hour) || !take_char(s, ':') ||
	    !take_number(s, 2, &minute) || hour > 23 || minute > 59)
		return false;
	t->offset = (int)(hour * 60 + minute) * (sign == '-' ? -1 : 1);
	return true;
}

static int parse_time(const char *s, struct toml *v)
{
	struct toml_time t = { 0 };

	v->type = TOML_TIME;
	if (s[2] == ':') {
		if (!take_time(&s, &t))
			return -EINVAL;
	} else {
		if (!take_date(&s, &t))
			return -EINVAL;
		if (*s && strchr("Tt ", *s)) {
			s++;
			if (!take_time(&s, &t) || (*s && !take_offset(&s, &t)))
				return -EINVAL;
		}
	}
	v->time = t;
	return *s ? -EINVAL : 0;
}

/* --- words --- */

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("+-._:", c));
}

static bool starts_like_date(const char *s, size_t n)
{
	for (size_t i = 0; i < 4 && i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
	}
	return n >= 5 && s[4] == '-';
}

/* The word at the current place; a date and a time may be parted by one space. */
static size_t word_length(const struct toml_parser *ps)
{
	size_t left = (size_t)(ps->end - ps->p), n = 0;

	while (n < left && is_word_char(ps->p[n]))
		n++;
	if (n == 10 && starts_like_date(ps->p, n) && left > 11 && ps->p[10] == ' ' &&
	    isdigit((unsigned char)ps->p[11])) {
		for (n = 11; n < left && is_word_char(ps->p[n]);)
			n++;
	}
	return n;
}

static int classify(const char *word, struct toml *v)
{
	if (str_eq(word, "true") || str_eq(word, "false")) {
		v->type = TOML_BOOL;
		v->boolean = *word == 't';
		return 0;
	}
	if (starts_like_date(word, strlen(word)) || (strlen(word) > 2 && word[2] == ':'))
		return parse_time(word, v);
	return parse_number(word, v);
}

int toml_parse_word(struct toml_parser *ps, struct toml *v)
{
	struct toml_place at = toml_here(ps);
	size_t n = word_length(ps);
	char word[WORD_MAX + 1];
	int r;

	if (!n)
		return toml_fail_unexpected(ps, "a value");
	if (n > WORD_MAX)
		return toml_fail(ps, at, E2BIG, "a value of more than %d characters", WORD_MAX);
	memcpy(word, ps->p, n);
	word[n] = '\0';
	r = classify(word, v);
	if (r == -ERANGE)
		return toml_fail(ps, at, ERANGE, "%s is out of range", word);
	if (r < 0)
		return toml_fail(ps, at, EINVAL, "%s is not a value (strings need quotes)", word);
	ps->p += n;
	return 0;
}
