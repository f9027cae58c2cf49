/* SPDX-License-Identifier: Apache-2.0 */
/* State files. What loads must save, and load again as the same. */
#include "base/fd.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int dir = -1;

/* In memory where there is such a file system; removed at exit. */
static char dir_path[64];

static void remove_dir(void)
{
	unlinkat(dir, "state.json", 0);
	rmdir(dir_path);
}

static void make_dir(void)
{
	snprintf(dir_path, sizeof(dir_path), "%s/fuzz-store-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir_path))
		abort();
	dir = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		abort();
	atexit(remove_dir);
}

static void check_container(void)
{
	autodone(store_container) c = { 0 };
	autodone(store_container) again = { 0 };

	if (store_container_load(dir, &c, NULL) < 0)
		return;
	if (store_container_save(dir, &c, NULL) < 0 || store_container_load(dir, &again, NULL) < 0)
		abort();
	if (!str_eq(c.id, again.id) || !str_eq(c.annotations, again.annotations) ||
	    c.pid != again.pid || c.pid_start != again.pid_start || !str_eq(c.socket, again.socket))
		abort();
}

static void check_sandbox(void)
{
	autodone(store_sandbox) s = { 0 };
	autodone(store_sandbox) again = { 0 };

	if (store_sandbox_load(dir, &s, NULL) < 0)
		return;
	for (size_t i = 0; i < s.nprocesses; i++)
		if (s.processes[i].pid <= 1 || !s.processes[i].name)
			abort();
	if (store_sandbox_save(dir, &s, NULL) < 0 || store_sandbox_load(dir, &again, NULL) < 0)
		abort();
	if (s.nprocesses != again.nprocesses || s.cgroups.n != again.cgroups.n ||
	    s.containers.n != again.containers.n || !str_eq(s.ns, again.ns))
		abort();
}

static void put(const uint8_t *data, size_t size)
{
	autoclose int fd =
		openat(dir, "state.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_full(fd, data, size) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (dir < 0)
		make_dir();
	put(data, size);
	check_container();
	put(data, size);
	check_sandbox();
	return 0;
}
