/* SPDX-License-Identifier: Apache-2.0 */
/* PCI paths: the form, and the way through a sysfs made for the test. */
#include "systest.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/path.h"
#include "sys/pcipath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

static void test_form(void **state)
{
	struct error e = ERROR_INIT;
	struct pci_path p;

	assert_int_equal(pci_path_parse("02", &p, &e), 0);
	assert_int_equal(p.bus, 0);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.step[0].slot, 2);
	assert_int_equal(pci_path_parse("02/1f.7", &p, &e), 0);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.step[1].slot, 0x1f);
	assert_int_equal(p.step[1].function, 7);
	assert_int_equal(pci_path_parse("20/00/01", &p, &e), 0);
	assert_int_equal(p.bus, 0x20);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.step[1].slot, 1);
}

static void test_bad_form(void **state)
{
	static const char *const bad[] = { "",       "/",       "02/",   "/02",
					   "20",     "02/20",   "02.8",  "002",
					   "-2",     "0x2",     "g",     "02.",
					   "02/03/", "20.1/02", "../02", "1/2/3/4/5/6/7/8/9" };
	struct error e = ERROR_INIT;
	struct pci_path p = { .bus = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (pci_path_parse(bad[i], &p, &e) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_non_null(strstr(e.text, "is not a PCI path"));
	}
	assert_int_equal(p.bus, 77);
}

static const char *where(int sys, const char *text, char *buf)
{
	char link[PATH_FD_MAX];
	struct pci_path p;
	int fd;
	ssize_t n;

	assert_int_equal(pci_path_parse(text, &p, NULL), 0);
	fd = pci_path_open(sys, &p);
	if (fd < 0)
		return strerrorname_np(-fd);
	n = readlink(path_of_fd(fd, link), buf, PATH_MAX - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	close(fd);
	return strstr(buf, "/devices/");
}

static void test_the_way(void **state)
{
	char dir[] = "/tmp/test-pcipath-XXXXXX", buf[PATH_MAX];
	static const char *const made[] = {
		"devices/pci0000:00/0000:00:02.0/0000:01:03.0/virtio1",
		"devices/pci0000:00/0000:00:02.1",
		"devices/pci10000:00/10000:00:02.0/0000:01:04.0",
		"devices/pci0000:00/0000:00:1f.0/pci_bus/0000:09",
		"devices/pci0000:20/0000:20:00.0/0000:21:01.0",
		"devices/platform/40000000.pcie/pci0000:30/0000:30:05.0",
	};
	autoclose int sys = -1;

	assert_non_null(mkdtemp(dir));
	sys = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		close(path_mkdir_in_root(sys, made[i], 0755));
	assert_string_equal(where(sys, "02", buf), "/devices/pci0000:00/0000:00:02.0");
	assert_string_equal(where(sys, "02.1", buf), "/devices/pci0000:00/0000:00:02.1");
	assert_string_equal(where(sys, "02/03", buf),
			    "/devices/pci0000:00/0000:00:02.0/0000:01:03.0");
	assert_string_equal(where(sys, "20/00/01", buf),
			    "/devices/pci0000:20/0000:20:00.0/0000:21:01.0");
	assert_string_equal(where(sys, "30/05", buf),
			    "/devices/platform/40000000.pcie/pci0000:30/0000:30:05.0");
	assert_string_equal(where(sys, "02/04", buf), "ENOENT");
	assert_string_equal(where(sys, "1f/09", buf), "ENOENT");
	assert_string_equal(where(sys, "31/00", buf), "ENOENT");
	path_remove_tree_at(AT_FDCWD, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_bad_form),
		cmocka_unit_test(test_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
