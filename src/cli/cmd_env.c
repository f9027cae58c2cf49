/* SPDX-License-Identifier: Apache-2.0 */
/* env - the configuration in force: every key with its value and where that came from. */
#include "cli/cli.h"

#include "config/config.h"

#include <errno.h>

struct env_options {
	bool json;
};

#define OPT(...) CLI_OPT(env_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("json", 0, ARG_BOOL, json, NULL, "as JSON, with files, warnings and origins"),
};

static int cmd_env(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct env_options *o = opts;
	autoptr(config) cfg = NULL;
	autofree char *json = NULL;
	int r = config_load(c->config, NULL, &cfg, e);

	if (r < 0)
		return r;
	if (!o->json) {
		config_print_toml(cfg, stdout);
		return 0;
	}
	json = config_to_json(cfg);
	if (!json)
		return error_plain(e, EFBIG, "the configuration is too large to print");
	printf("%s\n", json);
	return 0;
}

const struct cli_command command_env = {
	.name = "env",
	.operands = "",
	.summary = "print the configuration in force and where each value comes from",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct env_options),
	.run = cmd_env,
};
