/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a ttRPC message. The one limit is the length of the payload; whether stream, type
 * and flags fit the state of a connection is not looked at here.
 */
#include "wire/ttrpc_frame.h"

#include "base/limits.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static uint32_t get_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static void put_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

int ttrpc_header_decode(const uint8_t p[TTRPC_HEADER_SIZE], struct ttrpc_header *ret)
{
	*ret = (struct ttrpc_header){
		.length = get_be32(p),
		.stream = get_be32(p + 4),
		.type = p[8],
		.flags = p[9],
	};
	return ret->length > LIMIT_TTRPC_MESSAGE ? -EMSGSIZE : 0;
}

int ttrpc_header_encode(const struct ttrpc_header *h, uint8_t p[TTRPC_HEADER_SIZE])
{
	if (h->length > LIMIT_TTRPC_MESSAGE)
		return -EMSGSIZE;
	put_be32(p, h->length);
	put_be32(p + 4, h->stream);
	p[8] = h->type;
	p[9] = h->flags;
	return 0;
}
