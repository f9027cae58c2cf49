/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the OCI runtime command line.
 *
 * Global options, then one command of the table. An error is one line: to the log that --log names,
 * and to stderr.
 */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define OPT(...) CLI_OPT(cli, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("root", 0, ARG_STRING, root, "DIR",
	    "where containers' states are kept (default " CLI_ROOT ")"),
	OPT("log", 0, ARG_STRING, log, "FILE",
	    "where errors are written to as well (default: stderr alone)"),
	OPT("log-format", 0, ARG_STRING, log_format, "FORMAT", "text (default) or json"),
	OPT("config", 0, ARG_STRING, config, "FILE", "configuration.toml to use"),
	OPT("debug", 0, ARG_BOOL, debug, NULL, "log more"),
	OPT("systemd-cgroup", 0, ARG_BOOL, systemd_cgroup, NULL,
	    "cgroup paths are of the form slice:prefix:name (both are always understood)"),
	OPT("cgroup-manager", 0, ARG_STRING, cgroup_manager, "NAME",
	    "cgroupfs, systemd or disabled (both forms of paths are always understood)"),
	OPT("rootless", 0, ARG_STRING, rootless, "VALUE",
	    "auto or false; true is refused: caisson needs root"),
	OPT("criu", 0, ARG_STRING, criu, "PATH",
	    "no effect: checkpoint and restore are not supported"),
	OPT("help", 'h', ARG_BOOL, help, NULL, "print this help"),
	OPT("version", 'v', ARG_BOOL, version, NULL, "print the version"),
};
const struct arg_spec cli_globals = { .options = options,
				      .n = ARRAY_SIZE(options),
				      .stop_at_operand = true };

const struct cli_command *cli_find_command(const char *name)
{
	for (size_t i = 0; cli_commands[i]; i++)
		if (str_eq(cli_commands[i]->name, name))
			return cli_commands[i];
	return NULL;
}

static void print_help(FILE *f)
{
	fprintf(f,
		"caisson %s: containers in virtual machines\n\nusage: caisson [options] COMMAND "
		"[options] [ID ...]\n\ncommands:\n",
		CAISSON_VERSION);
	for (size_t i = 0; cli_commands[i]; i++)
		fprintf(f, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	fprintf(f, "\noptions:\n");
	args_print_options(&cli_globals, f);
	fprintf(f, "\n`caisson help COMMAND` explains one command.\n");
}

static void print_command_help(const struct cli_command *cmd, FILE *f)
{
	fprintf(f, "usage: caisson %s%s %s\n\n%s\n", cmd->name, cmd->options.n ? " [options]" : "",
		cmd->operands, cmd->summary);
	if (cmd->options.n)
		fprintf(f, "\noptions:\n");
	args_print_options(&cmd->options, f);
}

static int help(int nargs, char **args, struct error *e)
{
	const struct cli_command *cmd = nargs ? cli_find_command(args[0]) : NULL;

	if (nargs && !cmd)
		return error_plain(e, EINVAL, "unknown command \"%s\"", args[0]);
	if (cmd)
		print_command_help(cmd, stdout);
	else
		print_help(stdout);
	return 0;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && !str_eq(argv[i], "--"); i++)
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return true;
	return false;
}

static int run_command(const struct cli *c, int argc, char **argv, struct error *e)
{
	const struct cli_command *cmd = cli_find_command(argv[0]);
	autofree void *o = NULL;
	int first, n;

	if (str_eq(argv[0], "help"))
		return help(argc - 1, argv + 1, e);
	if (!cmd)
		return error_plain(e, EINVAL, "unknown command \"%s\" (see caisson --help)",
				   argv[0]);
	if (wants_help(argc, argv))
		return help(1, argv, e);
	if (cmd->raw)
		return cmd->run(c, NULL, argc - 1, argv + 1, e);
	o = xcalloc(1, cmd->size);
	first = args_parse(&cmd->options, argc, argv, o, e);
	if (first < 0)
		return first;
	n = argc - first;
	if (n < cmd->min || (cmd->max >= 0 && n > cmd->max))
		return error_plain(e, EINVAL, "usage: caisson %s%s %s", cmd->name,
				   cmd->options.n ? " [options]" : "", cmd->operands);
	return cmd->run(c, o, n, argv + first, e);
}

static int check_globals(struct cli *c, struct error *e)
{
	if (c->log_format && !str_eq(c->log_format, "text") && !str_eq(c->log_format, "json"))
		return error_plain(e, EINVAL, "unknown log format \"%s\" (text or json)",
				   c->log_format);
	if (c->rootless && !str_eq(c->rootless, "auto") && !str_eq(c->rootless, "false"))
		return error_plain(e, EOPNOTSUPP,
				   "--rootless=%s is not supported: caisson needs root",
				   c->rootless);
	c->own_root = c->root ? path_absolute(c->root) : xstrdup(CLI_ROOT);
	if (!c->own_root)
		return error_set(e, errno, "working directory");
	c->root = c->own_root;
	c->default_root = str_eq(c->root, CLI_ROOT);
	return 0;
}

static int open_log(struct cli *c, struct error *e)
{
	enum log_format format = str_eq(c->log_format, "json") ? LOG_FORMAT_JSON
				 : c->log                      ? LOG_FORMAT_TEXT
							       : LOG_FORMAT_BARE;
	int fd = STDERR_FILENO;

	if (c->log) {
		fd = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0) {
			int r = error_set(e, errno, "open log %s", c->log);

			c->log = NULL;
			return r;
		}
	}
	log_init("caisson", fd, format, c->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN);
	return 0;
}

/* Once to the log; engines that were not given one, or do not read it, find it on stderr. */
static void report(const struct cli *c, const struct error *e)
{
	log_error("%s", error_text(e));
	if (c->log)
		dprintf(STDERR_FILENO, "%s\n", error_text(e));
}

static int run(struct cli *c, int argc, char **argv, int first, struct error *e)
{
	int r = check_globals(c, e);

	if (r >= 0)
		r = open_log(c, e);
	if (r < 0)
		return r;
	if (c->version)
		return cli_find_command("version")->run(c, NULL, 0, NULL, e);
	if (c->help || first == argc)
		return help(0, NULL, e);
	return run_command(c, argc - first, argv + first, e);
}

/* What was printed counts only once it has arrived. */
static int flush_stdout(struct error *e)
{
	return fflush(stdout) == 0 ? 0 : error_set(e, errno, "write to stdout");
}

/* Descriptors that a careless caller closed would be given to files. */
static void open_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}

/* The exit status after a failure is the command's own, as runc has it. */
static int failure_status(int argc, char **argv, int first)
{
	const struct cli_command *cmd = first >= 0 && first < argc ? cli_find_command(argv[first])
								   : NULL;

	return cmd && cmd->failure ? cmd->failure : 1;
}

int cli_main(int argc, char **argv)
{
	struct cli c = { .began_us = timeline_now() };
	struct error e = ERROR_INIT;
	int first, r;

	open_stdio();
	log_init("caisson", STDERR_FILENO, LOG_FORMAT_BARE, LOG_LEVEL_WARN);
	first = r = args_parse(&cli_globals, argc, argv, &c, &e);
	if (r >= 0)
		r = run(&c, argc, argv, first, &e);
	if (r >= 0 && flush_stdout(&e) < 0)
		r = -EIO;
	if (r < 0) {
		report(&c, &e);
		r = failure_status(argc, argv, first);
	}
	free(c.own_root);
	return r;
}
