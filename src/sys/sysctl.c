/* SPDX-License-Identifier: Apache-2.0 */
/* sysctl - see sysctl.h. */
#include "sys/sysctl.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* sysctl(8): a dot inside a name is written as a slash when dots separate, and the other way round.
 */
static char *to_path(const char *name)
{
	char *path = xstrdup(name);
	char separator = path[strcspn(path, "./")];

	if (separator != '.')
		return path;
	for (char *p = path; *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	return path;
}

int sysctl_set(int procfd, const char *name, const char *value, struct error *e)
{
	autofree char *path = to_path(name);
	autoclose int sys = openat(procfd, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int fd = -1;
	ssize_t n;

	if (sys < 0)
		return error_set(e, errno, "sysctl: open /proc/sys");
	fd = path_open_in_root(sys, path, O_WRONLY, 0);
	if (fd < 0)
		return error_set(e, fd, "sysctl %.128s", name);
	n = write(fd, value, strlen(value));
	return n < 0 ? error_set(e, errno, "sysctl %.128s = \"%.64s\"", name, value) : 0;
}
