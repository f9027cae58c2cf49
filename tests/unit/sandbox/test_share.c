/* SPDX-License-Identifier: Apache-2.0 */
/* The share: which mounts become the host's files and which stay the guest's own. In a mount
 * namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void nobody(void *data, const struct error *e)
{
}

static int setup(void **state)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		print_message("mounting needs root and a mount namespace\n");
		skip();
	}
	return fixture_setup(state);
}

static void test_mounts(void **state)
{
	struct fixture *f = *state;
	autofree char
		*rootfs = xasprintf("%s/rootfs", f->dir),
		*vol = xasprintf("%s/vol", f->dir), *file = xasprintf("%s/file", f->dir),
		*shm = xasprintf("%s/shm", f->dir),
		*shared = xasprintf("%s/run/shared/@volumes/0/x", f->dir),
		*json = xasprintf(
			"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},\"linux\":{},"
			"\"mounts\":["
			"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			"{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/dev/"
			"null\",\"options\":[\"bind\"]},"
			"{\"destination\":\"/b\",\"source\":\"/sys/"
			"fs\",\"options\":[\"rbind\",\"ro\"]},"
			"{\"destination\":\"/c\",\"type\":\"bind\",\"source\":\"/proc/sys\"},"
			"{\"destination\":\"/"
			"d\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"ro\",\"bind\"]},"
			"{\"destination\":\"/e\",\"type\":\"bind\",\"source\":\"%s\"},"
			"{\"destination\":\"/dev/"
			"shm\",\"type\":\"bind\",\"source\":\"%s\",\"options\":[\"rbind\",\"rw\"]}]"
			"}",
			rootfs, vol, file, shm);
	struct error e = ERROR_INIT;
	struct container *c;
	Grpc__Mount **m;

	assert_true(path_mkdir_all(rootfs, 0755) == 0 && path_mkdir_all(vol, 0755) == 0 &&
		    path_mkdir_all(shm, 0755) == 0);
	assert_int_equal(file_replace_at(AT_FDCWD, file, "text", 4, 0600), 0);
	assert_int_equal(mount("shm", shm, "tmpfs", 0, "size=1m"), 0);
	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	if (share_container(c, &e) < 0)
		fail_msg("%s", e.text);
	m = c->guest_spec->mounts;
	assert_string_equal(m[0]->source, "proc");
	assert_string_equal(m[1]->source, "/dev/null");
	assert_string_equal(m[2]->source, "/sys/fs");
	assert_string_equal(m[3]->source, "/proc/sys");
	assert_string_equal(m[4]->source, GUEST_SHARE_DIR "/@volumes/0");
	assert_string_equal(m[5]->source, GUEST_SHARE_DIR "/@volumes/1");
	/* Memory of the host becomes memory of the guest, as much of it. */
	assert_string_equal(m[6]->type, "bind");
	assert_int_equal(c->nstorages, 1);
	assert_string_equal(m[6]->source, c->storages[0]->mount_point);
	assert_string_equal(c->storages[0]->driver, "ephemeral");
	assert_true(c->storages[0]->shared);
	assert_int_equal(c->storages[0]->n_options, 2);
	assert_string_equal(c->storages[0]->options[0], "mode=1777");
	assert_string_equal(c->storages[0]->options[1], "size=1048576");
	/* A read-only mount is so on the host already. */
	assert_int_equal(mkdir(shared, 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(c->mounts.n, 1); /* rootfs */
	assert_int_equal(c->nvolumes, 2); /* /d, /e */
	share_container_undo(c);
	assert_int_equal(c->mounts.n, 0);
	assert_true(list_empty(&f->sandbox->volumes));
	assert_int_equal(access(file, F_OK), 0); /* what was shared is still there */
	assert_int_equal(access(vol, F_OK), 0);
	assert_int_equal(umount(shm), 0);
}

/* One directory is one volume, however often it is mounted; read-only is another. */
static void test_volumes(void **state)
{
	struct fixture *f = *state;
	autofree char *vol = xasprintf("%s/vol", f->dir),
		      *same = xasprintf("%s/vol/../vol", f->dir),
		      *json = xasprintf(
			      "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},"
			      "\"linux\":{},\"mounts\":["
			      "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"%s\"},"
			      "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"%s\"},"
			      "{\"destination\":\"/c\",\"type\":\"bind\",\"source\":\"%s\","
			      "\"options\":[\"ro\"]}]}",
			      vol, vol, same, vol);
	struct error e = ERROR_INIT;
	struct container *c, *d;

	assert_int_equal(path_mkdir_all(vol, 0755), 0);
	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	d = fixture_container(f, "c2", json, nobody, NULL, NULL);
	if (share_container(c, &e) < 0 || share_container(d, &e) < 0)
		fail_msg("%s", e.text);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(c->guest_spec->mounts[i]->source,
				    i == 2 ? GUEST_SHARE_DIR "/@volumes/1"
					   : GUEST_SHARE_DIR "/@volumes/0");
		assert_string_equal(d->guest_spec->mounts[i]->source,
				    c->guest_spec->mounts[i]->source);
	}
	share_container_undo(c);
	assert_false(list_empty(&f->sandbox->volumes));
	share_container_undo(d);
	assert_true(list_empty(&f->sandbox->volumes));
}

/* An emptyDir in memory, a directory of it, and a Secret, which is a tmpfs as well. */
static void test_memory_volumes(void **state)
{
	struct fixture *f = *state;
	autofree char *kubelet = xasprintf("%s/volumes", f->dir),
		      *mem = xasprintf("%s/kubernetes.io~empty-dir/mem", kubelet),
		      *sub = xasprintf("%s/kubernetes.io~empty-dir/mem/a/b", kubelet),
		      *secret = xasprintf("%s/kubernetes.io~secret/s", kubelet),
		      *part = xasprintf("%s/part", f->dir), *below = NULL,
		      *json = xasprintf(
			      "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},"
			      "\"linux\":{},\"mounts\":["
			      "{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"%s\"},"
			      "{\"destination\":\"/p\",\"type\":\"bind\",\"source\":\"%s\"},"
			      "{\"destination\":\"/s\",\"type\":\"bind\",\"source\":\"%s\"}]}",
			      part, mem, part, secret);
	struct error e = ERROR_INIT;
	struct container *c;
	Grpc__Storage **st;

	assert_true(path_mkdir_all(mem, 0755) == 0 && path_mkdir_all(secret, 0755) == 0 &&
		    path_mkdir_all(part, 0755) == 0);
	assert_int_equal(mount("tmpfs", mem, "tmpfs", 0, "size=2m,mode=2770,gid=77"), 0);
	assert_int_equal(path_mkdir_all(sub, 0750), 0);
	assert_int_equal(mount(sub, part, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount("tmpfs", secret, "tmpfs", 0, NULL), 0);
	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	if (share_container(c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(c->nstorages, 2);
	st = c->storages;
	assert_string_equal(st[0]->driver, "ephemeral");
	assert_int_equal(st[0]->n_options, 3);
	assert_string_equal(st[0]->options[0], "mode=2770");
	assert_string_equal(st[0]->options[1], "gid=77");
	assert_string_equal(st[0]->options[2], "size=2097152");
	assert_string_equal(c->guest_spec->mounts[0]->source, st[0]->mount_point);
	below = xasprintf("%s/a/b", st[0]->mount_point);
	assert_string_equal(st[1]->driver, "local");
	assert_string_equal(st[1]->mount_point, below);
	assert_string_equal(c->guest_spec->mounts[1]->source, below);
	assert_string_equal(c->guest_spec->mounts[2]->source, GUEST_SHARE_DIR "/@volumes/0");
	share_container_undo(c);
	assert_true(umount(part) == 0 && umount(mem) == 0 && umount(secret) == 0);
}

static void test_huge_pages(void **state)
{
	struct fixture *f = *state;
	autofree char *dir = xasprintf("%s/volumes/kubernetes.io~empty-dir/huge", f->dir),
		      *root = xasprintf("%s/rootfs", f->dir),
		      *json = xasprintf(
			      "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},"
			      "\"linux\":{\"resources\":{\"hugepageLimits\":[{\"pageSize\":"
			      "\"2MB\",\"limit\":4194304}]}},\"mounts\":[{\"destination\":"
			      "\"/h\",\"type\":\"bind\",\"source\":\"%s\"}]}",
			      root, dir);
	struct error e = ERROR_INIT;
	struct container *c;

	assert_true(path_mkdir_all(dir, 0755) == 0 && path_mkdir_all(root, 0755) == 0);
	if (mount("nodev", dir, "hugetlbfs", 0, "pagesize=2M") < 0) {
		print_message("no huge pages of 2 MiB here: %s\n", strerror(errno));
		skip();
	}
	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	if (share_container(c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(c->nstorages, 1);
	assert_string_equal(c->storages[0]->fstype, "hugetlbfs");
	assert_string_equal(c->storages[0]->options[0], "pagesize=2097152");
	assert_string_equal(c->storages[0]->options[1], "size=4194304");
	share_container_undo(c);
	/* Without a limit nobody says how many. */
	c->spec->linux->resources->hugepagelimits[0]->limit = 0;
	guest_storages_free(c);
	guest_spec_set_mount(c->guest_spec->mounts[0], "bind", dir);
	assert_int_equal(share_container(c, &e), -EINVAL);
	assert_non_null(strstr(e.text, "mount of /h: an emptyDir of huge pages has no size"));
	share_container_undo(c);
	assert_int_equal(umount(dir), 0);
}

/* Where the host's mounts are not shared, what was mounted later is in the caller's namespace
 * alone. */
static void test_callers_namespace(void **state)
{
	struct fixture *f = *state;
	autofree char *rootfs = xasprintf("%s/rootfs", f->dir), *vol = xasprintf("%s/vol", f->dir),
		      *seen = xasprintf("%s/run/shared/c1/rootfs/late", f->dir),
		      *volume = xasprintf("%s/run/shared/@volumes/0/late", f->dir),
		      *own = xasprintf("%s/late", rootfs),
		      *json = xasprintf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},"
					"\"linux\":{},\"mounts\":[{\"destination\":\"/v\","
					"\"type\":\"bind\",\"source\":\"%s\"}]}",
					rootfs, vol);
	struct error e = ERROR_INIT;
	struct container *c;
	autoclose int here = ns_open(0, NS_MOUNT);

	assert_true(path_mkdir_all(rootfs, 0755) == 0 && path_mkdir_all(vol, 0755) == 0);
	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("late", rootfs, "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("late", vol, "tmpfs", 0, NULL), 0);
	assert_int_equal(mkdir(own, 0755), 0);
	c->init.mnt_ns = ns_open(0, NS_MOUNT);
	assert_int_equal(ns_join(here, NS_MOUNT, &e), 0);
	if (share_container(c, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(access(own, F_OK), -1); /* we are back */
	assert_int_equal(access(seen, F_OK), 0);
	assert_int_equal(access(volume, F_OK), -1);
	assert_int_equal(mkdir(volume, 0755), 0);
	share_container_undo(c);
}

static void test_missing(void **state)
{
	struct fixture *f = *state;
	autofree char *json = xasprintf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s\"},\"linux\":{},\"mounts\":["
		"{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"%s/none\"}]}",
		f->dir, f->dir);
	autofree char *none = xasprintf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"%s/none\"},\"linux\":{}}", f->dir);
	struct error e = ERROR_INIT;

	if (share_init(f->sandbox, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(share_container(fixture_container(f, "c1", json, nobody, NULL, NULL), &e),
			 -ENOENT);
	assert_non_null(strstr(e.text, "mount of /a: source "));
	assert_int_equal(share_container(fixture_container(f, "c2", none, nobody, NULL, NULL), &e),
			 -ENOENT);
	assert_non_null(strstr(e.text, "root file system "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mounts, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_volumes, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_memory_volumes, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_huge_pages, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_callers_namespace, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
