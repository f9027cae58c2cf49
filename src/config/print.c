/* SPDX-License-Identifier: Apache-2.0 */
/* print - the configuration in force, for people (TOML with remarks) and programs (JSON). */
#include "config/internal.h"
#include "config/value.h"

#include "base/buf.h"
#include "base/limits.h"
#include "wire/json.h"
#include "wire/utf8.h"

/* A file's name may hold anything but is shown on one line of valid text. Owned. */
static char *printable(char *s)
{
	str_make_printable(s);
	utf8_clean(s);
	return s;
}

char *config_origin_text(const struct config *c, const struct config_key *k)
{
	const struct config_origin *o = &c->origins[config_key_index(k)];

	switch (o->state) {
	case CONFIG_FROM_ANNOTATION:
		return xstrdup("annotation");
	case CONFIG_FROM_FILE:
		return printable(xasprintf("%s:%u", o->file, o->line));
	case CONFIG_UNSET:
	case CONFIG_UNSUPPORTED:
		break;
	}
	return xstrdup("default");
}

static void print_section(const struct config *c, enum config_section s, FILE *f)
{
	char name[CONFIG_KEY_NAME_MAX];

	fprintf(f, "\n[%s]\n", config_section_name(s, c->hypervisor.name, name));
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];
		autofree char *origin = NULL;

		if (k->section != s || !config_key_stored(k))
			continue;
		origin = config_origin_text(c, k);
		fprintf(f, "%s = ", k->key);
		config_value_print(c, k, f);
		fprintf(f, " # %s\n", origin);
	}
}

static const enum config_section printed[] = { CONFIG_HYPERVISOR, CONFIG_AGENT, CONFIG_RUNTIME };

void config_print_toml(const struct config *c, FILE *f)
{
	if (!c->files.n)
		fprintf(f, "# no configuration file: built-in defaults\n");
	for (size_t i = 0; i < c->files.n; i++) {
		autofree char *file = printable(xstrdup(c->files.v[i]));

		fprintf(f, "# file: %s\n", file);
	}
	for (size_t i = 0; i < c->warnings.n; i++)
		fprintf(f, "# warning: %s\n", c->warnings.v[i]);
	for (size_t i = 0; i < ARRAY_SIZE(printed); i++)
		print_section(c, printed[i], f);
}

static void json_section(const struct config *c, enum config_section s, const char *key,
			 struct json_writer *w)
{
	json_open_object(w, key);
	for (size_t i = 0; i < config_keys_n; i++)
		if (config_keys[i].section == s && config_key_stored(&config_keys[i]))
			config_value_json(c, &config_keys[i], w);
	json_close(w);
}

static void json_origins(const struct config *c, struct json_writer *w)
{
	char name[CONFIG_KEY_NAME_MAX];

	json_open_object(w, "origins");
	for (size_t i = 0; i < config_keys_n; i++) {
		autofree char *origin = NULL;

		if (!config_key_stored(&config_keys[i]))
			continue;
		origin = config_origin_text(c, &config_keys[i]);
		json_add_str(w, config_key_name(&config_keys[i], c->hypervisor.name, name), origin);
	}
	json_close(w);
}

char *config_to_json(const struct config *c)
{
	autodone(buf) b = BUF_INIT(LIMIT_CONFIG_ENV);
	struct json_writer w;

	json_writer_init(&w, &b, "  ");
	json_open_object(&w, NULL);
	json_add_strv(&w, "files", c->files.v, c->files.n);
	json_add_strv(&w, "warnings", c->warnings.v, c->warnings.n);
	json_open_object(&w, "hypervisor");
	json_section(c, CONFIG_HYPERVISOR, c->hypervisor.name, &w);
	json_close(&w);
	json_open_object(&w, "agent");
	json_section(c, CONFIG_AGENT, "kata", &w);
	json_close(&w);
	json_section(c, CONFIG_RUNTIME, "runtime", &w);
	json_origins(c, &w);
	json_close(&w);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}
