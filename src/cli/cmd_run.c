/* SPDX-License-Identifier: Apache-2.0 */
/* run - create, start, and in the foreground wait and delete. */
#include "cli/cli.h"

#include "base/log.h"

#define OPT(...) CLI_OPT(create_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("bundle", 'b', ARG_STRING, bundle, "DIR",
	    "the bundle (default: the working directory)"),
	OPT("detach", 'd', ARG_BOOL, detach, NULL, "leave it running"),
	OPT("console-socket", 0, ARG_STRING, console_socket, "PATH",
	    "unix socket that receives the terminal's master"),
	OPT("pid-file", 0, ARG_STRING, pid_file, "FILE",
	    "where to write the pid of the init proxy"),
	OPT("keep", 0, ARG_BOOL, keep, NULL, "do not delete the container when it has ended"),
	OPT("no-subreaper", 0, ARG_BOOL, no_subreaper, NULL,
	    "no effect: processes of a guest are never orphaned to the host"),
	OPT("no-pivot", 0, ARG_BOOL, no_pivot, NULL,
	    "no effect: the guest's root file system is always left by pivot_root"),
	OPT("no-new-keyring", 0, ARG_BOOL, no_new_keyring, NULL,
	    "no effect: the guest's keyrings are the container's own"),
	OPT("preserve-fds", 0, ARG_INT, preserve_fds, "N", "not supported unless 0"),
};

static int cmd_run(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct create_options *o = opts;
	struct error late = ERROR_INIT;
	pid_t pid = cli_create(c, o, args[0], e);
	int r;

	if (pid < 0)
		return (int)pid;
	r = cli_start(c, args[0], e);
	if (r == 0 && o->detach)
		return 0;
	if (r == 0)
		r = cli_wait_proxy(pid, e);
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
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct create_options),
	.min = 1,
	.max = 1,
	.run = cmd_run,
};
