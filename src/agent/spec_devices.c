/* SPDX-License-Identifier: Apache-2.0 */
/* spec_devices - see spec_devices.h. */
#include "agent/spec_devices.h"

#include "agent/device.h"

#include "base/limits.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <errno.h>

/* The numbers before, so that a rule is changed once: what one device gets may be what another had.
 */
struct change {
	Grpc__LinuxDevice *device;
	int64_t major, minor;
	const struct device_node *node;
};

static Grpc__LinuxDevice *find_device(const Grpc__Spec *spec, const char *path)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_devices; i++)
		if (str_eq(spec->linux->devices[i]->path, path))
			return spec->linux->devices[i];
	return NULL;
}

static int plan(const Grpc__Spec *spec, const Grpc__Device *d, const struct device_node *node,
		struct change *ret, struct error *e)
{
	if (*d->container_path != '/')
		return error_plain(e, EINVAL, "device %.128s has no path in the container",
				   device_where(d));
	ret->device = find_device(spec, d->container_path);
	if (!ret->device)
		return error_plain(e, EINVAL, "the specification does not list device %.128s",
				   d->container_path);
	if (!str_eq(ret->device->type, "b"))
		return error_plain(e, EINVAL,
				   "device %.128s is a block device here, not of type \"%.8s\"",
				   d->container_path, ret->device->type);
	ret->major = ret->device->major;
	ret->minor = ret->device->minor;
	ret->node = node;
	return 0;
}

static bool rule_is_about(const Grpc__LinuxDeviceCgroup *rule, const struct change *c)
{
	return (str_eq(rule->type, "b") || str_eq(rule->type, "a") || str_empty(rule->type)) &&
	       rule->major == c->major && rule->minor == c->minor;
}

static void change_rules(Grpc__LinuxResources *res, const struct change *c, size_t n)
{
	for (size_t i = 0; res && i < res->n_devices; i++) {
		Grpc__LinuxDeviceCgroup *rule = res->devices[i];

		for (size_t j = 0; j < n; j++) {
			if (!rule_is_about(rule, &c[j]))
				continue;
			rule->major = c[j].node->major;
			rule->minor = c[j].node->minor;
			break;
		}
	}
}

int spec_set_devices(Grpc__Spec *spec, Grpc__Device *const *devices,
		     const struct device_node *nodes, size_t n, struct error *e)
{
	struct change changes[LIMIT_AGENT_DEVICES];
	int r = 0;

	if (n > LIMIT_AGENT_DEVICES)
		return error_plain(e, ENOBUFS, "%zu devices", n);
	if (n && !nodes)
		return error_plain(e, EPROTO, "the devices were not told");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = plan(spec, devices[i], &nodes[i], &changes[i], e);
	if (r < 0 || !n)
		return r;
	change_rules(spec->linux->resources, changes, n);
	for (size_t i = 0; i < n; i++) {
		changes[i].device->major = nodes[i].major;
		changes[i].device->minor = nodes[i].minor;
	}
	return 0;
}
