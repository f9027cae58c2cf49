/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf - a byte buffer that grows up to a maximum it was given.
 *
 * Bytes are appended at the end and consumed from the front. A buffer that would pass its maximum
 * refuses with -ENOBUFS and is unchanged.
 */
#pragma once

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;   /* NULL while empty and never filled; not NUL-terminated unless buf_str */
	size_t start; /* first byte not yet consumed */
	size_t end;   /* behind the last byte */
	size_t cap;
	size_t max;
};

#define BUF_INIT(limit) ((struct buf){ .max = (limit) })

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline char *buf_ptr(const struct buf *b)
{
	return b->data ? b->data + b->start : NULL;
}

void buf_done(struct buf *b);
DEFINE_AUTODONE(buf, buf_done);

int buf_add(struct buf *b, const void *p, size_t n);
int buf_add_str(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for @n more bytes at the end and returns the place, NULL if that passes the maximum.
 */
void *buf_reserve(struct buf *b, size_t n);
/* Says that @n of the reserved bytes were filled. */
void buf_commit(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);
/* NUL-terminates (the NUL does not count) and returns the unconsumed bytes. "" when empty. */
const char *buf_str(struct buf *b);
/* Reads once from @fd, at most @n bytes. > 0: bytes, 0: end of file, -EAGAIN, -ENOBUFS, -errno. */
ssize_t buf_read(struct buf *b, int fd, size_t n);
/* Writes what is there; consumes what was taken. Bytes written, -EAGAIN, -errno. SIGPIPE is not
 * raised on sockets. */
ssize_t buf_write(struct buf *b, int fd);
