/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint, restore - refused by name: CRIU works on processes of the host's kernel, and those of
 * a container here are another kernel's. Whatever options come with them are not looked at.
 */
#include "cli/cli.h"

#include <errno.h>

static int cmd_checkpoint(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	return error_plain(
		e, EOPNOTSUPP,
		"checkpoint is not supported: the processes are those of a virtual machine");
}

static int cmd_restore(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	return error_plain(
		e, EOPNOTSUPP,
		"restore is not supported: there are no checkpoints of virtual machines");
}

const struct cli_command command_checkpoint = {
	.name = "checkpoint",
	.operands = "ID",
	.summary = "not supported",
	.raw = true,
	.run = cmd_checkpoint,
};

const struct cli_command command_restore = {
	.name = "restore",
	.operands = "ID",
	.summary = "not supported",
	.raw = true,
	.run = cmd_restore,
};
