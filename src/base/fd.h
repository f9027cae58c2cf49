/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd - descriptors: ownership, whole reads and writes, passing over sockets.
 *
 * Descriptors start at -1 and are close-on-exec from birth.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct ucred;

/* Closes unless negative; keeps errno. Returns -1, so that `fd = fd_close(fd)`. */
int fd_close(int fd);
static inline void fd_close_ptr(int *fd)
{
	fd_close(*fd);
}
#define autoclose cleanup(fd_close_ptr)
#define take_fd(fd)            \
	({                     \
		int tf = (fd); \
		(fd) = -1;     \
		tf;            \
	})

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* All of it, or an error; retries EINTR and short counts, waits on EAGAIN. fd_read_full: the number
 * read, less than @n only at end of file. */
int fd_write_full(int fd, const void *p, size_t n);
ssize_t fd_read_full(int fd, void *p, size_t n);

/* A whole file into memory, NUL-terminated, *ret_len without the NUL (may be NULL). Refuses more
 * than @max bytes with -EFBIG. Works for /proc and pipes. The caller frees *ret. @path relative to
 * @dirfd (AT_FDCWD). */
int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_len);
/* Opens an existing file (O_WRONLY | @flags) and writes all with one write(2), as /proc and cgroup
 * files need. */
int file_write_at(int dirfd, const char *path, const char *text);
/* Creates or replaces @path atomically: temporary, fsync, rename. */
int file_replace_at(int dirfd, const char *path, const void *p, size_t n, mode_t mode);

/* Copies a whole file to an empty one: what is a hole stays one, with @zeros what is zero becomes
 * one, and @to gets the same size. Async-signal-safe. */
int fd_copy_sparse(int from, int to, bool zeros);

/* An AF_UNIX stream/seqpacket listener or connection; paths longer than sun_path work (through
 * /proc/self/fd of the directory). @type SOCK_STREAM or SOCK_SEQPACKET, for unix_connect
 * also with SOCK_NONBLOCK (-EAGAIN: the listener's backlog is full). The descriptor or -errno.
 * Listening replaces a stale socket file; the new one has @mode. */
int unix_listen(const char *path, int type, mode_t mode);
int unix_connect(const char *path, int type);

/* Sends @n bytes with up to FD_PASS_MAX descriptors, receives likewise. Received descriptors are
 * close-on-exec and the caller's; *nfds is in: room in @fds, out: number got; surplus ones are
 * closed. Bytes, 0 at the end, -errno. */
#define FD_PASS_MAX 16
ssize_t fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds);
ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t *nfds);
int fd_peer_cred(int sock, struct ucred *ret);
