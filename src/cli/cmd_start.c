/* SPDX-License-Identifier: Apache-2.0 */
/* start - lets a created container's program run. */
#include "cli/cli.h"

#include "base/fd.h"

#include <errno.h>
#include <sys/file.h>

#define START_MS 60000 /* poststart hooks included */

/* In runc's words. The shim's stay where the state has changed meanwhile. */
static int not_created(const struct cli_container *k, struct error *e)
{
	const char *status = cli_container_status(k, NULL);

	if (str_eq(status, "stopped"))
		return error_plain(e, EBUSY, "cannot start a container that has stopped");
	if (str_eq(status, "running") || str_eq(status, "paused"))
		return error_plain(e, EBUSY, "cannot start an already running container");
	return -EBUSY;
}

/* Whoever saw the state "creating" may start at once: the creation, which is bounded, is waited
 * for. */
static int await_creation(const struct cli *c, const char *id, struct error *e)
{
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	autoclose int lock = -1;
	int err = cli_container_open(c, id, false, &k, e);

	if (err < 0)
		return err;
	lock = cli_container_lock(&k, LOCK_SH, e);
	return lock < 0 ? lock : 0;
}

int cli_start(const struct cli *c, const char *id, struct error *e)
{
	Containerd__Task__V2__StartRequest rq = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	autoptr(rpc_client) r = NULL;
	int err = await_creation(c, id, e);

	if (err == 0)
		err = cli_container_open(c, id, false, &k, e);
	if (err < 0)
		return err;
	if (cli_shim_connect(k.st.socket, &r, e) < 0)
		return error_plain(e, ESRCH, "cannot start a container that has stopped");
	rq.id = (char *)(uintptr_t)id;
	err = cli_task_call(r, "Start", &rq.base, START_MS, NULL, e);
	return err == -EBUSY ? not_created(&k, e) : err;
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
