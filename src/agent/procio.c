/* SPDX-License-Identifier: Apache-2.0 */
/* procio - see procio.h. */
#include "agent/procio.h"

#include "agent/agent.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const char *const stream_names[] = { "stdin", "stdout", "stderr" };

void procio_init(struct procio *s, struct agent *a)
{
	*s = (struct procio){ .agent = a, .master = -1, .fd = { -1, -1, -1 }, .conn = { -1, -1 } };
	for (int i = 0; i < 3; i++)
		pending_list_init(&s->wait[i], LIMIT_AGENT_WAITERS);
}

void procio_close_child(int child[3])
{
	for (int i = 0; i < 3; i++)
		child[i] = fd_close(child[i]);
}

/* --- making the streams --- */

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ends[0] is read from, ends[1] written to; ours is ends[@mine]. */
static int open_pipe(struct procio *s, int mine, int ends[2])
{
	uint32_t size = s->agent->conf->pipe_size;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (size && fcntl(ends[1], F_SETPIPE_SZ, size) < 0)
		log_debug("pipe size %u: %s", size, strerror(errno));
	r = fd_set_nonblock(ends[mine], true);
	if (r < 0) {
		fd_close(ends[0]);
		fd_close(ends[1]);
	}
	return r;
}

/* Kept from the host by policy. */
static bool is_withheld(const struct procio *s, int i)
{
	return !policy_allows(&s->agent->policy, i == 0 ? POLICY_WRITE_STREAM : POLICY_READ_STREAM);
}

/* The connection named by @port for stream @i; -1 for none. One that is withheld ends here. */
static int take_stream(struct procio *s, int i, uint32_t port, int *ret, struct error *e)
{
	*ret = -1;
	if (port == 0 || port == PROCIO_PORT_NULL)
		return 0;
	*ret = streams_take(&s->agent->streams, port, e);
	if (*ret >= 0 && is_withheld(s, i))
		*ret = fd_close(*ret);
	else if (*ret < 0)
		return *ret;
	return 0;
}

/* A pipe for stream @i, whose process end is *ret. @conn is the host's connection (owned), or -1
 * with calls. */
static int open_one(struct procio *s, int i, int conn, int *ret, struct error *e)
{
	int mine = i == 0 ? 1 : 0, ends[2];
	int r;

	if ((!s->calls && conn < 0) || is_withheld(s, i)) {
		*ret = open_null();
		return *ret < 0 ? error_set(e, *ret, "open /dev/null") : 0;
	}
	r = open_pipe(s, mine, ends);
	if (r < 0) {
		fd_close(conn);
		return error_set(e, r, "pipe for %s", stream_names[i]);
	}
	*ret = ends[!mine];
	if (s->calls)
		s->fd[i] = ends[mine];
	else if (i == 0)
		r = relay_start(&s->agent->relays, conn, ends[1], e);
	else
		r = relay_start(&s->agent->relays, ends[0], conn, e);
	return r;
}

static int open_pipes(struct procio *s, const struct procio_request *rq, int child[3],
		      struct error *e)
{
	for (int i = 0; i < 3; i++) {
		int conn, r = take_stream(s, i, rq->port[i], &conn, e);

		if (r >= 0)
			r = open_one(s, i, conn, &child[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Only what can fail now; the rest when the terminal is there. */
static int plan_terminal(struct procio *s, const struct procio_request *rq, struct error *e)
{
	s->rows = rq->rows;
	s->columns = rq->columns;
	for (int i = 0; i < 2; i++) {
		int r = take_stream(s, i, rq->port[i], &s->conn[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int discard(struct procio *s, int i);

/* Where the bytes of one direction of the terminal go: calls, or a relay. */
static int connect_terminal(struct procio *s, int i, struct error *e)
{
	int conn = take_fd(s->conn[i]), fd;

	if (i == 0 && ((!s->calls && conn < 0) || is_withheld(s, i)))
		return 0; /* nobody types */
	fd = fcntl(s->master, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		fd_close(conn);
		return error_set(e, errno, "terminal");
	}
	if (!s->calls && !is_withheld(s, i))
		return i == 0 ? relay_start(&s->agent->relays, conn, fd, e)
			      : relay_start(&s->agent->relays, fd, conn, e);
	s->fd[i] = fd;
	if (is_withheld(s, i) && discard(s, i) < 0)
		return error_set(e, errno, "terminal");
	return 0;
}

int procio_attach(struct procio *s, int master, struct error *e)
{
	int r;

	s->master = master;
	r = fd_set_nonblock(master, true);
	if (r < 0)
		return error_set(e, r, "terminal");
	if (s->rows || s->columns)
		r = procio_resize(s, s->rows, s->columns, e);
	for (int i = 0; i < 2 && r >= 0; i++)
		r = connect_terminal(s, i, e);
	return r;
}

int procio_open(struct procio *s, const struct procio_request *rq, int ret_child[3],
		struct error *e)
{
	int child[3] = { -1, -1, -1 }, r;

	s->terminal = rq->terminal;
	s->calls = !rq->port[0] && !rq->port[1] && !rq->port[2];
	r = rq->terminal ? plan_terminal(s, rq, e) : open_pipes(s, rq, child, e);
	if (r < 0) {
		procio_close_child(child);
		procio_done(s);
		return r;
	}
	memcpy(ret_child, child, sizeof(child));
	return 0;
}

int procio_resize(struct procio *s, uint32_t rows, uint32_t columns, struct error *e)
{
	struct winsize ws = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };

	if (s->master < 0)
		return error_plain(e, EINVAL, "the process has no terminal");
	if (rows > UINT16_MAX || columns > UINT16_MAX)
		return error_plain(e, EINVAL, "a window of %u x %u is too large", rows, columns);
	return ioctl(s->master, TIOCSWINSZ, &ws) < 0 ? error_set(e, errno, "window size") : 0;
}

/* --- the calls --- */

static void forget(struct procio *s, int i)
{
	s->io[i] = loop_source_free(s->io[i]);
	s->fd[i] = fd_close(s->fd[i]);
}

static void reply_data(struct rpc_call *call, void *p, size_t n)
{
	Grpc__ReadStreamResponse resp = GRPC__READ_STREAM_RESPONSE__INIT;

	resp.data.data = p;
	resp.data.len = n;
	rpc_call_reply(call, &resp.base);
}

static uint8_t read_buf[LIMIT_AGENT_READ]; /* between one read and its answer */

/* Reads up to @len bytes into read_buf: their number, 0 at the end, -EAGAIN for nothing yet. A
 * terminal's master says EIO when nobody holds the other side. */
static ssize_t fetch(struct procio *s, int i, size_t len)
{
	ssize_t n = s->fd[i] < 0 ? 0 : read(s->fd[i], read_buf, MIN(len, sizeof(read_buf)));

	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !s->drained)
		return -EAGAIN;
	if (n > 0)
		return n;
	forget(s, i);
	return 0;
}

/* Output that nobody may see is read all the same, or the process would stand still. */
static void on_withheld(struct procio *s, int i)
{
	fetch(s, i, sizeof(read_buf));
}

static void on_withheld_stdout(struct loop_source *io, int fd, uint32_t events, void *data)
{
	on_withheld(data, 1);
}

static void on_withheld_stderr(struct loop_source *io, int fd, uint32_t events, void *data)
{
	on_withheld(data, 2);
}

static int discard(struct procio *s, int i)
{
	if (s->fd[i] < 0 || s->io[i])
		return 0;
	s->io[i] = loop_add_io(s->agent->loop, s->fd[i], EPOLLIN,
			       i == 1 ? on_withheld_stdout : on_withheld_stderr, s);
	return s->io[i] ? 0 : -errno;
}

static size_t read_len(const ProtobufCMessage *req)
{
	uint32_t len = ((const Grpc__ReadStreamRequest *)req)->len;

	return len ? len : LIMIT_AGENT_READ;
}

static void serve_reads(struct procio *s, int i)
{
	struct pending *p;

	while ((p = pending_first(&s->wait[i]))) {
		ssize_t n = fetch(s, i, read_len(p->req));

		if (n < 0)
			return;
		reply_data(pending_take(p), read_buf, is_withheld(s, i) ? 0 : (size_t)n);
	}
	s->io[i] = loop_source_free(s->io[i]);
}

static void on_stdout(struct loop_source *io, int fd, uint32_t events, void *data)
{
	serve_reads(data, 1);
}

static void on_stderr(struct loop_source *io, int fd, uint32_t events, void *data)
{
	serve_reads(data, 2);
}

/* Keeps @call until the stream is ready. */
static void procio_wait(struct procio *s, int i, struct rpc_call *call, const ProtobufCMessage *req,
			loop_io_fn *fn)
{
	struct error e = ERROR_INIT;

	if (!s->io[i])
		s->io[i] =
			loop_add_io(s->agent->loop, s->fd[i], i == 0 ? EPOLLOUT : EPOLLIN, fn, s);
	if (!s->io[i])
		rpc_call_failf(call, errno, "%s: %s", stream_names[i], strerror(errno));
	else if (pending_add(&s->wait[i], call, req, &e) < 0)
		rpc_call_fail(call, &e);
}

/* True if the host reads and writes by calls; else answers @call. */
static bool calls_allowed(const struct procio *s, int i, struct rpc_call *call)
{
	if (!s->calls)
		rpc_call_failf(call, EINVAL, "%s is a stream of its own", stream_names[i]);
	return s->calls;
}

void procio_read(struct procio *s, int which, struct rpc_call *call,
		 const Grpc__ReadStreamRequest *req)
{
	ssize_t n;

	if (!calls_allowed(s, which, call))
		return;
	/* Hosts take an empty answer for the end, and go on. */
	if (is_withheld(s, which)) {
		discard(s, which);
		reply_data(call, read_buf, 0);
		return;
	}
	n = pending_first(&s->wait[which]) ? -EAGAIN : fetch(s, which, read_len(&req->base));
	if (n >= 0)
		reply_data(call, read_buf, (size_t)n);
	else
		procio_wait(s, which, call, &req->base, which == 1 ? on_stdout : on_stderr);
}

/* Writes from @req behind *done: true when all of it is written or cannot be (then with *ret_err).
 */
static bool write_some(struct procio *s, const Grpc__WriteStreamRequest *req, size_t *done,
		       int *ret_err)
{
	*ret_err = 0;
	while (*done < req->data.len) {
		ssize_t n = s->fd[0] < 0 ? -1
					 : write(s->fd[0], req->data.data + *done,
						 req->data.len - *done);

		if (n > 0) {
			*done += (size_t)n;
			continue;
		}
		if (s->fd[0] >= 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		*ret_err = EPIPE;
		return true;
	}
	return true;
}

static void reply_write(struct rpc_call *call, size_t n, int err)
{
	Grpc__WriteStreamResponse resp = GRPC__WRITE_STREAM_RESPONSE__INIT;

	resp.len = (uint32_t)n;
	if (err)
		rpc_call_failf(call, err, "the process has closed its stdin");
	else
		rpc_call_reply(call, &resp.base);
}

static void on_stdin(struct loop_source *io, int fd, uint32_t events, void *data)
{
	struct procio *s = data;
	struct pending *p;
	int err;

	while ((p = pending_first(&s->wait[0]))) {
		size_t done = p->done;
		bool over = write_some(s, (const Grpc__WriteStreamRequest *)p->req, &done, &err);

		p->done = done;
		if (!over)
			return;
		reply_write(pending_take(p), done, err);
	}
	s->io[0] = loop_source_free(s->io[0]);
	if (s->close_stdin)
		forget(s, 0);
}

void procio_write(struct procio *s, struct rpc_call *call, const Grpc__WriteStreamRequest *req)
{
	struct error e = ERROR_INIT;
	size_t done = 0;
	int err;

	if (!calls_allowed(s, 0, call))
		return;
	if (req->data.len == 0) { /* the protocol's other way to close it */
		if (procio_close_stdin(s, &e) < 0)
			rpc_call_fail(call, &e);
		else
			reply_write(call, 0, 0);
		return;
	}
	if (!pending_first(&s->wait[0]) && write_some(s, req, &done, &err)) {
		reply_write(call, done, err);
		return;
	}
	procio_wait(s, 0, call, &req->base, on_stdin);
	/* What was written already counts: the call just queued is the only one. */
	if (done && pending_first(&s->wait[0]))
		pending_first(&s->wait[0])->done = done;
}

int procio_close_stdin(struct procio *s, struct error *e)
{
	if (!s->calls)
		return error_plain(e, EINVAL, "stdin is a stream: shut the stream down");
	if (s->terminal)
		return 0;
	if (pending_first(&s->wait[0]))
		s->close_stdin = true;
	else
		forget(s, 0);
	return 0;
}

/* --- the end --- */

static void on_drained(struct loop_source *t, void *data)
{
	struct procio *s = data;

	s->drain = loop_source_free(s->drain);
	s->drained = true;
	serve_reads(s, 1);
	serve_reads(s, 2);
}

void procio_exited(struct procio *s)
{
	s->master = fd_close(s->master);
	if (!s->calls)
		return;
	forget(s, 0);
	pending_fail_all(&s->wait[0], EPIPE, "the process has ended");
	s->drain = loop_add_timer(s->agent->loop, PROCIO_DRAIN_MS, on_drained, s);
	if (!s->drain)
		on_drained(NULL, s);
}

void procio_done(struct procio *s)
{
	for (int i = 0; i < 3; i++) {
		pending_fail_all(&s->wait[i], ENOENT, "the process is gone");
		forget(s, i);
	}
	for (int i = 0; i < 2; i++)
		s->conn[i] = fd_close(s->conn[i]);
	s->drain = loop_source_free(s->drain);
	s->master = fd_close(s->master);
}
