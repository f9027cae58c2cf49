/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alog - see alog.h.
 *
 * Positions count bytes since the start (`end`, and `at` of each client); the ring holds the last
 * LIMIT_AGENT_LOG_RING of them, its pages are touched as it fills.
 */
#include "agent/alog.h"

#include "agent/listen.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING LIMIT_AGENT_LOG_RING
#define LINE_MAX_BYTES 4096

struct alog {
	struct loop *loop;
	int console, listen_fd;
	int pipe[2];
	struct loop_source *reader, *listener;
	char *ring;
	uint64_t end;
	char line[LINE_MAX_BYTES]; /* read and not yet ended by a newline */
	size_t line_len;
	struct list clients;
	unsigned nclients;
};

struct log_client {
	struct list link;
	struct alog *log;
	int fd;
	struct loop_source *io;
	uint64_t at;
};

static void client_free(struct log_client *c)
{
	loop_source_free(c->io);
	fd_close(c->fd);
	list_del(&c->link);
	c->log->nclients--;
	free(c);
}

static char ring_byte(const struct alog *a, uint64_t pos)
{
	return a->ring[pos % RING];
}

/* A client that fell behind the ring goes on at the next whole line; with the words that say so.
 * -errno if it cannot be told. */
static int client_catch_up(struct log_client *c)
{
	uint64_t oldest = c->log->end > RING ? c->log->end - RING : 0, lost;
	char text[64];
	int n;

	if (c->at >= oldest)
		return 0;
	lost = oldest - c->at;
	while (oldest < c->log->end && ring_byte(c->log, oldest++) != '\n')
		lost++;
	n = snprintf(text, sizeof(text), "... %llu bytes of the log are lost ...\n",
		     (unsigned long long)lost);
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	c->at = oldest;
	return 0;
}

static int client_send(struct log_client *c)
{
	struct alog *a = c->log;
	int r = client_catch_up(c);

	while (r >= 0 && c->at < a->end) {
		size_t off = c->at % RING, n = MIN((size_t)(a->end - c->at), RING - off);
		ssize_t sent = send(c->fd, a->ring + off, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0)
			r = -errno;
		else
			c->at += (uint64_t)sent;
	}
	return r;
}

static void client_flush(struct log_client *c)
{
	int r = client_send(c);

	if (r == -EAGAIN)
		r = loop_io_set(c->io, EPOLLIN | EPOLLOUT);
	else if (r == 0)
		r = loop_io_set(c->io, EPOLLIN);
	if (r < 0)
		client_free(c);
}

/* Nobody has anything to say to a log: input is only looked at for its end. */
static void on_client(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct log_client *c = data;
	char dummy[256];
	ssize_t n;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = read(fd, dummy, sizeof(dummy));
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			client_free(c);
			return;
		}
	}
	client_flush(c);
}

static void client_add(struct alog *a, int fd)
{
	struct log_client *c;

	if (a->nclients >= LIMIT_AGENT_LOG_CLIENTS || agent_peer_check(fd, NULL) < 0) {
		fd_close(fd);
		return;
	}
	c = xnew(struct log_client);
	c->log = a;
	c->fd = fd;
	c->at = a->end > RING ? a->end - RING : 0;
	list_add(&a->clients, &c->link);
	a->nclients++;
	c->io = loop_add_io(a->loop, fd, EPOLLIN, on_client, c);
	if (c->io)
		client_flush(c);
	else
		client_free(c);
}

static void on_listen(struct loop_source *s, int fd, uint32_t events, void *data)
{
	int client;

	while ((client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		client_add(data, client);
}

static void ring_add(struct alog *a, const char *p, size_t n)
{
	while (n) {
		size_t off = a->end % RING, part = MIN(n, RING - off);

		memcpy(a->ring + off, p, part);
		a->end += part;
		p += part;
		n -= part;
	}
}

/* The second word of a line of base/log's text format is its level. */
static bool line_is_error(const char *line, size_t n)
{
	const char *level = memchr(line, ' ', n);

	return level && (size_t)(line + n - level) > 7 && memcmp(level, " error ", 7) == 0;
}

static void line_done(struct alog *a)
{
	if (a->console >= 0 && line_is_error(a->line, a->line_len) &&
	    write(a->console, a->line, a->line_len) < 0)
		a->console = -1;
	ring_add(a, a->line, a->line_len);
	a->line_len = 0;
}

static void take_bytes(struct alog *a, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		a->line[a->line_len++] = p[i];
		if (p[i] == '\n' || a->line_len == sizeof(a->line))
			line_done(a);
	}
}

static void drain(struct alog *a)
{
	char chunk[2048];
	ssize_t n;

	while ((n = read(a->pipe[0], chunk, sizeof(chunk))) > 0)
		take_bytes(a, chunk, (size_t)n);
}

static void on_pipe(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct alog *a = data;
	struct log_client *c;

	drain(a);
	list_for_each(c, &a->clients, link)
		client_flush(c);
}

static int alog_open(struct alog *a, struct error *e)
{
	void *p = mmap(NULL, RING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return error_set(e, errno, "log ring");
	a->ring = p;
	/* Non-blocking at both ends: a burst may lose lines, the agent never waits for itself. */
	if (pipe2(a->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set(e, errno, "log pipe");
	a->reader = loop_add_io(a->loop, a->pipe[0], EPOLLIN, on_pipe, a);
	return a->reader ? 0 : error_set(e, errno, "watch the log pipe");
}

struct alog *alog_new(struct loop *l, int console, int level, struct error *e)
{
	struct alog *a = xnew(struct alog);

	a->loop = l;
	a->console = console;
	a->listen_fd = a->pipe[0] = a->pipe[1] = -1;
	list_init(&a->clients);
	if (alog_open(a, e) < 0) {
		alog_free(a);
		return NULL;
	}
	log_init("caisson-agent", a->pipe[1], LOG_FORMAT_TEXT, (enum log_level)level);
	return a;
}

int alog_listen(struct alog *a, int listen_fd, struct error *e)
{
	a->listen_fd = listen_fd;
	a->listener = loop_add_io(a->loop, listen_fd, EPOLLIN, on_listen, a);
	return a->listener ? 0 : error_set(e, errno, "watch the log port");
}

void alog_free(struct alog *a)
{
	if (!a)
		return;
	log_set_fd(STDERR_FILENO);
	while (!list_empty(&a->clients))
		client_free(list_entry(a->clients.next, struct log_client, link));
	if (a->pipe[0] >= 0)
		drain(a);
	loop_source_free(a->reader);
	loop_source_free(a->listener);
	fd_close(a->pipe[0]);
	fd_close(a->pipe[1]);
	fd_close(a->listen_fd);
	if (a->ring)
		munmap(a->ring, RING);
	free(a);
}
