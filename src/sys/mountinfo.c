/* SPDX-License-Identifier: Apache-2.0 */
/* mountinfo - see mountinfo.h. */
#include "sys/mountinfo.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* "\040" is a blank; in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && s[1] < '4' && is_octal(s[2]) &&
		    is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static char *next_field(char **rest)
{
	char *f = strsep(rest, " ");

	return f && *f ? f : NULL;
}

static int take_device(char *text, struct mountinfo *m)
{
	char *colon = strchr(text, ':');

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (str_to_u32(text, 10, &m->major) < 0 || str_to_u32(colon + 1, 10, &m->minor) < 0)
		return -EINVAL;
	return 0;
}

/* Optional fields ("shared:1") up to a "-". */
static int skip_optional(char **rest)
{
	char *f;

	while ((f = next_field(rest)))
		if (str_eq(f, "-"))
			return 0;
	return -EINVAL;
}

int mountinfo_parse(char *line, struct mountinfo *ret)
{
	char *f[6], *rest = line;
	struct mountinfo m;

	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = next_field(&rest);
		if (!f[i])
			return -EINVAL;
	}
	if (str_to_u32(f[0], 10, &m.id) < 0 || str_to_u32(f[1], 10, &m.parent) < 0 ||
	    take_device(f[2], &m) < 0 || skip_optional(&rest) < 0)
		return -EINVAL;
	m.root = f[3];
	m.point = f[4];
	m.options = f[5];
	m.type = next_field(&rest);
	m.source = rest ? strsep(&rest, " ") : NULL; /* may be empty */
	m.super = rest;
	if (!m.type || !m.source || !m.super)
		return -EINVAL;
	unescape(m.root);
	unescape(m.point);
	unescape(m.type);
	unescape(m.source);
	unescape(m.super);
	*ret = m;
	return 0;
}

int mountinfo_each(char *text, mountinfo_fn *fn, void *data)
{
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		struct mountinfo m;

		r = mountinfo_parse(line, &m);
		if (r == 0)
			r = fn(&m, data);
	}
	return r;
}

int mountinfo_read(mountinfo_fn *fn, void *data)
{
	autofree char *text = NULL;
	int r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", LIMIT_PROC_FILE, &text, NULL);

	return r < 0 ? r : mountinfo_each(text, fn, data);
}

bool swaps_have(char *text, const char *path)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);

	/* The first line is a heading. */
	while (line && (line = strtok_r(NULL, "\n", &save))) {
		line[strcspn(line, " \t")] = '\0';
		unescape(line);
		if (str_eq(line, path))
			return true;
	}
	return false;
}
