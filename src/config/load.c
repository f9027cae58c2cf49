/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - finds the files, reads all of them, picks the engine, then applies one after the other.
 *
 * All files are parsed before any value is used, because a drop-in may choose the engine. A later
 * file wins key by key; lists are replaced, not joined. What a later file sets right gives no
 * warning. Files are read as they are: nothing is included, no variable is expanded.
 */
#include "config/internal.h"
#include "config/value.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "wire/toml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

struct source {
	const char *file; /* one of config.files */
	struct toml *root;
};

struct load {
	struct config *c;
	struct source src[LIMIT_CONFIG_FILES];
	size_t n;
};

/* A table that is being applied. */
struct place {
	struct config *c;
	const char *file;
	enum config_section section;
};

static void load_done(struct load *l)
{
	for (size_t i = 0; i < l->n; i++)
		toml_free(l->src[i].root);
}
DEFINE_AUTODONE(load, load_done);

/* ---- values ---- */

static int apply_value(const struct place *p, const struct config_key *k, const struct toml *v,
		       struct error *e)
{
	struct config_origin *o = &p->c->origins[config_key_index(k)];
	char name[CONFIG_KEY_NAME_MAX];
	int r = config_value_check(k, v, e);

	config_key_name(k, p->c->hypervisor.name, name);
	if (r < 0) {
		error_prefix(e, "%s:%u:%u: %s", p->file, v->line, v->column, name);
		return r;
	}
	*o = (struct config_origin){ CONFIG_FROM_FILE, p->file, v->line, v->column };
	if (k->offset && config_value_works(k, v)) {
		config_value_store(p->c, k, v);
		return 0;
	}
	if (!k->offset && config_value_harmless(k, v)) {
		o->state = CONFIG_UNSET;
		return 0;
	}
	o->state = CONFIG_UNSUPPORTED;
	if (k->flags & CONFIG_NO_IGNORE)
		return error_plain(e, EOPNOTSUPP,
				   "%s:%u:%u: %s (%s) is not supported yet and must not be ignored",
				   p->file, v->line, v->column, name, k->help);
	return 0;
}

static void warn_unknown(const struct place *p, const char *what, const char *section,
			 const struct toml *v)
{
	config_warn(p->c, "%s:%u:%u: unknown %s %s%s%s has no effect", p->file, v->line, v->column,
		    what, section, *section ? "." : "", v->key);
}

static int apply_table(const struct place *p, const struct toml *table, struct error *e);

/* Tables inside sections. */
static const struct {
	enum config_section in, is;
	const char *key;
} subsections[] = {
	{ CONFIG_HYPERVISOR, CONFIG_FACTORY, "factory" },
	{ CONFIG_AGENT, CONFIG_MEM_AGENT, "mem_agent" },
};

static int apply_member(const struct place *p, const struct toml *v, struct error *e)
{
	const struct config_key *k = config_key_find(p->section, v->key);
	char name[CONFIG_KEY_NAME_MAX];

	if (k)
		return apply_value(p, k, v, e);
	for (size_t i = 0; i < ARRAY_SIZE(subsections); i++)
		if (subsections[i].in == p->section && str_eq(subsections[i].key, v->key)) {
			struct place sub = *p;

			sub.section = subsections[i].is;
			return apply_table(&sub, v, e);
		}
	warn_unknown(p, "key", config_section_name(p->section, p->c->hypervisor.name, name), v);
	return 0;
}

static int apply_table(const struct place *p, const struct toml *table, struct error *e)
{
	const struct toml *v;
	int r = 0;

	if (table->type != TOML_TABLE)
		return error_plain(e, EINVAL, "%s:%u:%u: %s must be a table, not %s", p->file,
				   table->line, table->column, table->key,
				   toml_type_name(table->type));
	toml_for_each(v, table) {
		r = apply_member(p, v, e);
		if (r < 0)
			break;
	}
	return r;
}

/* ---- sections ---- */

static bool has_driver(const char *engine)
{
	for (size_t i = 0; config_engines[i]; i++)
		if (str_eq(config_engines[i], engine))
			return true;
	return false;
}

/* [hypervisor.*]: the one in force is applied, others are named. */
static int apply_hypervisors(struct place *p, const struct toml *t, struct error *e)
{
	const char *engine = p->c->hypervisor.name;
	const struct toml *v;
	int r = 0;

	if (t->type != TOML_TABLE)
		return apply_table(p, t, e);
	toml_for_each(v, t) {
		if (v->type == TOML_TABLE && str_eq(v->key, engine))
			r = apply_table(p, v, e);
		else if (v->type == TOML_TABLE && config_engine_known(v->key))
			config_warn(p->c, "%s:%u:%u: [hypervisor.%s] has no effect: %s", p->file,
				    v->line, v->column, v->key,
				    has_driver(v->key) ? "another engine is in force"
						       : "this engine is not supported yet");
		else
			warn_unknown(p, v->type == TOML_TABLE ? "engine" : "key", "hypervisor", v);
		if (r < 0)
			break;
	}
	return r;
}

static int apply_agents(struct place *p, const struct toml *t, struct error *e)
{
	const struct toml *v;
	int r = 0;

	if (t->type != TOML_TABLE)
		return apply_table(p, t, e);
	toml_for_each(v, t) {
		if (str_eq(v->key, "kata"))
			r = apply_table(p, v, e);
		else
			warn_unknown(p, "key", "agent", v);
		if (r < 0)
			break;
	}
	return r;
}

static const struct {
	const char *key;
	enum config_section section;
	int (*apply)(struct place *p, const struct toml *t,
		     struct error *e); /* NULL: a plain section */
} tops[] = {
	{ "hypervisor", CONFIG_HYPERVISOR, apply_hypervisors },
	{ "agent", CONFIG_AGENT, apply_agents },
	{ "factory", CONFIG_FACTORY, NULL },
	{ "runtime", CONFIG_RUNTIME, NULL },
};

static int apply_top(struct place *p, const struct toml *t, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
		if (!str_eq(tops[i].key, t->key))
			continue;
		p->section = tops[i].section;
		return tops[i].apply ? tops[i].apply(p, t, e) : apply_table(p, t, e);
	}
	warn_unknown(p, t->type == TOML_TABLE ? "section" : "key", "", t);
	return 0;
}

static int apply_source(struct config *c, const struct source *s, struct error *e)
{
	struct place p = { .c = c, .file = s->file };
	const struct toml *t;
	int r = 0;

	toml_for_each(t, s->root) {
		r = apply_top(&p, t, e);
		if (r < 0)
			break;
	}
	return r;
}

/* ---- what needs all files ---- */

/* The last hypervisor_name that has a driver, or the first section that has one. */
static const char *choose_engine(const struct load *l)
{
	const char *named = NULL, *first = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct toml *name = toml_get(toml_get(l->src[i].root, "runtime"), "hypervisor"
											"_name");
		const struct toml *hv = toml_get(l->src[i].root, "hypervisor"), *v;

		if (name && name->type == TOML_STRING && has_driver(name->string))
			named = name->string;
		if (!hv || hv->type != TOML_TABLE)
			continue;
		toml_for_each(v, hv)
			if (!first && has_driver(v->key))
				first = v->key;
	}
	return named ? named : first ? first : config_engines[0];
}

/* Where only image is set, the built-in initrd gives way to it. */
static void prefer_image(struct config *c)
{
	const struct config_key *image = config_key_find(CONFIG_HYPERVISOR, "image");
	const struct config_key *initrd = config_key_find(CONFIG_HYPERVISOR, "initrd");

	if (c->hypervisor.image && c->origins[config_key_index(image)].state == CONFIG_FROM_FILE &&
	    c->origins[config_key_index(initrd)].state == CONFIG_UNSET)
		config_value_done(c, initrd);
}

static void warn_unsupported(struct config *c)
{
	char name[CONFIG_KEY_NAME_MAX];

	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *k = &config_keys[i];
		const struct config_origin *o = &c->origins[i];

		if (o->state != CONFIG_UNSUPPORTED)
			continue;
		config_key_name(k, c->hypervisor.name, name);
		if (k->offset) {
			autofree char *list = config_choices_text(k->works);

			config_warn(c,
				    "%s:%u:%u: this value of %s is not supported yet (only %s) and "
				    "has no effect",
				    o->file, o->line, o->column, name, list);
		} else {
			config_warn(c, "%s:%u:%u: %s (%s) is not supported yet and has no effect",
				    o->file, o->line, o->column, name, k->help);
		}
	}
}

static int apply_all(struct load *l, struct error *e)
{
	struct config *c = l->c;
	int r = 0;

	free(c->hypervisor.name);
	c->hypervisor.name = xstrdup(choose_engine(l));
	for (size_t i = 0; i < l->n && r == 0; i++)
		r = apply_source(c, &l->src[i], e);
	if (r < 0)
		return r;
	prefer_image(c);
	warn_unsupported(c);
	r = config_settle(c, e);
	if (r < 0 && c->path)
		error_prefix(e, "%s", c->path);
	return r;
}

/* ---- files ---- */

static int add_text(struct load *l, const char *text, size_t len, const char *origin,
		    struct error *e)
{
	struct toml *root = NULL;
	int r;

	if (l->n == LIMIT_CONFIG_FILES)
		return error_plain(e, E2BIG, "%s: more than %d configuration files", origin,
				   LIMIT_CONFIG_FILES);
	r = toml_parse(text, len, origin, &root, e);
	if (r < 0)
		return r;
	strv_add(&l->c->files, origin);
	l->src[l->n++] = (struct source){ l->c->files.v[l->c->files.n - 1], root };
	return 0;
}

static int add_file(struct load *l, const char *file, struct error *e)
{
	autofree char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, file, LIMIT_CONFIG_TOML, &text, &len);

	if (r < 0)
		return error_set(e, r, "configuration %s", file);
	return add_text(l, text, len, file, e);
}

static int is_toml(const struct dirent *d)
{
	return d->d_name[0] != '.' && str_ends_with(d->d_name, ".toml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* config.d/NAME.toml beside @file. */
static int add_drop_ins(struct load *l, const char *file, struct error *e)
{
	autofree char *dir = xasprintf("%.*sconfig.d", (int)(path_base(file) - file), file);
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_toml, by_name);
	int r = 0;

	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_set(e, errno, "configuration %s", dir);
	for (int i = 0; i < n; i++) {
		if (r == 0) {
			autofree char *path = xasprintf("%s/%s", dir, names[i]->d_name);

			r = add_file(l, path, e);
		}
		free(names[i]);
	}
	free(names);
	return r;
}

static bool missing(const char *file)
{
	autoclose int fd = open(file, O_PATH | O_CLOEXEC);

	return fd < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* The file to read, or NULL. */
static const char *find_file(const char *const named[3], const char *const *places)
{
	for (size_t i = 0; i < 3; i++)
		if (!str_empty(named[i]))
			return named[i];
	for (; *places; places++)
		if (!missing(*places))
			return *places;
	return NULL;
}

int config_load_from(const char *const named[3], const char *const *places, struct config **ret,
		     struct error *e)
{
	const char *file = find_file(named, places);
	autodone(load) l = { .n = 0 };
	autoptr(config) c = NULL;
	int r = config_new(&c, e);

	if (r < 0)
		return r;
	l.c = c;
	if (file) {
		c->path = xstrdup(file);
		r = add_file(&l, file, e);
		if (r == 0)
			r = add_drop_ins(&l, file, e);
	}
	if (r == 0)
		r = apply_all(&l, e);
	if (r < 0)
		return r;
	*ret = take_ptr(c);
	return 0;
}

int config_load_text(const char *text, size_t len, const char *origin, struct config **ret,
		     struct error *e)
{
	autodone(load) l = { .n = 0 };
	autoptr(config) c = NULL;
	int r = config_new(&c, e);

	if (r < 0)
		return r;
	l.c = c;
	r = add_text(&l, text, len, origin, e);
	if (r == 0)
		r = apply_all(&l, e);
	if (r < 0)
		return r;
	*ret = take_ptr(c);
	return 0;
}

int config_load(const char *path, const char *option_path, struct config **ret, struct error *e)
{
	static const char *const places[] = { "/etc/caisson/configuration.toml",
					      "/usr/share/defaults/caisson/configuration.toml",
					      "/etc/kata-containers/configuration.toml", NULL };
	const char *const named[3] = { path, option_path, getenv("CAISSON_CONF_FILE") };

	return config_load_from(named, places, ret, e);
}
