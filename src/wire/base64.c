/* SPDX-License-Identifier: Apache-2.0 */
/* base64 - see base64.h. White space and the URL alphabet are not taken. */
#include "wire/base64.h"

#include <errno.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *p, size_t n, char *out)
{
	for (; n > 0; p += 3, out += 4) {
		size_t take = n < 3 ? n : 3;
		uint32_t v = (uint32_t)p[0] << 16;

		v |= take > 1 ? (uint32_t)p[1] << 8 : 0;
		v |= take > 2 ? p[2] : 0;
		out[0] = alphabet[v >> 18];
		out[1] = alphabet[v >> 12 & 63];
		out[2] = '=';
		out[3] = '=';
		if (take > 1)
			out[2] = alphabet[v >> 6 & 63];
		if (take > 2)
			out[3] = alphabet[v & 63];
		n -= take;
	}
	*out = '\0';
}

/* Four characters, of which @pad at the end are '='. */
static int decode_group(const char *s, size_t pad, uint8_t out[3])
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *found = i < 4 - pad ? memchr(alphabet, s[i], 64) : alphabet;

		if (!found)
			return -EINVAL;
		v = v << 6 | (uint32_t)(found - alphabet);
	}
	if (v & ((1u << 8 * pad) - 1))
		return -EINVAL;
	out[0] = (uint8_t)(v >> 16);
	if (pad < 2)
		out[1] = (uint8_t)(v >> 8);
	if (pad < 1)
		out[2] = (uint8_t)v;
	return 0;
}

ssize_t base64_decode(const char *text, uint8_t *out)
{
	size_t len = strlen(text), pad, n = 0;

	if (len % 4)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		pad = i + 4 < len || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		if (decode_group(text + i, pad, out + n) < 0)
			return -EINVAL;
		n += 3 - pad;
	}
	return (ssize_t)n;
}
