/* SPDX-License-Identifier: Apache-2.0 */
#include "systest.h"

#include "base/path.h"
#include "sys/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static char dir[64];
static int proc = -1;

static void put(const char *path)
{
	autofree char *full = xasprintf("%s/sys/%s", dir, path), *parent = xstrdup(full);

	*strrchr(parent, '/') = '\0';
	assert_int_equal(path_mkdir_all(parent, 0755), 0);
	close(open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void expect(const char *name, const char *file)
{
	autofree char *path = xasprintf("sys/%s", file), *text = NULL;

	assert_int_equal(sysctl_set(proc, name, "7", NULL), 0);
	assert_int_equal(file_read_at(proc, path, 100, &text, NULL), 0);
	assert_string_equal(text, "7");
	assert_int_equal(unlinkat(proc, path, 0), 0);
}

static int up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/caisson-sysctl-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	proc = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int down(void **state)
{
	close(proc);
	return path_remove_tree_at(AT_FDCWD, dir);
}

static void test_names(void **state)
{
	put("net/ipv4/ip_forward");
	expect("net.ipv4.ip_forward", "net/ipv4/ip_forward");
	put("net/ipv4/ip_forward");
	expect("net/ipv4/ip_forward", "net/ipv4/ip_forward");
	/* An interface with a dot in its name, both ways. */
	put("net/ipv4/conf/eth0.5/forwarding");
	expect("net.ipv4.conf.eth0/5.forwarding", "net/ipv4/conf/eth0.5/forwarding");
	put("net/ipv4/conf/eth0.5/forwarding");
	expect("net/ipv4/conf/eth0.5/forwarding", "net/ipv4/conf/eth0.5/forwarding");
}

static void test_refusals(void **state)
{
	struct error e = ERROR_INIT;
	autofree char *link = xasprintf("%s/sys/out", dir), *file = xasprintf("%s/secret", dir),
		      *text = NULL;

	assert_int_equal(sysctl_set(proc, "no.such", "1", &e), -ENOENT);
	assert_string_equal(e.text, "sysctl no.such: No such file or directory");
	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	/* Out of sys/ leads no path. */
	assert_int_equal(sysctl_set(proc, "../secret", "1", &e), -ENOENT);
	assert_int_equal(symlink("../secret", link), 0);
	assert_int_equal(sysctl_set(proc, "out", "1", &e), -ENOENT);
	assert_int_equal(file_read_at(AT_FDCWD, file, 100, &text, NULL), 0);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, up, down);
}
