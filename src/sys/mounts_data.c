/* SPDX-License-Identifier: Apache-2.0 */
/* mounts_data - see mounts_data.h. */
#include "sys/mounts_data.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define DATA_MAX 4095 /* a page of every architecture, with the NUL */
#define LOWER "lowerdir="

bool mount_needs_data(const struct mount_opts *o)
{
	for (size_t i = 0; i < o->data.n; i++) {
		const char *value = strchr(o->data.v[i], '=');

		if (value && strlen(value + 1) > MOUNT_VALUE_MAX)
			return true;
	}
	return false;
}

/* How much of @a and @b is the same, up to and with a slash. */
static size_t common(const char *a, size_t n, const char *b)
{
	size_t last = 0;

	for (size_t i = 0; i < n && a[i] == b[i]; i++)
		if (a[i] == '/')
			last = i + 1;
	return last;
}

bool mount_shorten_layers(const char *layers, char **ret_dir, char **ret_layers)
{
	autodone(strv) all = STRV_INIT, out = STRV_INIT;
	size_t n;

	/* A colon in a name is escaped, and the name then stays as it is. */
	if (strchr(layers, '\\'))
		return false;
	strv_split(&all, layers, ":");
	if (!all.n)
		return false;
	n = common(all.v[0], strlen(all.v[0]), all.v[0]);
	for (size_t i = 1; i < all.n; i++)
		n = common(all.v[0], n, all.v[i]);
	if (n <= 1)
		return false;
	for (size_t i = 0; i < all.n; i++)
		strv_add(&out, all.v[i] + n);
	*ret_dir = xstrndup(all.v[0], n - 1);
	*ret_layers = strv_join(&out, ":");
	return true;
}

/* The options as one text; *ret_dir is where relative layers start, NULL: there are none. */
static char *data_of(const struct mount_opts *o, char **ret_dir)
{
	autodone(strv) short_ones = STRV_INIT;
	char *data = strv_join(&o->data, ",");

	if (strlen(data) <= DATA_MAX)
		return data;
	for (size_t i = 0; i < o->data.n; i++) {
		const char *layers = str_skip_prefix(o->data.v[i], LOWER);
		autofree char *shorter = NULL;

		if (layers && !*ret_dir && mount_shorten_layers(layers, ret_dir, &shorter))
			strv_addf(&short_ones, LOWER "%s", shorter);
		else
			strv_add(&short_ones, o->data.v[i]);
	}
	free(data);
	return strv_join(&short_ones, ",");
}

static int mount_from(const char *dir, const char *type, const char *source, const char *target,
		      const char *data, struct error *e)
{
	autoclose int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (back < 0)
		return error_set(e, errno, "open the working directory");
	if (dir && chdir(dir) < 0)
		return error_set(e, errno, "change to %s", dir);
	if (mount(source, target, type, 0, data) < 0)
		r = error_set(e, errno, "%s", type);
	if (dir && fchdir(back) < 0 && r == 0)
		r = error_set(e, errno, "change back from %s", dir);
	return r;
}

int mount_by_data(const char *type, const char *source, const char *target,
		  const struct mount_opts *o, struct error *e)
{
	autofree char *dir = NULL;
	autofree char *data = data_of(o, &dir);
	int fd, r;

	if (strlen(data) > DATA_MAX)
		return error_plain(e, E2BIG, "%s: %zu bytes of options are too long", type,
				   strlen(data));
	r = mount_from(dir, type, source, target, data, e);
	if (r < 0)
		return r;
	fd = open(target, O_PATH | O_CLOEXEC);
	return fd < 0 ? error_set(e, errno, "open %s", target) : fd;
}
