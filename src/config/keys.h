/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - the one table of configuration keys, and look-ups in it. See config.h for what a row
 * without an offset means.
 */
#pragma once

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_KEY_NAME_MAX 160 /* bytes of a full key or annotation name */

enum config_type {
	CONFIG_BOOL,   /* bool */
	CONFIG_INT,    /* uint32_t, after .scale */
	CONFIG_U64,    /* uint64_t */
	CONFIG_FLOAT,  /* double; integers are taken too */
	CONFIG_STRING, /* char *, NULL for "" */
	CONFIG_PATH,   /* char *: absolute or "" */
	CONFIG_LIST,   /* struct strv */
	CONFIG_TABLES, /* an array of tables: never stored */
};

enum config_section {
	CONFIG_HYPERVISOR, /* [hypervisor.NAME] */
	CONFIG_FACTORY,    /* [factory], [hypervisor.NAME.factory] */
	CONFIG_AGENT,      /* [agent.kata] */
	CONFIG_MEM_AGENT,  /* [agent.kata.mem_agent] */
	CONFIG_RUNTIME,    /* [runtime] */
	CONFIG_SECTIONS,
};

enum {
	CONFIG_ALIAS = 1 << 0,     /* another spelling of a row with the same offset: no default */
	CONFIG_ANNOTATED = 1 << 1, /* an annotation of the same name exists */
	CONFIG_NO_IGNORE = 1 << 2, /* not supported, and must be refused where it is set */
	CONFIG_FILE_ONLY = 1 << 3, /* the annotation exists and is never accepted */
	CONFIG_APPEND = 1 << 4,    /* the annotation adds words to the value */
	CONFIG_POWER_OF_2 = 1 << 5,
	CONFIG_REGEXES = 1 << 6,     /* a list of regular expressions */
	CONFIG_OPTION_WORD = 1 << 7, /* from an annotation: only [A-Za-z0-9_.,=+-] */
};

struct config_key {
	enum config_section section;
	const char *key; /* NULL: only the annotation exists */
	enum config_type type;
	unsigned flags;  /* CONFIG_* */
	size_t offset;   /* into struct config; 0: not supported yet */
	const char *def; /* as TOML: our default; where there is no offset, Kata's */
	const char
		*kata; /* Kata's default where it differs; where there is no offset, a second one */
	const char *annotation; /* its name where that differs from the key */
	const char *choices;    /* all values that Kata knows: "a|b|c"; NULL: any */
	const char *works;      /* the values that Caisson can serve, likewise; NULL: all */
	int64_t min, max;       /* numbers; both 0: 0 .. UINT32_MAX */
	uint32_t scale;         /* CONFIG_INT: stored = value * scale; 0: 1 */
	size_t globs; /* offset of the strv that restricts the annotation's value; 0: none */
	const char *globs_key; /* the key of that list */
	char separator; /* CONFIG_LIST: between elements in the annotation; 0: not accepted there */
	const char *help; /* sentences without markup; where there is no offset, a short phrase */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_n;

/* The engines with a driver, the preferred one first; NULL-terminated. */
extern const char *const config_engines[];
bool config_engine_known(const char *name);

/* NULL if there is none. */
const struct config_key *config_key_find(enum config_section s, const char *key);
/* By the annotation's whole name. */
const struct config_key *config_key_by_annotation(const char *annotation);
/* "runtime.enable_debug"; [hypervisor.NAME] with the name given. Written to @buf
 * (CONFIG_KEY_NAME_MAX), which is returned. */
const char *config_key_name(const struct config_key *k, const char *engine, char *buf);
/* "io.katacontainers.config.runtime.experimental" to @buf (CONFIG_KEY_NAME_MAX); NULL if the key
 * has none. */
const char *config_key_annotation(const struct config_key *k, char *buf);
/* "a|b|c" as "a, b, c", an empty one as '""'. Owned. */
char *config_choices_text(const char *choices);
/* "hypervisor.NAME" to @buf. */
const char *config_section_name(enum config_section s, const char *engine, char *buf);

static inline size_t config_key_index(const struct config_key *k)
{
	return (size_t)(k - config_keys);
}

/* Has a value in struct config of its own. */
static inline bool config_key_stored(const struct config_key *k)
{
	return k->offset && !(k->flags & CONFIG_ALIAS);
}
