/* SPDX-License-Identifier: Apache-2.0 */
/* rtnl_priv - what the files of rtnl share: lists that grow while a dump is read. */
#pragma once

#include "sys/rtnl.h"

/* A message into an object of the list; false: it is none of ours. */
typedef bool rtnl_read_fn(uint16_t type, const void *p, size_t n, void *object);

/* The objects of @size bytes that the dump @q gives and @read takes, owned. -E2BIG above @max. */
int rtnl_dump(struct nl *nl, struct nl_req *q, rtnl_read_fn *read, size_t size, size_t max,
	      void **ret, size_t *ret_n, struct error *e);

/* An address of family @family in an attribute, all bits; none if the size does not fit. */
struct rtnl_ip rtnl_ip_attr(const struct nl_attr *a, uint8_t family);
void rtnl_put_ip(struct nl_req *q, uint16_t type, const struct rtnl_ip *ip);
