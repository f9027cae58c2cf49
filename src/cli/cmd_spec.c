/* SPDX-License-Identifier: Apache-2.0 */
/* spec - writes a config.json to start from. */
#include "cli/cli.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct spec_options {
	const char *bundle, *file;
	bool rootless;
};

#define OPT(...) CLI_OPT(spec_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("bundle", 'b', ARG_STRING, bundle, "DIR",
	    "where to write it (default: the working directory)"),
	OPT("file", 'f', ARG_STRING, file, "NAME", "name of the file (default config.json)"),
	OPT("rootless", 0, ARG_BOOL, rootless, NULL,
	    "with a user namespace that maps the caller to root"),
};

static int write_new(const char *path, const char *text, struct error *e)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int r;

	if (fd < 0 && errno == EEXIST)
		return error_plain(e, EEXIST, "File %s exists. Remove it first", path);
	if (fd < 0)
		return error_set(e, errno, "create %s", path);
	r = fd_write_full(fd, text, strlen(text));
	if (r < 0) {
		unlink(path);
		return error_set(e, r, "write %s", path);
	}
	return 0;
}

static int cmd_spec(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct spec_options *o = opts;
	autofree char *json = oci_default_config(o->rootless);
	autofree char *path = xasprintf("%s%s%s", o->bundle ? o->bundle : "", o->bundle ? "/" : "",
					o->file ? o->file : "config.json");
	autofree char *text = xasprintf("%s\n", json);

	return write_new(path, text, e);
}

const struct cli_command command_spec = {
	.name = "spec",
	.operands = "",
	.summary = "write a config.json to start from",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct spec_options),
	.run = cmd_spec,
};
