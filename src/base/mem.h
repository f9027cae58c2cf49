/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem - allocation and clean-up by attribute.
 *
 * The x* functions end the process with one line when memory is out: they are for small amounts
 * whose size is bounded by us. What a peer sizes is allocated with mem_try_*, which fail.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define cleanup(f) __attribute__((cleanup(f)))

/* autofree char *p = ...: freed when the scope ends; `take_ptr(p)` hands it over. */
static inline void mem_free_ptr(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	free(p);
}
#define autofree cleanup(mem_free_ptr)

#define take_ptr(p)                     \
	({                              \
		__typeof__(p) tp = (p); \
		(p) = NULL;             \
		tp;                     \
	})

/*
 * autoptr(foo) x = NULL: calls foo_free(x) when the scope ends. DEFINE_AUTOPTR(foo, fn) beside
 * the declaration of `void fn(struct foo *)` makes it possible.
 */
#define DEFINE_AUTOPTR(type, fn)                                \
	static inline void autoptr_free_##type(struct type **p) \
	{                                                       \
		fn(*p);                                         \
	}                                                       \
	struct type /* lets the use end in a semicolon */
#define autoptr(type) cleanup(autoptr_free_##type) struct type *

/* autodone(foo) x = FOO_INIT: for embedded objects; calls foo_done(&x). */
#define DEFINE_AUTODONE(type, fn)                          \
	static inline void autodone_##type(struct type *p) \
	{                                                  \
		fn(p);                                     \
	}                                                  \
	struct type
#define autodone(type) cleanup(autodone_##type) struct type

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))
#define xnew_array(type, n) ((type *)xcalloc((n), sizeof(type)))

/* NULL when memory is out or n * size overflows; zeroed. For sizes that come from outside. */
void *mem_try_calloc(size_t n, size_t size);
void *mem_try_dup(const void *p, size_t n);
