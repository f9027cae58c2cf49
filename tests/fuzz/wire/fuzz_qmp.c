/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of bytes in portions, whose sizes come from the bytes: messages are whole, errors have
 * reasons. */
#include "base/error.h"
#include "wire/qmp.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_messages(struct qmp_reader *r)
{
	int n;

	do {
		autodone(qmp_message) m = { 0 };
		struct error e = ERROR_INIT;

		n = qmp_reader_next(r, &m, &e);
		if (n == 1 && (!m.root || (m.kind == QMP_EVENT && !m.name) ||
			       (m.kind == QMP_ERROR && !m.text)))
			abort();
		if (n < 0 && (n != -EPROTO || e.code != n || !*e.text))
			abort();
	} while (n != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qmp_reader r;

	qmp_reader_init(&r);
	while (size > 0) {
		size_t n = (size_t)data[0] + 1;

		n = n < size ? n : size;
		if (buf_add(&r.in, data, n) < 0)
			break;
		take_messages(&r);
		data += n;
		size -= n;
	}
	qmp_reader_done(&r);
	return 0;
}
