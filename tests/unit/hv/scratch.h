/* SPDX-License-Identifier: Apache-2.0 */
/* scratch - a temporary directory for one test, and small files in it. */
#pragma once

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static inline char *scratch_new(void)
{
	char *dir = xstrdup("/tmp/caisson-hv-XXXXXX");

	if (!mkdtemp(dir))
		abort();
	return dir;
}

static inline void scratch_free(char **dir)
{
	path_remove_tree_at(AT_FDCWD, *dir);
	free(*dir);
}
#define autoscratch cleanup(scratch_free) char *

/* The path of @name in @dir, with this text. Owned. */
static inline char *scratch_file(const char *dir, const char *name, const void *p, size_t n)
{
	char *path = xasprintf("%s/%s", dir, name);

	if (file_replace_at(AT_FDCWD, path, p, n, 0644) < 0)
		abort();
	return path;
}

/* The content, or NULL. Owned. */
static inline char *scratch_read(const char *dir, const char *name)
{
	autofree char *path = xasprintf("%s/%s", dir, name);
	char *text = NULL;

	return file_read_at(AT_FDCWD, path, (size_t)256 << 20, &text, NULL) < 0 ? NULL : text;
}
