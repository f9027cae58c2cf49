/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-agent - the program: process 1 of a guest, with --service a service of a guest that has
 * an init of its own, or with --address an agent on an ordinary machine, which is how it is tested.
 */
#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/exe.h"

#include "base/args.h"
#include "base/log.h"
#include "base/timeline.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Small arenas: what one large request needed goes back to the system after it. */
static void tune_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, 64 << 10);
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
	mallopt(M_TOP_PAD, 16 << 10);
}

static int run(const struct agent_conf *conf, const struct marks *init, struct error *e)
{
	struct agent a = { .init = init };
	int r;

	if (init)
		a.marks = *init;
	tune_memory();
	signal(SIGPIPE, SIG_IGN);
	/* Executed by its descriptor it would be called after that. */
	prctl(PR_SET_NAME, "caisson-agent");
	/* Not dumpable: containers cannot look into the children that set them up. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_set(e, errno, "prctl");
	r = agent_init(&a, conf, e);
	if (r >= 0)
		r = agent_run(&a, e);
	agent_done(&a);
	return r;
}

/* In a guest: the environment counts most, then a file, then the kernel's command line. */
static int conf_from_guest(struct agent_conf *conf, struct error *e)
{
	autofree char *cmdline = NULL;
	int r = boot_cmdline(&cmdline, e);

	if (r < 0)
		return r;
	agent_conf_parse_cmdline(conf, cmdline);
	if (conf->config_file)
		r = agent_conf_load_file(conf, conf->config_file, e);
	agent_conf_apply_env(conf);
	return r;
}

static void main_init(void)
{
	autodone(agent_conf) conf;
	struct error e = ERROR_INIT;
	struct marks marks = { 0 };
	int64_t began = timeline_now();
	int r;

	marks_add(&marks, 0, "the agent starts");
	agent_conf_init(&conf);
	r = boot_prepare(&e);
	marks_add(&marks, began, "mounts and devices");
	if (r >= 0)
		r = conf_from_guest(&conf, &e);
	if (r >= 0)
		r = run(&conf, &marks, &e);
	boot_power_off(r < 0 ? e.text : "the sandbox has ended");
}

struct options {
	const char *address, *run_dir, *log_level, *policy, *config;
	bool service, help, version;
};

static const struct arg_option option_table[] = {
	{ "address", 'a', ARG_STRING, offsetof(struct options, address), "URL",
	  "listen on unix://PATH or vsock://CID:PORT" },
	{ "service", 's', ARG_BOOL, offsetof(struct options, service), NULL,
	  "a service of a guest: settings come from the kernel's command line" },
	{ "config", 'c', ARG_STRING, offsetof(struct options, config), "FILE",
	  "a TOML file of settings" },
	{ "policy", 'p', ARG_STRING, offsetof(struct options, policy), "FILE",
	  "the policy in force from the start (" POLICY_FILE ")" },
	{ "run-dir", 'r', ARG_STRING, offsetof(struct options, run_dir), "DIR",
	  "bundles and mounts (" AGENT_RUN_DIR ")" },
	{ "log-level", 'l', ARG_STRING, offsetof(struct options, log_level), "LEVEL",
	  "error, warn, info or debug" },
	{ "help", 'h', ARG_BOOL, offsetof(struct options, help), NULL, "show this text" },
	{ "version", 'v', ARG_BOOL, offsetof(struct options, version), NULL, "show the version" },
};

static void replace(char **field, const char *value)
{
	if (!value)
		return;
	free(*field);
	*field = xstrdup(value);
}

static int conf_from_options(struct agent_conf *conf, const struct options *o, struct error *e)
{
	int r = o->service ? conf_from_guest(conf, e) : 0;

	if (!o->address && !o->service)
		return error_plain(e, EINVAL,
				   "not process 1 of a guest: --address or --service is needed");
	if (r == 0 && o->config)
		r = agent_conf_load_file(conf, o->config, e);
	if (r < 0)
		return r;
	replace(&conf->server_addr, o->address);
	replace(&conf->run_dir, o->run_dir);
	replace(&conf->policy_file, o->policy);
	if (o->log_level)
		conf->log_level = log_level_parse(o->log_level);
	if (conf->log_level < 0)
		return error_plain(e, EINVAL, "--log-level %s: not a level", o->log_level);
	return 0;
}

static int main_options(int argc, char **argv)
{
	static const struct arg_spec spec = { .options = option_table,
					      .n = ARRAY_SIZE(option_table) };
	autodone(agent_conf) conf;
	struct options o = { 0 };
	struct error e = ERROR_INIT;
	int r = args_parse(&spec, argc, argv, &o, &e);

	agent_conf_init(&conf);
	if (r >= 0 && o.help) {
		printf("Usage: caisson-agent --address URL | --service [option...]\n");
		args_print_options(&spec, stdout);
		return 0;
	}
	if (r >= 0 && o.version) {
		printf("caisson-agent %s\n", CAISSON_VERSION);
		return 0;
	}
	if (r >= 0 && r < argc)
		r = error_plain(&e, EINVAL, "unexpected argument \"%s\"", argv[r]);
	if (r >= 0)
		r = exe_protect(argv, &e);
	if (r >= 0)
		r = conf_from_options(&conf, &o, &e);
	if (r >= 0)
		r = run(&conf, NULL, &e);
	if (r < 0)
		fprintf(stderr, "caisson-agent: %s\n", e.text);
	return r < 0;
}

int main(int argc, char **argv)
{
	if (getpid() == 1)
		main_init();
	return main_options(argc, argv);
}
