/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - one value of the table: checked, stored, written out.
 *
 * A value arrives as a TOML value, whether it stood in a file, is a default of the table or was the
 * text of an annotation; config_value_check decides about all of them.
 */
#pragma once

#include "config/keys.h"

#include <stdbool.h>
#include <stdio.h>

struct json_writer;
struct toml;

/* Type, range, choices, control characters, regular expressions. -EINVAL or -ERANGE with a reason
 * that does not name the key. */
int config_value_check(const struct config_key *k, const struct toml *v, struct error *e);
/* False for a value that is not among .works. */
bool config_value_works(const struct config_key *k, const struct toml *v);
/* Whether a checked value is Kata's default (.def or .kata). */
bool config_value_harmless(const struct config_key *k, const struct toml *v);
/* Puts a checked value into its field; @k has an offset. */
void config_value_store(struct config *c, const struct config_key *k, const struct toml *v);

/* .def of the row; *ret (the caller's) holds the value as its only child. */
int config_value_default(const struct config_key *k, struct toml **ret, struct error *e);
/* The text of an annotation, by the type of the row; likewise. */
int config_value_from_text(const struct config_key *k, const char *text, struct toml **ret,
			   struct error *e);

/* The field of a row with an offset, as a TOML value and as a member of the JSON object that is
 * open. */
void config_value_print(const struct config *c, const struct config_key *k, FILE *f);
void config_value_json(const struct config *c, const struct config_key *k, struct json_writer *w);
/* Frees what the field holds. */
void config_value_done(struct config *c, const struct config_key *k);

/* As a TOML string in quotes. */
void config_print_string(FILE *f, const char *s);
