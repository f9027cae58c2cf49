/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl_tc - traffic control, see rtnl.h.
 *
 * A redirect is a u32 filter that matches everything, since the simpler classifier (matchall) is
 * missing from more kernels, with the action mirred. A rate is a token bucket (tbf). A kernel that
 * lacks one of them says so with ENOENT or EOPNOTSUPP; the error names what is missing.
 */
#include "sys/rtnl_priv.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>

#define INGRESS_HANDLE TC_H_MAKE(TC_H_INGRESS, 0)
#define RATE_HANDLE TC_H_MAKE(0xca150000U, 0)

/* The kernel's answer where @what is not built: a request that names it fails like one that names
 * nothing. */
static int missing(int r, const char *what, struct error *e)
{
	if (r == -ENOENT || r == -EOPNOTSUPP)
		return error_plain(e, -r, "this kernel has no %s", what);
	return r;
}

static struct tcmsg link_msg(int index, uint32_t parent, uint32_t handle)
{
	return (struct tcmsg){ .tcm_family = AF_UNSPEC,
			       .tcm_ifindex = index,
			       .tcm_parent = parent,
			       .tcm_handle = handle };
}

int rtnl_ingress_add(struct nl *nl, int index, struct error *e)
{
	const struct tcmsg h = link_msg(index, TC_H_INGRESS, INGRESS_HANDLE);
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_put_str(&q, TCA_KIND, "ingress");
	r = missing(nl_do(nl, &q, e), "queueing discipline \"ingress\" (CONFIG_NET_SCH_INGRESS)",
		    e);
	if (r < 0)
		error_prefix(e, "take what comes in on network interface %d", index);
	return r;
}

int rtnl_ingress_del(struct nl *nl, int index, struct error *e)
{
	const struct tcmsg h = link_msg(index, TC_H_INGRESS, INGRESS_HANDLE);
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_DELQDISC, 0, &h, sizeof(h));
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "leave network interface %d alone", index);
	return r;
}

struct search {
	int index;
	bool found;
};

static void look(uint16_t type, const void *p, size_t n, void *data)
{
	struct search *s = data;
	struct tcmsg h;

	if (type != RTM_NEWQDISC || n < sizeof(h))
		return;
	memcpy(&h, p, sizeof(h));
	if (h.tcm_ifindex == s->index && h.tcm_parent == TC_H_INGRESS)
		s->found = true;
}

bool rtnl_ingress_exists(struct nl *nl, int index)
{
	const struct tcmsg h = { .tcm_family = AF_UNSPEC, .tcm_ifindex = index };
	struct search s = { .index = index };
	struct nl_req q;

	nl_req_init(&q, RTM_GETQDISC, 0, &h, sizeof(h));
	return nl_dump(nl, &q, look, &s, NULL) == 0 && s.found;
}

int rtnl_redirect_add(struct nl *nl, int from, int to, struct error *e)
{
	struct tcmsg h = link_msg(from, INGRESS_HANDLE, 0);
	const struct tc_mirred act = { .action = TC_ACT_STOLEN,
				       .eaction = TCA_EGRESS_REDIR,
				       .ifindex = (uint32_t)to };
	struct {
		struct tc_u32_sel sel;
		struct tc_u32_key key;
	} match = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };
	struct nl_req q;
	int r;

	h.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL));
	nl_req_init(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_put_str(&q, TCA_KIND, "u32");
	nl_nest(&q, TCA_OPTIONS);
	nl_put(&q, TCA_U32_SEL, &match, sizeof(match));
	nl_nest(&q, TCA_U32_ACT);
	nl_nest(&q, 1); /* the first action */
	nl_put_str(&q, TCA_ACT_KIND, "mirred");
	nl_nest(&q, TCA_ACT_OPTIONS);
	nl_put(&q, TCA_MIRRED_PARMS, &act, sizeof(act));
	nl_nest_end(&q);
	nl_nest_end(&q);
	nl_nest_end(&q);
	nl_nest_end(&q);
	r = missing(nl_do(nl, &q, e),
		    "classifier \"u32\" or action \"mirred\" (CONFIG_NET_CLS_U32, "
		    "CONFIG_NET_ACT_MIRRED)",
		    e);
	if (r < 0)
		error_prefix(e, "redirect network interface %d to %d", from, to);
	return r;
}

/* A twentieth of a second at the rate, and never less than the largest packet there is. */
static uint32_t burst_of(uint64_t rate)
{
	return (uint32_t)MIN(MAX(rate / 20, (uint64_t)65536 * 2), (uint64_t)64 << 20);
}

int rtnl_rate_set(struct nl *nl, int index, uint64_t rate, struct error *e)
{
	const struct tcmsg h = link_msg(index, TC_H_ROOT, RATE_HANDLE);
	const uint32_t burst = burst_of(rate);
	const struct tc_tbf_qopt opt = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = (uint32_t)MIN(rate, (uint64_t)UINT32_MAX) },
		.limit = burst * 2,
	};
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_put_str(&q, TCA_KIND, "tbf");
	nl_nest(&q, TCA_OPTIONS);
	nl_put(&q, TCA_TBF_PARMS, &opt, sizeof(opt));
	nl_put_u32(&q, TCA_TBF_BURST, burst);
	if (rate > UINT32_MAX)
		nl_put(&q, TCA_TBF_RATE64, &rate, sizeof(rate));
	nl_nest_end(&q);
	r = missing(nl_do(nl, &q, e), "queueing discipline \"tbf\" (CONFIG_NET_SCH_TBF)", e);
	if (r < 0)
		error_prefix(e, "limit the rate of network interface %d", index);
	return r;
}

int rtnl_rate_del(struct nl *nl, int index, struct error *e)
{
	const struct tcmsg h = link_msg(index, TC_H_ROOT, RATE_HANDLE);
	struct nl_req q;
	int r;

	nl_req_init(&q, RTM_DELQDISC, 0, &h, sizeof(h));
	r = nl_do(nl, &q, e);
	if (r < 0)
		error_prefix(e, "lift the limit of network interface %d", index);
	return r;
}
