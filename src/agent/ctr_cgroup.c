/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_cgroup - a container's cgroup: linux.resources to the files of cgroup v2.
 *
 * The specification speaks in terms of version 1; the conversions are those of the kernel's
 * documentation and runc. What version 2 does not have is refused by name, except where asking for
 * it can have no other meaning than what is so anyway.
 */
#include "agent/ctr_setup.h"

#include "base/buf.h"
#include "base/fd.h"
#include "sys/cgroup.h"
#include "sys/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define VALUE_MAX 64

/* One update on its way. */
struct update {
	const char *cgroup;
	const Grpc__LinuxResources *res;
};

typedef int part_fn(const struct update *u, struct error *e);

char *ctr_cgroup_path(const char *id, const Grpc__Spec *spec, struct error *e)
{
	return cgroup_name(spec->linux ? spec->linux->cgroupspath : NULL, id, e);
}

char *ctr_cgroup_file(const char *cgroup, const char *file)
{
	char *path = cgroup_path(cgroup, file);

	return path ? path : xstrdup(file);
}

/* @what names the setting where the file is missing, that is, where the kernel has no such
 * controller. */
static int set(const struct update *u, const char *file, const char *value, const char *what,
	       struct error *e)
{
	int r = cgroup_write(u->cgroup, file, value, e);

	if (r != -ENOENT)
		return r;
	error_clear(e);
	return error_plain(e, EOPNOTSUPP, "%s cannot be set: the guest has no %s", what, file);
}

static int set_number(const struct update *u, const char *file, int64_t value, const char *what,
		      struct error *e)
{
	char text[VALUE_MAX];

	/* Negative: without limit. */
	snprintf(text, sizeof(text), "%lld", (long long)value);
	return set(u, file, value < 0 ? "max" : text, what, e);
}

/* A kernel that cannot swap keeps every limit of it. */
static int set_swap(const struct update *u, int64_t swap, struct error *e)
{
	int r = set_number(u, "memory.swap.max", swap, "memory.swap", e);

	if (r != -EOPNOTSUPP)
		return r;
	error_clear(e);
	return 0;
}

/* Version 2 counts swap alone, the specification memory and swap together. */
static int update_swap(const struct update *u, const Grpc__LinuxMemory *m, struct error *e)
{
	int64_t limit = m->limit;
	uint64_t now;

	/* Without a limit of memory there is none of both. */
	if (m->swap < 0 || (!m->swap && m->limit < 0))
		return set_swap(u, -1, e);
	if (!m->swap)
		return 0;
	/* An update of swap alone counts from the limit in force. */
	if (!limit && cgroup_read_u64(u->cgroup, "memory.max", &now) == 0 && now != UINT64_MAX)
		limit = (int64_t)now;
	if (limit <= 0)
		return error_plain(e, EINVAL, "memory.swap cannot be set without memory.limit");
	if (m->swap < limit)
		return error_plain(e, EINVAL, "memory.swap is below memory.limit");
	return set_swap(u, m->swap - limit, e);
}

static int check_memory(const struct update *u, const Grpc__LinuxMemory *m, struct error *e)
{
	uint64_t now;

	if (m->swappiness_set || m->swappiness)
		return error_plain(e, EOPNOTSUPP,
				   "memory.swappiness cannot be set: cgroup v2 does not have it");
	if (m->kernel > 0 || m->kerneltcp > 0)
		return error_plain(e, EOPNOTSUPP,
				   "memory.kernel cannot be set: cgroup v2 does not have it");
	if (m->disableoomkiller)
		return error_plain(
			e, EOPNOTSUPP,
			"memory.disableOOMKiller cannot be set: cgroup v2 does not have it");
	if (m->checkbeforeupdate && m->limit > 0 &&
	    cgroup_read_u64(u->cgroup, "memory.current", &now) == 0 && now > (uint64_t)m->limit)
		return error_plain(e, EBUSY, "memory.limit %lld is below the %llu bytes in use",
				   (long long)m->limit, (unsigned long long)now);
	return 0;
}

static int update_memory(const struct update *u, struct error *e)
{
	const Grpc__LinuxMemory *m = u->res->memory;
	int r;

	if (!m)
		return 0;
	r = check_memory(u, m, e);
	/* Swap counts from the limit: a check of it must come before anything is set. */
	if (r == 0)
		r = update_swap(u, m, e);
	if (r == 0 && m->limit)
		r = set_number(u, "memory.max", m->limit, "memory.limit", e);
	if (r == 0 && m->reservation)
		r = set_number(u, "memory.low", m->reservation, "memory.reservation", e);
	return r;
}

/* 2..262144 to 1..10000, 1024 to about 39: the conversion that all runtimes agreed on. */
static uint64_t shares_to_weight(uint64_t shares)
{
	shares = MIN(MAX(shares, 2), 262144);
	return 1 + (shares - 2) * 9999 / 262142;
}

/* cpu.max is "quota period"; what the update leaves out stays. */
static int update_quota(const struct update *u, const Grpc__LinuxCPU *c, struct error *e)
{
	autofree char *now = NULL;
	autodone(strv) words = STRV_INIT;
	char text[VALUE_MAX];
	uint64_t period = c->period;
	int n;

	if (!c->quota && !c->period)
		return 0;
	if (cgroup_read(u->cgroup, "cpu.max", &now) == 0)
		strv_split(&words, now, " \n");
	if (!period && (words.n < 2 || str_to_u64(words.v[1], 10, &period) < 0))
		period = 100000;
	if (c->quota > 0)
		n = snprintf(text, sizeof(text), "%lld %llu", (long long)c->quota,
			     (unsigned long long)period);
	else
		n = snprintf(text, sizeof(text), "%s %llu",
			     c->quota == 0 && words.n ? words.v[0] : "max",
			     (unsigned long long)period);
	return n < (int)sizeof(text) ? set(u, "cpu.max", text, "cpu.quota", e)
				     : error_plain(e, EINVAL, "cpu.quota: bad value");
}

static int update_cpu(const struct update *u, struct error *e)
{
	const Grpc__LinuxCPU *c = u->res->cpu;
	int r = 0;

	if (!c)
		return 0;
	if (c->realtimeruntime || c->realtimeperiod)
		return error_plain(e, EOPNOTSUPP,
				   "cpu.realtimeRuntime cannot be set: cgroup v2 does not have it");
	/* An idle group has no weight: leave idle first, enter it last. */
	if (c->has_idle_case == GRPC__LINUX_CPU__HAS_IDLE_IDLE && !c->idle)
		r = set_number(u, "cpu.idle", 0, "cpu.idle", e);
	if (r == 0 && c->shares)
		r = set_number(u, "cpu.weight", (int64_t)shares_to_weight(c->shares), "cpu.shares",
			       e);
	if (r == 0)
		r = update_quota(u, c, e);
	if (r == 0 && c->has_burst_case == GRPC__LINUX_CPU__HAS_BURST_BURST)
		r = set_number(u, "cpu.max.burst", (int64_t)c->burst, "cpu.burst", e);
	if (r == 0 && c->has_idle_case == GRPC__LINUX_CPU__HAS_IDLE_IDLE && c->idle)
		r = set_number(u, "cpu.idle", c->idle, "cpu.idle", e);
	return r;
}

static int update_cpuset(const struct update *u, struct error *e)
{
	const Grpc__LinuxCPU *c = u->res->cpu;
	int r = 0;

	if (c && !str_empty(c->cpus))
		r = set(u, "cpuset.cpus", c->cpus, "cpu.cpus", e);
	if (r == 0 && c && !str_empty(c->mems))
		r = set(u, "cpuset.mems", c->mems, "cpu.mems", e);
	return r;
}

static int update_pids(const struct update *u, struct error *e)
{
	const Grpc__LinuxPids *p = u->res->pids;

	return p && p->limit ? set_number(u, "pids.max", p->limit, "pids.limit", e) : 0;
}

/* BFQ takes the specification's weights as they are; io.cost has the range of the other weights of
 * version 2. */
static int set_io_weight(const struct update *u, const char *device, uint32_t weight,
			 struct error *e)
{
	char text[VALUE_MAX];
	int r;

	snprintf(text, sizeof(text), "%s %u", device, weight);
	r = set(u, "io.bfq.weight", text, "blockIO.weight", e);
	if (r != -EOPNOTSUPP)
		return r;
	error_clear(e);
	snprintf(text, sizeof(text), "%s %u", device, 1 + (MAX(weight, 10U) - 10) * 9999 / 990);
	return set(u, "io.weight", text, "blockIO.weight", e);
}

static int update_throttle(const struct update *u, Grpc__LinuxThrottleDevice **d, size_t n,
			   const char *key, struct error *e)
{
	char text[VALUE_MAX * 2];
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		snprintf(text, sizeof(text), "%lld:%lld %s=%llu", (long long)d[i]->major,
			 (long long)d[i]->minor, key, (unsigned long long)d[i]->rate);
		r = set(u, "io.max", text, "blockIO throttle", e);
	}
	return r;
}

static int refuse_leaf_weight(struct error *e)
{
	return error_plain(e, EOPNOTSUPP,
			   "blockIO.leafWeight cannot be set: cgroup v2 does not have it");
}

static int update_io_weights(const struct update *u, const Grpc__LinuxBlockIO *b, struct error *e)
{
	int r = b->weight ? set_io_weight(u, "default", b->weight, e) : 0;

	for (size_t i = 0; r == 0 && i < b->n_weightdevice; i++) {
		const Grpc__LinuxWeightDevice *d = b->weightdevice[i];
		char device[VALUE_MAX / 2];

		if (d->leafweight)
			return refuse_leaf_weight(e);
		snprintf(device, sizeof(device), "%lld:%lld", (long long)d->major,
			 (long long)d->minor);
		r = set_io_weight(u, device, d->weight, e);
	}
	return r;
}

static int update_io(const struct update *u, struct error *e)
{
	const Grpc__LinuxBlockIO *b = u->res->blockio;
	int r;

	if (!b)
		return 0;
	if (b->leafweight)
		return refuse_leaf_weight(e);
	r = update_io_weights(u, b, e);
	if (r == 0)
		r = update_throttle(u, b->throttlereadbpsdevice, b->n_throttlereadbpsdevice, "rbps",
				    e);
	if (r == 0)
		r = update_throttle(u, b->throttlewritebpsdevice, b->n_throttlewritebpsdevice,
				    "wbps", e);
	if (r == 0)
		r = update_throttle(u, b->throttlereadiopsdevice, b->n_throttlereadiopsdevice,
				    "riops", e);
	if (r == 0)
		r = update_throttle(u, b->throttlewriteiopsdevice, b->n_throttlewriteiopsdevice,
				    "wiops", e);
	return r;
}

static int update_hugetlb(const struct update *u, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < u->res->n_hugepagelimits; i++) {
		const Grpc__LinuxHugepageLimit *h = u->res->hugepagelimits[i];
		char file[VALUE_MAX], value[VALUE_MAX];

		if (strlen(h->pagesize) > 16 || strchr(h->pagesize, '/'))
			return error_plain(e, EINVAL, "hugepageLimits: bad page size \"%.32s\"",
					   h->pagesize);
		snprintf(file, sizeof(file), "hugetlb.%s.max", h->pagesize);
		snprintf(value, sizeof(value), "%llu", (unsigned long long)h->limit);
		r = set(u, file, value, "hugepageLimits", e);
		/* What is reserved by mmap(2) counts as well, where the kernel counts it: else the
		 * limit shows as a bus error. */
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", h->pagesize);
		if (r == 0 && set(u, file, value, "hugepageLimits", e) < 0)
			error_clear(e);
	}
	return r;
}

static int update_rdma(const struct update *u, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < u->res->n_rdma; i++) {
		const Grpc__LinuxRdmaEntry *d = u->res->rdma[i];
		char text[LIMIT_ID_MAX + VALUE_MAX];
		autodone(buf) b = BUF_INIT(sizeof(text));

		if (!d->value)
			continue;
		r = buf_addf(&b, "%s", d->key);
		if (r == 0 &&
		    d->value->has_hca_handles_case == GRPC__LINUX_RDMA__HAS_HCA_HANDLES_HCA_HANDLES)
			r = buf_addf(&b, " hca_handle=%u", d->value->hcahandles);
		if (r == 0 &&
		    d->value->has_hca_objects_case == GRPC__LINUX_RDMA__HAS_HCA_OBJECTS_HCA_OBJECTS)
			r = buf_addf(&b, " hca_object=%u", d->value->hcaobjects);
		if (r < 0)
			return error_set(e, r, "rdma");
		r = set(u, "rdma.max", buf_str(&b), "rdma", e);
	}
	return r;
}

static int check_network(const struct update *u, struct error *e)
{
	const Grpc__LinuxNetwork *n = u->res->network;

	if (n && (n->classid || n->n_priorities))
		return error_plain(
			e, EOPNOTSUPP,
			"network.classID and priorities cannot be set: cgroup v2 does not "
			"have them");
	return 0;
}

/* Files of several lines take one a write. */
static int update_unified_file(const struct update *u, const char *file, const char *value,
			       struct error *e)
{
	autodone(strv) lines = STRV_INIT;
	int r = 0;

	if (str_empty(file) || strchr(file, '/') || str_skip_prefix(file, "cgroup."))
		return error_plain(e, EINVAL, "unified: \"%.64s\" is not a file of a controller",
				   file);
	strv_split(&lines, value, "\n");
	for (size_t i = 0; r == 0 && i < lines.n; i++)
		r = set(u, file, lines.v[i], file, e);
	return r;
}

static int update_unified(const struct update *u, struct error *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < u->res->n_unified; i++)
		r = update_unified_file(u, u->res->unified[i]->key, u->res->unified[i]->value, e);
	return r;
}

/* What every container may use, after its own rules: making any node, and the nodes that ctr_dev.c
 * and devpts make. */
static const struct device_rule usual_devices[] = {
	{ true, 'c', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
	{ true, 'b', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
	{ true, 'c', 1, 3, DEVICE_RWM },            /* null */
	{ true, 'c', 1, 5, DEVICE_RWM },            /* zero */
	{ true, 'c', 1, 7, DEVICE_RWM },            /* full */
	{ true, 'c', 1, 8, DEVICE_RWM },            /* random */
	{ true, 'c', 1, 9, DEVICE_RWM },            /* urandom */
	{ true, 'c', 5, 0, DEVICE_RWM },            /* tty */
	{ true, 'c', 5, 2, DEVICE_RWM },            /* ptmx */
	{ true, 'c', 136, DEVICE_ANY, DEVICE_RWM }, /* pts */
};

static int parse_access(const char *text, unsigned int *ret)
{
	*ret = 0;
	for (; *text; text++) {
		unsigned int bit = *text == 'r'   ? DEVICE_READ
				   : *text == 'w' ? DEVICE_WRITE
						  : DEVICE_MKNOD;

		if (!strchr("rwm", *text))
			return -EINVAL;
		*ret |= bit;
	}
	return 0;
}

/* Without the flag (a peer that does not know it) -1 stands for all, as it does with the flag. */
static uint32_t device_number(int64_t number, bool is_set, bool any_type)
{
	if (number < 0 || (!is_set && (number == 0 || any_type)))
		return DEVICE_ANY;
	return (uint32_t)MIN(number, UINT32_MAX - 1);
}

static int convert_rule(const Grpc__LinuxDeviceCgroup *d, struct device_rule *ret, struct error *e)
{
	const char *type = str_empty(d->type) ? "a" : d->type;
	bool all = str_eq(type, "a");

	if (!all && !str_eq(type, "b") && !str_eq(type, "c"))
		return error_plain(e, EINVAL, "device rule: unknown type \"%.8s\"", type);
	*ret = (struct device_rule){
		.allow = d->allow,
		.type = type[0],
		.major = device_number(d->major, d->major_set, all),
		.minor = device_number(d->minor, d->minor_set, all),
	};
	if (parse_access(d->access, &ret->access) < 0)
		return error_plain(e, EINVAL, "device rule: bad access \"%.8s\"", d->access);
	/* "a *:* rwm" is what an empty access of version 1's "a" means. */
	if (!ret->access && all)
		ret->access = DEVICE_RWM;
	return 0;
}

int ctr_cgroup_devices(const char *cgroup, const Grpc__LinuxResources *res, struct error *e)
{
	size_t usual = ARRAY_SIZE(usual_devices), n = res->n_devices;
	struct device_rule rules[LIMIT_DEVICE_RULES];
	autofree char *path = cgroup_path(cgroup, NULL);
	autoclose int fd = -1;

	if (n > LIMIT_DEVICE_RULES - usual)
		return error_plain(e, E2BIG, "more than %zu device rules",
				   LIMIT_DEVICE_RULES - usual);
	for (size_t i = 0; i < n; i++) {
		int r = convert_rule(res->devices[i], &rules[i], e);

		if (r < 0)
			return r;
	}
	memcpy(&rules[n], usual_devices, sizeof(usual_devices));
	fd = open(path ? path : "", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, errno, "cgroup %s", cgroup);
	return devices_apply(fd, rules, n + usual, e);
}

static int update_devices(const struct update *u, struct error *e)
{
	return u->res->n_devices ? ctr_cgroup_devices(u->cgroup, u->res, e) : 0;
}

int ctr_cgroup_update(const char *cgroup, const Grpc__LinuxResources *res, struct error *e)
{
	static part_fn *const parts[] = {
		check_network, update_devices, update_memory,  update_cpu,  update_cpuset,
		update_pids,   update_io,      update_hugetlb, update_rdma, update_unified,
	};
	struct update u = { cgroup, res };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
		r = parts[i](&u, e);
	return r;
}

int ctr_cgroup_freeze(const char *cgroup, bool on, struct error *e)
{
	return cgroup_freeze(cgroup, on, e);
}

int ctr_cgroup_frozen(const char *cgroup)
{
	return cgroup_frozen(cgroup);
}

int ctr_cgroup_oom_kills(const char *cgroup, uint64_t *ret)
{
	return cgroup_read_key(cgroup, "memory.events", "oom_kill", ret);
}

int ctr_cgroup_pids(const char *cgroup, pid_t **ret, size_t *ret_n)
{
	return cgroup_pids(cgroup, ret, ret_n);
}

int ctr_cgroup_kill(const char *cgroup)
{
	int r = cgroup_kill(cgroup);

	return r == -ENOENT ? 0 : r;
}

int ctr_cgroup_remove(const char *cgroup)
{
	return cgroup_remove(cgroup);
}
