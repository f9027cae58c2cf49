/* SPDX-License-Identifier: Apache-2.0 */
/* guest - see guest.h. */
#include "agent/guest.h"

#include "agent/agent.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

#include "agent.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#define SYS_MEMORY "/sys/devices/system/memory"
#define SYS_CPU "/sys/devices/system/cpu"
#define DRIVERS_MAX 16

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
	char *names[DRIVERS_MAX];
	size_t n = 0;

	for (const char *name; n < DRIVERS_MAX && (name = storage_driver_name(n)); n++)
		names[n] = (char *)name;
	details.version = (char *)CAISSON_VERSION;
	details.init_daemon = a->init;
	details.n_storage_handlers = n;
	details.storage_handlers = names;
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

/*
 * Writes "1" to DIR/<name>/online wherever it says "0", for names made of @prefix and a number. How
 * many are online then; without the directory, 0.
 */
static unsigned online_all(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	for (struct dirent *de; d && (de = readdir(d));) {
		const char *rest = str_skip_prefix(de->d_name, prefix);
		autofree char *path = NULL, *state = NULL;
		uint32_t number;
		int r;

		if (!rest || str_to_u32(rest, 10, &number) < 0)
			continue;
		path = xasprintf("%s/%s/online", dir, de->d_name);
		r = file_read_at(AT_FDCWD, path, 16, &state, NULL);
		if (r >= 0 && *state == '0')
			r = file_write_at(AT_FDCWD, path, "1");
		if (r < 0 && r != -ENOENT) /* the first processor has no such file */
			log_warn("%s: %s", path, strerror(-r));
		else
			n++;
	}
	if (d)
		closedir(d);
	return n;
}

int guest_online(const Grpc__OnlineCPUMemRequest *rq, struct error *e)
{
	unsigned n = online_all(SYS_CPU, "cpu");

	if (!rq->cpu_only)
		online_all(SYS_MEMORY, "memory");
	if (rq->wait && n < rq->nb_cpus)
		return error_plain(e, EAGAIN, "%u processors are online, %u are expected", n,
				   rq->nb_cpus);
	return 0;
}
