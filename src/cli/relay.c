/* SPDX-License-Identifier: Apache-2.0 */
/* relay - see relay.h. */
#include "cli/relay.h"

#include "base/fd.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SPLICE_MAX MIB(1)
#define COPY_MAX KIB(64)
#define COPY_TERMINAL KIB(4)
#define COPY_CAREFUL 256
#define PTMX_MAJOR \
	5 /* Documentation/admin-guide/devices.txt: /dev/ptmx opens another terminal each time */
#define PTMX_MINOR 2

/* Puts a description of our own, which does not block, behind @fd. */
static bool open_anew(int fd)
{
	int access = fcntl(fd, F_GETFL);
	char path[32];
	int own;

	if (access < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, (access & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return false;
	access = dup3(own, fd, O_CLOEXEC);
	fd_close(own);
	return access >= 0;
}

static void look_at_terminal(struct relay *r, int fd, const struct stat *st)
{
	bool master = st->st_rdev == makedev(PTMX_MAJOR, PTMX_MINOR);

	r->size = COPY_TERMINAL;
	if (!master && open_anew(fd))
		return;
	r->careful = !r->to_guest;
	r->size = r->careful ? COPY_CAREFUL : COPY_TERMINAL;
}

void relay_open(struct relay *r, int inherited, int stream, bool to_guest)
{
	struct stat st = { 0 };
	bool known = fstat(inherited, &st) == 0;

	*r = (struct relay){ .to_guest = to_guest, .size = COPY_MAX };
	r->from = to_guest ? inherited : stream;
	r->to = to_guest ? stream : inherited;
	r->splice = known && S_ISFIFO(st.st_mode);
	*(to_guest ? &r->to_socket : &r->from_socket) = true;
	*(to_guest ? &r->from_socket : &r->to_socket) = known && S_ISSOCK(st.st_mode);
	if (known && S_ISCHR(st.st_mode) && isatty(inherited) == 1)
		look_at_terminal(r, inherited, &st);
}

void relay_close(struct relay *r)
{
	if (r->from < 0)
		return;
	if (r->to_guest)
		shutdown(r->to, SHUT_WR);
	r->from = fd_close(r->from);
	r->to = fd_close(r->to);
	free(take_ptr(r->copy));
}

void relay_poll(const struct relay *r, struct pollfd *in, struct pollfd *out)
{
	/* An input that waits for its output would keep poll from sleeping. A process that closes
	 * its stdin shows at the output without asking for anything. */
	*in = (struct pollfd){ .fd = r->wait_out ? -1 : r->from, .events = POLLIN };
	*out = (struct pollfd){ .fd = r->wait_out || r->to_guest ? r->to : -1,
				.events = r->wait_out ? POLLOUT : 0 };
}

/* > 0: moved, 0: end of the input, -EAGAIN: one of the ends is not ready, other: broken. */
static ssize_t move_spliced(struct relay *r)
{
	ssize_t n =
		splice(r->from, NULL, r->to, NULL, SPLICE_MAX, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n >= 0 || errno != EINVAL)
		return n < 0 ? -errno : n;
	/* A peer that the kernel cannot splice. */
	r->splice = false;
	return -EINTR;
}

static ssize_t fill(struct relay *r)
{
	ssize_t n = r->from_socket ? recv(r->from, r->copy, r->size, MSG_DONTWAIT)
				   : read(r->from, r->copy, r->size);

	/* A terminal whose other side has gone reads as EIO. */
	if (n <= 0)
		return n < 0 && errno != EIO ? -errno : 0;
	r->start = 0;
	r->end = (size_t)n;
	return n;
}

static ssize_t flush(struct relay *r)
{
	const char *p = r->copy + r->start;
	size_t len = r->end - r->start;
	ssize_t n = r->to_socket ? send(r->to, p, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				 : write(r->to, p, len);

	if (n < 0)
		return -errno;
	r->start += (size_t)n;
	return n;
}

static ssize_t move_copied(struct relay *r)
{
	if (!r->copy)
		r->copy = xcalloc(1, r->size);
	if (r->start == r->end) {
		ssize_t n = fill(r);

		if (n <= 0)
			return n;
		if (r->careful)
			return -EAGAIN;
	}
	return flush(r);
}

bool relay_move(struct relay *r, const struct pollfd *in, const struct pollfd *out)
{
	ssize_t n;

	if (r->from < 0 || (!in->revents && !out->revents))
		return false;
	if (r->to_guest && !r->wait_out && (out->revents & (POLLERR | POLLHUP))) {
		relay_close(r);
		return false;
	}
	n = r->splice ? move_spliced(r) : move_copied(r);
	if (n == -EINTR)
		return false;
	if (n <= 0 && n != -EAGAIN) {
		relay_close(r);
		return false;
	}
	/* What is left of a piece needs the output. Else, that a splice cannot go on does not say
	 * which end is not ready: after the input the output is waited for, and after that the
	 * input again. */
	r->wait_out = r->start < r->end || (n == -EAGAIN && !r->wait_out);
	return n > 0;
}
