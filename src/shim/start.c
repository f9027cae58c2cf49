/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start - the actions of the command line: leave a daemon, or clean up after one.
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

#include "google/protobuf/timestamp.pb-c.h"
#include "task.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

char *shim_sandbox_dir(const struct shim_options *o)
{
	return xasprintf("%s/%s", SHIM_RUN_DIR, o->id);
}

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

/* Descriptors 0, 1, 2 to /dev/null, the log and all others but the two listeners closed. */
static int detach(const char *dir, int *a, int *b)
{
	autofree char *log = xasprintf("%s/shim.log", dir);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

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

static _Noreturn void daemon_main(const struct shim_options *o, struct config *cfg, const char *dir,
				  const char *socket, int task_listener, int io_listener)
{
	int r;

	if (setsid() < 0)
		_exit(1);
	/* Twice, so that whoever called is not the parent of the daemon. */
	if (fork() != 0)
		_exit(0);
	umask(022);
	r = detach(dir, &task_listener, &io_listener);
	if (r < 0)
		_exit(1);
	log_init("shim", 3, LOG_FORMAT_TEXT,
		 o->debug || cfg->runtime.enable_debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	_exit(shim_serve(o, cfg, dir, socket, task_listener, io_listener) < 0 ? 1 : 0);
}

static int leave_daemon(const struct shim_options *o, struct config *cfg, const char *dir,
			const char *socket, struct error *e)
{
	autofree char *io = xasprintf("%s/io.sock", dir);
	autoclose int task_listener = unix_listen(socket, SOCK_STREAM, 0600);
	autoclose int io_listener = -1;
	pid_t pid;
	int status;

	if (task_listener < 0)
		return error_set(e, task_listener, "listen on %s", socket);
	io_listener = unix_listen(io, SOCK_SEQPACKET, 0600);
	if (io_listener < 0)
		return error_set(e, io_listener, "listen on %s", io);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return error_set(e, errno, "fork");
	if (pid == 0)
		daemon_main(o, cfg, dir, socket, task_listener, io_listener);
	return proc_wait(pid, -1, &status);
}

int shim_start(const struct shim_options *given, struct error *e)
{
	autofree char *bundle = path_absolute(given->bundle);
	struct shim_options abs = *given, *o = &abs;
	autofree char *dir = shim_sandbox_dir(o);
	autofree char *socket = o->socket ? xstrdup(o->socket) : xasprintf("%s/shim.sock", dir);
	autoptr(config) cfg = NULL;
	int r = config_load(o->config, NULL, &cfg, e);

	if (r < 0)
		return r;
	abs.bundle = bundle ? bundle : given->bundle;
	r = claim_dir(dir, socket, e);
	if (r < 0)
		return r;
	r = leave_daemon(o, cfg, dir, socket,
			 e); /* the daemon has its own copy of the configuration */
	if (r < 0) {
		path_remove_tree_at(AT_FDCWD, dir);
		return r;
	}
	printf("unix://%s\n", socket);
	return 0;
}

/* On stdout, as containerd reads it: a process that was killed now. */
static void print_delete_response(void)
{
	Containerd__Task__V2__DeleteResponse m = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp ts = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	uint8_t bytes[128];

	ts.seconds = time(NULL);
	m.exit_status = 128 + SIGKILL;
	m.exited_at = &ts;
	fwrite(bytes, 1, containerd__task__v2__delete_response__pack(&m, bytes), stdout);
}

int shim_delete(const struct shim_options *o, struct error *e)
{
	autofree char *dir = shim_sandbox_dir(o);
	int r = sandbox_clean_up(dir, e);

	if (r < 0)
		return r;
	if (!str_eq(o->ns, "caisson"))
		print_delete_response();
	return 0;
}
