/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start - leave a daemon that owns the sandbox, or find the one of the pod.
 *
 * All that can be wrong before the daemon exists is said by the caller's process: the
 * configuration, the directory, the sockets. The daemon keeps nothing that it was not meant to
 * have: no descriptor, no session, no working directory of its caller; containerd waits for the end
 * of the pipe it gave us.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A directory of the same name is either that of a living sandbox, or what a dead one left. */
static int claim_dir(const char *dir, const char *socket, struct error *e)
{
	int r = path_mkdir_all(SHIM_RUN_DIR, 0711), fd;

	if (r < 0)
		return error_set(e, r, "create %s", SHIM_RUN_DIR);
	if (mkdir(dir, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set(e, errno, "create %s", dir);
	fd = unix_connect(socket, SOCK_STREAM);
	if (fd >= 0) {
		fd_close(fd);
		return error_plain(e, EEXIST, "sandbox %s exists and runs", path_base(dir));
	}
	r = sandbox_clean_up(dir, e);
	if (r < 0)
		return r;
	return mkdir(dir, 0700) < 0 ? error_set(e, errno, "create %s", dir) : 0;
}

/* Where the daemon writes: the fifo that containerd reads, if there is one. It must not block when
 * containerd does not read, and holds both ends, so that it never breaks. */
static int open_log(const struct shim_plan *p)
{
	autofree char *fifo = xasprintf("%s/log", p->bundle);
	autofree char *log = xasprintf("%s/shim.log", p->dir);
	struct stat st;
	int fd = -1;

	if (shim_for_engine(p->options) && stat(fifo, &st) == 0 && S_ISFIFO(st.st_mode))
		fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* Descriptors 0, 1, 2 to /dev/null, the log and all others but the two listeners closed. */
static int detach(const struct shim_plan *p, int *a, int *b)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int file = open_log(p);

	if (null < 0 || file < 0)
		return -errno;
	/* 3, 4, 5 are ours from here on. */
	int keep[3] = { fcntl(file, F_DUPFD_CLOEXEC, 10), fcntl(*a, F_DUPFD_CLOEXEC, 10),
			fcntl(*b, F_DUPFD_CLOEXEC, 10) };
	for (int i = 0; i < 3; i++)
		if (keep[i] < 0 || dup3(keep[i], 3 + i, O_CLOEXEC) < 0 || dup2(null, i) < 0)
			return -errno;
	if (syscall(SYS_close_range, 6, ~0U, 0) < 0)
		return -errno;
	log_set_fd(3);
	*a = 4;
	*b = 5;
	return chdir("/") < 0 ? -errno : 0;
}

static _Noreturn void daemon_main(const struct shim_plan *p, struct config *cfg, int task_listener,
				  int io_listener)
{
	bool debug = p->options->debug || p->boot.debug || cfg->runtime.enable_debug;
	int r;

	if (setsid() < 0)
		_exit(1);
	/* Twice, so that whoever called is not the parent of the daemon. */
	if (fork() != 0)
		_exit(0);
	umask(022);
	r = detach(p, &task_listener, &io_listener);
	if (r < 0)
		_exit(1);
	log_init("shim", 3, LOG_FORMAT_TEXT, debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	_exit(shim_serve(p, cfg, task_listener, io_listener) < 0 ? 1 : 0);
}

/* The daemon gets a copy of everything. */
static int leave_daemon(const struct shim_plan *p, struct config *cfg, struct error *e)
{
	autofree char *io = xasprintf("%s/io.sock", p->dir);
	autoclose int task_listener = unix_listen(p->socket, SOCK_STREAM, 0600);
	autoclose int io_listener = -1;
	pid_t pid;
	int status;

	if (task_listener < 0)
		return error_set(e, task_listener, "listen on %s", p->socket);
	io_listener = unix_listen(io, SOCK_SEQPACKET, 0600);
	if (io_listener < 0)
		return error_set(e, io_listener, "listen on %s", io);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return error_set(e, errno, "fork");
	if (pid == 0)
		daemon_main(p, cfg, task_listener, io_listener);
	return proc_wait(pid, -1, &status);
}

/* --- the configuration --- */

/* The options may hold the file instead of its name. */
static int load_body(const char *body, struct config **ret, struct error *e)
{
	autoclose int fd = memfd_create("the runtime's options", MFD_CLOEXEC);
	char path[PATH_FD_MAX];
	int r;

	if (fd < 0)
		return error_set(e, errno, "memfd");
	r = fd_write_full(fd, body, strlen(body));
	if (r < 0)
		return error_set(e, r, "memfd");
	r = config_load(NULL, path_of_fd(fd, path), ret, e);
	return r < 0 ? error_prefix(e, "configuration in the runtime's options") : r;
}

static int load_config(const struct shim_plan *p, struct config **ret, struct error *e)
{
	const struct bootstrap *b = &p->boot;

	if (!p->options->config && !b->config_path && b->config_body)
		return load_body(b->config_body, ret, e);
	return config_load(p->options->config, b->config_path, ret, e);
}

/* --- start --- */

static int make_socket_dir(const char *socket, struct error *e)
{
	autofree char *dir = xstrndup(socket, (size_t)(path_base(socket) - socket) - 1);
	int r = path_mkdir_all(dir, 0711);

	return r < 0 ? error_set(e, r, "create %s", dir) : 0;
}

static int start_sandbox(const struct shim_plan *p, struct error *e)
{
	autoptr(config) cfg = NULL;
	int r = load_config(p, &cfg, e);

	if (r == 0)
		r = make_socket_dir(p->socket, e);
	if (r == 0)
		r = claim_dir(p->dir, p->socket, e);
	if (r < 0)
		return r;
	r = leave_daemon(p, cfg, e);
	if (r < 0)
		path_remove_tree_at(AT_FDCWD, p->dir);
	return r;
}

static int find_sandbox(const struct shim_plan *p, struct error *e)
{
	autoclose int fd = unix_connect(p->socket, SOCK_STREAM);

	return fd < 0 ? error_set(e, fd, "the shim of sandbox %s does not answer on %s", p->sandbox,
				  p->socket)
		      : 0;
}

/* containerd reads it from the bundle after a restart of its own. */
static int write_address(const struct shim_plan *p, struct error *e)
{
	autofree char *path = xasprintf("%s/address", p->bundle);
	autofree char *text = xasprintf("unix://%s", p->socket);
	int r = file_replace_at(AT_FDCWD, path, text, strlen(text), 0600);

	return r < 0 ? error_set(e, r, "write %s", path) : 0;
}

int shim_start(const struct shim_options *o, struct error *e)
{
	autodone(shim_plan) p = { 0 };
	autofree char *answer = NULL;
	int r = shim_plan_make(o, true, &p, e);

	if (r == 0)
		r = p.member ? find_sandbox(&p, e) : start_sandbox(&p, e);
	if (r == 0 && shim_for_engine(o))
		r = write_address(&p, e);
	if (r < 0)
		return r;
	answer = bootstrap_answer(&p.boot, getenv("MAX_SHIM_VERSION"), p.socket);
	return printf("%s\n", answer) < 0 ? error_set(e, errno, "stdout") : 0;
}
