/* SPDX-License-Identifier: Apache-2.0 */
/* guest - see guest.h. */
#include "agent/guest.h"

#include "agent/agent.h"
#include "agent/device.h"
#include "agent/job.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/random.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#define SYS_MEMORY "/sys/devices/system/memory"
#define SYS_CPU "/sys/devices/system/cpu"
#define DRIVERS_MAX 32
#define ONLINE_TRIES 100
#define ONLINE_AGAIN_MS 50
#define ONLINE_MS 60000
#define PROBE_MS 60000

/* Hexadecimal, without 0x; 0 where memory cannot be plugged. */
static uint64_t memory_block_size(void)
{
	autofree char *text = NULL;
	uint64_t size;

	if (file_read_at(AT_FDCWD, SYS_MEMORY "/block_size_bytes", 64, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, 16, &size) < 0 ? 0 : size;
}

void guest_details(struct agent *a, const Grpc__GuestDetailsRequest *rq, struct rpc_call *call)
{
	Grpc__GuestDetailsResponse resp = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;
	char *names[DRIVERS_MAX], *devices[DRIVERS_MAX];
	size_t n = 0, n_devices = 0;

	for (const char *name; n < DRIVERS_MAX && (name = storage_driver_name(n)); n++)
		names[n] = (char *)name;
	for (const char *name; n_devices < DRIVERS_MAX && (name = device_driver_name(n_devices));
	     n_devices++)
		devices[n_devices] = (char *)name;
	details.version = (char *)CAISSON_VERSION;
	details.init_daemon = a->init;
	details.n_storage_handlers = n;
	details.storage_handlers = names;
	details.n_device_handlers = n_devices;
	details.device_handlers = devices;
	details.supports_seccomp = true;
	resp.agent_details = &details;
	if (rq->mem_block_size)
		resp.mem_block_size_bytes = memory_block_size();
	if (rq->mem_hotplug_probe)
		resp.support_mem_hotplug_probe = access(SYS_MEMORY "/probe", W_OK) == 0;
	rpc_call_reply(call, &resp.base);
}

int guest_set_time(const Grpc__SetGuestDateTimeRequest *rq, struct error *e)
{
	const struct timeval tv = { .tv_sec = rq->sec, .tv_usec = rq->usec };

	if (rq->sec < 0 || rq->usec < 0 || rq->usec > 999999)
		return error_plain(e, EINVAL, "%lld s %lld us is no time", (long long)rq->sec,
				   (long long)rq->usec);
	return settimeofday(&tv, NULL) < 0 ? error_set(e, errno, "set the clock") : 0;
}

int guest_reseed(const Grpc__ReseedRandomDevRequest *rq, struct error *e)
{
	autoclose int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	int bits = (int)MIN(rq->data.len, (size_t)512) * 8, r;

	if (fd < 0)
		return error_set(e, errno, "open /dev/random");
	r = fd_write_full(fd, rq->data.data, rq->data.len);
	if (r < 0)
		return error_set(e, r, "write /dev/random");
	if (ioctl(fd, RNDADDTOENTCNT, &bits) < 0)
		return error_set(e, errno, "credit the random data");
	return ioctl(fd, RNDRESEEDCRNG, 0) < 0 ? error_set(e, errno, "reseed the random numbers")
					       : 0;
}

/* Writes "1" to DIR/<name>/online where it says "0", for names made of @prefix and a number, at
 * most
 * @max times. */
static void bring_online(const char *dir, const char *prefix, unsigned max)
{
	DIR *d = opendir(dir);

	for (struct dirent *de; d && max && (de = readdir(d));) {
		const char *rest = str_skip_prefix(de->d_name, prefix);
		autofree char *path = NULL, *state = NULL;
		uint32_t number;
		int r;

		if (!rest || str_to_u32(rest, 10, &number) < 0)
			continue;
		path = xasprintf("%s/%s/online", dir, de->d_name);
		r = file_read_at(AT_FDCWD, path, KIB(8), &state, NULL); /* sysfs: a page */
		if (r >= 0 && *state == '0') {
			r = file_write_at(AT_FDCWD, path, "1");
			max--;
		}
		if (r < 0 && r != -ENOENT) /* the first processor has no such file */
			log_warn("%s: %s", path, strerror(-r));
	}
	if (d)
		closedir(d);
}

/* How many are online; the first processor cannot be anything else. */
static unsigned count_online(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)n;
}

/* Until @want are online, as far as there are so many. */
static unsigned online_cpus(unsigned want)
{
	unsigned n = count_online();

	if (n < want)
		bring_online(SYS_CPU, "cpu", want - n);
	return count_online();
}

struct online_job {
	bool wait, cpu_only;
	unsigned want; /* processors */
};

/* The kernel finds what was plugged in when it gets to it. */
static int online_work(void *data, struct buf *result, struct error *e)
{
	const struct online_job *j = data;
	unsigned n = online_cpus(j->want);

	for (int i = 0; j->wait && n < j->want && i < ONLINE_TRIES; i++) {
		poll(NULL, 0, ONLINE_AGAIN_MS);
		n = online_cpus(j->want);
	}
	if (!j->cpu_only)
		bring_online(SYS_MEMORY, "memory", UINT_MAX);
	if (j->wait && n < j->want)
		return error_plain(e, ETIMEDOUT, "%u processors are online, %u are expected", n,
				   j->want);
	return 0;
}

int guest_online(struct agent *a, const Grpc__OnlineCPUMemRequest *rq, struct rpc_call *call,
		 struct error *e)
{
	unsigned now = count_online();
	struct online_job j = { .wait = rq->wait, .cpu_only = rq->cpu_only };

	if (rq->nb_cpus > LIMIT_AGENT_CPUS)
		return error_plain(e, EINVAL, "%u processors", rq->nb_cpus);
	/* Some of those that are to come may have come by themselves; others may have gone. */
	a->cpus = a->cpus ? MIN(a->cpus, now) : now;
	a->cpus += rq->nb_cpus;
	j.want = a->cpus;
	return job_start_call(&a->jobs, online_work, &j, ONLINE_MS, NULL, call, e);
}

static int probe_work(void *data, struct buf *result, struct error *e)
{
	const Grpc__MemHotplugByProbeRequest *rq = data;
	char text[32];

	for (size_t i = 0; i < rq->n_memhotplugprobeaddr; i++) {
		int r;

		snprintf(text, sizeof(text), "0x%" PRIx64, rq->memhotplugprobeaddr[i]);
		r = file_write_at(AT_FDCWD, SYS_MEMORY "/probe", text);
		if (r < 0)
			return error_set(e, r, "memory at %s", text);
	}
	return 0;
}

int guest_probe_memory(struct agent *a, const Grpc__MemHotplugByProbeRequest *rq,
		       struct rpc_call *call, struct error *e)
{
	if (rq->n_memhotplugprobeaddr > LIMIT_AGENT_PROBES)
		return error_plain(e, E2BIG, "%zu addresses in one request",
				   rq->n_memhotplugprobeaddr);
	if (!rq->n_memhotplugprobeaddr) {
		rpc_call_reply_empty(call);
		return 0;
	}
	if (access(SYS_MEMORY "/probe", W_OK) < 0)
		return error_plain(e, EOPNOTSUPP,
				   "the kernel finds new memory by itself (it has no %s/probe)",
				   SYS_MEMORY);
	return job_start_call(&a->jobs, probe_work, rq, PROBE_MS, NULL, call, e);
}
