/* SPDX-License-Identifier: Apache-2.0 */
/* exe - see exe.h. */
#include "agent/exe.h"

#include "sys/mounts.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

static bool is_readonly(void)
{
	struct statvfs st;

	return statvfs(SELF, &st) == 0 && st.f_flag & ST_RDONLY;
}

int exe_protect(char *const *argv, struct error *e)
{
	autoclose int copy = -1;
	int r;

	if (is_readonly())
		return 0;
	copy = mount_clone(AT_FDCWD, SELF, false, e);
	r = copy < 0 ? copy : mount_set_readonly(copy, e);
	if (r < 0)
		return error_prefix(e, "protect the agent's own file");
	execveat(copy, "", argv, environ, AT_EMPTY_PATH);
	return error_set(e, errno, "execute the agent from a read-only mount");
}
