/* SPDX-License-Identifier: Apache-2.0 */
/* A container's passwd and group files: "user\ngroup\n", then passwd up to a NUL, then group. */
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/users.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void remove_dir(void)
{
	static const char *const files[] = { "etc/passwd", "etc/group" };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(fd, files[i], 0);
	unlinkat(fd, "etc", AT_REMOVEDIR);
	close(fd);
	rmdir(dir);
}

/* The root directory of all runs. */
static int root_fd(void)
{
	static int fd = -1;

	if (fd >= 0)
		return fd;
	strcpy(dir, "/tmp/caisson-fuzz-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	atexit(remove_dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || mkdirat(fd, "etc", 0755) < 0)
		abort();
	return fd;
}

static void put(const char *name, const void *p, size_t n)
{
	int fd = openat(root_fd(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || fd_write_full(fd, p, n) < 0)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = xstrndup((const char *)data, size);
	char *group = strchr(text, '\n'), *passwd = group ? strchr(group + 1, '\n') : NULL;
	autodone(user) u = USER_INIT;
	autofree char *home = NULL;
	size_t used = strlen(text);
	char *extra[1];

	if (!passwd)
		return 0;
	*group++ = '\0';
	*passwd++ = '\0';
	put("etc/passwd", passwd, strlen(passwd));
	put("etc/group", used < size ? (const char *)data + used + 1 : "",
	    used < size ? size - used - 1 : 0);
	extra[0] = group;
	if (user_resolve(root_fd(), text, group, extra, 1, &u, NULL) < 0 && (u.groups || u.home))
		abort();
	home = user_home(root_fd(), u.uid);
	return 0;
}
