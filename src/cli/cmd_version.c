/* SPDX-License-Identifier: Apache-2.0 */
/* version - what podman and docker read of a runtime. */
#include "cli/cli.h"

static int cmd_version(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	printf("caisson version %s\nspec: %s\n", CAISSON_VERSION, OCI_VERSION);
	return 0;
}

const struct cli_command command_version = {
	.name = "version",
	.operands = "",
	.summary = "print the version of caisson and of the runtime specification",
	.run = cmd_version,
};
