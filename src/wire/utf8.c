/* SPDX-License-Identifier: Apache-2.0 */
/* utf8 - see utf8.h. Knows nothing of normal forms, combining marks or widths. */
#include "wire/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_scalar(uint32_t c)
{
	return c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);
}

int utf8_decode(const char *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[UTF8_MAX + 1] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)p;
	int len = u[0] < 0x80   ? 1
		  : u[0] < 0xc0 ? 0
		  : u[0] < 0xe0 ? 2
		  : u[0] < 0xf0 ? 3
		  : u[0] < 0xf8 ? 4
				: 0;
	uint32_t c;

	if (!len || (size_t)len > n)
		return -EINVAL;
	c = len == 1 ? u[0] : u[0] & (0x7fu >> len);
	for (int i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return -EINVAL;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[len] || !is_scalar(c))
		return -EINVAL;
	*ret = c;
	return len;
}

size_t utf8_encode(uint32_t c, char out[UTF8_MAX])
{
	static const unsigned char mark[UTF8_MAX + 1] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (!is_scalar(c))
		return 0;
	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(mark[len] | c);
	return len;
}

void utf8_clean(char *s)
{
	uint32_t c;

	for (size_t left = strlen(s); left;) {
		int n = utf8_decode(s, left, &c);

		if (n < 0) {
			*s = '?';
			n = 1;
		}
		s += n;
		left -= (size_t)n;
	}
}
