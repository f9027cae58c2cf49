/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's command line, which an annotation of a pod may have had a hand in. */
#include "agent/conf.h"

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = xstrndup((const char *)data, size);
	struct agent_conf c;

	agent_conf_init(&c);
	agent_conf_parse_cmdline(&c, text);
	if (c.unknown.n > LIMIT_AGENT_UNKNOWN || !c.server_addr || !*c.server_addr)
		abort();
	agent_conf_done(&c);
	return 0;
}
