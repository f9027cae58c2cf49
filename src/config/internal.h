/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what the files of config/ share: origins, warnings, and loading from given places,
 * which the tests and the fuzz target use too.
 */
#pragma once

#include "config/keys.h"

struct toml;

enum config_state {
	CONFIG_UNSET, /* the default of the table */
	CONFIG_FROM_FILE,
	CONFIG_FROM_ANNOTATION,
	CONFIG_UNSUPPORTED, /* a file set it to something that has no effect yet */
};

struct config_origin {
	enum config_state state;
	const char *file; /* one of config.files */
	unsigned line, column;
};

/* Adds one printable line; beyond LIMIT_CONFIG_WARNINGS only that there are more. */
void config_warn(struct config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The built-in defaults. */
int config_new(struct config **ret, struct error *e);
/* Puts values into their final form (CPUs of the host, the daemon that is installed) and checks
 * what concerns several keys. May be called again. */
int config_settle(struct config *c, struct error *e);

/* config_load with @env in place of $CAISSON_CONF_FILE and the NULL-terminated @places in place of
 * the usual ones. */
int config_load_from(const char *const named[3], const char *const *places, struct config **ret,
		     struct error *e);
/* One text as if it were the only file. */
int config_load_text(const char *text, size_t len, const char *origin, struct config **ret,
		     struct error *e);

/* "default", "FILE:LINE", "annotation". Owned. */
char *config_origin_text(const struct config *c, const struct config_key *k);
