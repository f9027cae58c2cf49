/* SPDX-License-Identifier: Apache-2.0 */
/* fd - see fd.h. */
#include "base/fd.h"

#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int fd_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

static int fd_change_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);

	if (flags < 0)
		return -errno;
	if (fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0)
		return -errno;
	return 0;
}

int fd_set_nonblock(int fd, bool on)
{
	return fd_change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on)
{
	return fd_change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

static int fd_wait(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int fd_write_full(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n) {
		ssize_t r = write(fd, c, n);

		if (r >= 0) {
			c += r;
			n -= (size_t)r;
		} else if (errno == EAGAIN) {
			int w = fd_wait(fd, POLLOUT);

			if (w < 0)
				return w;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, (char *)p + got, n - got);

		if (r == 0)
			break;
		if (r > 0) {
			got += (size_t)r;
		} else if (errno == EAGAIN) {
			int w = fd_wait(fd, POLLIN);

			if (w < 0)
				return w;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return (ssize_t)got;
}

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_len)
{
	size_t cap = 4096, len = 0;
	autofree char *p = NULL;

	for (;;) {
		char *q = realloc(p, cap + 1);
		ssize_t r;

		if (!q)
			return -ENOMEM;
		p = q;
		r = fd_read_full(fd, p + len, cap - len);
		if (r < 0)
			return (int)r;
		len += (size_t)r;
		if (len > max)
			return -EFBIG;
		if (len < cap)
			break;
		cap = MIN(cap * 2, max + 1);
	}
	p[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret = take_ptr(p);
	return 0;
}

int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	/* The size the file says is not looked at: each file of sysfs claims a page. */
	return fd < 0 ? -errno : fd_read_all(fd, max, ret, ret_len);
}

int file_write_at(int dirfd, const char *path, const char *text)
{
	autoclose int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t r;

	if (fd < 0)
		return -errno;
	do
		r = write(fd, text, strlen(text));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == strlen(text) ? 0 : -EIO;
}

int file_replace_at(int dirfd, const char *path, const void *p, size_t n, mode_t mode)
{
	autofree char *tmp = xasprintf("%s.tmp%d", path, (int)getpid());
	autoclose int fd =
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, p, n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r;
}

/*
 * Fills @sa for @path. sun_path holds 107 bytes; a longer path is named through a descriptor of its
 * directory, which *dirfd receives and which must stay open until the call is made.
 */
#define COPY_CHUNK ((off_t)4 << 20)

static int pwrite_full(int fd, const char *p, size_t n, off_t at)
{
	while (n) {
		ssize_t done = pwrite(fd, p, n, at);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
			at += done;
		}
	}
	return 0;
}

#define COPY_PAGE ((size_t)4096)

static bool is_zero(const char *p, size_t n)
{
	return !n || (!*p && memcmp(p, p + 1, n - 1) == 0);
}

/* What is not zero of @n bytes. */
static int copy_nonzero(int to, const char *p, size_t n, off_t at)
{
	int r = 0;

	for (size_t i = 0, len; r == 0 && i < n; i += len) {
		bool zero = is_zero(p + i, MIN(n - i, COPY_PAGE));

		for (len = MIN(n - i, COPY_PAGE); i + len < n; len += MIN(n - i - len, COPY_PAGE))
			if (is_zero(p + i + len, MIN(n - i - len, COPY_PAGE)) != zero)
				break;
		r = zero ? 0 : pwrite_full(to, p + i, len, at + (off_t)i);
	}
	return r;
}

/* One copy of the bytes instead of two: the source is mapped. Holes begin and end at pages. */
static int copy_range(int from, int to, off_t at, off_t end, bool zeros)
{
	int r = 0;

	for (; r == 0 && at < end; at += COPY_CHUNK) {
		size_t n = (size_t)MIN(end - at, COPY_CHUNK);
		char *p = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE, from, at);

		if (p == MAP_FAILED)
			return -errno;
		r = zeros ? copy_nonzero(to, p, n, at) : pwrite_full(to, p, n, at);
		munmap(p, n);
	}
	return r;
}

int fd_copy_sparse(int from, int to, bool zeros)
{
	off_t at = 0, end;
	struct stat st;
	int r = fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0 ? -errno : 0;

	while (r == 0 && at < st.st_size) {
		at = lseek(from, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno; /* only a hole is left */
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0)
			return -errno;
		r = copy_range(from, to, at, end, zeros);
		at = end;
	}
	return r;
}

static int unix_address(const char *path, struct sockaddr_un *sa, int *dirfd)
{
	const char *base = path_base(path);
	autofree char *dir = NULL;

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) < sizeof(sa->sun_path)) {
		memcpy(sa->sun_path, path, strlen(path) + 1);
		return 0;
	}
	dir = xstrndup(path, (size_t)(base - path));
	*dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dirfd < 0)
		return -errno;
	if ((size_t)snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", *dirfd,
			     base) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	return 0;
}

int unix_listen(const char *path, int type, mode_t mode)
{
	autoclose int dirfd = -1;
	autoclose int fd = -1;
	struct sockaddr_un sa;
	int r = unix_address(path, &sa, &dirfd);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	/* The mode of a socket file is that of the descriptor at bind. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0) {
		r = -errno;
		unlink(path);
		return r;
	}
	return take_fd(fd);
}

int unix_connect(const char *path, int type)
{
	autoclose int dirfd = -1;
	autoclose int fd = -1;
	struct sockaddr_un sa;
	int r = unix_address(path, &sa, &dirfd);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : take_fd(fd);
}

ssize_t fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds)
{
	union {
		char raw[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (nfds > FD_PASS_MAX)
		return -E2BIG;
	if (nfds) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		r = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* Takes the descriptors of one SCM_RIGHTS message: up to @room into @fds, the rest closed. */
static size_t take_rights(const struct cmsghdr *c, int *fds, size_t have, size_t room)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (have < room)
			fds[have++] = fd;
		else
			fd_close(fd);
	}
	return have;
}

ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t *nfds)
{
	union {
		char raw[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	size_t room = nfds ? *nfds : 0, have = 0;
	ssize_t r;

	do
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (nfds)
		*nfds = 0;
	if (r < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			have = take_rights(c, fds, have, room);
	if (nfds)
		*nfds = have;
	return r;
}

int fd_peer_cred(int sock, struct ucred *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, ret, &len) < 0 ? -errno : 0;
}
