/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon - the device processes beside the VMM: caisson-devd for vsock, virtiofsd for the share.
 *
 * Each gets its end of a vhost-user socket by descriptor, writes its messages to a log in the
 * sandbox's directory, and dies with the shim. The end of one while the machine runs is the end of
 * the machine.
 */
#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The last line a device process wrote, for the reason of its end. Owned. */
static char *last_line(const struct sandbox *s, const char *log)
{
	autofree char *text = NULL;
	size_t n;
	char *nl;

	if (file_read_at(s->dirfd, log, LIMIT_PROC_FILE, &text, &n) < 0 || !n)
		return xstrdup("");
	if (text[n - 1] == '\n')
		text[n - 1] = '\0';
	nl = strrchr(text, '\n');
	return xstrdup(nl ? nl + 1 : text);
}

static void daemon_ended(struct loop_source *src, pid_t pid, int status, void *data)
{
	struct daemon *d = data;
	autofree char *log = xasprintf("%s.log", d->name);
	autofree char *line = last_line(d->sandbox, log);

	d->pid = 0;
	d->child = NULL;
	/* A device that ends well does so because its front-end, the VMM, has gone. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		sandbox_suspect(d->sandbox, -ECONNRESET, "%s ended", d->name);
	else
		sandbox_die(d->sandbox, -ECONNRESET, "%s ended %s %d%s%s", d->name,
			    WIFSIGNALED(status) ? "by signal" : "with status",
			    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			    *line ? ": " : "", line);
}

static int daemon_start(struct sandbox *s, struct daemon *d, const char *name, char *const *argv,
			const int *keep, size_t nkeep, struct error *e)
{
	autofree char *log = xasprintf("%s.log", name);
	autoclose int out = openat(s->dirfd, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct proc_spec spec = PROC_SPEC_INIT;
	pid_t pid;
	int word;

	if (out < 0)
		return error_set(e, errno, "open %s/%s", s->dir, log);
	spec.path = argv[0];
	spec.argv = argv;
	spec.out = spec.err = out;
	spec.keep = keep;
	spec.nkeep = nkeep;
	spec.new_session = true;
	spec.pdeathsig = SIGKILL;
	pid = proc_spawn_begin(&spec, &word, e);
	if (pid < 0)
		return error_prefix(e, "start %s", name);
	*d = (struct daemon){ .name = name, .sandbox = s, .pid = pid, .word = word };
	sandbox_save_state(s);
	return 0;
}

int daemon_runs(struct daemon *d, struct error *e)
{
	int r = proc_spawn_end(d->pid, d->word, d->name, e);

	d->word = 0;
	if (r < 0) {
		d->pid = 0;
		return error_prefix(e, "start %s", d->name);
	}
	d->child = loop_add_child(d->sandbox->loop, d->pid, daemon_ended, d);
	return 0;
}

void daemon_stop(struct daemon *d)
{
	int status;

	if (d->pid <= 0)
		return;
	d->child = loop_source_free(d->child);
	kill(d->pid, SIGKILL);
	if (proc_wait(d->pid, -1, &status) < 0)
		log_debug("%s: already reaped", d->name);
	d->pid = 0;
	if (d->word)
		fd_close(d->word);
	d->word = 0;
}

int daemon_start_vsock(struct sandbox *s, struct error *e)
{
	autofree char *program = path_own_program("caisson-devd", "devd", CAISSON_LIBEXECDIR);
	autodone(strv) argv = STRV_INIT;
	autoclose int listener = unix_listen(s->sock, SOCK_STREAM, 0600);
	autoclose int theirs = -1;
	int pair[2], keep[2];

	if (listener < 0)
		return error_set(e, listener, "listen on %s", s->sock);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(e, errno, "socketpair");
	s->vsock_fd = pair[0];
	theirs = pair[1];
	strv_add(&argv, program);
	strv_add(&argv, "vsock");
	strv_addf(&argv, "--fd=%d", theirs);
	strv_addf(&argv, "--uds-fd=%d", listener);
	strv_addf(&argv, "--uds-path=%s", s->sock);
	strv_addf(&argv, "--guest-cid=%d", GUEST_CID);
	if (s->jail_uid) {
		strv_addf(&argv, "--uid=%u", s->jail_uid);
		strv_addf(&argv, "--gid=%u", s->jail_uid);
	}
	keep[0] = theirs;
	keep[1] = listener;
	return daemon_start(s, &s->vsock_daemon, "devd-vsock", argv.v, keep, ARRAY_SIZE(keep), e);
}

/* QEMU's C virtiofsd and the Rust one take different options. The former lies in a directory named
 * qemu; of others we ask. */
static bool is_rust_virtiofsd(const char *path)
{
	char *argv[] = { (char *)(uintptr_t)path, "--version", NULL };
	struct proc_spec spec = PROC_SPEC_INIT;
	autofree char *out = NULL;

	if (str_ends_with(path, "/qemu/virtiofsd"))
		return false;
	spec.path = path;
	spec.argv = argv;
	if (proc_run(&spec, NULL, 0, 2000, 4096, &out, NULL) != 0)
		return true;
	return !strstr(out, "FUSE kernel interface version");
}

/*
 * QEMU's file server with cache=auto forgets a file's pages at every open, so that every exec reads
 * (and under emulation translates) the program again. With cache=always and names and attributes
 * that are trusted for a tenth of a second, pages are kept and still dropped when the file has
 * changed.
 */
static void c_virtiofsd_arguments(const struct sandbox *s, struct strv *argv)
{
	const struct config_hypervisor *h = &s->config->hypervisor;

	strv_add(argv, "-o");
	strv_addf(argv, "source=%s/shared,%s,announce_submounts,sandbox=namespace", s->dir,
		  str_eq(h->virtio_fs_cache, "never") ? "cache=none" : "cache=always,timeout=0.1");
	strv_add(argv, "-f");
	for (size_t i = 0; i < h->virtio_fs_extra_args.n; i++)
		if (!str_eq(h->virtio_fs_extra_args.v[i], "--announce-submounts")) /* given above */
			strv_add(argv, h->virtio_fs_extra_args.v[i]);
}

static void rust_virtiofsd_arguments(const struct sandbox *s, struct strv *argv)
{
	const struct config_hypervisor *h = &s->config->hypervisor;

	strv_addf(argv, "--shared-dir=%s/shared", s->dir);
	strv_addf(argv, "--cache=%s", h->virtio_fs_cache);
	if (!strv_contains(&h->virtio_fs_extra_args, "--announce-submounts"))
		strv_add(argv, "--announce-submounts");
	for (size_t i = 0; i < h->virtio_fs_extra_args.n; i++)
		strv_add(argv, h->virtio_fs_extra_args.v[i]);
}

static void fs_arguments(const struct sandbox *s, const char *program, int fd, struct strv *argv)
{
	strv_add(argv, program);
	strv_addf(argv, "--fd=%d", fd);
	(is_rust_virtiofsd(program) ? rust_virtiofsd_arguments : c_virtiofsd_arguments)(s, argv);
}

int daemon_start_fs(struct sandbox *s, struct error *e)
{
	const char *program = s->config->hypervisor.virtio_fs_daemon;
	autofree char *path = xasprintf("%s/fs.sock", s->dir);
	autodone(strv) argv = STRV_INIT;
	autoclose int listener = -1;
	int r;

	if (access(program, X_OK) < 0)
		return error_set(e, errno,
				 "file server %s (set hypervisor.%s.virtio_fs_daemon; Debian: "
				 "package qemu-system-common)",
				 program, s->config->hypervisor.name);
	listener = unix_listen(path, SOCK_STREAM, 0600);
	if (listener < 0)
		return error_set(e, listener, "listen on %s", path);
	/* Connected before the daemon runs: the VMM gets a descriptor and needs no path, and the
	 * socket's name can go. */
	s->fs_fd = unix_connect(path, SOCK_STREAM);
	unlink(path);
	if (s->fs_fd < 0)
		return error_set(e, s->fs_fd, "connect to %s", path);
	fs_arguments(s, program, listener, &argv);
	r = fd_set_nonblock(listener, false);
	if (r < 0)
		return error_set(e, r, "listener");
	return daemon_start(s, &s->fs_daemon, "virtiofsd", argv.v, &listener, 1, e);
}
