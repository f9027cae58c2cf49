/* SPDX-License-Identifier: Apache-2.0 */
/* kmod - see kmod.h. */
#include "sys/kmod.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE 4
#endif

char *kmod_dir(void)
{
	struct utsname u;

	uname(&u);
	return xasprintf("/lib/modules/%s", u.release);
}

int kmod_load_file(const char *path, const char *params, struct error *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	int flags = str_ends_with(path, ".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE;

	if (fd < 0)
		return error_set(e, errno, "module %s", path);
	if (syscall(SYS_finit_module, fd, params ? params : "", flags) < 0 && errno != EEXIST)
		return error_set(e, errno, "load module %s", path);
	return 0;
}

/* "kernel/net/vsock-x.ko.xz" is the module "vsock_x". */
static bool names_module(const char *path, size_t len, const char *name)
{
	const char *base = memrchr(path, '/', len);
	size_t i = 0;

	if (base)
		len -= (size_t)(++base - path);
	else
		base = path;
	for (; i < len && base[i] != '.' && name[i]; i++) {
		char a = base[i] == '-' ? '_' : base[i];
		char b = name[i] == '-' ? '_' : name[i];

		if (a != b)
			return false;
	}
	return !name[i] && i < len && base[i] == '.';
}

static bool is_builtin(const char *dir, const char *name)
{
	autofree char *path = xasprintf("%s/modules.builtin", dir);
	autofree char *text = NULL;
	char *save = NULL;

	if (file_read_at(AT_FDCWD, path, LIMIT_MODULES_DEP, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (names_module(line, strlen(line), name))
			return true;
	}
	return false;
}

/* The line "file: dependency dependency ..." of the module, split; what it needs first comes last.
 */
static bool find_dependencies(char *dep, const char *name, struct strv *ret)
{
	char *save = NULL;

	for (char *line = strtok_r(dep, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len = strcspn(line, ":");

		if (line[len] != ':' || !names_module(line, len, name))
			continue;
		strv_split(ret, line, ": ");
		return true;
	}
	return false;
}

int kmod_load(const char *dir, const char *name, const char *params, struct error *e)
{
	autofree char *index = xasprintf("%s/modules.dep", dir);
	autofree char *dep = NULL;
	autodone(strv) files = STRV_INIT;
	int r;

	r = id_check(name, "module name", e);
	if (r < 0)
		return r;
	if (is_builtin(dir, name))
		return 0;
	r = file_read_at(AT_FDCWD, index, LIMIT_MODULES_DEP, &dep, NULL);
	if (r < 0)
		return error_set(e, r, "module %s: %s", name, index);
	if (!find_dependencies(dep, name, &files))
		return error_plain(e, ENOENT, "module %s is not in %s", name, dir);
	for (size_t i = files.n; i-- > 0;) {
		autofree char *path = xasprintf("%s/%s", dir, files.v[i]);

		r = kmod_load_file(path, i == 0 ? params : NULL, e);
		if (r < 0)
			return r;
	}
	return 0;
}
