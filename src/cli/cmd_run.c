/* SPDX-License-Identifier: Apache-2.0 */
/* run - create, start, and in the foreground wait and delete. */
#include "cli/cli.h"

#include "base/log.h"

static int cmd_run(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct create_options *o = opts;
	struct error late = ERROR_INIT;
	bool terminal = false;
	pid_t pid;
	int r;

	cli_defer_signals();
	pid = cli_create(c, o, args[0], &terminal, e);
	if (pid < 0)
		return (int)pid;
	r = cli_start(c, args[0], e);
	if (r == 0 && o->detach)
		return 0;
	if (r == 0)
		r = cli_wait_proxy(pid, terminal, e);
	if (r >= 0 && o->keep)
		return r;
	if (cli_delete(c, args[0], true, &late) < 0)
		log_error("delete %s: %s", args[0], error_text(&late));
	return r;
}

const struct cli_command command_run = {
	.name = "run",
	.operands = "ID",
	.summary = "create and start a container, wait for its end, delete it",
	.options = { .options = cli_run_options, .n = CLI_RUN_OPTIONS },
	.size = sizeof(struct create_options),
	.min = 1,
	.max = 1,
	.run = cmd_run,
};
