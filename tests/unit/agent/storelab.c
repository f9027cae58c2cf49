/* SPDX-License-Identifier: Apache-2.0 */
/* storelab - see storelab.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "storelab.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

int storelab_setup(void **state)
{
	struct storelab *f = xnew(struct storelab);

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-storage-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->loop = loop_new();
	jobs_init(&f->jobs, f->loop);
	storages_init(&f->s, f->dir, &f->jobs);
	f->s.env.timeout_ms = 200;
	grpc__storage__init(&f->st);
	f->st.driver = (char *)"local";
	snprintf(f->path, sizeof(f->path), "%s/a/b", f->dir);
	f->st.mount_point = f->path;
	f->list[0] = &f->st;
	f->n = 1;
	*state = f;
	return 0;
}

static void detach(const char *disk)
{
	autoclose int fd = open(disk, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		ioctl(fd, LOOP_CLR_FD, 0);
}

int storelab_teardown(void **state)
{
	struct storelab *f = *state;

	storages_close(&f->s);
	jobs_done(&f->jobs);
	storages_done(&f->s);
	loop_free(f->loop);
	strv_done(&f->refs);
	for (size_t i = 0; i < f->disks.n; i++)
		detach(f->disks.v[i]);
	strv_done(&f->disks);
	if (path_remove_tree_at(AT_FDCWD, f->dir) < 0)
		fprintf(stderr, "%s is left\n", f->dir);
	free(f);
	return 0;
}

bool storelab_can_mount(void)
{
	static int can = -1;

	if (can < 0)
		can = unshare(CLONE_NEWNS) == 0 &&
		      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (!can)
		print_message("SKIPPED: not root: nothing can be mounted\n");
	return can;
}

static void on_done(void *data, const struct error *e, const struct device_node *devices)
{
	struct storelab *f = data;

	f->result = error_copy(&f->e, e);
}

int storelab_add_to(struct storelab *f, struct strv *refs)
{
	const struct storages_request rq = {
		.id = "c1", .storages = f->list, .n_storages = f->n, .done = on_done, .data = f
	};
	int r;

	f->result = 1;
	r = storages_add(&f->s, &rq, refs, NULL, &f->e);
	while (r >= 0 && f->result == 1)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
	return r < 0 ? r : f->result;
}

int storelab_add(struct storelab *f)
{
	return storelab_add_to(f, &f->refs);
}

static void on_released(void *data)
{
	*(bool *)data = true;
}

void storelab_release(struct storelab *f, struct strv *refs)
{
	bool done = false;

	storages_release(&f->s, refs, on_released, &done);
	while (!done)
		assert_true(loop_run_once(f->loop, 20000) >= 0);
}

char *storelab_dir(struct storelab *f, const char *name)
{
	char *path = xasprintf("%s/%s", f->dir, name);

	assert_int_equal(path_mkdir_all(path, 0755), 0);
	return path;
}

void storelab_put(struct storelab *f, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", f->dir, name);

	assert_int_equal(file_replace_at(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

bool storelab_has(struct storelab *f, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", f->dir, name), *is = NULL;

	return file_read_at(AT_FDCWD, path, KIB(64), &is, NULL) >= 0 && str_eq(is, text);
}

static const char *attach(struct storelab *f, const char *image)
{
	struct loop_config c = { 0 };
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), disk = -1;
	autoclose int file = open(image, O_RDWR | O_CLOEXEC);

	c.fd = (uint32_t)file;
	c.info.lo_flags = LO_FLAGS_PARTSCAN;
	/* Somebody else may take a free one first. */
	for (int i = 0; i < 20 && control >= 0 && file >= 0; i++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);
		autofree char *path = xasprintf("/dev/loop%d", n);

		fd_close(disk);
		disk = n < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
		if (disk < 0)
			return NULL;
		if (ioctl(disk, LOOP_CONFIGURE, &c) == 0) {
			strv_add(&f->disks, path);
			return f->disks.v[f->disks.n - 1];
		}
	}
	return NULL;
}

static int make_fs(const char *type, const char *image)
{
	autofree char *program = xasprintf("mkfs.%s", type), *out = NULL;
	char *argv[] = { program, (char *)"-q", (char *)image, NULL };
	struct proc_spec ps = PROC_SPEC_INIT;

	ps.argv = argv;
	return proc_run(&ps, NULL, 0, 60000, 4096, &out, NULL);
}

const char *storelab_disk(struct storelab *f, const char *type, unsigned mib)
{
	autofree char *image = xasprintf("%s/disk%zu", f->dir, f->disks.n);
	autoclose int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const char *disk = NULL;

	if (fd < 0 || ftruncate(fd, (off_t)mib << 20) < 0)
		return NULL;
	if (!type || make_fs(type, image) == 0)
		disk = attach(f, image);
	if (!disk)
		print_message("SKIPPED: no loop device, or no mkfs.%s\n", type ? type : "");
	return disk;
}
