/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-caisson-v2 - the owner of one sandbox.
 *
 * Called the way containerd calls its shims (runtime v2): `start` leaves a daemon that serves the
 * Task service and prints its address; `delete` cleans up after one that died; -info says what the
 * runtime can. The caisson command line calls it the same way, without -address and with -config.
 * Whatever goes wrong is one line on stderr and status 1; nothing else is ever printed.
 */
#include "shim/shim.h"

#include "base/args.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/timeline.h"

#include <errno.h>
#include <unistd.h>

#define OPT(name, type, field, meta, help)                                      \
	{                                                                       \
		name, 0, type, offsetof(struct shim_options, field), meta, help \
	}

static const struct arg_option options[] = {
	OPT("namespace", ARG_STRING, ns, "NS", "containerd namespace of the sandbox"),
	OPT("id", ARG_STRING, id, "ID", "id of the sandbox"),
	OPT("address", ARG_STRING, address, "ADDR", "containerd's own socket"),
	OPT("publish-binary", ARG_STRING, publish_binary, "PATH", "program that publishes events"),
	OPT("bundle", ARG_STRING, bundle, "DIR",
	    "bundle of the first container (default: the working directory)"),
	OPT("socket", ARG_STRING, socket, "PATH", "where to serve the Task service"),
	OPT("config", ARG_STRING, config, "FILE", "configuration.toml to use"),
	OPT("info", ARG_BOOL, info, NULL,
	    "print what the runtime is and can, as a protobuf message"),
	OPT("debug", ARG_BOOL, debug, NULL, "log more"),
	OPT("began", ARG_STRING, began, "US",
	    "CLOCK_MONOTONIC when the caller began, for the timeline"),
	{ "version", 'v', ARG_BOOL, offsetof(struct shim_options, version), NULL,
	  "print the version" },
	{ "help", 'h', ARG_BOOL, offsetof(struct shim_options, help), NULL, "print this help" },
};

static const struct arg_spec spec = { .options = options,
				      .n = ARRAY_SIZE(options),
				      .single_dash = true };

static const struct {
	const char *name;
	int (*run)(const struct shim_options *o, struct error *e);
} actions[] = {
	{ "start", shim_start },
	{ "delete", shim_delete },
};

static int usage(void)
{
	printf("usage: containerd-shim-caisson-v2 -namespace NS -id ID [options] "
	       "start|delete\n\noptions:\n");
	args_print_options(&spec, stdout);
	return 0;
}

static int check(struct shim_options *o, struct error *e)
{
	int r = id_check(o->id, "sandbox id", e);
	uint64_t began;

	if (r == 0)
		r = id_check(o->ns, "namespace", e);
	if (r < 0 || !o->began)
		return r;
	if (str_to_u64(o->began, 10, &began) < 0 || !began || began > (uint64_t)o->began_us)
		return error_plain(e, EINVAL, "-began %s is no time that has passed", o->began);
	o->began_us = (int64_t)began;
	return 0;
}

static int run_action(struct shim_options *o, const char *name, struct error *e)
{
	int r = check(o, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (str_eq(actions[i].name, name))
			return actions[i].run(o, e);
	return error_plain(e, EINVAL, "unknown action \"%s\" (start or delete)", name);
}

int shim_read_stdin(char **ret, size_t *ret_len, struct error *e)
{
	int r;

	*ret_len = 0;
	if (isatty(STDIN_FILENO))
		return 0;
	r = fd_read_all(STDIN_FILENO, LIMIT_SHIM_STDIN, ret, ret_len);
	/* Closed: nothing was said. */
	return r < 0 && r != -EBADF ? error_set(e, r, "read stdin") : 0;
}

/* The action named behind the options, or the one that an option is. */
static int run(struct shim_options *o, int argc, char **argv, int first, struct error *e)
{
	if (o->info)
		return shim_info(o, e);
	if (first != argc - 1)
		return error_plain(e, EINVAL, "give one action: start or delete (see --help)");
	return run_action(o, argv[first], e);
}

int main(int argc, char **argv)
{
	struct shim_options o = { .ns = "default", .bundle = ".", .began_us = timeline_now() };
	struct error e = ERROR_INIT;
	int first = args_parse(&spec, argc, argv, &o, &e);
	int r = first;

	/* containerd reads stdout and stderr as one answer: no warnings. */
	log_init("containerd-shim-caisson-v2", STDERR_FILENO, LOG_FORMAT_BARE,
		 shim_for_engine(&o) ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN);
	if (first >= 0 && o.help)
		return usage();
	if (first >= 0 && o.version) {
		printf("containerd-shim-caisson-v2:\n  Version: %s\n", CAISSON_VERSION);
		return 0;
	}
	if (first >= 0)
		r = run(&o, argc, argv, first, &e);
	if (r < 0)
		log_error("%s", error_text(&e));
	return r < 0 ? 1 : 0;
}
