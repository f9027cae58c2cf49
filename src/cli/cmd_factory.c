/* SPDX-License-Identifier: Apache-2.0 */
/*
 * factory - the templates that sandboxes are copied from ([factory] of the configuration): made,
 * looked at, removed.
 *
 * Sandboxes make them by themselves when they are missing; `init` does so beforehand, or anew after
 * `destroy`.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "hv/template.h"
#include "wire/json.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

struct factory_options {
	const char *tenant;
	bool json, all;
};

#define OPT(...) CLI_OPT(factory_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("tenant", 't', ARG_STRING, tenant, "NAME",
	    "whose template: the containerd namespace (" CLI_NAMESPACE ")"),
	OPT("all", 'a', ARG_BOOL, all, NULL, "destroy: of all tenants"),
	OPT("json", 0, ARG_BOOL, json, NULL, "status: as JSON"),
};

struct factory {
	const struct factory_options *o;
	struct config *config;
	const struct hv_ops *ops;
	struct hv_settings settings;
	char *dir; /* of the template */
	struct loop *loop;
	struct error error;
};

static void factory_done(struct factory *f)
{
	loop_free(f->loop);
	free(f->dir);
	hv_settings_done(&f->settings);
	config_free(f->config);
}
DEFINE_AUTODONE(factory, factory_done);

static int factory_load(const struct cli *c, struct factory *f, struct error *e)
{
	struct hv_probe probe;
	int r = config_load(c->config, NULL, &f->config, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < f->config->warnings.n; i++)
		log_warn("%s", f->config->warnings.v[i]);
	f->ops = hv_driver(f->config->hypervisor.name);
	if (!f->ops)
		return error_plain(e, EOPNOTSUPP, "hypervisor \"%s\" is not supported",
				   f->config->hypervisor.name);
	hv_probe_host(&probe);
	hv_settings_init_template(&f->settings, f->config, &probe);
	f->dir = template_dir(f->config->factory.template_path, f->o->tenant, f->ops,
			      &f->settings.cfg, e);
	return f->dir ? 0 : e->code;
}

/* --- init --- */

static void built(void *data, const struct error *e)
{
	struct factory *f = data;

	error_copy(&f->error, e);
	loop_quit(f->loop, 0);
}

/* What is mounted for the guest goes with us, whatever becomes of us. */
static int leave_mounts(struct error *e)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_set(e, errno, "make a mount namespace (templates need root)");
	return 0;
}

static int build(struct factory *f, struct error *e)
{
	autoptr(template_build) b = NULL;
	int r = leave_mounts(e);

	if (r < 0)
		return r;
	f->loop = loop_new();
	if (!f->loop)
		return error_set(e, errno, "event loop");
	f->settings.cfg.uid = f->settings.cfg.gid = hv_jail_uid(f->config);
	b = template_build_new(f->dir, f->ops, &f->settings.cfg,
			       f->config->agent.reconnect_timeout_ms, f->loop, built, f, e);
	if (!b)
		return e->code;
	r = loop_run(f->loop);
	return r < 0 ? error_set(e, r, "event loop") : error_copy(e, &f->error);
}

static int factory_init(struct factory *f, struct error *e)
{
	int64_t began = loop_now_ms();
	struct template_info info;
	int r = template_check(f->dir, &info, NULL);

	if (r == 0) {
		printf("the template of %s is there: %s\n", f->o->tenant, f->dir);
		return 0;
	}
	r = build(f, e);
	if (r == 0)
		r = template_check(f->dir, &info, e);
	if (r < 0)
		return r;
	printf("made the template of %s in %lld ms: %s (%llu MiB)\n", f->o->tenant,
	       (long long)(loop_now_ms() - began), f->dir, (unsigned long long)info.memory >> 20);
	return 0;
}

/* --- status, destroy --- */

static int status_json(const struct factory *f, const struct template_info *info, const char *state)
{
	autodone(buf) b = BUF_INIT(64 << 10);
	struct json_writer w;

	json_writer_init(&w, &b, "  ");
	json_open_object(&w, NULL);
	json_add_str(&w, "tenant", f->o->tenant);
	json_add_bool(&w, "enabled", f->config->factory.enable_template);
	json_add_str(&w, "state", state);
	json_add_str(&w, "path", f->dir);
	json_add_u64(&w, "memory_bytes", info->memory);
	json_add_u64(&w, "state_bytes", info->state);
	json_add_u64(&w, "built", info->built);
	json_close(&w);
	if (json_writer_end(&w) < 0)
		return -ENOBUFS;
	printf("%s\n", buf_str(&b));
	return 0;
}

static int factory_status(struct factory *f, struct error *e)
{
	struct template_info info = { 0 };
	struct error why = ERROR_INIT;
	int r = template_check(f->dir, &info, &why);
	const char *state = r == 0 ? "ready" : r == -ENOENT ? "none" : "damaged";

	if (f->o->json)
		return status_json(f, &info, state);
	printf("templates: %s (factory.enable_template)\n",
	       f->config->factory.enable_template ? "used" : "not used");
	if (r == 0)
		printf("%s: ready, %llu MiB of memory: %s\n", f->o->tenant,
		       (unsigned long long)info.memory >> 20, f->dir);
	else
		printf("%s: %s\n", f->o->tenant,
		       r == -ENOENT ? "none that fits the configuration" : error_text(&why));
	return 0;
}

static int factory_destroy(struct factory *f, struct error *e)
{
	return template_remove(f->config->factory.template_path, f->o->all ? NULL : f->o->tenant,
			       e);
}

static const struct {
	const char *name;
	int (*run)(struct factory *f, struct error *e);
} verbs[] = {
	{ "init", factory_init },
	{ "status", factory_status },
	{ "destroy", factory_destroy },
};

static int cmd_factory(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	struct factory_options *o = opts;
	autodone(factory) f = { .o = o };
	int r;

	if (!o->tenant)
		o->tenant = CLI_NAMESPACE;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!str_eq(args[0], verbs[i].name))
			continue;
		r = factory_load(c, &f, e);
		return r < 0 ? r : verbs[i].run(&f, e);
	}
	return error_plain(e, EINVAL, "factory %.32s: init, status or destroy", args[0]);
}

const struct cli_command command_factory = {
	.name = "factory",
	.operands = "init|status|destroy",
	.summary = "make, show or remove the template that guests are copied from",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct factory_options),
	.min = 1,
	.max = 1,
	.run = cmd_factory,
};
