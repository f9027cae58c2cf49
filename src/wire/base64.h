/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64 - RFC 4648, the standard alphabet with padding.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of text for @n bytes of data, without a NUL. */
static inline size_t base64_encoded_size(size_t n)
{
	return (n + 2) / 3 * 4;
}

/* Writes base64_encoded_size(n) characters and a NUL. */
void base64_encode(const uint8_t *p, size_t n, char *out);
/* Decodes all of @text; @out has room for strlen(text) / 4 * 3 bytes. The number of bytes, or
 * -EINVAL: another character, padding missing or in the wrong place, bits behind the end that are
 * not 0. */
ssize_t base64_decode(const char *text, uint8_t *out);
