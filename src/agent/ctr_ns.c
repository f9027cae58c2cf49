/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctr_ns - the namespaces of a container process: planned in the parent, entered in the child.
 *
 * The user and pid namespaces come with the fork, because the first must own the others and the
 * second counts only for children; a pid namespace to be joined is set by ctr.c around the fork.
 * The rest is joined and unshared by the child.
 */
#include "agent/ctr_setup.h"

#include "base/fd.h"

#include <errno.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int plan_one(struct ctr_setup *s, const Grpc__LinuxNamespace *n, unsigned int *seen,
		    struct error *e)
{
	int t = ns_parse(n->type), fd;

	if (t < 0)
		return error_plain(e, EINVAL, "unknown namespace \"%.64s\"", n->type);
	if (*seen & 1U << t)
		return error_plain(e, EINVAL, "namespace \"%s\" is listed twice", n->type);
	*seen |= 1U << t;
	if (s->join[t] >= 0)
		return 0;
	if (str_empty(n->path)) {
		s->unshare_flags |= ns_flag((enum ns_type)t);
		return 0;
	}
	if (t == NS_MOUNT)
		return error_plain(e, EINVAL,
				   "a mount namespace of another container cannot be joined");
	fd = ns_open_path(n->path, (enum ns_type)t, e);
	if (fd < 0)
		return fd;
	s->join[t] = fd;
	s->owned[t] = true;
	return 0;
}

int ctr_ns_plan(struct ctr_setup *s, const struct ctr_shared_ns *shared, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	unsigned int seen = 0;

	s->join[NS_IPC] = shared->ipc;
	s->join[NS_UTS] = shared->uts;
	s->join[NS_PID] = shared->pid;
	s->join[NS_NET] = shared->net;
	for (size_t i = 0; l && i < l->n_namespaces; i++) {
		int r = plan_one(s, l->namespaces[i], &seen, e);

		if (r < 0)
			return r;
	}
	if (l && l->n_timeoffsets && !(s->unshare_flags & ns_flag(NS_TIME)))
		return error_plain(e, EINVAL, "time offsets need a new time namespace");
	s->unshare_flags |= CLONE_NEWNS;
	s->clone_flags = s->unshare_flags & (CLONE_NEWUSER | CLONE_NEWPID);
	s->unshare_flags &= ~s->clone_flags;
	return 0;
}

void ctr_ns_release(struct ctr_setup *s)
{
	for (size_t i = 0; i < NS_COUNT; i++) {
		if (s->owned[i])
			s->join[i] = fd_close(s->join[i]);
	}
}

bool ctr_ns_is_new(const struct ctr_setup *s, enum ns_type t)
{
	return (s->clone_flags | s->unshare_flags) & ns_flag(t);
}

static int convert_maps(Grpc__LinuxIDMapping **m, size_t n, struct ns_idmap *ret)
{
	if (n > NS_IDMAP_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct ns_idmap){ m[i]->containerid, m[i]->hostid, m[i]->size };
	return 0;
}

int ctr_ns_write_maps(const struct ctr_setup *s, pid_t pid, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;
	struct ns_idmap uids[NS_IDMAP_MAX], gids[NS_IDMAP_MAX];

	if (!(s->clone_flags & CLONE_NEWUSER))
		return 0;
	if (convert_maps(l->uidmappings, l->n_uidmappings, uids) < 0 ||
	    convert_maps(l->gidmappings, l->n_gidmappings, gids) < 0)
		return error_plain(e, E2BIG, "more than %d id mappings", NS_IDMAP_MAX);
	return ns_write_idmaps(pid, uids, l->n_uidmappings, gids, l->n_gidmappings, e);
}

int ctr_ns_become_root(struct ctr_setup *s, struct error *e)
{
	if (s->join[NS_USER] >= 0) {
		int r = ns_join(s->join[NS_USER], NS_USER, e);

		if (r < 0)
			return r;
	} else if (!(s->clone_flags & CLONE_NEWUSER)) {
		return 0;
	}
	/* A new namespace, or one just entered, knows us as nobody. */
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set(e, errno, "become root of the user namespace");
	return 0;
}

static int bring_up_loopback(struct error *e)
{
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return error_set(e, errno, "loopback interface");
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? error_set(e, errno, "loopback interface") : 0;
}

/* Offsets hold for what is executed after they were written. */
static int write_time_offsets(const struct ctr_setup *s, struct error *e)
{
	const Grpc__Linux *l = s->spec->linux;

	for (size_t i = 0; i < l->n_timeoffsets; i++) {
		const Grpc__LinuxTimeOffsetEntry *o = l->timeoffsets[i];
		char line[96];
		int r;

		if (!o->value || (!str_eq(o->key, "monotonic") && !str_eq(o->key, "boottime")))
			return error_plain(e, EINVAL, "time offset for the unknown clock \"%.32s\"",
					   o->key);
		snprintf(line, sizeof(line), "%s %lld %u", o->key, (long long)o->value->secs,
			 o->value->nanosecs);
		r = file_write_at(s->proc, "self/timens_offsets", line);
		if (r < 0)
			return error_set(e, r, "time offset of the %s clock", o->key);
	}
	return 0;
}

int ctr_ns_make(struct ctr_setup *s, struct error *e)
{
	int flags = s->unshare_flags & ~ns_flag(NS_TIME);

	if (flags && unshare(flags) < 0)
		return error_set(e, errno, "make namespaces");
	/* By itself, for a clear word about kernels without it. */
	if (ctr_ns_is_new(s, NS_TIME) && unshare(ns_flag(NS_TIME)) < 0)
		return error_set(e, errno, "make a time namespace");
	if (ctr_ns_is_new(s, NS_TIME) && write_time_offsets(s, e) < 0)
		return error_prefix(e, "time namespace");
	return flags & CLONE_NEWNET ? bring_up_loopback(e) : 0;
}

/* Before the user namespace: others may belong to the sandbox, and joining them takes its rights.
 */
int ctr_ns_join(struct ctr_setup *s, struct error *e)
{
	for (size_t i = 0; i < NS_COUNT; i++) {
		int r;

		if (i == NS_USER || i == NS_PID || s->join[i] < 0)
			continue;
		r = ns_join(s->join[i], (enum ns_type)i, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int ctr_ns_names(struct ctr_setup *s, struct error *e)
{
	const char *host = s->spec->hostname, *domain = s->spec->domainname;

	if (str_empty(host) && str_empty(domain))
		return 0;
	if (!ctr_ns_is_new(s, NS_UTS) && s->join[NS_UTS] < 0)
		return error_plain(e, EINVAL, "a hostname cannot be set without a uts namespace");
	if (!str_empty(host) && sethostname(host, strlen(host)) < 0)
		return error_set(e, errno, "set the hostname to \"%.64s\"", host);
	if (!str_empty(domain) && setdomainname(domain, strlen(domain)) < 0)
		return error_set(e, errno, "set the domain name to \"%.64s\"", domain);
	return 0;
}
