/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error - a failure as {code, text}, a value on the caller's stack.
 *
 * The function that meets the fault writes the cause (error_set), those on the way up may put
 * their own words in front (error_prefix), and whoever handles it reports it once. The code is
 * always a negative errno; the text is one line for a person. Every function here takes NULL for
 * "the caller does not care" and returns the code, so that it can be the operand of a return.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#define ERROR_TEXT_MAX 1024

struct error {
	int code;                  /* 0 or -errno */
	char text[ERROR_TEXT_MAX]; /* one line, no newline, "" when code is 0 */
};

#define ERROR_INIT ((struct error){ 0 })

/*
 * Sets the cause. @err is an errno of either sign; where it is not 0 its meaning is appended as
 * ": <strerror>". Returns -|err|. Line breaks in the text become spaces.
 */
int error_set(struct error *e, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As error_set, but without the meaning of @err behind the text. */
int error_plain(struct error *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_plainv(struct error *e, int err, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

/* Puts "<fmt>: " in front of the text. Returns the code that @e holds; -EIO if it holds none. */
int error_prefix(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Copies @from to @to, either may be NULL. Returns the code of @from. */
int error_copy(struct error *to, const struct error *from);

/* The text, or the meaning of the code where there is no text. Never NULL. */
const char *error_text(const struct error *e);

void error_clear(struct error *e);
