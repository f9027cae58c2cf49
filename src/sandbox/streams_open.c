/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams_open - from the words of a request ("/run/…/stdout", "file:///…", "binary:///…") to
 * descriptors.
 *
 * A logger is a child of this process with descriptors 3 (stdout), 4 (stderr) and 5, which it
 * closes when it is ready; nobody waits for that, because its pipes hold what comes before. It ends
 * by itself when its pipes do.
 */
#include "sandbox/streams.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void ends_close(struct streams_end ends[STREAM_COUNT])
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		ends[i].fd = fd_close(ends[i].fd);
		ends[i].hold = fd_close(ends[i].hold);
	}
}

/* --- fifos and files --- */

static int open_fifo(const char *path, bool in, bool hold, struct streams_end *ret, struct error *e)
{
	/* The reading end first: opening the other one without it would fail. */
	autoclose int rd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	autoclose int wr = -1;

	if (rd >= 0 && hold)
		wr = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (rd < 0 || (hold && wr < 0))
		return error_set(e, errno, "open %s", path);
	*ret = (struct streams_end){ .pipe = true };
	ret->fd = in ? take_fd(rd) : take_fd(wr);
	ret->hold = in ? take_fd(wr) : take_fd(rd);
	return 0;
}

static int open_file(const char *path, int flags, struct streams_end *ret, struct error *e)
{
	int fd = open(path, O_WRONLY | O_APPEND | flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_set(e, errno, "open %s", path);
	*ret = (struct streams_end){ .fd = fd, .hold = -1 };
	return 0;
}

static int open_path(const char *path, bool in, bool exec, struct streams_end *ret, struct error *e)
{
	struct stat st;

	if (*path != '/')
		return error_plain(e, EINVAL, "stdio \"%.100s\" is not an absolute path", path);
	if (stat(path, &st) < 0)
		return error_set(e, errno, "stdio %s", path);
	if (S_ISFIFO(st.st_mode))
		return open_fifo(path, in, !(in && exec), ret, e);
	if (!in && S_ISREG(st.st_mode))
		return open_file(path, 0, ret, e);
	return error_plain(e, EINVAL, "stdio %s is not a fifo%s", path, in ? "" : " or a file");
}

/* --- the rest of a URI --- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10
					    : -1;
}

/* "%2F" and the like; '+' is a blank in a query. Owned. */
static char *uri_decode(const char *s, size_t n, bool query)
{
	char *out = xcalloc(n + 1, 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		int hi = s[i] == '%' && i + 2 < n ? hex_digit(s[i + 1]) : -1;
		int lo = hi >= 0 ? hex_digit(s[i + 2]) : -1;

		if (lo >= 0) {
			out[k++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			out[k++] = query && s[i] == '+' ? ' ' : s[i];
		}
	}
	return out;
}

/* --- file:// --- */

static int open_log_file(const char *rest, struct streams_end ends[STREAM_COUNT], struct error *e)
{
	autofree char *path = uri_decode(rest, strcspn(rest, "?"), false);
	autofree char *dir = xstrdup(path);
	int r;

	if (*path != '/')
		return error_plain(e, EINVAL, "file://%.100s does not name an absolute path", rest);
	*strrchr(dir, '/') = '\0';
	r = *dir ? path_mkdir_all(dir, 0755) : 0;
	if (r < 0)
		return error_set(e, r, "create %s", dir);
	r = open_file(path, O_CREAT, &ends[STREAM_OUT], e);
	return r < 0 ? r : open_file(path, O_CREAT, &ends[STREAM_ERR], e);
}

/* --- binary:// --- */

/* Each key of the query is an argument, and each value. */
static void logger_arguments(const char *rest, struct strv *argv)
{
	const char *query = strchr(rest, '?');
	autodone(strv) pairs = STRV_INIT;

	strv_take(argv, uri_decode(rest, strcspn(rest, "?"), false));
	if (!query)
		return;
	strv_split(&pairs, query + 1, "&");
	for (size_t i = 0; i < pairs.n; i++) {
		const char *pair = pairs.v[i];
		size_t key = strcspn(pair, "=");

		strv_take(argv, uri_decode(pair, key, true));
		if (pair[key] && pair[key + 1])
			strv_take(argv, uri_decode(pair + key + 1, strlen(pair + key + 1), true));
	}
}

static int logger_descriptors(void *data, struct error *e)
{
	const int *fds = data;
	int moved[3];

	for (int i = 0; i < 3; i++) {
		moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
		if (moved[i] < 0)
			return error_set(e, errno, "descriptors of the logger");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(moved[i], 3 + i) < 0)
			return error_set(e, errno, "descriptors of the logger");
	return 0;
}

static void logger_ended(struct loop_source *s, pid_t pid, int status, void *data)
{
	if (status)
		log_warn("the logger %d of a container ended with status %d", (int)pid,
			 proc_exit_code(status));
}

/* @fds become 3, 4 and 5. These numbers are taken in this process (src/shim/start.c), so that none
 * of
 * @fds is among them. */
static int logger_spawn(const struct streams_params *p, const struct strv *argv, int fds[3],
			struct error *e)
{
	autofree char *id = xasprintf("CONTAINER_ID=%s", p->id);
	autofree char *ns = xasprintf("CONTAINER_NAMESPACE=%s", p->ns);
	const char *path = getenv("PATH");
	autofree char *search = xasprintf("PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	char *env[] = { id, ns, search, NULL };
	struct proc_spec spec = PROC_SPEC_INIT;
	pid_t pid;

	spec.path = argv->v[0];
	spec.argv = argv->v;
	spec.env = env;
	spec.keep = fds;
	spec.nkeep = 3;
	spec.setup = logger_descriptors;
	spec.data = fds;
	pid = proc_spawn(&spec, e);
	if (pid < 0)
		return error_prefix(e, "start the logger");
	if (!loop_add_child(p->loop, pid, logger_ended, NULL))
		log_warn("the logger %d cannot be watched", (int)pid);
	return 0;
}

/* The logger's end of a pipe; ours does not block. */
static int logger_pipe(struct streams_end *ret, struct error *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe");
	fd_set_nonblock(fds[1], true);
	*ret = (struct streams_end){ .fd = fds[1], .hold = -1, .pipe = true };
	return fds[0];
}

static int open_logger(const struct streams_params *p, const char *rest,
		       struct streams_end ends[STREAM_COUNT], struct error *e)
{
	autodone(strv) argv = STRV_INIT;
	autoclose int out = -1, err = -1, ready = -1;
	int fds[3];

	logger_arguments(rest, &argv);
	if (*argv.v[0] != '/')
		return error_plain(e, EINVAL, "binary://%.100s does not name an absolute path",
				   rest);
	out = logger_pipe(&ends[STREAM_OUT], e);
	err = out < 0 ? -1 : logger_pipe(&ends[STREAM_ERR], e);
	if (out < 0 || err < 0)
		return e ? e->code : -EMFILE;
	ready = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (ready < 0)
		return error_set(e, errno, "open /dev/null");
	memcpy(fds, (int[]){ out, err, ready }, sizeof(fds));
	return logger_spawn(p, &argv, fds, e);
}

/* --- all three --- */

static int open_one(const struct streams_params *p, const char *text, int which,
		    struct streams_end *ret, struct error *e)
{
	const char *path = str_skip_prefix(text, "fifo://");

	if (str_empty(text) || str_eq(text, "/dev/null") || (which == STREAM_ERR && p->terminal))
		return 0;
	if (!path && strstr(text, "://"))
		return error_plain(e, EOPNOTSUPP,
				   "stdio \"%.100s\" is not supported: give a fifo, a file, "
				   "file:// or binary://",
				   text);
	return open_path(path ? path : text, which == STREAM_IN, p->exec, ret, e);
}

static int open_outputs(const struct streams_params *p, struct streams_end ends[STREAM_COUNT],
			struct error *e)
{
	const char *out = p->out ? p->out : "", *rest;
	int r;

	if ((rest = str_skip_prefix(out, "file://")))
		return open_log_file(rest, ends, e);
	if ((rest = str_skip_prefix(out, "binary://")))
		return open_logger(p, rest, ends, e);
	r = open_one(p, out, STREAM_OUT, &ends[STREAM_OUT], e);
	return r < 0 ? r : open_one(p, p->err, STREAM_ERR, &ends[STREAM_ERR], e);
}

int streams_open_ends(const struct streams_params *p, struct streams_end ends[STREAM_COUNT],
		      struct error *e)
{
	int r;

	for (int i = 0; i < STREAM_COUNT; i++)
		ends[i] = (struct streams_end){ .fd = -1, .hold = -1 };
	r = open_one(p, p->in, STREAM_IN, &ends[STREAM_IN], e);
	if (r == 0)
		r = open_outputs(p, ends, e);
	if (r < 0)
		ends_close(ends);
	return r;
}
