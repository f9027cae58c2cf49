/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256 - the hash of FIPS 180-4, for names that others compute as well. Not for passwords, not
 * fast.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_HEX (2 * SHA256_SIZE + 1) /* with the NUL */

void sha256(const void *p, size_t n, uint8_t ret[SHA256_SIZE]);
/* In lower-case hexadecimal digits. Returns @ret. */
const char *sha256_hex(const void *p, size_t n, char ret[SHA256_HEX]);
