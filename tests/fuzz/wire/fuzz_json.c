/* SPDX-License-Identifier: Apache-2.0 */
/* What was parsed can be written and parsed again, to the same text. */
#include "base/buf.h"
#include "base/error.h"
#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_again(const struct json *v, struct buf *b)
{
	struct json_writer w;

	json_writer_init(&w, b, "  ");
	json_add_value(&w, NULL, v);
	return json_writer_end(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autodone(buf) one = BUF_INIT((size_t)64 << 20);
	autodone(buf) two = BUF_INIT((size_t)64 << 20);
	autoptr(json) v = NULL;
	autoptr(json) again = NULL;
	struct error e = ERROR_INIT;

	if (json_parse((const char *)data, size, "fuzz", &v, &e) < 0) {
		if (!e.code || !*e.text)
			abort();
		return 0;
	}
	if (write_again(v, &one) < 0)
		abort();
	if (json_parse(buf_ptr(&one), buf_len(&one), "fuzz", &again, &e) < 0)
		abort();
	if (write_again(again, &two) < 0 || strcmp(buf_str(&one), buf_str(&two)) != 0)
		abort();
	return 0;
}
