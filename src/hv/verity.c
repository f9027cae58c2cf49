/* SPDX-License-Identifier: Apache-2.0 */
/* verity - see verity.h. */
#include "hv/verity.h"

#include "base/str.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SECTOR 512
#define HASH_DIGITS 64  /* SHA-256 */
#define SALT_DIGITS 512 /* the kernel takes 256 bytes */
#define BLOCKS_MAX (UINT64_C(1) << 40)

enum { ROOT_HASH, SALT, DATA_BLOCKS, DATA_SIZE, HASH_SIZE, WORDS };

static const char *const words[WORDS] = {
	[ROOT_HASH] = "root_hash",       [SALT] = "salt",
	[DATA_BLOCKS] = "data_blocks",   [DATA_SIZE] = "data_block_size",
	[HASH_SIZE] = "hash_block_size",
};

static int split(const struct strv *parts, const char *values[WORDS], struct error *e)
{
	for (size_t i = 0; i < parts->n; i++) {
		size_t n = strcspn(parts->v[i], "="), k = 0;

		while (k < WORDS &&
		       (strlen(words[k]) != n || strncmp(words[k], parts->v[i], n) != 0))
			k++;
		if (k == WORDS || !parts->v[i][n])
			return error_plain(e, EINVAL,
					   "kernel_verity_params: \"%.64s\" is not known",
					   parts->v[i]);
		if (values[k])
			return error_plain(e, EINVAL, "kernel_verity_params: %s comes twice",
					   words[k]);
		values[k] = parts->v[i] + n + 1;
	}
	for (size_t k = 0; k < WORDS; k++)
		if (!values[k])
			return error_plain(e, EINVAL, "kernel_verity_params: %s is missing",
					   words[k]);
	return 0;
}

static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return n && !s[n] && n % 2 == 0;
}

static int check_digests(const char *const values[WORDS], struct error *e)
{
	if (!is_hex(values[ROOT_HASH]) || strlen(values[ROOT_HASH]) != HASH_DIGITS)
		return error_plain(e, EINVAL,
				   "kernel_verity_params: root_hash is not a SHA-256 of %d "
				   "hexadecimal digits",
				   HASH_DIGITS);
	if (!is_hex(values[SALT]) || strlen(values[SALT]) > SALT_DIGITS)
		return error_plain(
			e, EINVAL,
			"kernel_verity_params: salt is not at most %d hexadecimal digits",
			SALT_DIGITS);
	return 0;
}

static int block_size(const char *name, const char *text, uint32_t *ret, struct error *e)
{
	if (str_to_u32(text, 10, ret) == 0 && *ret >= SECTOR && *ret <= 65536 &&
	    (*ret & (*ret - 1)) == 0)
		return 0;
	return error_plain(e, EINVAL,
			   "kernel_verity_params: %s is no power of two from 512 to 65536", name);
}

int verity_param(const char *text, const char *data, const char *hashes, char **ret,
		 struct error *e)
{
	autodone(strv) parts = STRV_INIT;
	const char *values[WORDS] = { NULL };
	uint32_t data_size = 0, hash_size = 0;
	uint64_t blocks;
	int r;

	strv_split(&parts, text, ",");
	r = split(&parts, values, e);
	if (r == 0)
		r = check_digests(values, e);
	if (r == 0)
		r = block_size(words[DATA_SIZE], values[DATA_SIZE], &data_size, e);
	if (r == 0)
		r = block_size(words[HASH_SIZE], values[HASH_SIZE], &hash_size, e);
	if (r < 0)
		return r;
	if (str_to_u64(values[DATA_BLOCKS], 10, &blocks) < 0 || !blocks || blocks > BLOCKS_MAX)
		return error_plain(e, EINVAL,
				   "kernel_verity_params: data_blocks is no number of blocks");
	*ret = xasprintf(
		"dm-mod.create=\"root,,,ro,0 %llu verity 1 %s %s %u %u %llu 0 sha256 %s %s\"",
		(unsigned long long)(blocks * (data_size / SECTOR)), data, hashes, data_size,
		hash_size, (unsigned long long)blocks, values[ROOT_HASH], values[SALT]);
	return 0;
}
