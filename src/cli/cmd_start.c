/* SPDX-License-Identifier: Apache-2.0 */
/* start - lets a created container's program run. */
#include "cli/cli.h"

#include "config/config.h"

#include <errno.h>

#define START_MS 60000 /* poststart hooks included */

int cli_start(const struct cli *c, const char *id, struct error *e)
{
	Containerd__Task__V2__StartRequest rq = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	autoptr(rpc_client) r = NULL;
	int err = cli_container_open(c, id, false, &k, e);

	if (err < 0)
		return err;
	if (cli_shim_connect(k.st.socket, &r, e) < 0)
		return error_plain(e, ESRCH, "cannot start a container that has stopped");
	rq.id = (char *)(uintptr_t)id;
	return cli_task_call(r, "Start", &rq.base, START_MS, NULL, e);
}

static int cmd_start(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	return cli_start(c, args[0], e);
}

const struct cli_command command_start = {
	.name = "start",
	.operands = "ID",
	.summary = "run the program of a created container",
	.min = 1,
	.max = 1,
	.run = cmd_start,
};
