/* SPDX-License-Identifier: Apache-2.0 */
/* str - see str.h. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

const char *str_skip_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s && strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

int str_to_u64(const char *s, int base, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	/* strtoull takes blanks and signs, which are no part of a number here. */
	if (str_empty(s) || !isxdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, base);
	if (errno == ERANGE)
		return -ERANGE;
	if (errno || *end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int str_to_i64(const char *s, int base, int64_t *ret)
{
	bool neg = s && *s == '-';
	uint64_t v;
	int r = str_to_u64(neg ? s + 1 : s, base, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (neg ? 1 : 0))
		return -ERANGE;
	*ret = neg ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int str_to_u32(const char *s, int base, uint32_t *ret)
{
	uint64_t v;
	int r = str_to_u64(s, base, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int str_to_int(const char *s, int *ret)
{
	int64_t v;
	int r = str_to_i64(s, 10, &v);

	if (r < 0)
		return r;
	if (v < INT32_MIN || v > INT32_MAX)
		return -ERANGE;
	*ret = (int)v;
	return 0;
}

int str_to_size(const char *s, uint64_t *ret)
{
	static const char units[] = "bkmgt";
	size_t n = s ? strlen(s) : 0;
	autofree char *digits = NULL;
	const char *u = NULL;
	unsigned shift;
	uint64_t v;
	int r;

	if (n > 1)
		u = strchr(units, tolower((unsigned char)s[n - 1]));
	digits = xstrndup(s ? s : "", u ? n - 1 : n);
	r = str_to_u64(digits, 10, &v);
	if (r < 0)
		return r;
	shift = u ? 10 * (unsigned)(u - units) : 0;
	if (v > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = v << shift;
	return 0;
}

static const struct {
	const char *unit;
	int64_t ms;
} duration_units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

int str_to_duration_ms(const char *s, int64_t *ret)
{
	int64_t sum = 0;

	while (*s) {
		size_t digits = strspn(s, "0123456789"), n, i = 0;
		autofree char *number = xstrndup(s, digits);
		int64_t v;

		n = strcspn(s + digits, "0123456789");
		while (i < ARRAY_SIZE(duration_units) &&
		       (strlen(duration_units[i].unit) != n ||
			strncmp(duration_units[i].unit, s + digits, n) != 0))
			i++;
		if (i == ARRAY_SIZE(duration_units) || str_to_i64(number, 10, &v) < 0 ||
		    v > 1000000 || sum > INT64_MAX / 2)
			return -EINVAL;
		sum += v * duration_units[i].ms;
		s += digits + n;
	}
	if (sum <= 0)
		return -EINVAL;
	*ret = sum;
	return 0;
}

void strv_done(struct strv *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = STRV_INIT;
}

void strv_take(struct strv *v, char *s)
{
	v->v = xrealloc(v->v, v->n + 2, sizeof(*v->v));
	v->v[v->n++] = s;
	v->v[v->n] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	if (!s)
		abort(); /* out of memory; xasprintf cannot take a va_list */
	strv_take(v, s);
}

bool strv_contains(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (str_eq(v->v[i], s))
			return true;
	return false;
}

void strv_split(struct strv *v, const char *s, const char *seps)
{
	while (s && *s) {
		size_t n = strcspn(s, seps);

		if (n)
			strv_take(v, xstrndup(s, n));
		s += n;
		s += *s ? 1 : 0;
	}
}

char *strv_join(const struct strv *v, const char *sep)
{
	size_t len = 1, seplen = strlen(sep);
	char *s, *p;

	for (size_t i = 0; i < v->n; i++)
		len += strlen(v->v[i]) + seplen;
	p = s = xcalloc(len, 1);
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			p = stpcpy(p, sep);
		p = stpcpy(p, v->v[i]);
	}
	return s;
}

void str_make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = *s == '\n' || *s == '\t' ? ' ' : '?';
}

int str_to_signal(const char *s)
{
	const char *name;
	int n;

	if (str_empty(s))
		return -EINVAL;
	if (str_to_int(s, &n) == 0)
		return n >= 1 && n <= 64 ? n : -EINVAL;
	name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s;
	if (strncasecmp(name, "RTMIN+", 6) == 0 && str_to_int(name + 6, &n) == 0)
		return n >= 0 && SIGRTMIN + n <= SIGRTMAX ? SIGRTMIN + n : -EINVAL;
	if (strncasecmp(name, "RTMAX-", 6) == 0 && str_to_int(name + 6, &n) == 0)
		return n >= 0 && SIGRTMAX - n >= SIGRTMIN ? SIGRTMAX - n : -EINVAL;
	for (int i = 1; i < 32; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && strcasecmp(abbrev, name) == 0)
			return i;
	}
	return -EINVAL;
}

const char *signal_name(int sig, char *tmp)
{
	const char *abbrev = sigabbrev_np(sig);

	if (abbrev)
		snprintf(tmp, 16, "SIG%s", abbrev);
	else
		snprintf(tmp, 16, "SIG%d", sig);
	return tmp;
}
