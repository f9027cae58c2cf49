/* SPDX-License-Identifier: Apache-2.0 */
/* kill - sends a signal to a container's process, or to all in it. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>

struct kill_options {
	bool all, regex;
};

#define OPT(...) CLI_OPT(kill_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("all", 'a', ARG_BOOL, all, NULL, "to every process of the container"),
	OPT("regex", 'r', ARG_BOOL, regex, NULL,
	    "ID is a regular expression: all containers that match"),
};

struct kill_request {
	int sig;
	bool all;
};

static int kill_one(const struct cli *c, const char *id, void *data, struct error *e)
{
	Containerd__Task__V2__KillRequest rq = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	const struct kill_request *k = data;
	autodone(cli_container) ctr = CLI_CONTAINER_INIT;
	int r = cli_container_open(c, id, false, &ctr, e);

	if (r < 0)
		return r;
	rq.id = ctr.st.id;
	rq.signal = (uint32_t)k->sig;
	rq.all = k->all;
	r = cli_task_request(&ctr, "Kill", &rq.base, e);
	if (r != -ENOENT && r != -ESRCH)
		return r;
	/* runc: everything may be dead already when all is asked for. */
	return k->all ? 0 : error_plain(e, ESRCH, "container not running");
}

static int cmd_kill(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct kill_options *o = opts;
	int sig = nargs > 1 ? str_to_signal(args[1]) : SIGTERM;
	struct kill_request k = { .sig = sig, .all = o->all };

	if (nargs > 1 && str_eq(args[1], "0"))
		k.sig = 0;
	else if (sig < 0)
		return error_plain(e, EINVAL, "unknown signal \"%s\"", args[1]);
	return cli_for_ids(c, args[0], o->regex, kill_one, &k, e);
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
