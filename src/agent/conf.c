/* SPDX-License-Identifier: Apache-2.0 */
/* conf - see conf.h. One table: name, kind of value, place. */
#include "agent/conf.h"

#include "base/limits.h"
#include "base/log.h"

#include <ctype.h>
#include <errno.h>

enum conf_kind { CONF_FLAG, CONF_U32, CONF_STRING, CONF_LEVEL };

struct conf_key {
	const char *name; /* behind "agent." */
	enum conf_kind kind;
	size_t offset;
};

#define AT(member) offsetof(struct agent_conf, member)
static const struct conf_key conf_keys[] = {
	{ "log", CONF_LEVEL, AT(log_level) },
	{ "log_vport", CONF_U32, AT(log_port) },
	{ "server_addr", CONF_STRING, AT(server_addr) },
	{ "passfd_listener_port", CONF_U32, AT(stream_port) },
	{ "debug_console", CONF_FLAG, AT(debug_console) },
	{ "debug_console_vport", CONF_U32, AT(debug_console_port) },
	{ "container_pipe_size", CONF_U32, AT(pipe_size) },
	{ "devmode", CONF_FLAG, AT(devmode) },
};
#undef AT

void agent_conf_init(struct agent_conf *c)
{
	*c = (struct agent_conf){
		.server_addr = xasprintf("vsock://-1:%d", AGENT_RPC_PORT),
		.run_dir = xstrdup(AGENT_RUN_DIR),
		.log_level = LOG_LEVEL_INFO,
		.log_port = AGENT_LOG_PORT,
		.stream_port = AGENT_STREAM_PORT,
		.debug_console_port = AGENT_CONSOLE_PORT,
	};
}

void agent_conf_done(struct agent_conf *c)
{
	free(c->server_addr);
	free(c->run_dir);
	strv_done(&c->unknown);
	c->server_addr = c->run_dir = NULL;
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

/* One word of the command line; it is taken apart in place. */
static void conf_word(struct agent_conf *c, char *word)
{
	const char *name = str_skip_prefix(word, "agent.");
	char *eq = strchr(word, '=');
	int r = -ENOENT;

	if (!name)
		return;
	if (eq)
		*eq = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(conf_keys) && r == -ENOENT; i++)
		if (str_eq(name, conf_keys[i].name))
			r = conf_set(c, &conf_keys[i], eq ? eq + 1 : NULL);
	if (r >= 0 || c->unknown.n >= LIMIT_AGENT_UNKNOWN)
		return;
	if (r == -ENOENT)
		strv_addf(&c->unknown, "agent.%.64s is not known", name);
	else
		strv_addf(&c->unknown, "agent.%.64s: \"%.64s\" is not a valid value", name,
			  eq ? eq + 1 : "");
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
