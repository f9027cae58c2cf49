/* SPDX-License-Identifier: Apache-2.0 */
/* nl - see nl.h. */
#include "sys/nl.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel answers at once, but may have to wait for other holders of its lock. */
#define ANSWER_MS 10000

int nl_open(struct nl *n, int protocol, struct error *e)
{
	const int on = 1;

	n->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (n->fd < 0)
		return error_set(e, errno, "open a netlink socket");
	/* Without these there is no text with an error, and options of dumps are not checked: no
	 * reason to do without. */
	(void)!setsockopt(n->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)!setsockopt(n->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	n->seq = 0;
	return 0;
}

int nl_open_events(struct nl *n, int protocol, uint32_t groups, struct error *e)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };

	n->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (n->fd < 0 || bind(n->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = error_set(e, errno, "listen to netlink");

		nl_done(n);
		return r;
	}
	return 0;
}

/* Also where some was lost (ENOBUFS): that it changed is all there is to know. */
void nl_drain(struct nl *n)
{
	char buf[4096];

	for (;;)
		if (recv(n->fd, buf, sizeof(buf), 0) < 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

void nl_done(struct nl *n)
{
	n->fd = fd_close(n->fd);
}

/* --- requests --- */

static struct nlmsghdr *req_header(struct nl_req *q)
{
	return (struct nlmsghdr *)(void *)q->data;
}

static void *req_take(struct nl_req *q, size_t n)
{
	size_t space = NLMSG_ALIGN(n);
	unsigned char *p = q->data + q->len;

	if (n > sizeof(q->data) || space > sizeof(q->data) - q->len) {
		q->full = true;
		return NULL;
	}
	memset(p, 0, space);
	q->len += space;
	return p;
}

void nl_req_init(struct nl_req *q, uint16_t type, uint16_t flags, const void *header, size_t n)
{
	void *p;

	q->len = 0;
	q->depth = 0;
	q->full = false;
	req_take(q, NLMSG_HDRLEN);
	req_header(q)->nlmsg_type = type;
	req_header(q)->nlmsg_flags = NLM_F_REQUEST | flags;
	p = req_take(q, n);
	if (p)
		memcpy(p, header, n);
}

void nl_put(struct nl_req *q, uint16_t type, const void *p, size_t n)
{
	struct nlattr *a = n > NL_REQ_MAX ? NULL : req_take(q, NLA_HDRLEN + n);

	if (!a) {
		q->full = true;
		return;
	}
	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + n);
	if (n)
		memcpy((unsigned char *)a + NLA_HDRLEN, p, n);
}

void nl_put_u8(struct nl_req *q, uint16_t type, uint8_t v)
{
	nl_put(q, type, &v, sizeof(v));
}

void nl_put_u16(struct nl_req *q, uint16_t type, uint16_t v)
{
	nl_put(q, type, &v, sizeof(v));
}

void nl_put_u32(struct nl_req *q, uint16_t type, uint32_t v)
{
	nl_put(q, type, &v, sizeof(v));
}

void nl_put_str(struct nl_req *q, uint16_t type, const char *s)
{
	nl_put(q, type, s, strlen(s) + 1);
}

void nl_put_raw(struct nl_req *q, const void *p, size_t n)
{
	void *to = req_take(q, n);

	if (to)
		memcpy(to, p, n);
}

void nl_nest(struct nl_req *q, uint16_t type)
{
	if (q->depth == NL_NEST_MAX) {
		q->full = true;
		return;
	}
	q->nest[q->depth++] = q->len;
	nl_put(q, type | NLA_F_NESTED, NULL, 0);
}

void nl_nest_end(struct nl_req *q)
{
	struct nlattr *a;

	if (!q->depth || q->full)
		return;
	a = (struct nlattr *)(void *)(q->data + q->nest[--q->depth]);
	a->nla_len = (uint16_t)(q->len - q->nest[q->depth]);
}

/* --- attributes --- */

bool nl_attr_next(struct nl_attrs *it, struct nl_attr *ret)
{
	struct nlattr a;
	size_t space;

	if (it->n < sizeof(a))
		return false;
	memcpy(&a, it->p, sizeof(a));
	if (a.nla_len < sizeof(a) || a.nla_len > it->n)
		return false;
	ret->type = a.nla_type & NLA_TYPE_MASK;
	ret->p = it->p + NLA_HDRLEN;
	ret->n = a.nla_len - NLA_HDRLEN;
	space = MIN(NLA_ALIGN((size_t)a.nla_len), it->n);
	it->p += space;
	it->n -= space;
	return true;
}

struct nl_attrs nl_attrs_of(const void *p, size_t n, size_t header)
{
	header = NLMSG_ALIGN(header);
	if (n <= header)
		return (struct nl_attrs){ NULL, 0 };
	return (struct nl_attrs){ (const unsigned char *)p + header, n - header };
}

uint8_t nl_attr_u8(const struct nl_attr *a)
{
	return a->n == 1 ? *a->p : 0;
}

uint32_t nl_attr_u32(const struct nl_attr *a)
{
	uint32_t v = 0;

	if (a->n == sizeof(v))
		memcpy(&v, a->p, sizeof(v));
	return v;
}

void nl_attr_str(const struct nl_attr *a, char *ret, size_t size)
{
	size_t n = strnlen((const char *)a->p, a->n);

	n = MIN(n, size - 1);
	memcpy(ret, a->p, n);
	ret[n] = '\0';
}

size_t nl_attr_bytes(const struct nl_attr *a, void *ret, size_t size)
{
	size_t n = MIN(a->n, size);

	memcpy(ret, a->p, n);
	return n;
}

/* --- answers --- */

/* NLMSG_ERROR: the kernel's verdict, 0 for an acknowledgement; its own words in the attributes. */
static int verdict(const unsigned char *p, size_t n, uint16_t flags, struct error *e)
{
	struct nlmsgerr err;
	struct nl_attrs it;
	struct nl_attr a;
	char words[200] = "";
	size_t skip = sizeof(err);

	if (n < sizeof(err))
		return error_plain(e, EPROTO, "the kernel's answer is too short");
	memcpy(&err, p, sizeof(err));
	if (!err.error)
		return 1;
	if (err.error > 0 || err.error < -4095)
		return error_plain(e, EPROTO, "the kernel's answer has the error %d", err.error);
	/* The request follows, whole unless NLM_F_CAPPED. */
	if (!(flags & NLM_F_CAPPED) && err.msg.nlmsg_len > sizeof(err.msg))
		skip += err.msg.nlmsg_len - sizeof(err.msg);
	it = nl_attrs_of(p, n, skip);
	while (flags & NLM_F_ACK_TLVS && nl_attr_next(&it, &a))
		if (a.type == NLMSGERR_ATTR_MSG)
			nl_attr_str(&a, words, sizeof(words));
	str_make_printable(words);
	if (*words)
		return error_plain(e, -err.error, "%s (%s)", strerror(-err.error), words);
	return error_plain(e, -err.error, "%s", strerror(-err.error));
}

/* The end of a dump carries an error too, where it could not be completed. */
static int dump_end(const unsigned char *p, size_t n, struct error *e)
{
	int32_t code = 0;

	if (n >= sizeof(code))
		memcpy(&code, p, sizeof(code));
	return code < 0 && code >= -4095 ? error_plain(e, -code, "%s", strerror(-code)) : 1;
}

int nl_walk(const void *p, size_t n, uint32_t seq, nl_message_fn *fn, void *data, struct error *e)
{
	const unsigned char *at = p;
	struct nlmsghdr h;
	int r = 0;

	for (size_t space; r == 0 && n >= sizeof(h); at += space, n -= space) {
		memcpy(&h, at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			return error_plain(e, EPROTO, "the kernel's answer is malformed");
		space = MIN(NLMSG_ALIGN((size_t)h.nlmsg_len), n);
		if (seq && h.nlmsg_seq != seq)
			continue;
		if (h.nlmsg_type == NLMSG_ERROR)
			r = verdict(at + NLMSG_HDRLEN, h.nlmsg_len - NLMSG_HDRLEN, h.nlmsg_flags,
				    e);
		else if (h.nlmsg_type == NLMSG_DONE)
			r = dump_end(at + NLMSG_HDRLEN, h.nlmsg_len - NLMSG_HDRLEN, e);
		else if (h.nlmsg_type >= NLMSG_MIN_TYPE && fn)
			fn(h.nlmsg_type, at + NLMSG_HDRLEN, h.nlmsg_len - NLMSG_HDRLEN, data);
	}
	return r;
}

static int request_send(struct nl *n, struct nl_req *q, struct error *e)
{
	struct nlmsghdr *h = req_header(q);

	if (q->full || q->depth)
		return error_plain(e, EMSGSIZE, "the request to the kernel is too long");
	h->nlmsg_len = (uint32_t)q->len;
	h->nlmsg_seq = ++n->seq ? n->seq : ++n->seq;
	if (send(n->fd, q->data, q->len, 0) < 0)
		return error_set(e, errno, "send a netlink request");
	return 0;
}

/* One datagram from the kernel into @buf. */
static ssize_t answer_recv(struct nl *n, void *buf, size_t size, struct error *e)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	struct pollfd pfd = { .fd = n->fd, .events = POLLIN };
	ssize_t got;

	for (;;) {
		int ready = poll(&pfd, 1, ANSWER_MS);

		if (ready == 0)
			return error_plain(e, ETIMEDOUT, "the kernel does not answer");
		got = ready < 0 ? -1 : recvmsg(n->fd, &m, MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return error_set(e, errno, "receive a netlink answer");
		if (m.msg_flags & MSG_TRUNC)
			return error_plain(e, EMSGSIZE, "the kernel's answer is too long");
		if (from.nl_pid == 0)
			return got;
	}
}

static int answer_read(struct nl *n, nl_message_fn *fn, void *data, struct error *e)
{
	autofree unsigned char *buf = mem_try_calloc(1, LIMIT_NL_ANSWER);
	int r = 0;

	if (!buf)
		return error_set(e, ENOMEM, "netlink");
	while (r == 0) {
		ssize_t got = answer_recv(n, buf, LIMIT_NL_ANSWER, e);

		r = got < 0 ? (int)got : nl_walk(buf, (size_t)got, n->seq, fn, data, e);
	}
	return r < 0 ? r : 0;
}

static int ask(struct nl *n, struct nl_req *q, uint16_t flags, nl_message_fn *fn, void *data,
	       struct error *e)
{
	int r;

	req_header(q)->nlmsg_flags |= flags;
	r = request_send(n, q, e);
	return r < 0 ? r : answer_read(n, fn, data, e);
}

int nl_do(struct nl *n, struct nl_req *q, struct error *e)
{
	return ask(n, q, NLM_F_ACK, NULL, NULL, e);
}

int nl_get(struct nl *n, struct nl_req *q, nl_message_fn *fn, void *data, struct error *e)
{
	return ask(n, q, NLM_F_ACK, fn, data, e);
}

int nl_dump(struct nl *n, struct nl_req *q, nl_message_fn *fn, void *data, struct error *e)
{
	return ask(n, q, NLM_F_DUMP, fn, data, e);
}
