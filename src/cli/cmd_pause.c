/* SPDX-License-Identifier: Apache-2.0 */
/* pause, resume - stop and continue all processes of a container. */
#include "cli/cli.h"

static int cmd_pause(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	Containerd__Task__V2__PauseRequest rq = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	int r = cli_container_open(c, args[0], false, &k, e);

	rq.id = args[0];
	return r < 0 ? r : cli_task_request(&k, "Pause", &rq.base, e);
}

static int cmd_resume(const struct cli *c, void *o, int nargs, char **args, struct error *e)
{
	Containerd__Task__V2__ResumeRequest rq = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	int r = cli_container_open(c, args[0], false, &k, e);

	rq.id = args[0];
	return r < 0 ? r : cli_task_request(&k, "Resume", &rq.base, e);
}

const struct cli_command command_pause = {
	.name = "pause",
	.operands = "ID",
	.summary = "suspend all processes of a container",
	.min = 1,
	.max = 1,
	.run = cmd_pause,
};

const struct cli_command command_resume = {
	.name = "resume",
	.operands = "ID",
	.summary = "let the processes of a paused container go on",
	.min = 1,
	.max = 1,
	.run = cmd_resume,
};
