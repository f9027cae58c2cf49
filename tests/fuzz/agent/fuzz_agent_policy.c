/* SPDX-License-Identifier: Apache-2.0 */
/* A policy, which SetPolicy brings. Whatever is accepted says so; what is not leaves nothing. */
#include "agent/policy.h"

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy p = POLICY_NONE;
	struct strv unknown = STRV_INIT;
	struct error e = ERROR_INIT;
	int r = policy_parse((const char *)data, size, &p, &unknown, &e);

	if (r < 0 ? p.in_force || p.allowed || !e.text[0] : !p.in_force)
		abort();
	if (unknown.n > LIMIT_AGENT_UNKNOWN)
		abort();
	strv_done(&unknown);
	return 0;
}
