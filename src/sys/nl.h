/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nl - netlink: requests, answers, attributes.
 *
 * A request is built in a struct nl_req of fixed size (what does not fit is an error when it is
 * sent), answers are walked in the buffer they were received in. Everything that is read is checked
 * against the length it is in: the kernel's messages are trusted no more than anybody's. One
 * thread; a socket belongs to the network namespace it was opened in, wherever its owner goes
 * later.
 *
 * What it leaves out: meaning. Links, addresses, routes and traffic control are in rtnl.h.
 */
#pragma once

#include "base/mem.h"

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct nl {
	int fd;
	uint32_t seq;
};
#define NL_INIT ((struct nl){ .fd = -1 })

/* @protocol: NETLINK_ROUTE, ... In the calling thread's network namespace. */
int nl_open(struct nl *n, int protocol, struct error *e);
/* As nl_open, for hearing of changes instead of asking: @groups is a set of RTMGRP_*. Non-blocking.
 */
int nl_open_events(struct nl *n, int protocol, uint32_t groups, struct error *e);
/* Throws away what has been heard. */
void nl_drain(struct nl *n);
void nl_done(struct nl *n);
DEFINE_AUTODONE(nl, nl_done);

#define NL_REQ_MAX 4096
#define NL_NEST_MAX 8

struct nl_req {
	_Alignas(NLMSG_ALIGNTO) unsigned char data[NL_REQ_MAX]; /* begins with struct nlmsghdr */
	size_t len;
	size_t nest[NL_NEST_MAX];
	unsigned depth;
	bool full; /* something did not fit */
};

/* A request with NLM_F_REQUEST and @flags, and the family's header (struct ifinfomsg ...) behind.
 */
void nl_req_init(struct nl_req *q, uint16_t type, uint16_t flags, const void *header, size_t n);
void nl_put(struct nl_req *q, uint16_t type, const void *p, size_t n);
void nl_put_u8(struct nl_req *q, uint16_t type, uint8_t v);
void nl_put_u16(struct nl_req *q, uint16_t type, uint16_t v);
void nl_put_u32(struct nl_req *q, uint16_t type, uint32_t v);
void nl_put_str(struct nl_req *q, uint16_t type, const char *s); /* with its NUL */
/* Bytes that are no attribute: a header inside of one. */
void nl_put_raw(struct nl_req *q, const void *p, size_t n);
/* What is put until nl_nest_end is inside the attribute @type. */
void nl_nest(struct nl_req *q, uint16_t type);
void nl_nest_end(struct nl_req *q);

/* Sends and waits for the acknowledgement. 0 or the kernel's -errno; @e gets its meaning and what
 * the kernel says besides. */
int nl_do(struct nl *n, struct nl_req *q, struct error *e);

/* One message of an answer: its type, and what is behind the netlink header. */
typedef void nl_message_fn(uint16_t type, const void *p, size_t n, void *data);
/* All objects of a kind (NLM_F_DUMP is added); one object. */
int nl_dump(struct nl *n, struct nl_req *q, nl_message_fn *fn, void *data, struct error *e);
int nl_get(struct nl *n, struct nl_req *q, nl_message_fn *fn, void *data, struct error *e);

/* Attributes in @n bytes at @p. */
struct nl_attrs {
	const unsigned char *p;
	size_t n;
};

struct nl_attr {
	uint16_t type; /* without the flags of nesting and byte order */
	const unsigned char *p;
	size_t n;
};

/* The next attribute; false at the end, or where the rest is malformed. */
bool nl_attr_next(struct nl_attrs *it, struct nl_attr *ret);
/* Those behind a family's header of @header bytes in a message; none if the message is shorter. */
struct nl_attrs nl_attrs_of(const void *p, size_t n, size_t header);
static inline struct nl_attrs nl_attr_nested(const struct nl_attr *a)
{
	return (struct nl_attrs){ a->p, a->n };
}

/* Values by size; 0 or "" where the attribute has another one. */
uint8_t nl_attr_u8(const struct nl_attr *a);
uint32_t nl_attr_u32(const struct nl_attr *a);
/* Copies, cut to @size with the NUL. */
void nl_attr_str(const struct nl_attr *a, char *ret, size_t size);
/* Copies at most @size bytes; how many. */
size_t nl_attr_bytes(const struct nl_attr *a, void *ret, size_t size);

/*
 * Walks the messages of one received datagram: calls @fn (may be NULL) for those that answer @seq
 * (any where it is 0). 0: more is to come, 1: the answer is complete (acknowledged, or the end of a
 * dump), else the kernel's -errno. For nl_dump, and for tests of the parser.
 */
int nl_walk(const void *p, size_t n, uint32_t seq, nl_message_fn *fn, void *data, struct error *e);
