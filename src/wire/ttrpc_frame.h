/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc_frame - the 10-byte header in front of every ttRPC message (containerd/ttrpc PROTOCOL.md).
 *
 * All numbers are big-endian: payload length (without the header), stream, type, flags. Stateless:
 * which streams are open, and whether a type or flag makes sense now, is the business of rpc/.
 */
#pragma once

#include <stdint.h>

#define TTRPC_HEADER_SIZE 10

enum ttrpc_type {
	TTRPC_TYPE_REQUEST = 1,
	TTRPC_TYPE_RESPONSE = 2,
	TTRPC_TYPE_DATA = 3,
};

enum ttrpc_flag {
	TTRPC_FLAG_REMOTE_CLOSED = 0x1,
	TTRPC_FLAG_REMOTE_OPEN = 0x2,
	TTRPC_FLAG_NO_DATA = 0x4,
};

struct ttrpc_header {
	uint32_t length; /* of the payload that follows, bytes */
	uint32_t stream; /* chosen by the client: odd, increasing */
	uint8_t type;  /* enum ttrpc_type; others may come from newer peers and are to be skipped */
	uint8_t flags; /* enum ttrpc_flag, ORed */
};

/*
 * 0, or -EMSGSIZE if the payload is longer than LIMIT_TTRPC_MESSAGE. *ret is filled in both cases:
 * whoever gets -EMSGSIZE discards ret->length bytes and may answer ret->stream, so that the
 * connection lives on.
 */
int ttrpc_header_decode(const uint8_t p[TTRPC_HEADER_SIZE], struct ttrpc_header *ret);

/* Writes TTRPC_HEADER_SIZE bytes. 0, or -EMSGSIZE (nothing written) for a length the peer would
 * refuse. */
int ttrpc_header_encode(const struct ttrpc_header *h, uint8_t p[TTRPC_HEADER_SIZE]);
