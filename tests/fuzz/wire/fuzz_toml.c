/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is accepted is a tree that hangs together; whatever is refused has a reason. */
#include "base/error.h"
#include "base/limits.h"
#include "wire/toml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns the number of values; aborts where the tree is wrong. */
static size_t check_tree(const struct toml *t, unsigned depth)
{
	const struct toml *m;
	size_t n = 1, members = 0;

	if (depth > LIMIT_TOML_DEPTH || !t->line || !t->column ||
	    (t->type == TOML_STRING && !t->string))
		abort();
	if (t->type != TOML_TABLE && t->type != TOML_ARRAY)
		return 1;
	toml_for_each(m, t) {
		if ((m->key != NULL) != (t->type == TOML_TABLE))
			abort();
		if (m->key && toml_get(t, m->key) != m) /* else it is there twice */
			abort();
		n += check_tree(m, depth + 1);
		members++;
	}
	if (members != t->count)
		abort();
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoptr(toml) t = NULL;
	struct error e = ERROR_INIT;

	if (toml_parse((const char *)data, size, "fuzz", &t, &e) < 0) {
		if (t || !*e.text)
			abort();
		return 0;
	}
	if (check_tree(t, 0) > LIMIT_TOML_VALUES)
		abort();
	return 0;
}
