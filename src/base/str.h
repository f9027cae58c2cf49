/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str - strings: comparison, parsing of numbers, vectors, escaping.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool str_empty(const char *s)
{
	return !s || !*s;
}

/* The rest behind @prefix, or NULL. */
const char *str_skip_prefix(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);

/* The whole string must be one number in range; base 10, or by 0x/0 prefix where @base is 0.
 * -EINVAL (not a number), -ERANGE. */
int str_to_u64(const char *s, int base, uint64_t *ret);
int str_to_i64(const char *s, int base, int64_t *ret);
int str_to_u32(const char *s, int base, uint32_t *ret);
int str_to_int(const char *s, int *ret);
/* "512", "64k", "2M", "1g" (powers of 1024) to bytes. */
int str_to_size(const char *s, uint64_t *ret);
/* A duration as Go writes it, of whole numbers: "500ms", "5s", "1m30s", "2h". -EINVAL for others
 * and for 0. */
int str_to_duration_ms(const char *s, int64_t *ret);

/* A NULL-terminated vector of owned strings. {NULL, 0} is an empty one. */
struct strv {
	char **v;
	size_t n;
};
#define STRV_INIT ((struct strv){ 0 })
void strv_done(struct strv *v);
DEFINE_AUTODONE(strv, strv_done);
void strv_add(struct strv *v, const char *s);
void strv_addf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes ownership of @s. */
void strv_take(struct strv *v, char *s);
bool strv_contains(const struct strv *v, const char *s);
/* Splits at any byte of @seps; empty fields are dropped. */
void strv_split(struct strv *v, const char *s, const char *seps);
/* An owned string, fields joined by @sep. */
char *strv_join(const struct strv *v, const char *sep);

/* Replaces control bytes by '?' in place, so that foreign text stays one harmless line. */
void str_make_printable(char *s);

/* Signals by name ("TERM", "SIGTERM", "15", "SIGRTMIN+3"): 1..64, or -EINVAL. */
int str_to_signal(const char *s);
/* "SIGTERM"; "SIG42" for those without a name. Written to @tmp (16 bytes at least), which is
 * returned. */
const char *signal_name(int sig, char *tmp);
