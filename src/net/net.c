/* SPDX-License-Identifier: Apache-2.0 */
/* net - see net.h. */
#include "net/net.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "net/model.h"
#include "sys/ns.h"
#include "sys/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>

static const struct net_model *const models[] = { &net_tcfilter, &net_macvtap };

int net_model_find(const char *name, const struct net_model **ret, struct error *e)
{
	if (str_eq(name, "none")) {
		*ret = NULL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (!str_eq(models[i]->name, name))
			continue;
		*ret = models[i];
		return 0;
	}
	return error_plain(
		e, EINVAL,
		"internetworking_model \"%.32s\" is not supported: tcfilter, macvtap and "
		"none are",
		name ? name : "");
}

struct net_nic *net_find(struct net *n, int index)
{
	for (size_t i = 0; i < n->nnics; i++)
		if (n->nics[i].link.index == index && !n->nics[i].gone)
			return &n->nics[i];
	return NULL;
}

/* --- connecting --- */

static int open_vhosts(struct net_nic *nic, struct error *e)
{
	int r = tap_open_vhost(nic->queues, nic->vhosts);

	if (r == 0)
		return 0;
	if (r != -ENOENT && r != -ENODEV && r != -ENXIO)
		return error_set(e, r, "open /dev/vhost-net (or set disable_vhost_net)");
	log_debug("the host has no vhost-net: QEMU moves the packets itself");
	return 0;
}

static int limit_rates(struct net *n, struct net_nic *nic, struct error *e)
{
	struct rtnl_link tap;
	int r = 0;

	if (n->rx_rate) {
		r = rtnl_link_by_name(&n->nl, nic->tap, &tap, e);
		if (r == 0)
			r = rtnl_rate_set(&n->nl, tap.index, n->rx_rate / 8, e);
	}
	if (r == 0 && n->tx_rate)
		r = rtnl_rate_set(&n->nl, nic->link.index, n->tx_rate / 8, e);
	return r;
}

/* Whoever else redirects what comes in would be robbed of it, or would rob us. */
static int check_free(struct net *n, const struct net_nic *nic, struct error *e)
{
	if (!rtnl_ingress_exists(&n->nl, nic->link.index))
		return 0;
	return error_plain(
		e, EBUSY,
		"network interface %s is in use: another virtual machine is joined to it, "
		"and two cannot share a network namespace",
		nic->link.name);
}

int net_check_free(struct net *n, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < n->nnics && r == 0; i++)
		r = check_free(n, &n->nics[i], e);
	return r;
}

static int join(struct net *n, struct net_nic *nic, struct error *e)
{
	const char *why = n->model->unfit ? n->model->unfit(&nic->link) : NULL;
	int r;

	if (why)
		return error_plain(e, EOPNOTSUPP,
				   "internetworking_model \"%s\" does not fit: %s (tcfilter does)",
				   n->model->name, why);
	nic->queues = n->queues;
	snprintf(nic->tap, sizeof(nic->tap), "tap%zu" NET_TAP_SUFFIX, (size_t)(nic - n->nics));
	r = n->model->join(n, nic, e);
	if (r == 0 && n->vhost)
		r = open_vhosts(nic, e);
	return r < 0 ? r : limit_rates(n, nic, e);
}

static int connect_all(void *data, struct error *e)
{
	struct net *n = data;

	for (size_t i = 0; i < n->nnics; i++) {
		int r = join(n, &n->nics[i], e);

		if (r < 0)
			return error_prefix(e, "network interface %s", n->nics[i].link.name);
	}
	return 0;
}

int net_connect(struct net *n, struct error *e)
{
	int r = ns_call(n->netns, NS_NET, connect_all, n, e);

	if (r < 0)
		net_disconnect(n);
	return r;
}

struct joining {
	struct net *n;
	struct net_nic *nic;
};

static int join_one(void *data, struct error *e)
{
	const struct joining *j = data;

	return join(j->n, j->nic, e);
}

int net_connect_one(struct net *n, struct net_nic *nic, struct error *e)
{
	struct joining j = { n, nic };
	int r = check_free(n, nic, e);

	if (r == 0)
		r = ns_call(n->netns, NS_NET, join_one, &j, e);
	if (r < 0) {
		net_disconnect_one(n, nic);
		error_prefix(e, "network interface %s", nic->link.name);
	}
	return r;
}

/* --- undoing --- */

/* Removes what a link of this name has of ours. Failures mean that it is gone already. */
static void restore(struct nl *nl, const char *name, const char *tap)
{
	struct rtnl_link l;

	if (tap && rtnl_link_by_name(nl, tap, &l, NULL) == 0)
		rtnl_link_del(nl, l.index, NULL);
	if (rtnl_link_by_name(nl, name, &l, NULL) < 0)
		return;
	if (rtnl_ingress_exists(nl, l.index))
		rtnl_ingress_del(nl, l.index, NULL);
	rtnl_rate_del(nl, l.index, NULL);
}

void net_disconnect_one(struct net *n, struct net_nic *nic)
{
	for (size_t k = 0; k < LIMIT_NET_QUEUES; k++) {
		nic->fds[k] = fd_close(nic->fds[k]);
		nic->vhosts[k] = fd_close(nic->vhosts[k]);
	}
	/* Without a join the tap is gone with its descriptors. */
	if (nic->joined)
		restore(&n->nl, nic->link.name, nic->tap);
	nic->joined = false;
	*nic->tap = '\0';
}

void net_disconnect(struct net *n)
{
	for (size_t i = 0; i < n->nnics; i++)
		net_disconnect_one(n, &n->nics[i]);
}

void net_done(struct net *n)
{
	net_disconnect(n);
	rtnl_addrs_done(&n->addrs);
	rtnl_routes_done(&n->routes);
	rtnl_neighs_done(&n->neighs);
	free(n->nics);
	nl_done(&n->nl);
	fd_close(n->netns);
	*n = NET_INIT;
}

struct cleaning {
	char *const *names;
	size_t n;
};

static int clean(void *data, struct error *e)
{
	const struct cleaning *c = data;
	autodone(nl) nl = NL_INIT;
	int r = nl_open(&nl, NETLINK_ROUTE, e);

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		char tap[IFNAMSIZ];

		snprintf(tap, sizeof(tap), "tap%zu" NET_TAP_SUFFIX, i);
		restore(&nl, c->names[i], tap);
	}
	return r;
}

int net_clean_up(const char *path, char *const *names, size_t n, struct error *e)
{
	struct cleaning c = { .names = names, .n = n };
	struct error why = ERROR_INIT;
	autoclose int fd = ns_open_path(path, NS_NET, &why);

	/* Torn down, or its directory is an empty file where the namespace was mounted. */
	if (fd == -ENOENT || fd == -EINVAL)
		return 0;
	if (fd < 0)
		return error_copy(e, &why);
	return ns_call(fd, NS_NET, clean, &c, e);
}
