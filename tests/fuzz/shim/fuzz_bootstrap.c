/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that `start` reads from its stdin. */
#include "shim/bootstrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	autodone(bootstrap) b = BOOTSTRAP_INIT;
	struct error e = ERROR_INIT;
	int r = bootstrap_parse(p, n, "c1", "default", &b, &e);

	if ((r < 0) != (e.code < 0) || (r < 0 && !*e.text))
		abort();
	return 0;
}
