/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 - one code point at a time, for the parsers of this folder.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define UTF8_MAX 4 /* bytes of a code point */
#define UTF8_REPLACEMENT 0xfffdu

/* The code point at @p, of which @n > 0 bytes are there: its length 1..4, or -EINVAL for overlong,
 * cut or surrogate sequences and values above U+10FFFF (RFC 3629). */
int utf8_decode(const char *p, size_t n, uint32_t *ret);
/* Writes 1..4 bytes and returns their number; 0 if @c is a surrogate or above U+10FFFF. */
size_t utf8_encode(uint32_t c, char out[UTF8_MAX]);

/* Replaces every byte of @s that is no part of valid UTF-8 by '?', for texts that go into protobuf
 * strings: receivers in Go and Rust refuse a whole message for one bad byte. */
void utf8_clean(char *s);
