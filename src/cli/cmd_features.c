/* SPDX-License-Identifier: Apache-2.0 */
/* features - what of the runtime specification is supported, as JSON. */
#include "cli/cli.h"

static int cmd_features(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	autofree char *text = oci_features_json();

	printf("%s\n", text);
	return 0;
}

const struct cli_command command_features = {
	.name = "features",
	.operands = "",
	.summary = "print what of the runtime specification is supported, as JSON",
	.run = cmd_features,
};
