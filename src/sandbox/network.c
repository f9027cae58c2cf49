/* SPDX-License-Identifier: Apache-2.0 */
/* network - see network.h. The messages to the guest are in network_guest.c. */
#include "sandbox/network.h"

#include "sandbox/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "sys/ns.h"

#include <errno.h>
#include <stdio.h>

static int open_netns(struct container *c, const char *path, struct error *e)
{
	int fd;

	if (!str_empty(path))
		return ns_open_path(path, NS_NET, e);
	fd = ns_open(c->init.pid, NS_NET);
	return fd < 0 ? error_set(e, fd, "network namespace of the init proxy %d", (int)c->init.pid)
		      : fd;
}

/*
 * The network namespace of @c. A spec without one means that of whoever calls the runtime: the
 * host's. -ENOENT: there is none, or the configuration wants none for guests.
 */
static int find_netns(struct container *c, struct error *e)
{
	const struct net_model *model;
	const char *path = NULL;
	autoclose int own = ns_open(0, NS_NET), fd = -1;
	bool given = oci_has_namespace(c->spec, "network", &path);
	int r = net_model_find(c->sandbox->config->runtime.internetworking_model, &model, e);

	if (r < 0)
		return r;
	if (!model)
		return -ENOENT;
	/* A new one, for a container whose engine has no proxy to put into it: nothing is in it. */
	if (given && str_empty(path) && c->init.streams)
		return -ENOENT;
	fd = given ? open_netns(c, path, e) : -1;
	if (given && fd < 0)
		return fd;
	if (!given || (own >= 0 && ns_same(own, fd)))
		return error_plain(
			e, EOPNOTSUPP,
			"the host's network cannot be shared with a virtual machine: give "
			"the container a network of its own or --network none, or set "
			"runtime.internetworking_model = \"none\" to run it with nothing "
			"but a loopback interface");
	return take_fd(fd);
}

/* Before anything is changed in the namespace it must be known what to undo. */
static void remember(struct sandbox *s, struct container *first)
{
	const char *path = NULL;

	oci_has_namespace(first->spec, "network", &path);
	free(s->netns);
	s->netns = str_empty(path) ? xasprintf("/proc/%d/ns/net", (int)first->init.pid)
				   : xstrdup(path);
	sandbox_save_state(s);
}

/* A copy of a template gets its interfaces while it exists already: with one queue. */
static unsigned queues(const struct sandbox *s)
{
	unsigned n = s->config->hypervisor.network_queues;

	return MIN(n ? n : s->vcpus, (unsigned)LIMIT_NET_QUEUES);
}

int network_join(struct sandbox *s, struct container *first, struct error *e)
{
	autoclose int fd = find_netns(first, e);
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = net_scan(&s->net, fd, e);
	if (r < 0)
		return error_prefix(e, "look at the container's network");
	net_model_find(s->config->runtime.internetworking_model, &s->net.model, NULL);
	s->net.queues = s->template ? 1 : queues(s);
	s->net.rx_rate = s->config->hypervisor.rx_rate_limiter_max_rate;
	s->net.tx_rate = s->config->hypervisor.tx_rate_limiter_max_rate;
	s->net.vhost = !s->template && !s->config->hypervisor.disable_vhost_net;
	r = net_check_free(&s->net, e);
	if (r < 0)
		return r;
	remember(s, first);
	r = net_connect(&s->net, e);
	return r < 0 ? error_prefix(e, "join the container's network") : 0;
}

void network_leave(struct sandbox *s)
{
	net_done(&s->net);
	free(take_ptr(s->netns));
}

static void device_id(const struct sandbox *s, const struct net_nic *nic, char *ret, size_t size)
{
	snprintf(ret, size, "net%zu", (size_t)(nic - s->net.nics));
}

int network_add_device(struct sandbox *s, struct net_nic *nic, hv_done_fn *done, struct error *e)
{
	char mac[RTNL_MAC_TEXT], id[16];
	struct hv_dev d = { .type = HV_DEV_TAP,
			    .id = id,
			    .fd = nic->fds[0],
			    .mac = rtnl_mac_text(&nic->link.mac, mac),
			    .nmore_fds = nic->queues - 1,
			    .nvhost_fds = nic->vhosts[0] >= 0 ? nic->queues : 0,
			    .done = done,
			    .data = s };
	int r;

	device_id(s, nic, id, sizeof(id));
	memcpy(d.more_fds, nic->fds + 1, d.nmore_fds * sizeof(int));
	memcpy(d.vhost_fds, nic->vhosts, d.nvhost_fds * sizeof(int));
	/* Without anybody to tell it is one of the machine's own. */
	r = done ? s->hv->ops->add(s->hv, &d, e) : machine_add(s, &d, e);
	if (r < 0 && r != -EINPROGRESS)
		return r;
	/* They are the driver's now. */
	for (size_t k = 0; k < LIMIT_NET_QUEUES; k++)
		nic->fds[k] = nic->vhosts[k] = -1;
	return r;
}

int network_remove_device(struct sandbox *s, struct net_nic *nic, hv_done_fn *done, struct error *e)
{
	char id[16];
	struct hv_dev d = { .type = HV_DEV_TAP, .id = id, .fd = -1, .done = done, .data = s };

	device_id(s, nic, id, sizeof(id));
	return s->hv->ops->remove(s->hv, &d, e);
}

int network_devices(struct sandbox *s, struct error *e)
{
	for (size_t i = 0; i < s->net.nnics; i++) {
		int r = network_add_device(s, &s->net.nics[i], NULL, e);

		if (r < 0)
			return error_prefix(e, "network interface %s", s->net.nics[i].link.name);
	}
	return 0;
}

int network_check(struct container *c, struct error *e)
{
	autoclose int fd = find_netns(c, e);
	autodone(net) other = NET_INIT;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (c->sandbox->net.netns >= 0 && ns_same(fd, c->sandbox->net.netns))
		return 0;
	r = net_scan(&other, fd, e);
	if (r < 0 || !other.nnics)
		return r;
	return error_plain(
		e, EOPNOTSUPP,
		"the container has a network of its own, and a virtual machine has one for "
		"all of its containers");
}
