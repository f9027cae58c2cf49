/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args - command lines from tables.
 *
 * One table of options per command gives parsing, --help and the man page. Accepted forms: --name
 * value, --name=value, -n value, -nvalue, and, where the table says so, Go's single-dash long
 * options (-name value, -name=value). "--" ends the options.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct error;

enum arg_type {
	ARG_BOOL,    /* bool; --name, --name=true|false */
	ARG_STRING,  /* const char *: points into argv */
	ARG_STRINGS, /* struct strv: may be given again */
	ARG_INT,     /* int */
	ARG_U64,     /* uint64_t */
	ARG_SIGNAL,  /* int */
};

struct arg_option {
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	enum arg_type type;
	size_t offset;       /* into the command's struct of options */
	const char *metavar; /* NULL for bools */
	const char *help;    /* one line */
};

struct arg_spec {
	const struct arg_option *options;
	size_t n;
	bool single_dash;     /* Go style */
	bool stop_at_operand; /* options end at the first operand: global options before a command
			       */
};

/* Parses argv[1..argc): options into @out, operands into argv order. Returns the index of the first
 * operand after moving operands behind all options, or -errno with a reason that names the option.
 */
int args_parse(const struct arg_spec *spec, int argc, char **argv, void *out, struct error *e);
/* The options as indented help lines. */
void args_print_options(const struct arg_spec *spec, FILE *f);
