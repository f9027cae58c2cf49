/* SPDX-License-Identifier: Apache-2.0 */
/* vmlog - see vmlog.h. */
#include "hv/vmlog.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "hv/hv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct vmlog {
	struct loop_source *io, *timer;
	int fd;   /* the stream */
	int file; /* -1: cannot be written */
	char *path;
	uint64_t size, max;           /* of the file */
	int64_t window;               /* when the current one began, ms */
	size_t taken;                 /* in it */
	char line[LIMIT_HV_LOG_LINE]; /* the current one, NUL-terminated */
	size_t len;
	char last[LIMIT_HV_LOG_LINE]; /* the last complete one that is not empty */
	vmlog_line_fn *fn;
	void *data;
};

static int file_open(struct vmlog *v)
{
	v->file = open(v->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		       0600);
	v->size = 0;
	return v->file < 0 ? -errno : 0;
}

static void file_give_up(struct vmlog *v, int err)
{
	log_warn("%s is not written any more: %s", v->path, strerror(-err));
	v->file = fd_close(v->file);
}

static void file_rotate(struct vmlog *v)
{
	autofree char *old = xasprintf("%s.1", v->path);
	int r = 0;

	if (rename(v->path, old) < 0)
		r = -errno;
	v->file = fd_close(v->file);
	if (r == 0)
		r = file_open(v);
	if (r < 0)
		file_give_up(v, r);
}

static void file_add(struct vmlog *v, const char *p, size_t n)
{
	int r;

	if (v->file >= 0 && v->size + n > v->max)
		file_rotate(v);
	if (v->file < 0)
		return;
	r = fd_write_full(v->file, p, n);
	v->size += n;
	if (r < 0)
		file_give_up(v, r);
}

static void line_end(struct vmlog *v)
{
	v->line[v->len] = '\0';
	str_make_printable(v->line);
	v->len = 0;
	if (!v->line[0])
		return;
	memcpy(v->last, v->line, sizeof(v->last));
	v->line[0] = '\0';
	if (v->fn)
		v->fn(v->last, v->data);
}

static void line_add(struct vmlog *v, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			line_end(v);
		else if (p[i] != '\r' && v->len < sizeof(v->line) - 1)
			v->line[v->len++] = p[i];
	}
}

/* Reads once. > 0: bytes; 0: nothing now; < 0: the stream has ended. */
static ssize_t take(struct vmlog *v, size_t max)
{
	char buf[16384];
	ssize_t n = read(v->fd, buf, MIN(sizeof(buf), max));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	file_add(v, buf, (size_t)n);
	line_add(v, buf, (size_t)n);
	return n;
}

static void resume(struct loop_source *s, void *data)
{
	struct vmlog *v = data;

	v->taken = 0;
	loop_io_set(v->io, EPOLLIN);
}

static void readable(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct vmlog *v = data;
	int64_t now = loop_now_ms();
	ssize_t n;

	if (now - v->window >= LIMIT_HV_LOG_WINDOW_MS) {
		v->window = now;
		v->taken = 0;
	}
	n = take(v, LIMIT_HV_LOG_BURST);
	if (n < 0) {
		v->io = loop_source_free(v->io);
		return;
	}
	v->taken += (size_t)n;
	if (v->taken < LIMIT_HV_LOG_BURST)
		return;
	loop_io_set(v->io, 0);
	loop_timer_set(v->timer, v->window + LIMIT_HV_LOG_WINDOW_MS - now);
}

struct vmlog *vmlog_new(struct loop *l, int fd, const char *dir, const char *name, uint64_t max,
			vmlog_line_fn *fn, void *data, struct error *e)
{
	struct vmlog *v = xnew(struct vmlog);
	int r;

	v->path = xasprintf("%s/%s", dir, name);
	v->fd = fd;
	v->max = max;
	v->fn = fn;
	v->data = data;
	v->window = loop_now_ms();
	r = file_open(v);
	if (r == 0)
		r = fd_set_nonblock(fd, true);
	if (r < 0) {
		error_set(e, r, "create %s", v->path);
		vmlog_free(v);
		return NULL;
	}
	v->timer = loop_add_timer(l, -1, resume, v);
	v->io = v->timer ? loop_add_io(l, fd, EPOLLIN, readable, v) : NULL;
	if (v->io)
		return v;
	error_set(e, errno, "watch the stream of %s", v->path);
	vmlog_free(v);
	return NULL;
}

void vmlog_free(struct vmlog *v)
{
	if (!v)
		return;
	loop_source_free(v->io);
	loop_source_free(v->timer);
	fd_close(v->fd);
	fd_close(v->file);
	free(v->path);
	free(v);
}

void vmlog_drain(struct vmlog *v, size_t max)
{
	while (max) {
		ssize_t n = take(v, max);

		if (n <= 0)
			break;
		max -= (size_t)n;
	}
	line_end(v);
}

const char *vmlog_last(const struct vmlog *v)
{
	return v->last;
}

/* The last @room bytes of a log, behind what is in @buf already. Returns how many. */
static size_t tail_read(const char *dir, const char *name, char *buf, size_t room)
{
	autofree char *path = xasprintf("%s/%s", dir, name);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (lseek(fd, (off_t)MAX(st.st_size - (off_t)room, (off_t)0), SEEK_SET) < 0)
		return 0;
	n = fd_read_full(fd, buf, room);
	return n < 0 ? 0 : (size_t)n;
}

#define TAIL_BYTES KIB(16)

char *hv_console_tail(const char *dir, unsigned max)
{
	autofree char *text = xcalloc(1, 2 * TAIL_BYTES + 1);
	size_t n = tail_read(dir, "console.log.1", text, TAIL_BYTES);
	autodone(strv) lines = STRV_INIT;
	autodone(strv) wanted = STRV_INIT;

	n += tail_read(dir, "console.log", text + n, TAIL_BYTES);
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : '?';
	strv_split(&lines, text, "\r\n");
	for (size_t i = lines.n > max ? lines.n - max : 0; i < lines.n; i++) {
		str_make_printable(lines.v[i]);
		strv_add(&wanted, lines.v[i]);
	}
	return strv_join(&wanted, "\n");
}
