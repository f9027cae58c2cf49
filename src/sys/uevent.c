/* SPDX-License-Identifier: Apache-2.0 */
/* uevent - see uevent.h. */
#include "sys/uevent.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#define KERNEL_GROUP 1 /* udev speaks to group 2 */
#define RECEIVE_BUFFER (1 << 20)

static int take_number(const char *text, unsigned *ret)
{
	uint32_t n;

	if (str_to_u32(text, 10, &n) < 0)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int take_field(const char *line, struct uevent *ret, bool *major, bool *minor)
{
	const char *value;

	if ((value = str_skip_prefix(line, "SUBSYSTEM="))) {
		ret->subsystem = value;
	} else if ((value = str_skip_prefix(line, "DEVNAME="))) {
		ret->devname = value;
	} else if ((value = str_skip_prefix(line, "MAJOR="))) {
		*major = true;
		return take_number(value, &ret->major);
	} else if ((value = str_skip_prefix(line, "MINOR="))) {
		*minor = true;
		return take_number(value, &ret->minor);
	}
	return 0;
}

/* The header says action and path; so do two fields, which must agree with it. */
static int check_header(const char *msg, const char *line, struct uevent *ret)
{
	const char *action = str_skip_prefix(line, "ACTION=");
	const char *path = str_skip_prefix(line, "DEVPATH=");
	size_t n = (size_t)(strchr(msg, '@') - msg);

	if (action) {
		ret->action = action;
		return strlen(action) == n && strncmp(action, msg, n) == 0 ? 0 : -EINVAL;
	}
	if (path) {
		ret->devpath = path;
		return str_eq(path, msg + n + 1) ? 0 : -EINVAL;
	}
	return 0;
}

int uevent_parse(const char *msg, size_t n, struct uevent *ret)
{
	struct uevent u = { .subsystem = "", .devname = "" };
	bool major = false, minor = false;
	int r = 0;

	if (!n || msg[n - 1] || !strstr(msg, "@/"))
		return -EINVAL;
	if (msg + strcspn(msg, "@") + 1 != strstr(msg, "@/") + 1)
		return -EINVAL;
	for (size_t i = strlen(msg) + 1; i < n && r == 0; i += strlen(msg + i) + 1) {
		r = check_header(msg, msg + i, &u);
		if (r == 0)
			r = take_field(msg + i, &u, &major, &minor);
	}
	if (r < 0 || !u.action || !u.devpath || major != minor)
		return -EINVAL;
	u.has_dev = major;
	*ret = u;
	return 0;
}

int uevent_open(struct error *e)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int size = RECEIVE_BUFFER;
	autoclose int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				  NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return error_set(e, errno, "uevent socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 && errno != EPERM)
		return error_set(e, errno, "uevent socket's buffer");
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return error_set(e, errno, "listen for uevents");
	return take_fd(fd);
}

int uevent_recv(int fd, char *buf, struct uevent *ret)
{
	struct iovec iov = { buf, UEVENT_MAX };
	struct sockaddr_nl from = { 0 };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (from.nl_pid != 0 || (m.msg_flags & MSG_TRUNC))
		return 0;
	return uevent_parse(buf, (size_t)n, ret) == 0;
}
