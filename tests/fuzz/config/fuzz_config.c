/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file, and annotations on it. Input: the file's text, then NUL-separated
 * annotation names and values in turn. What loads must print, and what was printed must load to the
 * same without a warning.
 */
#include "config/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *print(const struct config *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		abort();
	config_print_toml(c, f);
	if (fclose(f) != 0)
		abort();
	return text;
}

static void annotate(struct config *c, const char *p, const char *end)
{
	while (p < end) {
		const char *value = p + strlen(p) + 1;
		struct error e = ERROR_INIT;

		if (value >= end)
			return;
		if (config_annotate(c, p, value, &e) < 0 && !e.code)
			abort();
		p = value + strlen(value) + 1;
	}
}

static void read_back(const struct config *c)
{
	autofree char *text = print(c);
	autoptr(config) again = NULL;
	struct error e = ERROR_INIT;

	if (config_load_text(text, strlen(text), "again", &again, &e) < 0) {
		fprintf(stderr, "%s\n%s", e.text, text);
		abort();
	}
	if (again->warnings.n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = xcalloc(1, size + 1);
	autofree char *json = NULL;
	autoptr(config) c = NULL;
	struct error e = ERROR_INIT;
	size_t n;

	memcpy(text, data, size);
	n = strlen(text);
	if (config_load_text(text, n, "fuzz", &c, &e) < 0) {
		if (!e.code || !e.text[0] || c)
			abort();
		return 0;
	}
	if (n < size)
		annotate(c, text + n + 1, text + size);
	json = config_to_json(c);
	if (!json)
		abort();
	read_back(c);
	return 0;
}
