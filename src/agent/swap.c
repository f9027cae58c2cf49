/* SPDX-License-Identifier: Apache-2.0 */
/* swap - see swap.h. */
#include "agent/swap.h"

#include "agent/agent.h"
#include "agent/device.h"
#include "agent/job.h"

#include "sys/mountinfo.h"
#include "sys/pcipath.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/swap.h>

#define SWAP_MS 60000

struct swap_job {
	const struct device_env *env;
	const char *where;
};

static bool in_use(const char *path)
{
	autofree char *text = NULL;

	return file_read_at(AT_FDCWD, "/proc/swaps", LIMIT_PROC_FILE, &text, NULL) >= 0 &&
	       swaps_have(text, path);
}

static int swap_work(void *data, struct buf *result, struct error *e)
{
	const struct swap_job *j = data;
	struct device_node n;
	int r = device_wait(j->env, "blk", j->where, &n, e);

	if (r < 0)
		return r;
	if (swapon(n.path, 0) == 0 || (errno == EBUSY && in_use(n.path)))
		return 0;
	return error_set(e, errno, "swap on %s", n.path);
}

static int start(struct agent *a, const char *where, struct rpc_call *call, struct error *e)
{
	const struct swap_job j = { .env = &a->sandbox.storages.env, .where = where };
	int r = device_check("blk", where, e);

	if (r < 0)
		return r;
	return job_start_call(&a->jobs, swap_work, &j, SWAP_MS + j.env->timeout_ms, NULL, call, e);
}

int swap_add(struct agent *a, const Grpc__AddSwapRequest *rq, struct rpc_call *call,
	     struct error *e)
{
	char text[8 * (PCI_PATH_MAX + 1)];
	size_t len = 0;

	if (!rq->n_pcipath || rq->n_pcipath > PCI_PATH_MAX + 1)
		return error_plain(e, EINVAL, "a PCI path of %zu slots", rq->n_pcipath);
	for (size_t i = 0; i < rq->n_pcipath; i++) {
		if (rq->pcipath[i] > UINT8_MAX)
			return error_plain(e, EINVAL, "%u is not a PCI slot", rq->pcipath[i]);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%02x", i ? "/" : "",
					rq->pcipath[i]);
	}
	return start(a, text, call, e);
}

int swap_add_path(struct agent *a, const Grpc__AddSwapPathRequest *rq, struct rpc_call *call,
		  struct error *e)
{
	if (!str_skip_prefix(rq->path, "/dev/"))
		return error_plain(e, EINVAL, "\"%.64s\" is not the name of a device (/dev/NAME)",
				   rq->path);
	return start(a, rq->path, call, e);
}
