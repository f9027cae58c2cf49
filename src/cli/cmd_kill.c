/* SPDX-License-Identifier: Apache-2.0 */
/* kill - sends a signal to a container's process, or to all in it. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>

struct kill_options {
	bool all;
};

#define OPT(...) CLI_OPT(kill_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("all", 'a', ARG_BOOL, all, NULL, "to every process of the container"),
};

static int cmd_kill(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	Containerd__Task__V2__KillRequest rq = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	const struct kill_options *o = opts;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	int sig = nargs > 1 ? str_to_signal(args[1]) : SIGTERM;
	int r;

	if (sig < 0 && !str_eq(args[1], "0"))
		return error_plain(e, EINVAL, "unknown signal \"%s\"", args[1]);
	r = cli_container_open(c, args[0], false, &k, e);
	if (r < 0)
		return r;
	rq.id = args[0];
	rq.signal = sig > 0 ? (uint32_t)sig : 0;
	rq.all = o->all;
	r = cli_task_request(&k, "Kill", &rq.base, e);
	/* runc: everything may be dead already when all is asked for. */
	return r == -ENOENT && o->all ? 0
	       : r == -ENOENT         ? error_plain(e, ESRCH, "container not running")
				      : r;
}

const struct cli_command command_kill = {
	.name = "kill",
	.operands = "ID [SIGNAL]",
	.summary = "send a signal (default SIGTERM) to a container's process",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct kill_options),
	.min = 1,
	.max = 2,
	.run = cmd_kill,
};
