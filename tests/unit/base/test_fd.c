/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: whole reads and writes, files with limits, unix sockets with long names, passing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
	char *dir = xstrdup("/tmp/test-fd-XXXXXX");

	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	int r = path_remove_tree_at(AT_FDCWD, *state);

	free(*state);
	return r;
}

static size_t count_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_own(void **state)
{
	int p[2], fd;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	errno = ENOTTY;
	assert_int_equal(fd_close(-1), -1);
	assert_int_equal(fd_close(1000), -1);
	assert_int_equal(errno, ENOTTY);
	fd = take_fd(p[0]);
	assert_int_equal(p[0], -1);
	assert_int_equal(fd_set_cloexec(fd, false), 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	assert_int_equal(fd_set_nonblock(fd, true), 0);
	assert_int_equal(read(fd, &p[0], 1), -1);
	assert_int_equal(errno, EAGAIN);
	fd_close(fd);
	fd_close(p[1]);
	assert_int_equal(fd_set_nonblock(fd, true), -EBADF);
	assert_int_equal(fd_set_cloexec(fd, true), -EBADF);
}

static void on_alarm(int sig)
{
}

/* A reader in a child, interruptions every millisecond, a pipe that is full most of the time. */
static void test_full(void **state)
{
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, never = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm };
	size_t n = 4 << 20;
	autofree char *data = xcalloc(n, 1);
	int p[2], status;
	pid_t pid;

	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 7);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fd_set_nonblock(p[1], true);
	sigaction(SIGALRM, &sa, NULL);
	pid = fork();
	if (pid == 0) {
		autofree char *got = xcalloc(n, 1);

		setitimer(ITIMER_REAL, &every, NULL);
		fd_set_nonblock(p[0], true);
		close(p[1]);
		if (fd_read_full(p[0], got, n) != (ssize_t)n || memcmp(got, data, n) != 0)
			_exit(1);
		_exit(fd_read_full(p[0], got, n) == 0 ? 0 : 2);
	}
	close(p[0]);
	setitimer(ITIMER_REAL, &every, NULL);
	assert_int_equal(fd_write_full(p[1], data, n), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(fd_write_full(p[1], data, 1), -EBADF);
	assert_int_equal(fd_read_full(p[1], data, 1), -EBADF);
}

static void test_files(void **state)
{
	autoclose int dir = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofree char *text = NULL;
	struct stat st;
	size_t len = 0;

	assert_int_equal(file_read_at(dir, "none", 10, &text, NULL), -ENOENT);
	assert_int_equal(file_write_at(dir, "none", "x"), -ENOENT);
	assert_int_equal(file_replace_at(dir, "f", "0123456789", 10, 0640), 0);
	assert_int_equal(file_read_at(dir, "f", 9, &text, &len), -EFBIG);
	assert_null(text);
	assert_int_equal(file_read_at(dir, "f", 10, &text, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(text, "0123456789");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(file_write_at(dir, "f", "abc"), 0);
	free(take_ptr(text));
	assert_int_equal(file_read_at(dir, "f", 10, &text, NULL), 0);
	assert_string_equal(text, "abc3456789");
}

/* A failed replacement leaves the old file and no temporary. */
static void test_replace_fails(void **state)
{
	autoclose int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_int_equal(file_replace_at(dir, "d", "x", 1, 0600), -EISDIR);
	assert_int_equal(file_replace_at(dir, "none/f", "x", 1, 0600), -ENOENT);
	assert_int_equal(unlinkat(dir, "d", AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(*state), 0); /* empty */
	assert_int_equal(mkdir(*state, 0700), 0);
}

static void test_read_all(void **state)
{
	autofree char *text = NULL, *proc = NULL, *sysfs = NULL;
	char chunk[5000];
	size_t len = 0;
	int p[2];

	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_write_full(p[1], chunk, sizeof(chunk)), 0);
	close(p[1]);
	assert_int_equal(fd_read_all(p[0], 5000, &text, &len), 0);
	assert_int_equal(len, 5000);
	close(p[0]);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(fd_write_full(p[1], chunk, sizeof(chunk)), 0);
	assert_int_equal(fd_read_all(p[0], 4999, &proc, NULL), -EFBIG);
	close(p[0]);
	close(p[1]);
	/* A file that says it has a page, and one without a size. */
	assert_int_equal(file_read_at(AT_FDCWD, "/sys/kernel/uevent_seqnum", 64, &sysfs, NULL), 0);
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/self/status", 1 << 20, &proc, NULL), 0);
	assert_non_null(strstr(proc, "Pid:"));
}

static void exchange(const char *path, int type)
{
	autoclose int l = unix_listen(path, type, 0600);
	autoclose int c = -1;
	autoclose int s = -1;
	struct ucred cred;
	struct stat st;
	char b;

	assert_true(l >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	c = unix_connect(path, type);
	assert_true(c >= 0);
	s = accept(l, NULL, NULL);
	assert_true(s >= 0);
	assert_int_equal(fd_peer_cred(s, &cred), 0);
	assert_int_equal(cred.pid, getpid());
	assert_int_equal(fd_write_full(c, "!", 1), 0);
	assert_int_equal(fd_read_full(s, &b, 1), 1);
	assert_int_equal(fcntl(c, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(l, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void test_unix(void **state)
{
	autofree char *path = xasprintf("%s/sock", (char *)*state);
	autofree char *none = xasprintf("%s/no/sock", (char *)*state);
	mode_t old = umask(0);

	exchange(path, SOCK_STREAM);
	assert_int_equal(unix_connect(path, SOCK_STREAM), -ECONNREFUSED); /* a stale file */
	umask(0777);
	exchange(path, SOCK_SEQPACKET); /* replaces it; the mode does not depend on the umask */
	umask(old);
	assert_int_equal(unix_connect(none, SOCK_STREAM), -ENOENT);
	assert_int_equal(unix_listen(none, SOCK_STREAM, 0600), -ENOENT);
}

static void test_unix_long(void **state)
{
	autofree char *exact = NULL, *dir = NULL, *path = NULL, *name = NULL;
	size_t n = sizeof(((struct sockaddr_un *)0)->sun_path) - strlen(*state) - 2;
	char fill[201] = { 0 };
	size_t fds = count_fds();

	memset(fill, 'd', 200);
	exact = xasprintf("%s/%.*s", (char *)*state, (int)n, fill);
	exchange(exact, SOCK_STREAM); /* the longest that fits */
	dir = xasprintf("%s/%s", (char *)*state, fill);
	path = xasprintf("%s/sock", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	exchange(path, SOCK_STREAM);
	assert_int_equal(unix_connect(path, SOCK_STREAM), -ECONNREFUSED);
	/* A file name that is too long by itself cannot be shortened. */
	name = xasprintf("%s/%s", dir, fill);
	assert_int_equal(unix_listen(name, SOCK_STREAM, 0600), -ENAMETOOLONG);
	assert_int_equal(unix_connect(name, SOCK_STREAM), -ENAMETOOLONG);
	assert_int_equal(count_fds(), fds);
}

static void test_pass(void **state)
{
	int s[2], p[2], fds[FD_PASS_MAX + 1], got[FD_PASS_MAX];
	size_t n = FD_PASS_MAX, before;
	char b[4];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = p[1];
	before = count_fds();
	assert_int_equal(fd_send(s[0], "abc", 3, fds, FD_PASS_MAX + 1), -E2BIG);
	assert_int_equal(fd_send(s[0], "abc", 3, fds, FD_PASS_MAX), 3);
	assert_int_equal(fd_recv(s[1], b, sizeof(b), got, &n), 3);
	assert_int_equal(n, FD_PASS_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		fd_close(got[i]);
	}
	/* More than there is room for: the surplus is closed, not leaked. */
	n = 2;
	assert_int_equal(fd_send(s[0], "abc", 3, fds, 5), 3);
	assert_int_equal(fd_recv(s[1], b, sizeof(b), got, &n), 3);
	assert_int_equal(n, 2);
	assert_int_equal(count_fds(), before + 2);
	assert_int_equal(write(got[1], "x", 1), 1); /* and it is the pipe */
	assert_int_equal(read(p[0], b, 1), 1);
	fd_close(got[0]);
	fd_close(got[1]);
	/* Nobody wants descriptors. */
	assert_int_equal(fd_send(s[0], "abc", 3, fds, 5), 3);
	assert_int_equal(fd_recv(s[1], b, sizeof(b), NULL, NULL), 3);
	assert_int_equal(count_fds(), before);
	/* None sent. */
	n = 2;
	assert_int_equal(fd_send(s[0], "d", 1, NULL, 0), 1);
	assert_int_equal(fd_recv(s[1], b, sizeof(b), got, &n), 1);
	assert_int_equal(n, 0);
	fd_close(s[0]);
	assert_int_equal(fd_recv(s[1], b, sizeof(b), NULL, NULL), 0);
	assert_int_equal(fd_send(s[1], "x", 1, NULL, 0), -EPIPE); /* without SIGPIPE */
	fd_close(s[1]);
	fd_close(p[0]);
	fd_close(p[1]);
	assert_int_equal(fd_recv(s[1], b, sizeof(b), NULL, NULL), -EBADF);
}

/* More than a control buffer holds: the kernel drops what we have no room for. */
static void test_pass_flood(void **state)
{
	union {
		char raw[CMSG_SPACE(100 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	size_t before, n = FD_PASS_MAX;
	int s[2], got[FD_PASS_MAX];
	char b;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	before = count_fds();
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(100 * sizeof(int));
	for (int i = 0; i < 100; i++)
		memcpy(CMSG_DATA(&control.align) + (size_t)i * sizeof(int), &s[0], sizeof(int));
	assert_int_equal(sendmsg(s[0], &msg, 0), 1);
	assert_int_equal(fd_recv(s[1], &b, 1, got, &n), 1);
	assert_int_equal(n, FD_PASS_MAX);
	assert_int_equal(count_fds(), before + FD_PASS_MAX);
	for (size_t i = 0; i < n; i++)
		fd_close(got[i]);
	fd_close(s[0]);
	fd_close(s[1]);
}

/* Written zeros become holes, and only those. */
static void test_copy_zeros(int from, const char *path)
{
	char *page = xcalloc(3, 4096);
	struct stat st;
	char got[8192];
	int to;

	for (size_t at = (20 << 20) + 100; at < 30 << 20; at += 4096)
		assert_int_equal(pwrite(from, page, 4096, (off_t)at), 4096);
	memset(page + 4096, 'x', 4096);
	assert_int_equal(pwrite(from, page, 3 * 4096, 24 << 20), 3 * 4096);
	for (int zeros = 0; zeros < 2; zeros++) {
		unlink(path);
		to = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(fd_copy_sparse(from, to, zeros), 0);
		fstat(to, &st);
		assert_int_equal(st.st_blocks < 1024, zeros);
		assert_int_equal(pread(to, got, 8192, (24 << 20) + 4096), 8192);
		assert_memory_equal(got, page + 4096, 8192);
		assert_int_equal(pread(to, got, 4, (64 << 20) + 1), 4);
		assert_memory_equal(got, "data", 4);
		close(to);
	}
	free(page);
}

/* Data at the start, in the middle and at an odd end; the rest stays a hole. */
static void test_copy_sparse(void **state)
{
	autofree char *a = xasprintf("%s/a", (char *)*state),
		      *b = xasprintf("%s/b", (char *)*state);
	autoclose int from = open(a, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	autoclose int to = open(b, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const off_t size = ((off_t)64 << 20) + 5;
	static const off_t at[] = { 0, (off_t)9 << 20, ((off_t)64 << 20) + 1 };
	struct stat sf, st;
	char got[4];

	assert_true(from >= 0 && to >= 0);
	assert_int_equal(fd_copy_sparse(from, to, false), 0); /* empty */
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		assert_int_equal(pwrite(from, "data", 4, at[i]), 4);
	assert_int_equal(fd_copy_sparse(from, to, false), 0);
	fstat(from, &sf);
	fstat(to, &st);
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 1024); /* of 512 bytes */
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		assert_int_equal(pread(to, got, 4, at[i]), 4);
		assert_memory_equal(got, "data", 4);
	}
	assert_int_equal(pread(to, got, 4, 1 << 20), 4);
	assert_memory_equal(got, "\0\0\0\0", 4);
	assert_int_equal(fd_copy_sparse(-1, to, false), -EBADF);
	test_copy_zeros(from, b);
	close(to);
	to = open(b, O_RDONLY | O_CLOEXEC);
	assert_true(fd_copy_sparse(from, to, false) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_copy_sparse, setup, teardown),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_full),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replace_fails, setup, teardown),
		cmocka_unit_test(test_read_all),
		cmocka_unit_test_setup_teardown(test_unix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix_long, setup, teardown),
		cmocka_unit_test(test_pass),
		cmocka_unit_test(test_pass_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
