/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_watch - what happens in the network namespace while the machine runs, see network.h.
 *
 * Engines connect and disconnect networks, and change addresses and routes, without a word to the
 * runtime. The kernel's events say that something happened; WATCH_MS after the last of them the
 * namespace is read again, and where it differs from what the guest was told: new interfaces are
 * joined and plugged in, the guest is told everything anew, and interfaces that are gone are
 * unplugged. One change at a time; what happens meanwhile is looked at afterwards. A step that
 * fails is logged and concerns its interface only.
 *
 * Interfaces that were there when the machine started cannot be unplugged: they lose their
 * addresses.
 */
#include "sandbox/internal.h"
#include "sandbox/network.h"

#include "base/log.h"
#include "base/loop.h"
#include "sys/ns.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>

#define WATCH_MS 150

static const uint32_t watch_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				     RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;

static void change_begin(struct sandbox *s);

/* --- the steps of a change --- */

static int change_look(void *data, struct error *e)
{
	struct sandbox *s = data;

	return net_rescan(&s->net, &s->watch.changed, e);
}

static void refuse(struct sandbox *s, struct net_nic *nic, const struct error *e)
{
	log_warn("network interface %s does not reach the guest: %s", nic->link.name,
		 error_text(e));
	net_disconnect_one(&s->net, nic);
	nic->refused = true;
}

static int change_join(void *data, struct error *e)
{
	struct sandbox *s = data;
	struct error why = ERROR_INIT;
	bool any = false;

	/* Of a hot-plugged device the driver takes one queue, and moves the packets itself. */
	s->net.queues = 1;
	s->net.vhost = false;
	for (size_t i = 0; i < s->net.nnics; i++) {
		struct net_nic *nic = &s->net.nics[i];

		if (nic->joined || nic->gone || nic->refused)
			continue;
		any = true;
		nic->hot = true;
		if (!s->config->hypervisor.pcie_root_port) {
			error_plain(&why, EOPNOTSUPP,
				    "the machine takes no devices while it runs (set "
				    "hypervisor.%s.pcie_root_port)",
				    s->config->hypervisor.name);
			refuse(s, nic, &why);
		} else if (net_connect_one(&s->net, nic, &why) < 0) {
			refuse(s, nic, &why);
		}
	}
	if (any)
		sandbox_save_state(s);
	return 0;
}

static bool plug_next(struct sandbox *s);

static void plugged(struct hv *h, const struct error *e, void *data)
{
	struct sandbox *s = data;

	if (e)
		refuse(s, &s->net.nics[s->watch.at], e);
	s->watch.at++;
	if (!plug_next(s))
		op_continue(&s->watch.op, NULL);
}

/* Plugs in the next interface that has a tap of its own still; false: there is none. */
static bool plug_next(struct sandbox *s)
{
	for (; s->watch.at < s->net.nnics; s->watch.at++) {
		struct net_nic *nic = &s->net.nics[s->watch.at];
		struct error e = ERROR_INIT;
		int r;

		if (nic->fds[0] < 0)
			continue;
		r = network_add_device(s, nic, plugged, &e);
		if (r == -EINPROGRESS)
			return true;
		if (r < 0)
			refuse(s, nic, &e);
	}
	return false;
}

static int change_plug(void *data, struct error *e)
{
	struct sandbox *s = data;

	s->watch.at = 0;
	return plug_next(s) ? -EINPROGRESS : 0;
}

static int change_tell(void *data, struct error *e)
{
	struct sandbox *s = data;

	return s->watch.changed ? network_tell(s, &s->watch.op, e) : 0;
}

static bool unplug_next(struct sandbox *s);

static void unplugged(struct hv *h, const struct error *e, void *data)
{
	struct sandbox *s = data;
	struct net_nic *nic = &s->net.nics[s->watch.at];

	if (e)
		log_warn("network interface %s: %s", nic->link.name, error_text(e));
	net_disconnect_one(&s->net, nic);
	s->watch.at++;
	if (!unplug_next(s))
		op_continue(&s->watch.op, NULL);
}

static bool unplug_next(struct sandbox *s)
{
	for (; s->watch.at < s->net.nnics; s->watch.at++) {
		struct net_nic *nic = &s->net.nics[s->watch.at];
		struct error e = ERROR_INIT;
		int r;

		if (!nic->gone || !nic->joined)
			continue;
		r = nic->hot ? network_remove_device(s, nic, unplugged, &e) : 0;
		if (r == -EINPROGRESS)
			return true;
		if (r < 0)
			log_warn("network interface %s: %s", nic->link.name, error_text(&e));
		net_disconnect_one(&s->net, nic);
	}
	return false;
}

static int change_unplug(void *data, struct error *e)
{
	struct sandbox *s = data;

	s->watch.at = 0;
	return unplug_next(s) ? -EINPROGRESS : 0;
}

static const struct op_step change_steps[] = {
	{ "look at the network", change_look, NULL },
	{ "join new interfaces", change_join, NULL },
	{ "plug them in", change_plug, NULL },
	{ "tell the guest", change_tell, NULL },
	{ "unplug those that are gone", change_unplug, NULL },
};

static void change_done(void *data, const struct error *e)
{
	struct sandbox *s = data;

	if (e)
		log_warn("a change of the network: %s", error_text(e));
	if (s->watch.again)
		change_begin(s);
}

static void change_begin(struct sandbox *s)
{
	s->watch.again = false;
	op_start(&s->watch.op, s->loop, "network", change_steps, ARRAY_SIZE(change_steps),
		 change_done, s);
}

/* --- the events --- */

static void settled(struct loop_source *src, void *data)
{
	struct sandbox *s = data;

	s->watch.timer = loop_source_free(s->watch.timer);
	if (s->watch.op.active)
		s->watch.again = true;
	else if (s->state == SANDBOX_READY)
		change_begin(s);
}

static void happened(struct loop_source *src, int fd, uint32_t events, void *data)
{
	struct sandbox *s = data;

	nl_drain(&s->watch.events);
	loop_source_free(s->watch.timer);
	s->watch.timer = loop_add_timer(s->loop, WATCH_MS, settled, s);
}

static int open_events(void *data, struct error *e)
{
	return nl_open_events(data, NETLINK_ROUTE, watch_groups, e);
}

void network_watch(struct sandbox *s)
{
	struct error e = ERROR_INIT;

	if (s->net.netns < 0)
		return;
	if (ns_call(s->net.netns, NS_NET, open_events, &s->watch.events, &e) == 0)
		s->watch.io = loop_add_io(s->loop, s->watch.events.fd, EPOLLIN, happened, s);
	if (!s->watch.io)
		log_warn("changes of the network will not reach the guest: %s", error_text(&e));
	/* What happened since it was read. */
	else
		s->watch.timer = loop_add_timer(s->loop, WATCH_MS, settled, s);
}

void network_unwatch(struct sandbox *s)
{
	op_abandon(&s->watch.op);
	s->watch.io = loop_source_free(s->watch.io);
	s->watch.timer = loop_source_free(s->watch.timer);
	s->net_retry = loop_source_free(s->net_retry);
	nl_done(&s->watch.events);
}
