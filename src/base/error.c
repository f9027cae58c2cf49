/* SPDX-License-Identifier: Apache-2.0 */
/* error - see error.h. Text that does not fit is cut at the end; a prefix pushes the tail out,
 * never the cause's start. */
#include "base/error.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int error_finish(struct error *e, int code)
{
	e->code = code;
	str_make_printable(e->text);
	return code;
}

int error_plainv(struct error *e, int err, const char *fmt, va_list ap)
{
	int code = err > 0 ? -err : err;

	if (!e)
		return code;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	return error_finish(e, code);
}

int error_plain(struct error *e, int err, const char *fmt, ...)
{
	va_list ap;
	int code;

	va_start(ap, fmt);
	code = error_plainv(e, err, fmt, ap);
	va_end(ap);
	return code;
}

int error_set(struct error *e, int err, const char *fmt, ...)
{
	va_list ap;
	int code;

	va_start(ap, fmt);
	code = error_plainv(e, err, fmt, ap);
	va_end(ap);
	if (e && code) {
		size_t n = strlen(e->text);

		snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(-code));
	}
	return code;
}

int error_prefix(struct error *e, const char *fmt, ...)
{
	char old[ERROR_TEXT_MAX];
	va_list ap;
	size_t n;

	if (!e)
		return -EIO;
	if (!e->code)
		e->code = -EIO;
	memcpy(old, error_text(e), strlen(error_text(e)) + 1);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", old);
	return error_finish(e, e->code);
}

int error_copy(struct error *to, const struct error *from)
{
	if (!from)
		return 0;
	if (to)
		*to = *from;
	return from->code;
}

const char *error_text(const struct error *e)
{
	if (!e)
		return "";
	return e->text[0] ? e->text : strerror(e->code < 0 ? -e->code : e->code);
}

void error_clear(struct error *e)
{
	if (!e)
		return;
	e->code = 0;
	e->text[0] = '\0';
}
