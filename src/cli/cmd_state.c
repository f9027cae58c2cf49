/* SPDX-License-Identifier: Apache-2.0 */
/* state - a container's state as JSON, with runc's keys. */
#include "cli/cli.h"

#include <errno.h>

static int print_state(const struct cli_container *k, struct error *e)
{
	pid_t pid = 0;
	const char *status = cli_container_status(k, &pid);
	const struct oci_state st = cli_oci_state(k, status, pid, "");
	autofree char *text = oci_state_print_json(&st);

	if (!text)
		return error_plain(e, EINVAL, "%s: the annotations in its state are no JSON object",
				   st.id);
	printf("%s\n", text);
	return 0;
}

static int cmd_state(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	int r = cli_container_open(c, args[0], false, &k, e);

	return r < 0 ? r : print_state(&k, e);
}

const struct cli_command command_state = {
	.name = "state",
	.operands = "ID",
	.summary = "print the state of a container as JSON",
	.min = 1,
	.max = 1,
	.run = cmd_state,
};
