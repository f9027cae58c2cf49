/* SPDX-License-Identifier: Apache-2.0 */
/* iptables - see iptables.h. */
#include "agent/iptables.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/proc.h"
#include "rpc/ttrpc.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* "iptables-save", "ip6tables-restore" ... where distributions have them. */
static int find(bool v6, const char *verb, char *ret, size_t size, struct error *e)
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin", "/usr/local/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(ret, size, "%s/ip%stables-%s", dirs[i], v6 ? "6" : "", verb);
		if (access(ret, X_OK) == 0)
			return 0;
	}
	return error_plain(e, EOPNOTSUPP,
			   "the guest has no ip%stables-%s: its image must have iptables for this",
			   v6 ? "6" : "", verb);
}

static int run(const char *path, char *const *argv, const char *input, size_t n, char **ret_out,
	       struct error *e)
{
	struct proc_spec s = PROC_SPEC_INIT;
	int r;

	s.path = path;
	s.argv = argv;
	r = proc_run(&s, input, n, IPTABLES_MS, LIMIT_IPTABLES, ret_out, e);
	if (r > 0)
		return error_plain(e, EINVAL, "%s ended with status %d", path, r);
	return r;
}

int iptables_get(const Grpc__GetIPTablesRequest *rq, struct rpc_call *call, struct error *e)
{
	Grpc__GetIPTablesResponse resp = GRPC__GET_IPTABLES_RESPONSE__INIT;
	autofree char *out = NULL;
	char path[64];
	char *argv[] = { path, NULL };
	int r = find(rq->is_ipv6, "save", path, sizeof(path), e);

	if (r == 0)
		r = run(path, argv, NULL, 0, &out, e);
	if (r < 0)
		return r;
	resp.data.data = (uint8_t *)out;
	resp.data.len = out ? strlen(out) : 0;
	rpc_call_reply(call, &resp.base);
	return 0;
}

int iptables_set(const Grpc__SetIPTablesRequest *rq, struct rpc_call *call, struct error *e)
{
	Grpc__SetIPTablesResponse resp = GRPC__SET_IPTABLES_RESPONSE__INIT;
	static char wait[] = "--wait", seconds[] = "5";
	char path[64];
	char *argv[] = { path, wait, seconds, NULL };
	int r;

	if (rq->data.len > LIMIT_IPTABLES)
		return error_plain(e, E2BIG, "%zu bytes of rules: %zu at most", rq->data.len,
				   LIMIT_IPTABLES);
	r = find(rq->is_ipv6, "restore", path, sizeof(path), e);
	if (r == 0)
		r = run(path, argv, (const char *)rq->data.data, rq->data.len, NULL, e);
	if (r < 0)
		return r;
	rpc_call_reply(call, &resp.base);
	return 0;
}
