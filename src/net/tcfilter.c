/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcfilter - the model for any Ethernet interface: a tap beside it, and traffic control that sends
 * what comes in on one out on the other.
 *
 * The redirect comes before everything else the kernel does with a packet that came in, so the
 * interface may keep its addresses. All that it leaves on the interface is the ingress discipline.
 */
#include "net/model.h"

#include "base/error.h"
#include "sys/tap.h"

int net_tap_ready(struct net *n, const struct net_nic *nic, int index, struct error *e)
{
	const struct rtnl_link_change c = { .mtu = nic->link.mtu, .flags = IFF_UP, .mask = IFF_UP };

	return rtnl_link_set(&n->nl, index, &c, e);
}

static int tcfilter_join(struct net *n, struct net_nic *nic, struct error *e)
{
	int at = nic->link.index, r = rtnl_ingress_add(&n->nl, at, e);
	struct rtnl_link tap;

	if (r < 0)
		return r;
	nic->joined = true;
	r = tap_open(nic->tap, nic->queues, nic->fds, e);
	if (r == 0)
		r = rtnl_link_by_name(&n->nl, nic->tap, &tap, e);
	if (r == 0)
		r = net_tap_ready(n, nic, tap.index, e);
	if (r == 0)
		r = rtnl_ingress_add(&n->nl, tap.index, e);
	if (r == 0)
		r = rtnl_redirect_add(&n->nl, tap.index, at, e);
	return r < 0 ? r : rtnl_redirect_add(&n->nl, at, tap.index, e);
}

const struct net_model net_tcfilter = { .name = "tcfilter", .join = tcfilter_join };
