/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs - what the parts of a sandbox wrote: its files in /run/caisson/SANDBOX.
 *
 * Each is shown as it is, the older half (NAME.1) first. With --follow what is added is shown until
 * the sandbox is removed or the command is interrupted. On a terminal control bytes are replaced: a
 * guest writes the console.
 */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_CHUNK KIB(32)

/* Option, files. */
#define LOGS(X)                                                                          \
	X(console, "console.log", "the guest's console: its kernel and what dies early") \
	X(vmm, "vmm.log", "the virtual machine monitor")                                 \
	X(devices, "devd-vsock.log", "the device processes")                             \
	X(agent, "agent.log", "the agent in the guest")                                  \
	X(shim, "shim.log", "the sandbox's owner on the host")

struct logs_options {
#define FIELD(name, file, help) bool name;
	LOGS(FIELD)
	bool follow, timeline;
};

#define OPT(...) CLI_OPT(logs_options, __VA_ARGS__)
#define OPTION(name, file, help) OPT(#name, 0, ARG_BOOL, name, NULL, help),
static const struct arg_option options[] = {
	LOGS(OPTION) OPT("follow", 'f', ARG_BOOL, follow, NULL, "go on with what is added"),
	OPT("timeline", 't', ARG_BOOL, timeline, NULL,
	    "show instead what happened when, from the command to the container's first "
	    "instruction"),
};

#define FILE_OF(name, file, help) { file, offsetof(struct logs_options, name) },
static const struct {
	const char *name;
	size_t wanted; /* offset of the option */
} files[] = { LOGS(FILE_OF){ "virtiofsd.log", offsetof(struct logs_options, devices) } };

struct source {
	const char *name;
	bool wanted;
	int fd; /* -1: not there (yet) */
	ino_t ino;
};

struct logs {
	const char *dir;
	int run_watch; /* of the directory above: it tells when @dir is removed */
	struct source sources[ARRAY_SIZE(files)];
	bool titles, printable;
	const struct source *last; /* whose text was shown last */
	struct loop *loop;
	char chunk[LOG_CHUNK];
};

static void show(struct logs *l, const struct source *s, char *text, size_t n)
{
	if (l->titles && l->last != s)
		printf("%s==> %s <==\n", l->last ? "\n" : "", s->name);
	l->last = s;
	for (size_t i = 0; l->printable && i < n; i++)
		if ((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t')
			text[i] = text[i] == '\r' ? ' ' : '?';
	fwrite(text, 1, n, stdout);
}

static void show_rest(struct logs *l, const struct source *s, int fd)
{
	ssize_t n;

	while ((n = read(fd, l->chunk, sizeof(l->chunk))) > 0)
		show(l, s, l->chunk, (size_t)n);
}

static int open_log(const struct logs *l, const char *name)
{
	autofree char *path = xasprintf("%s/%s", l->dir, name);

	/* The files' owners differ; a link among them would be somebody's trick. */
	return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static void source_open(struct logs *l, struct source *s)
{
	struct stat st;

	s->fd = open_log(l, s->name);
	if (s->fd >= 0 && fstat(s->fd, &st) == 0)
		s->ino = st.st_ino;
}

static void show_older(struct logs *l, const struct source *s)
{
	autofree char *name = xasprintf("%s.1", s->name);
	autoclose int fd = open_log(l, name);

	if (fd >= 0)
		show_rest(l, s, fd);
}

/* A log that is full is renamed and begun anew. */
static void source_renew(struct logs *l, struct source *s)
{
	autofree char *path = xasprintf("%s/%s", l->dir, s->name);
	struct stat st;

	if (lstat(path, &st) < 0 || (s->fd >= 0 && st.st_ino == s->ino))
		return;
	s->fd = fd_close(s->fd);
	source_open(l, s);
	if (s->fd >= 0)
		show_rest(l, s, s->fd);
}

static void show_added(struct logs *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(l->sources); i++) {
		struct source *s = &l->sources[i];

		if (!s->wanted)
			continue;
		if (s->fd >= 0)
			show_rest(l, s, s->fd);
		source_renew(l, s);
	}
}

/* Reads all events; true if one of them says that the directory has gone. */
static bool read_events(const struct logs *l, int fd)
{
	_Alignas(struct inotify_event) char raw[KIB(4)];
	const struct inotify_event *ev;
	bool gone = false;
	ssize_t n;

	while ((n = read(fd, raw, sizeof(raw))) > 0)
		for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*ev) + ev->len)) {
			ev = (const struct inotify_event *)(raw + at);
			gone |= ev->wd == l->run_watch && ev->len &&
				str_eq(ev->name, path_base(l->dir));
		}
	return gone;
}

static void changed(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct logs *l = data;
	bool gone = read_events(l, fd);

	show_added(l);
	if (fflush(stdout) != 0 || gone)
		loop_quit(l->loop, 0);
}

static int follow(struct logs *l, struct error *e)
{
	autoptr(loop) loop = loop_new();
	autoclose int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (!loop || in < 0)
		return error_set(e, errno, "watch %s", l->dir);
	l->loop = loop;
	l->run_watch = inotify_add_watch(in, CLI_RUN_DIR, IN_DELETE | IN_ONLYDIR);
	if (l->run_watch < 0 ||
	    inotify_add_watch(in, l->dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0 ||
	    !loop_add_io(loop, in, EPOLLIN, changed, l))
		return error_set(e, errno, "watch %s", l->dir);
	/* What came before the watch. */
	show_added(l);
	fflush(stdout);
	return loop_run(loop);
}

static void choose(struct logs *l, const struct logs_options *o)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		l->sources[i] = (struct source){ .name = files[i].name, .fd = -1 };
		l->sources[i].wanted = *(const bool *)((const char *)o + files[i].wanted);
		n += l->sources[i].wanted;
	}
	for (size_t i = 0; n == 0 && i < ARRAY_SIZE(files); i++)
		l->sources[i].wanted = true;
	l->titles = n != 1;
	l->printable = isatty(STDOUT_FILENO) == 1;
}

static int show_all(struct logs *l, bool go_on, struct error *e)
{
	if (access(l->dir, F_OK) < 0)
		return error_set(e, errno, "%s", l->dir);
	for (size_t i = 0; i < ARRAY_SIZE(l->sources); i++) {
		struct source *s = &l->sources[i];

		if (!s->wanted)
			continue;
		show_older(l, s);
		source_open(l, s);
		if (s->fd >= 0)
			show_rest(l, s, s->fd);
	}
	return go_on ? follow(l, e) : 0;
}

static int cmd_logs(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct logs_options *o = opts;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	autofree struct logs *l = xnew(struct logs);
	autofree char *dir = NULL;
	int r = cli_container_open(c, args[0], false, &k, e);

	if (r < 0)
		return r;
	l->dir = dir = cli_sandbox_dir(k.st.sandbox);
	if (o->timeline)
		return cli_timeline(dir, e);
	choose(l, o);
	r = show_all(l, o->follow, e);
	for (size_t i = 0; i < ARRAY_SIZE(l->sources); i++)
		fd_close(l->sources[i].fd);
	return r;
}

const struct cli_command command_logs = {
	.name = "logs",
	.operands = "ID",
	.summary = "show what the parts of a container's sandbox logged (all, or those named)",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct logs_options),
	.min = 1,
	.max = 1,
	.run = cmd_logs,
};
