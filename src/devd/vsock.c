/* SPDX-License-Identifier: Apache-2.0 */
/* caisson-devd vsock - sockets between a guest and programs of the host, see virtio/vsock.h. */
#include "devd/devd.h"

#include "base/error.h"
#include "base/fd.h"
#include "devd/jail.h"
#include "virtio/vsock.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/un.h>

#define OTHER_FDS 64 /* loop, log, front-end, rings, memory in flight */
#define NAME_LEN_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof("_4294967295"))

struct vsock_cmd {
	struct devd_options common;
	const char *uds_path;
	int uds_fd;
	uint64_t guest_cid;
};

static const struct vsock_cmd defaults = { .common = DEVD_DEFAULTS, .uds_fd = -1 };

static const struct arg_option args[] = {
	{ "uds-path", 0, ARG_STRING, offsetof(struct vsock_cmd, uds_path), "PATH",
	  "host programs connect here; the guest's connections go to PATH_<port>" },
	{ "uds-fd", 0, ARG_INT, offsetof(struct vsock_cmd, uds_fd), "N",
	  "a socket that listens on --uds-path already" },
	{ "guest-cid", 0, ARG_U64, offsetof(struct vsock_cmd, guest_cid), "CID",
	  "the guest's address, 3 or more" },
	DEVD_OPTIONS(struct vsock_cmd),
};

/* The calls of src/virtio/vsock*.c beside those of the loop and of vhost. */
static const struct jail_call calls[] = {
	{ SCMP_SYS(readv) },
	{ SCMP_SYS(sendmsg) },
	{ SCMP_SYS(recvfrom) },
	{ SCMP_SYS(shutdown) },
	{ SCMP_SYS(socket), 0, UINT32_MAX, AF_UNIX },
	{ SCMP_SYS(connect) },
};

static int check(const struct vsock_cmd *o, const char *name, struct error *e)
{
	if (o->guest_cid < VSOCK_CID_MIN || o->guest_cid > VSOCK_CID_MAX)
		return error_plain(e, EINVAL, "--guest-cid must be from %d to %u", VSOCK_CID_MIN,
				   VSOCK_CID_MAX);
	if (strlen(name) > NAME_LEN_MAX)
		return error_plain(e, ENAMETOOLONG, "the file name %s is longer than %zu", name,
				   NAME_LEN_MAX);
	return 0;
}

/* The socket that host programs connect to. The descriptor or -errno. */
static int open_host(const struct vsock_cmd *o, struct error *e)
{
	int fd = o->uds_fd, r;

	if (fd < 0) {
		fd = unix_listen(o->uds_path, SOCK_STREAM, 0600);
		return fd < 0 ? error_set(e, fd, "listen on %s", o->uds_path) : fd;
	}
	r = fd_set_nonblock(fd, true);
	if (r == 0)
		r = fd_set_cloexec(fd, true);
	return r < 0 ? error_set(e, r, "--uds-fd=%d", fd) : fd;
}

static struct virtio_device *vsock_open(const void *options, struct loop *l, struct jail_plan *plan,
					struct error *e)
{
	const struct vsock_cmd *o = options;
	struct vsock_options v = { .loop = l,
				   .guest_cid = (uint32_t)o->guest_cid,
				   .listen_fd = -1 };
	struct virtio_device *d;

	if (!o->uds_path) {
		error_plain(e, EINVAL, "--uds-path is needed");
		return NULL;
	}
	plan->dir = devd_open_directory(o->uds_path, &v.path, e);
	if (plan->dir < 0 || check(o, v.path, e) < 0)
		return NULL;
	v.listen_fd = open_host(o, e);
	if (v.listen_fd < 0)
		return NULL;
	plan->calls = calls;
	plan->ncalls = ARRAY_SIZE(calls);
	plan->nofile = LIMIT_VSOCK_CONNS + OTHER_FDS;
	d = vsock_new(&v);
	if (!d) {
		error_set(e, errno, "set up the vsock device");
		fd_close(v.listen_fd);
	}
	return d;
}

const struct devd_command devd_vsock = {
	.name = "vsock",
	.summary = "sockets between the guest and programs of the host, through unix sockets",
	.spec = { .options = args, .n = ARRAY_SIZE(args) },
	.defaults = &defaults,
	.options_size = sizeof(struct vsock_cmd),
	.open = vsock_open,
};
