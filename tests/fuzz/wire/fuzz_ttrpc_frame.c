/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of frames: every header that is accepted encodes to the same bytes. */
#include "base/limits.h"
#include "wire/ttrpc_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size >= TTRPC_HEADER_SIZE) {
		uint8_t again[TTRPC_HEADER_SIZE];
		struct ttrpc_header h;
		int r = ttrpc_header_decode(data, &h);

		if ((r == -EMSGSIZE) != (h.length > LIMIT_TTRPC_MESSAGE))
			abort();
		if (ttrpc_header_encode(&h, again) != r)
			abort();
		if (r < 0)
			break;
		if (memcmp(data, again, sizeof(again)) != 0)
			abort();
		data += TTRPC_HEADER_SIZE;
		size -= TTRPC_HEADER_SIZE;
		size_t body = h.length < size ? h.length : size;

		data += body;
		size -= body;
	}
	return 0;
}
