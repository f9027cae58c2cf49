/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clean - what is left to do when a shim died without its sandbox_free: end the processes it named
 * in state.json, take its network namespace back to how it was, remove its cgroups and its
 * directory.
 *
 * Its mounts were in its own namespace and are gone with the last process in it.
 */
#include "sandbox/sandbox.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "net/net.h"
#include "store/store.h"
#include "sys/cgroup_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#define CLEAN_WAIT_MS 2000

/* Not our children: a pidfd tells of the end, and of the right process at that. */
static void end_process(const struct store_process *p, int64_t until)
{
	autoclose int fd = proc_pidfd_open((pid_t)p->pid);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (fd < 0 || !proc_alive((pid_t)p->pid, p->start_time))
		return;
	if (proc_pidfd_signal(fd, SIGKILL) < 0 ||
	    poll(&pfd, 1, (int)MAX(until - loop_now_ms(), (int64_t)0)) <= 0)
		log_warn("%s (process %d) does not end", p->name, (int)p->pid);
}

static void remove_cgroup(const char *cgroup, int64_t until)
{
	int r;

	cgroup_host_kill(cgroup);
	while ((r = cgroup_host_remove(cgroup)) == -EBUSY && loop_now_ms() < until)
		poll(NULL, 0, 5); /* a killed process leaves its group when the kernel gets to it;
				     nothing tells */
	if (r < 0)
		log_warn("cgroup %s: %s", cgroup, strerror(-r));
}

/* The taps went with the machine; what is left is at the interfaces they were joined to. */
static void leave_network(const struct store_sandbox *st)
{
	struct error e = ERROR_INIT;

	if (!str_empty(st->netns) && net_clean_up(st->netns, st->links.v, st->links.n, &e) < 0)
		log_warn("network namespace %s: %s", st->netns, error_text(&e));
}

int sandbox_clean_up(const char *dir, struct error *e)
{
	autoclose int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autodone(store_sandbox) st = { 0 };
	int64_t until = loop_now_ms() + CLEAN_WAIT_MS;
	struct error why = ERROR_INIT;
	int r;

	if (dirfd < 0)
		return errno == ENOENT ? 0 : error_set(e, errno, "open %s", dir);
	r = store_sandbox_load(dirfd, &st, &why);
	if (r < 0 && r != -ENOENT)
		log_warn("%s", error_text(&why));
	for (size_t i = 0; i < st.nprocesses; i++)
		end_process(&st.processes[i], until);
	leave_network(&st);
	for (size_t i = 0; i < st.cgroups.n; i++)
		remove_cgroup(st.cgroups.v[i] + 1, until); /* absolute, as checked */
	r = path_remove_tree_at(AT_FDCWD, dir);
	return r < 0 ? error_set(e, r, "remove %s", dir) : 0;
}
