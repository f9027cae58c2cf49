/* SPDX-License-Identifier: Apache-2.0 */
/* conf - see conf.h. One table: name, kind of value, place. */
#include "agent/conf.h"

#include "agent/policy.h"

#include "wire/toml.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum conf_kind { CONF_FLAG, CONF_U32, CONF_STRING, CONF_LEVEL };

struct conf_key {
	const char *name; /* behind "agent." */
	enum conf_kind kind;
	size_t offset;
	const char *file_name; /* in the TOML file; NULL: the same */
};

#define AT(member) offsetof(struct agent_conf, member)
static const struct conf_key conf_keys[] = {
	{ "log", CONF_LEVEL, AT(log_level), "log_level" },
	{ "log_vport", CONF_U32, AT(log_port) },
	{ "server_addr", CONF_STRING, AT(server_addr) },
	{ "passfd_listener_port", CONF_U32, AT(stream_port) },
	{ "debug_console", CONF_FLAG, AT(debug_console) },
	{ "debug_console_vport", CONF_U32, AT(debug_console_port) },
	{ "container_pipe_size", CONF_U32, AT(pipe_size) },
	{ "devmode", CONF_FLAG, AT(devmode) },
	{ "hotplug_timeout", CONF_U32, AT(hotplug_timeout_s) },
	{ "idle_reclaim", CONF_U32, AT(idle_reclaim_s) },
	{ "template", CONF_FLAG, AT(template) },
	{ "config_file", CONF_STRING, AT(config_file) },
};
#undef AT

/* Settings of the protocol's other agents for what this one does not do: said, unless they are
 * switched off anyway. A name that ends in '*' stands for all that begin so. */
static const struct {
	const char *name, *why;
} not_done[] = {
	{ "trace", "this agent does not trace" },
	{ "tracing", "this agent does not trace" },
	{ "mem_agent_*", "there is no mem-agent" },
	{ "cdi_timeout", "there are no CDI devices" },
	{ "visible_cdi_devices", "there are no CDI devices" },
	{ "cdh_api_timeout", "there are no confidential parts" },
	{ "launch_process_timeout", "there are no confidential parts" },
	{ "guest_components_*", "there are no confidential parts" },
	{ "secure_*", "there are no confidential parts" },
	{ "image_*", "the guest pulls no images" },
	{ "enable_signature_verification", "the guest pulls no images" },
	{ "https_proxy", "the guest pulls no images" },
	{ "no_proxy", "the guest pulls no images" },
};

void agent_conf_init(struct agent_conf *c)
{
	*c = (struct agent_conf){
		.server_addr = xasprintf("vsock://-1:%d", AGENT_RPC_PORT),
		.run_dir = xstrdup(AGENT_RUN_DIR),
		.policy_file = xstrdup(POLICY_FILE),
		.log_level = LOG_LEVEL_INFO,
		.log_port = AGENT_LOG_PORT,
		.stream_port = AGENT_STREAM_PORT,
		.debug_console_port = AGENT_CONSOLE_PORT,
		.hotplug_timeout_s = AGENT_HOTPLUG_S,
		.idle_reclaim_s = 30,
	};
}

void agent_conf_done(struct agent_conf *c)
{
	free(c->server_addr);
	free(c->run_dir);
	free(c->policy_file);
	free(c->config_file);
	strv_done(&c->unknown);
	c->server_addr = c->run_dir = c->policy_file = c->config_file = NULL;
}

/* The protocol's names for levels, beside those of base/log. */
static int parse_level(const char *s)
{
	static const struct {
		const char *name;
		int level;
	} more[] = {
		{ "critical", LOG_LEVEL_ERROR },
		{ "fatal", LOG_LEVEL_ERROR },
		{ "panic", LOG_LEVEL_ERROR },
		{ "trace", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (str_eq(s, more[i].name))
			return more[i].level;
	return log_level_parse(s);
}

static int parse_flag(const char *value, bool *ret)
{
	if (!value || str_eq(value, "true") || str_eq(value, "1"))
		*ret = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

/* @value is NULL where the setting had no '='. */
static int conf_set(struct agent_conf *c, const struct conf_key *k, const char *value)
{
	void *at = (char *)c + k->offset;
	int r;

	if (k->kind == CONF_FLAG)
		return parse_flag(value, at);
	if (str_empty(value))
		return -EINVAL;
	switch (k->kind) {
	case CONF_U32:
		return str_to_u32(value, 10, at);
	case CONF_LEVEL:
		r = parse_level(value);
		if (r >= 0)
			*(int *)at = r;
		return r;
	default:
		free(*(char **)at);
		*(char **)at = xstrdup(value);
		return 0;
	}
}

static bool name_matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	return pattern[n - 1] == '*' ? strncmp(pattern, name, n - 1) == 0 : str_eq(pattern, name);
}

/* A setting that has no place here. */
static void conf_unknown(struct agent_conf *c, const char *name, const char *value)
{
	bool on = true;

	for (size_t i = 0; i < ARRAY_SIZE(not_done); i++) {
		if (!name_matches(not_done[i].name, name))
			continue;
		if (parse_flag(value, &on) < 0 || on)
			strv_addf(&c->unknown, "agent.%.64s has no effect: %s", name,
				  not_done[i].why);
		return;
	}
	strv_addf(&c->unknown, "agent.%.64s is not known", name);
}

/* @value is NULL where there was none. -ENOENT: nobody knows the name; else the value is bad. Both
 * are kept for a warning. */
static int conf_apply(struct agent_conf *c, const char *name, const char *value, bool file)
{
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(conf_keys) && r == -ENOENT; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (str_eq(name, file && k->file_name ? k->file_name : k->name))
			r = conf_set(c, k, value);
	}
	if (r >= 0 || c->unknown.n >= LIMIT_AGENT_UNKNOWN)
		return r;
	if (r == -ENOENT)
		conf_unknown(c, name, value);
	else
		strv_addf(&c->unknown, "agent.%.64s: \"%.64s\" is not a valid value", name,
			  value ? value : "");
	return r;
}

/* One word of the command line; it is taken apart in place. */
static void conf_word(struct agent_conf *c, char *word)
{
	const char *name = str_skip_prefix(word, "agent.");
	char *eq = strchr(word, '=');

	if (!name)
		return;
	if (eq)
		*eq++ = '\0';
	conf_apply(c, name, eq, false);
}

/* Cuts the next word off at @p; double quotes keep blanks together and are removed, as the kernel
 * does. NULL at the end. */
static char *next_word(char **p)
{
	char *s = *p, *word, *out;
	bool quoted = false;

	while (isspace((unsigned char)*s))
		s++;
	if (!*s)
		return NULL;
	for (word = out = s; *s && (quoted || !isspace((unsigned char)*s)); s++) {
		if (*s == '"')
			quoted = !quoted;
		else
			*out++ = *s;
	}
	*p = *s ? s + 1 : s;
	*out = '\0';
	return word;
}

void agent_conf_parse_cmdline(struct agent_conf *c, const char *text)
{
	autofree char *copy = xstrdup(text);
	char *p = copy, *word;

	while ((word = next_word(&p))) {
		if (str_eq(word, "--")) /* what follows is for init's argv */
			return;
		conf_word(c, word);
	}
}

/* NULL for what no setting can have. */
static const char *value_text(const struct toml *t, char tmp[32])
{
	switch (t->type) {
	case TOML_STRING:
		return t->string;
	case TOML_BOOL:
		return t->boolean ? "true" : "false";
	case TOML_INT:
		snprintf(tmp, 32, "%lld", (long long)t->integer);
		return tmp;
	default:
		return NULL;
	}
}

int agent_conf_load_file(struct agent_conf *c, const char *path, struct error *e)
{
	autofree char *text = NULL;
	autoptr(toml) root = NULL;
	const struct toml *t;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, LIMIT_CONFIG_TOML, &text, &len);

	if (r < 0)
		return error_set(e, r, "agent configuration %s", path);
	r = toml_parse(text, len, path, &root, e);
	if (r < 0)
		return r;
	toml_for_each(t, root) {
		char tmp[32];
		const char *value = value_text(t, tmp);

		r = conf_apply(c, t->key, value, true);
		if (r < 0 && r != -ENOENT)
			return error_plain(e, r, "%s:%u: %.64s has no valid value", path, t->line,
					   t->key);
	}
	return 0;
}

static void replace(char **field, const char *value)
{
	if (str_empty(value))
		return;
	free(*field);
	*field = xstrdup(value);
}

void agent_conf_apply_env(struct agent_conf *c)
{
	const char *level = getenv("KATA_AGENT_LOG_LEVEL");

	replace(&c->server_addr, getenv("KATA_AGENT_SERVER_ADDR"));
	replace(&c->policy_file, getenv(POLICY_FILE_ENV));
	if (!str_empty(level))
		conf_apply(c, "log", level, false);
}
