/* SPDX-License-Identifier: Apache-2.0 */
/*
 * annotate - values from a container's annotations. They come from whoever may start a container,
 * so each passes the gate first: the names that enable_annotations allows (hypervisor keys only, as
 * in Kata), files that the valid_* lists allow, and no text that would become part of a host
 * program's options.
 */
#include "config/internal.h"
#include "config/value.h"

#include "wire/toml.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>

#define PREFIX "io.katacontainers.config."

static bool matches(const char *pattern, const char *name)
{
	regex_t re;
	bool found;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	found = regexec(&re, name, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

static int check_enabled(const struct config *c, const char *annotation, struct error *e)
{
	const struct config_hypervisor *h = &c->hypervisor;
	const char *name = str_skip_prefix(annotation, PREFIX "hypervisor.");

	if (!name)
		return 0;
	for (size_t i = 0; i < h->enable_annotations.n; i++)
		if (matches(h->enable_annotations.v[i], name))
			return 0;
	return error_plain(e, EPERM,
			   "annotation %s is not enabled (hypervisor.%s.enable_annotations%s%s)",
			   annotation, h->name, c->path ? " of " : "", c->path ? c->path : "");
}

/* A path with "..", "." or "//" could leave the directory that a pattern names. */
static bool plain_path(const char *s)
{
	for (const char *p = strchr(s, '/'); p; p = strchr(p + 1, '/')) {
		size_t n = strcspn(p + 1, "/");

		if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
			return false;
	}
	return true;
}

static int check_globs(const struct config *c, const struct config_key *k, const char *path,
		       struct error *e)
{
	const struct strv *globs = (const void *)((const char *)c + k->globs);

	if (!k->globs)
		return 0;
	for (size_t i = 0; i < globs->n && plain_path(path); i++)
		if (fnmatch(globs->v[i], path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return 0;
	return error_plain(e, EPERM, "\"%s\" is not among hypervisor.%s.%s", path,
			   c->hypervisor.name, k->globs_key);
}

static int check_option_word(const struct config_key *k, const char *s, struct error *e)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234567"
				      "89_.,=+-";

	if (!(k->flags & CONFIG_OPTION_WORD) || !s[strspn(s, allowed)])
		return 0;
	return error_plain(e, EINVAL, "may hold letters, digits and _ . , = + - only");
}

static int append_words(const struct config *c, const struct config_key *k, struct toml *v,
			struct error *e)
{
	const char *old = *(char *const *)((const char *)c + k->offset);
	char *joined;

	if (!(k->flags & CONFIG_APPEND) || !old)
		return 0;
	joined = xasprintf("%s %s", old, v->string);
	free(v->string);
	v->string = joined;
	return config_value_check(k, v, e);
}

/* Checks all there is to check of a supported key's value and leaves in @v what is to be stored. */
static int admit(const struct config *c, const struct config_key *k, struct toml *v,
		 struct error *e)
{
	int r = 0;

	if (k->type == CONFIG_PATH && !k->globs && !v->string[0])
		return error_plain(e, EINVAL, "must not be empty");
	if (v->type == TOML_STRING) {
		r = check_globs(c, k, v->string, e);
		if (r == 0)
			r = check_option_word(k, v->string, e);
		if (r == 0)
			r = append_words(c, k, v, e);
	}
	return r;
}

/* The other one of image and initrd gives way. */
static void exclude(struct config *c, const struct config_key *k)
{
	static const char *const pair[] = { "image", "initrd" };

	for (size_t i = 0; i < 2; i++)
		if (k->section == CONFIG_HYPERVISOR && str_eq(k->key, pair[i]))
			config_value_done(c, config_key_find(CONFIG_HYPERVISOR, pair[1 - i]));
}

static int unsupported(struct config *c, const struct config_key *k, const char *annotation,
		       struct error *e)
{
	if (k->flags & CONFIG_NO_IGNORE)
		return error_plain(e, EOPNOTSUPP,
				   "(%s) is not supported yet and must not be ignored", k->help);
	if (k->offset) {
		autofree char *list = config_choices_text(k->works);

		config_warn(c,
			    "annotation %s: this value is not supported yet (only %s) and has no "
			    "effect",
			    annotation, list);
	} else {
		config_warn(c, "annotation %s (%s) is not supported yet and has no effect",
			    annotation, k->help);
	}
	return 0;
}

static int apply(struct config *c, const struct config_key *k, const char *annotation,
		 const char *text, struct error *e)
{
	autoptr(toml) t = NULL;
	int r = config_value_from_text(k, text, &t, e);

	if (r == 0)
		r = config_value_check(k, t->child, e);
	if (r < 0)
		return r;
	if (!k->offset && config_value_harmless(k, t->child))
		return 0;
	if (!k->offset || !config_value_works(k, t->child))
		return unsupported(c, k, annotation, e);
	r = admit(c, k, t->child, e);
	if (r < 0)
		return r;
	if (t->child->type == TOML_STRING && t->child->string[0])
		exclude(c, k);
	config_value_store(c, k, t->child);
	c->origins[config_key_index(k)] = (struct config_origin){ .state = CONFIG_FROM_ANNOTATION };
	return config_settle(c, e);
}

int config_annotate(struct config *c, const char *key, const char *value, struct error *e)
{
	const struct config_key *k;
	int r;

	k = config_key_by_annotation(key);
	if (!k && !str_skip_prefix(key, PREFIX))
		return 0;
	r = check_enabled(c, key, e);
	if (r < 0)
		return r;
	if (!k) {
		config_warn(c, "unknown annotation %s has no effect", key);
		return error_plain(e, ENOENT, "unknown annotation %s", key);
	}
	if (k->flags & CONFIG_FILE_ONLY)
		return error_plain(e, EPERM,
				   "annotation %s is never accepted: set it in configuration.toml",
				   key);
	r = apply(c, k, key, value, e);
	if (r < 0)
		error_prefix(e, "annotation %s", key);
	return r;
}
