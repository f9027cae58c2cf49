/* SPDX-License-Identifier: Apache-2.0 */
/* args - see args.h. */
#include "base/args.h"

#include "base/error.h"

#include <errno.h>

static const struct arg_option *find_long(const struct arg_spec *spec, const char *name, size_t n)
{
	for (size_t i = 0; i < spec->n; i++) {
		const struct arg_option *o = &spec->options[i];

		if (o->name && strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	}
	return NULL;
}

static const struct arg_option *find_letter(const struct arg_spec *spec, char c)
{
	for (size_t i = 0; i < spec->n; i++)
		if (spec->options[i].letter == c)
			return &spec->options[i];
	return NULL;
}

static int set_bool(bool *to, const char *value)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!value || str_eq(value, yes[i])) {
			*to = true;
			return 0;
		}
		if (str_eq(value, no[i])) {
			*to = false;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_value(const struct arg_option *o, void *out, const char *value)
{
	void *to = (char *)out + o->offset;
	int sig;

	switch (o->type) {
	case ARG_BOOL:
		return set_bool(to, value);
	case ARG_STRING:
		*(const char **)to = value;
		return 0;
	case ARG_STRINGS:
		strv_add(to, value);
		return 0;
	case ARG_INT:
		return str_to_int(value, to);
	case ARG_U64:
		return str_to_u64(value, 10, to);
	case ARG_SIGNAL:
		sig = str_to_signal(value);
		if (sig > 0)
			*(int *)to = sig;
		return sig < 0 ? sig : 0;
	}
	return -EINVAL;
}

struct arg_parser {
	const struct arg_spec *spec;
	int argc, next;
	char **argv;
	void *out;
	struct error *e;
};

static int apply(struct arg_parser *p, const struct arg_option *o, const char *shown,
		 const char *value)
{
	if (!value && o->type != ARG_BOOL) {
		if (p->next >= p->argc)
			return error_plain(p->e, EINVAL, "option %s needs a value", shown);
		value = p->argv[p->next++];
	}
	if (set_value(o, p->out, value) < 0)
		return error_plain(p->e, EINVAL, "invalid value \"%s\" for option %s", value,
				   shown);
	return 0;
}

static int parse_long(struct arg_parser *p, const char *shown, const char *name)
{
	const char *eq = strchr(name, '=');
	const struct arg_option *o =
		find_long(p->spec, name, eq ? (size_t)(eq - name) : strlen(name));

	if (!o)
		return error_plain(p->e, EINVAL, "unknown option %s", shown);
	return apply(p, o, shown, eq ? eq + 1 : NULL);
}

/* -t, -it (letters of bools together), -pVALUE, -p VALUE */
static int parse_letters(struct arg_parser *p, const char *arg)
{
	int r;

	for (const char *c = arg + 1; *c; c++) {
		const struct arg_option *o = find_letter(p->spec, *c);

		if (!o)
			return error_plain(p->e, EINVAL, "unknown option %s", arg);
		if (o->type == ARG_BOOL) {
			r = apply(p, o, arg, NULL);
			if (r < 0)
				return r;
			continue;
		}
		return apply(p, o, arg, c[1] == '=' ? c + 2 : c[1] ? c + 1 : NULL);
	}
	return 0;
}

static int parse_option(struct arg_parser *p, const char *arg)
{
	const char *eq = strchr(arg, '=');
	size_t n;

	if (arg[1] == '-')
		return parse_long(p, arg, arg + 2);
	n = eq ? (size_t)(eq - arg - 1) : strlen(arg + 1);
	if (p->spec->single_dash && find_long(p->spec, arg + 1, n))
		return parse_long(p, arg, arg + 1);
	return parse_letters(p, arg);
}

/* Operands met among the options are collected and put back behind them, in order. */
int args_parse(const struct arg_spec *spec, int argc, char **argv, void *out, struct error *e)
{
	struct arg_parser p = {
		.spec = spec, .argc = argc, .next = 1, .argv = argv, .out = out, .e = e
	};
	autofree char **operands = xnew_array(char *, (size_t)MAX(argc, 1));
	int n = 0, first;

	while (p.next < argc) {
		char *arg = argv[p.next];
		int r;

		if (arg[0] == '-' && arg[1] && !str_eq(arg, "--")) {
			p.next++;
			r = parse_option(&p, arg);
			if (r < 0)
				return r;
			continue;
		}
		if (str_eq(arg, "--"))
			p.next++;
		else if (!spec->stop_at_operand) {
			operands[n++] = argv[p.next++];
			continue;
		}
		while (p.next < argc)
			operands[n++] = argv[p.next++];
	}
	first = argc - n;
	if (n)
		memcpy(argv + first, operands, (size_t)n * sizeof(*operands));
	return first;
}

void args_print_options(const struct arg_spec *spec, FILE *f)
{
	for (size_t i = 0; i < spec->n; i++) {
		const struct arg_option *o = &spec->options[i];
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->metavar ? " " : "",
			 o->metavar ? o->metavar : "");
		fprintf(f, "  %-32s %s\n", left, o->help);
	}
}
