/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-config-docs - prints one of the documents that are made from the table of configuration
 * keys. Used by the build and by whoever changes the table; not installed.
 */
#include "config/config.h"

#include <stdio.h>

static const struct {
	const char *name;
	void (*print)(FILE *f);
} documents[] = {
	{ "template", config_print_template },
	{ "man", config_print_man },
	{ "markdown", config_print_markdown },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
		if (argc == 2 && str_eq(documents[i].name, argv[1])) {
			documents[i].print(stdout);
			return fflush(stdout) == 0 ? 0 : 1;
		}
	fprintf(stderr, "usage: caisson-config-docs template|man|markdown\n");
	return 2;
}
