/* SPDX-License-Identifier: Apache-2.0 */
/* buf - see buf.h. Grows by doubling; consumed space is reclaimed by moving before growing. */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_MIN 256

void buf_done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = BUF_INIT(b->max);
}

static void buf_compact(struct buf *b)
{
	if (!b->start)
		return;
	if (buf_len(b))
		memmove(b->data, b->data + b->start, buf_len(b));
	b->end -= b->start;
	b->start = 0;
}

void *buf_reserve(struct buf *b, size_t n)
{
	size_t need = buf_len(b) + n, cap;
	char *p;

	if (n > b->max || need > b->max)
		return NULL;
	if (b->end + n + 1 <= b->cap)
		return b->data + b->end;
	buf_compact(b);
	if (need + 1 > b->cap) {
		cap = MAX(b->cap * 2, (size_t)BUF_MIN);
		cap = MIN(MAX(cap, need + 1), b->max + 1);
		p = realloc(b->data, cap);
		if (!p)
			return NULL;
		b->data = p;
		b->cap = cap;
	}
	return b->data + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
	b->end += n;
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	void *to = buf_reserve(b, n);

	if (!to)
		return -ENOBUFS;
	if (n)
		memcpy(to, p, n);
	b->end += n;
	return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n, r = -ENOBUFS;
	char *to;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (to) {
		vsnprintf(to, (size_t)n + 1, fmt,
			  again); /* buf_reserve keeps one byte for the NUL */
		b->end += (size_t)n;
		r = 0;
	}
	va_end(again);
	va_end(ap);
	return r;
}

void buf_consume(struct buf *b, size_t n)
{
	b->start += MIN(n, buf_len(b));
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

const char *buf_str(struct buf *b)
{
	if (!b->data)
		return "";
	b->data[b->end] = '\0';
	return buf_ptr(b);
}

ssize_t buf_read(struct buf *b, int fd, size_t n)
{
	void *to;
	ssize_t r;

	if (buf_len(b) >= b->max)
		return -ENOBUFS;
	to = buf_reserve(b, MIN(n, b->max - buf_len(b)));
	if (!to)
		return -ENOMEM;
	do
		r = read(fd, to, MIN(n, b->max - buf_len(b)));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	b->end += (size_t)r;
	return r;
}

ssize_t buf_write(struct buf *b, int fd)
{
	ssize_t r;

	if (!buf_len(b))
		return 0;
	do {
		r = send(fd, buf_ptr(b), buf_len(b), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno == ENOTSOCK)
			r = write(fd, buf_ptr(b), buf_len(b));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	buf_consume(b, (size_t)r);
	return r;
}
