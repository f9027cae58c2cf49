/* SPDX-License-Identifier: Apache-2.0 */
/* devd - see devd.h: what device commands have in common. */
#include "devd/devd.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "devd/jail.h"
#include "vhost/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listening or a connected socket for vhost. The descriptor or -errno. */
static int open_frontend(const struct devd_options *o, struct error *e)
{
	autoclose int fd = -1;

	if ((o->fd < 0) == !o->socket)
		return error_plain(e, EINVAL, "one of --socket and --fd is needed");
	if (o->fd >= 0) {
		int r = fd_set_cloexec(o->fd, true);

		return r < 0 ? error_set(e, r, "--fd=%d", o->fd) : o->fd;
	}
	fd = unix_listen(o->socket, SOCK_STREAM, 0600);
	if (fd < 0)
		return error_set(e, fd, "listen on %s", o->socket);
	/* The VMM, which connects, runs as the same user. */
	if (o->uid && chown(o->socket, (uid_t)o->uid, (gid_t)o->gid) < 0)
		return error_set(e, errno, "give %s to uid %u", o->socket, (uid_t)o->uid);
	return take_fd(fd);
}

int devd_open_directory(const char *path, const char **ret_name, struct error *e)
{
	const char *name = path_base(path);
	autofree char *dir = name == path ? xstrdup(".") : xstrndup(path, (size_t)(name - path));
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!*name) {
		fd_close(fd);
		return error_plain(e, EINVAL, "%s is a directory", path);
	}
	if (fd < 0)
		return error_set(e, errno, "open the directory %s", dir);
	*ret_name = name;
	return fd;
}

struct session {
	struct loop *loop;
	struct virtio_device *device;
	struct vhost *vhost;
	struct jail_plan plan;
	struct error *why;
};

static void session_done(struct session *s)
{
	vhost_free(s->vhost);
	virtio_free(s->device);
	fd_close(s->plan.dir);
	loop_free(s->loop);
}
DEFINE_AUTODONE(session, session_done);

static void frontend_closed(void *data, const struct error *e)
{
	struct session *s = data;

	loop_quit(s->loop, error_copy(s->why, e));
}

static void asked_to_end(struct loop_source *source, const struct signalfd_siginfo *si, void *data)
{
	loop_quit(data, 0);
}

/* Everything that needs the outside world. */
static int session_open(struct session *s, const struct devd_command *c, const void *options,
			struct error *e)
{
	autoclose int frontend = open_frontend(options, e);

	if (frontend < 0)
		return frontend;
	s->loop = loop_new();
	if (!s->loop || !loop_add_signal(s->loop, SIGTERM, asked_to_end, s->loop) ||
	    !loop_add_signal(s->loop, SIGINT, asked_to_end, s->loop))
		return error_set(e, errno, "event loop");
	s->device = c->open(options, s->loop, &s->plan, e);
	if (!s->device)
		return -EINVAL;
	s->vhost = vhost_new(s->loop, frontend, s->device, frontend_closed, s);
	if (!s->vhost)
		return error_set(e, errno, "serve the VMM");
	frontend = -1; /* vhost's now */
	return 0;
}

static int check_identity(const struct devd_options *o, struct error *e)
{
	if (!o->uid != !o->gid || o->uid >= UINT32_MAX || o->gid >= UINT32_MAX)
		return error_plain(e, EINVAL, "--uid and --gid come together, and neither is 0");
	return 0;
}

int devd_run(const struct devd_command *c, const void *options, struct error *e)
{
	const struct devd_options *o = options;
	autodone(session) s = {
		.plan = { .dir = -1, .uid = (uid_t)o->uid, .gid = (gid_t)o->gid },
		.why = e,
	};
	int r = check_identity(o, e);

	signal(SIGPIPE, SIG_IGN); /* UML's interrupts are sockets */
	if (r == 0)
		r = session_open(&s, c, options, e);
	if (r == 0)
		r = jail_enter(&s.plan, e);
	s.plan.dir = fd_close(s.plan.dir);
	if (r < 0)
		return r;
	malloc_trim(0); /* what the preparations needed */
	return loop_run(s.loop);
}
