/* SPDX-License-Identifier: Apache-2.0 */
/*
 * man - the manual page: commands and options from their tables, the rest of it from here.
 *
 * scdoc reads * and _ as markup, and \ before any character as that character.
 */
#include "cli/cli.h"

static const char head[] =
	"caisson(8)\n\n"
	"# NAME\n\n"
	"caisson - run containers in virtual machines\n\n"
	"# SYNOPSIS\n\n"
	"*caisson* [_global options_] _command_ [_options_] [_arguments_]\n\n"
	"# DESCRIPTION\n\n"
	"*caisson* is an OCI runtime: it runs containers from bundles, as *runc*(8) does and with "
	"its commands and options, but each "
	"in a virtual machine of its own. podman, docker, CRI-O and buildah call it in place of "
	"runc; containerd calls "
	"*containerd-shim-caisson-v2* instead.\n\n"
	"The first *create* of a sandbox starts its shim, which owns the virtual machine; the "
	"deletion of its last container ends it. "
	"What the host sees of a container's process is its init proxy, *caisson-proxy*: it holds "
	"the process's input and output, "
	"forwards signals and the size of the terminal, and exits with its status.\n\n";

static const char tail[] = "# EXIT STATUS\n\n"
			   "*run* and *exec* in the foreground exit with the status of the "
			   "process, 128 + N if signal N ended it, 137 if the virtual "
			   "machine died. *check* exits with 1 if containers cannot run. After an "
			   "error, which is one line on the standard error and in "
			   "the log, the status is 255 for *exec* and 1 for all others.\n\n"
			   "# ENVIRONMENT\n\n"
			   "*CAISSON\\_CONF\\_FILE*\n"
			   "\tThe configuration to use where *--config* is not given.\n\n"
			   "# FILES\n\n"
			   "/etc/caisson/configuration.toml\n"
			   "\tThe configuration, see *caisson-configuration.toml*(5).\n\n"
			   "/run/caisson/oci/_ID_/\n"
			   "\tWhat is known of a container; elsewhere with *--root*.\n\n"
			   "/run/caisson/_SANDBOX_/\n"
			   "\tThe sockets, logs and shared files of a sandbox.\n\n"
			   "# EXAMPLES\n\n"
			   "Look whether this host can run containers, then run one:\n\n"
			   "```\n"
			   "caisson check\n"
			   "podman --runtime /usr/local/bin/caisson run --rm "
			   "docker.io/library/busybox uname -a\n"
			   "```\n\n"
			   "See why a container did not start:\n\n"
			   "```\n"
			   "caisson logs --console --shim ID\n"
			   "```\n\n"
			   "# SEE ALSO\n\n"
			   "*caisson-configuration.toml*(5), *runc*(8), *podman*(1)\n";

/* Text without markup. */
static void print_plain(const char *text, FILE *f)
{
	for (; *text; text++) {
		if (strchr("*_\\#<>", *text))
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void print_option(const struct arg_option *o, FILE *f)
{
	fprintf(f, "*");
	if (o->letter)
		fprintf(f, "-%c*, *", o->letter);
	fprintf(f, "--%s*", o->name);
	if (o->metavar) {
		fprintf(f, " ");
		print_plain(o->metavar, f);
	}
	fprintf(f, "\n\t");
	print_plain(o->help, f);
	fprintf(f, "\n\n");
}

static void print_options(const struct arg_spec *spec, FILE *f)
{
	for (size_t i = 0; i < spec->n; i++)
		print_option(&spec->options[i], f);
}

static void print_command(const struct cli_command *c, FILE *f)
{
	fprintf(f, "## caisson %s%s ", c->name, c->options.n ? " [options]" : "");
	print_plain(c->operands, f);
	fprintf(f, "\n\n%c", c->summary[0] & ~0x20);
	print_plain(c->summary + 1, f);
	fprintf(f, ".\n\n");
	print_options(&c->options, f);
}

void cli_print_man(FILE *f)
{
	fputs(head, f);
	fputs("# GLOBAL OPTIONS\n\n", f);
	print_options(&cli_globals, f);
	fputs("# COMMANDS\n\n", f);
	for (size_t i = 0; cli_commands[i]; i++)
		print_command(cli_commands[i], f);
	fputs(tail, f);
}
