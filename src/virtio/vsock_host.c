/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_host - the host side of a vsock device: the listening socket and its CONNECT line,
 * connections to "<path>_<port>", and what epoll says about their sockets.
 */
#include "virtio/vsock_priv.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HOST_PORT_FIRST (1U << 30) /* Firecracker's range for ports of host programs */
#define HOST_PORT_LAST 0xfffffffeU
#define CONNECT_LINE_MAX 32

/* A host port that no connection to @guest_port has. The table is smaller than the range: there is
 * one. */
static uint32_t pick_host_port(struct vsock *v, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = v->next_port;
		v->next_port = port == HOST_PORT_LAST ? HOST_PORT_FIRST : port + 1;
	} while (conn_find(v, port, guest_port));
	return port;
}

static int parse_connect(const char *line, uint32_t *ret_port)
{
	const char *number = str_skip_prefix(line, "CONNECT ");
	uint32_t port;

	if (!number || str_to_u32(number, 10, &port) < 0 || port == VMADDR_PORT_ANY)
		return -EINVAL;
	*ret_port = port;
	return 0;
}

/* Takes the line and not a byte more: payload may follow at once. 1: got it; 0: not there yet;
 * -errno. */
static int read_connect(int fd, uint32_t *ret_port)
{
	char line[CONNECT_LINE_MAX];
	ssize_t n = recv(fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	char *end;
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	end = memchr(line, '\n', (size_t)n);
	if (!end)
		return n == CONNECT_LINE_MAX ? -EINVAL : 0;
	if (recv(fd, line, (size_t)(end - line) + 1, MSG_DONTWAIT) != end - line + 1)
		return -EIO;
	*end = '\0';
	r = parse_connect(line, ret_port);
	return r < 0 ? r : 1;
}

static void handshake(struct vsock_conn *c)
{
	uint32_t port = 0;
	int r = read_connect(c->fd, &port);

	if (r == 0 && !c->hup)
		return;
	conn_no_deadline(c);
	if (r <= 0 || c->hup) {
		c->state = VSOCK_ENDED;
		return;
	}
	c->guest_port = port;
	c->host_port = pick_host_port(c->v, port);
	conn_hash(c);
	c->state = VSOCK_REQUESTED;
	c->owe = OWE_REQUEST; /* goes when there is a receive buffer: held until the driver is up */
}

void conn_accepted(struct vsock_conn *c)
{
	char line[CONNECT_LINE_MAX];
	int n = snprintf(line, sizeof(line), "OK %u\n", c->host_port);

	conn_no_deadline(c);
	if (send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n) {
		conn_abort(c);
		return;
	}
	c->state = VSOCK_OPEN;
	c->readable = true; /* edges from before were not kept */
}

/* The host closed before the guest answered. A guest that was not asked yet never hears of it. */
static void host_gave_up(struct vsock_conn *c)
{
	if (c->owe & OWE_REQUEST)
		conn_guest_gone(c);
	else
		conn_abort(c);
}

static void host_closed(struct vsock_conn *c)
{
	c->shutdown = VSOCK_SHUTDOWN_BOTH;
	c->owe |= OWE_SHUTDOWN;
}

static void open_event(struct vsock_conn *c, uint32_t events)
{
	if (events & ~(uint32_t)EPOLLOUT)
		c->readable = true;
	if (c->ring_len > 0 && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		conn_flush(c);
	/* Nothing is left to read that anybody would want: the end need not be looked for. */
	if (c->hup && (c->host_eof || c->guest_deaf))
		host_closed(c);
}

static void conn_event(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct vsock_conn *c = data;
	struct vsock *v = c->v;

	c->hup |= (events & (EPOLLHUP | EPOLLERR)) != 0;
	if (c->state == VSOCK_HANDSHAKE)
		handshake(c);
	else if (c->state == VSOCK_REQUESTED && c->hup)
		host_gave_up(c);
	else if (c->state == VSOCK_OPEN)
		open_event(c, events);
	else if (c->state == VSOCK_ENDED && c->ring_len > 0)
		conn_flush(c);
	conn_update(c);
	vsock_run(v);
}

/* Watches @fd, which @c owns from now on, also on failure. */
static int host_attach(struct vsock_conn *c, int fd)
{
	c->fd = fd;
	c->io = loop_add_io(c->v->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, conn_event,
			    c);
	return c->io ? 0 : -errno;
}

void conn_dial(struct vsock_conn *c)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 16];
	int fd;

	snprintf(path, sizeof(path), "%s_%u", c->v->path, c->host_port);
	fd = unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK);
	if (fd == -EAGAIN && c->state == VSOCK_DIALING)
		return;
	if (fd == -EAGAIN) {
		c->state = VSOCK_DIALING;
		conn_deadline(c);
		return;
	}
	conn_no_deadline(c);
	if (fd < 0 || host_attach(c, fd) < 0) {
		conn_abort(c);
		return;
	}
	c->state = VSOCK_OPEN;
	c->owe |= OWE_RESPONSE;
}

static void adopt(struct vsock *v, int fd)
{
	struct vsock_conn *c = v->dev.broken ? NULL : conn_new(v, false);

	if (!c) {
		fd_close(fd);
		return;
	}
	c->state = host_attach(c, fd) < 0 ? VSOCK_ENDED : VSOCK_HANDSHAKE;
	if (c->state == VSOCK_HANDSHAKE)
		conn_deadline(c);
	conn_update(c);
}

void vsock_accept(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct vsock *v = data;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn >= 0) {
		adopt(v, conn);
		return;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		v->listener_paused = true; /* else this would be called again at once */
		loop_io_set(s, 0);
	}
}

void vsock_resume_listener(struct vsock *v)
{
	if (!v->listener_paused)
		return;
	v->listener_paused = false;
	loop_io_set(v->listener, EPOLLIN);
}
