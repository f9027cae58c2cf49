/* SPDX-License-Identifier: Apache-2.0 */
/* caisson-devd - see devd.h. */
#include "devd/devd.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct devd_command *const commands[] = { &devd_vsock };

static void print_usage(FILE *f)
{
	fprintf(f, "Usage: caisson-devd DEVICE [OPTIONS]\n\n"
		   "Serves one virtio device to one VMM over vhost-user. Devices:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(f, "\n`caisson-devd DEVICE --help` lists the options of a device.\n");
}

static void print_help(const struct devd_command *c)
{
	printf("Usage: caisson-devd %s OPTIONS\n\n%c%s.\n\nOptions:\n", c->name,
	       c->summary[0] - 'a' + 'A', c->summary + 1);
	args_print_options(&c->spec, stdout);
}

static int run_command(const struct devd_command *c, int argc, char **argv)
{
	autofree void *options = xmemdup(c->defaults, c->options_size);
	const struct devd_options *o = options;
	struct error e = ERROR_INIT;
	int r = args_parse(&c->spec, argc, argv, options, &e);

	log_init("caisson-devd", o->log_fd, LOG_FORMAT_TEXT,
		 o->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (r >= 0 && r < argc)
		r = error_plain(&e, EINVAL, "unexpected argument \"%s\"", argv[r]);
	if (r >= 0 && o->help)
		print_help(c);
	else if (r >= 0 && o->version)
		printf("caisson-devd %s\n", CAISSON_VERSION);
	else if (r >= 0 && o->capabilities)
		printf("{\"type\":\"%s\"}\n", c->name);
	else if (r >= 0)
		r = devd_run(c, options, &e);
	if (r >= 0)
		return EXIT_SUCCESS;
	log_error("%s: %s", c->name, error_text(&e));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (str_eq(name, commands[i]->name))
			return run_command(commands[i], argc - 1, argv + 1);
	if (str_eq(name, "--help") || str_eq(name, "-h")) {
		print_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (str_eq(name, "--version")) {
		printf("caisson-devd %s\n", CAISSON_VERSION);
		return EXIT_SUCCESS;
	}
	if (*name)
		fprintf(stderr, "caisson-devd: unknown device \"%s\"\n", name);
	print_usage(stderr);
	return EXIT_FAILURE;
}
