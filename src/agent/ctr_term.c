/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_term - the pty of a container process.
 *
 * It comes from the container's own devpts, so that ttyname(3) works inside; the master goes to the
 * agent with the READY report. The container may have put anything where the multiplexer should be,
 * so what was opened is checked, and the slave is asked from the master rather than looked up by
 * name.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool is_multiplexer(int fd)
{
	struct stat st;
	struct statfs fs;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
	       fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC;
}

/* Looked at before it is opened, since opening a device can have effects; and after, since it may
 * have been swapped. */
static int open_multiplexer(const struct ctr_setup *s, struct error *e)
{
	static const char path[] = "/dev/pts/ptmx";
	autoclose int place = path_open_in_root(s->root, path, O_PATH, 0);
	autoclose int fd = -1;

	if (place < 0)
		return error_set(e, place, "terminal: the container's %s", path);
	if (is_multiplexer(place))
		fd = path_open_in_root(s->root, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
	if (fd == -1 || (fd >= 0 && !is_multiplexer(fd)))
		return error_plain(
			e, EINVAL,
			"terminal: the container's %s is not that of a devpts file system", path);
	if (fd < 0)
		return error_set(e, fd, "terminal: open the container's %s", path);
	fd_set_nonblock(fd, false);
	return take_fd(fd);
}

static int set_size(int fd, const Grpc__Box *size, struct error *e)
{
	struct winsize w = { 0 };

	if (!size || !size->height || !size->width)
		return 0;
	if (size->height > UINT16_MAX || size->width > UINT16_MAX)
		return error_plain(e, EINVAL, "terminal: a size of %ux%u is not possible",
				   size->width, size->height);
	w.ws_row = (unsigned short)size->height;
	w.ws_col = (unsigned short)size->width;
	return ioctl(fd, TIOCSWINSZ, &w) < 0 ? error_set(e, errno, "terminal: set the size") : 0;
}

int ctr_term_open(struct ctr_setup *s, struct error *e)
{
	int unlock = 0;

	if (!s->process->terminal)
		return 0;
	s->pty_master = open_multiplexer(s, e);
	if (s->pty_master < 0)
		return s->pty_master;
	if (ioctl(s->pty_master, TIOCSPTLCK, &unlock) < 0)
		return error_set(e, errno, "terminal: unlock");
	s->pty_slave = ioctl(s->pty_master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->pty_slave < 0)
		return error_set(e, errno, "terminal: open the slave");
	return set_size(s->pty_master, s->process->consolesize, e);
}

int ctr_term_bind_console(struct ctr_setup *s, struct error *e)
{
	autoclose int source = -1, target = -1;

	if (!s->process->terminal)
		return 0;
	source = mount_clone(s->pty_slave, "", false, e);
	target = source < 0 ? source : ctr_target(s->root, "/dev/console", false, NULL, e);
	if (target < 0 || mount_attach(source, target, e) < 0)
		return error_prefix(e, "console");
	return 0;
}

int ctr_term_attach(struct ctr_setup *s, struct error *e)
{
	if (!s->process->terminal)
		return 0;
	for (int i = 0; i < 3; i++) {
		if (dup2(s->pty_slave, i) < 0)
			return error_set(e, errno, "terminal: attach");
	}
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return error_set(e, errno, "terminal: make it the controlling one");
	s->pty_slave = fd_close(s->pty_slave);
	return 0;
}
