/* SPDX-License-Identifier: Apache-2.0 */
/* address - see address.h. */
#include "rpc/address.h"

#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "rpc/hvsock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
/* needs sockaddr from <sys/socket.h> */
#include <linux/vm_sockets.h>

#define BACKLOG 64
#define RETRY_MS 10 /* between attempts at a unix listener whose backlog is full */

/* Splits "LEFT:PORT" at the last colon; *ret_left is the caller's. */
static int split_port(const char *s, char **ret_left, uint32_t *ret_port)
{
	const char *colon = strrchr(s, ':');
	uint32_t port;

	if (!colon || str_to_u32(colon + 1, 10, &port) < 0 || port == VMADDR_PORT_ANY)
		return -EINVAL;
	*ret_left = xstrndup(s, (size_t)(colon - s));
	*ret_port = port;
	return 0;
}

static int parse_unix(const char *s, struct rpc_address *ret)
{
	if (s[0] != '/' || !s[1])
		return -EINVAL;
	ret->kind = RPC_ADDRESS_UNIX;
	ret->path = xstrdup(s);
	return 0;
}

static int parse_vsock(const char *s, struct rpc_address *ret)
{
	autofree char *cid = NULL;

	if (split_port(s, &cid, &ret->port) < 0)
		return -EINVAL;
	if (str_eq(cid, "-1"))
		ret->cid = VMADDR_CID_ANY;
	else if (str_to_u32(cid, 10, &ret->cid) < 0)
		return -EINVAL;
	ret->kind = RPC_ADDRESS_VSOCK;
	return 0;
}

static int parse_hvsock(const char *s, struct rpc_address *ret)
{
	autofree char *path = NULL;

	if (split_port(s, &path, &ret->port) < 0 || path[0] != '/' || !path[1])
		return -EINVAL;
	ret->kind = RPC_ADDRESS_HVSOCK;
	ret->path = take_ptr(path);
	return 0;
}

static const struct scheme {
	const char *prefix;
	const char *form;
	int (*parse)(const char *rest, struct rpc_address *ret);
} schemes[] = {
	[RPC_ADDRESS_UNIX] = { "unix://", "unix:///PATH", parse_unix },
	[RPC_ADDRESS_VSOCK] = { "vsock://", "vsock://CID:PORT", parse_vsock },
	[RPC_ADDRESS_HVSOCK] = { "hvsock://", "hvsock:///PATH:PORT", parse_hvsock },
};

int rpc_address_parse(const char *text, struct rpc_address *ret, struct error *e)
{
	struct rpc_address a = RPC_ADDRESS_INIT;

	if (text[0] == '/' && parse_unix(text, &a) == 0) {
		*ret = a;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *rest = str_skip_prefix(text, schemes[i].prefix);

		if (!rest)
			continue;
		if (schemes[i].parse(rest, &a) < 0)
			return error_plain(e, EINVAL, "address \"%s\": must be %s", text,
					   schemes[i].form);
		*ret = a;
		return 0;
	}
	return error_plain(e, EINVAL,
			   "address \"%s\": must begin with unix://, vsock:// or hvsock://", text);
}

void rpc_address_done(struct rpc_address *a)
{
	free(a->path);
	*a = RPC_ADDRESS_INIT;
}

char *rpc_address_format(const struct rpc_address *a)
{
	switch (a->kind) {
	case RPC_ADDRESS_VSOCK:
		return a->cid == VMADDR_CID_ANY ? xasprintf("vsock://-1:%u", a->port)
						: xasprintf("vsock://%u:%u", a->cid, a->port);
	case RPC_ADDRESS_HVSOCK:
		return xasprintf("hvsock://%s:%u", a->path, a->port);
	default:
		return xasprintf("unix://%s", a->path);
	}
}

static struct sockaddr_vm vsock_sockaddr(const struct rpc_address *a)
{
	return (struct sockaddr_vm){
		.svm_family = AF_VSOCK,
		.svm_cid = a->cid,
		.svm_port = a->port,
	};
}

static int vsock_listen(const struct rpc_address *a)
{
	struct sockaddr_vm sa = vsock_sockaddr(a);
	autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(fd);
}

int rpc_address_listen(const struct rpc_address *a, struct error *e)
{
	autofree char *text = rpc_address_format(a);
	autofree char *path = NULL;
	int fd;

	if (a->kind == RPC_ADDRESS_VSOCK) {
		fd = vsock_listen(a);
	} else {
		path = a->kind == RPC_ADDRESS_HVSOCK ? xasprintf("%s_%u", a->path, a->port)
						     : xstrdup(a->path);
		fd = unix_listen(path, SOCK_STREAM, 0600);
	}
	return fd < 0 ? error_set(e, fd, "listen on %s", text) : fd;
}

/* Waits for a connect(2) under way. */
static int await_connect(int fd, int64_t timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int r, err = 0;

	do
		r = poll(&p, 1, (int)MIN(timeout_ms, INT32_MAX));
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int vsock_connect(const struct rpc_address *a, int64_t timeout_ms)
{
	struct sockaddr_vm sa = vsock_sockaddr(a);
	autoclose int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	if (r == -EINPROGRESS)
		r = await_connect(fd, timeout_ms);
	return r < 0 ? r : take_fd(fd);
}

static int unix_connect_within(const char *path, int64_t timeout_ms)
{
	int64_t deadline = loop_now_ms() + timeout_ms;

	for (;;) {
		int fd = unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK);

		if (fd != -EAGAIN)
			return fd;
		if (loop_now_ms() >= deadline)
			return -ETIMEDOUT;
		/* There is nothing to poll for: a unix socket does not report room in a backlog. */
		poll(NULL, 0, RETRY_MS);
	}
}

int rpc_address_connect(const struct rpc_address *a, int64_t timeout_ms, struct error *e)
{
	autofree char *text = NULL;
	int fd;

	if (a->kind == RPC_ADDRESS_HVSOCK)
		return hvsock_connect(a->path, a->port, timeout_ms, NULL, e);
	if (a->kind == RPC_ADDRESS_VSOCK)
		fd = vsock_connect(a, timeout_ms);
	else
		fd = unix_connect_within(a->path, timeout_ms);
	if (fd >= 0)
		return fd;
	text = rpc_address_format(a);
	return error_set(e, fd, "connect to %s", text);
}

int rpc_dial(const char *text, int64_t timeout_ms, struct error *e)
{
	autodone(rpc_address) a = RPC_ADDRESS_INIT;
	int r = rpc_address_parse(text, &a, e);

	return r < 0 ? r : rpc_address_connect(&a, timeout_ms, e);
}
