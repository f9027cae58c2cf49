/* SPDX-License-Identifier: Apache-2.0 */
/* uevents: what the kernel writes is understood, what others write is not; a device that comes is
 * heard of. */
#include "systest.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "sys/uevent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define MSG(s) s, sizeof(s)

static void test_a_disk(void **state)
{
	struct uevent u;

	assert_int_equal(
		uevent_parse(MSG("add@/devices/pci0000:00/0000:00:02.0/virtio1/block/vda\0"
				 "ACTION=add\0"
				 "DEVPATH=/devices/pci0000:00/0000:00:02.0/virtio1/block/vda\0"
				 "SUBSYSTEM=block\0MAJOR=254\0MINOR=16\0DEVNAME=vda\0"
				 "DEVTYPE=disk\0SEQNUM=812"),
			     &u),
		0);
	assert_string_equal(u.action, "add");
	assert_string_equal(u.subsystem, "block");
	assert_string_equal(u.devname, "vda");
	assert_true(u.has_dev);
	assert_int_equal(u.major, 254);
	assert_int_equal(u.minor, 16);
	assert_string_equal(u.devpath, "/devices/pci0000:00/0000:00:02.0/virtio1/block/vda");
}

static void test_without_a_node(void **state)
{
	struct uevent u;

	assert_int_equal(
		uevent_parse(MSG("remove@/devices/x\0ACTION=remove\0DEVPATH=/devices/x"), &u), 0);
	assert_false(u.has_dev);
	assert_string_equal(u.devname, "");
	assert_string_equal(u.subsystem, "");
}

static void test_others_are_dropped(void **state)
{
	struct uevent u = { .action = "untouched" };

#define BAD(s) assert_int_equal(uevent_parse(MSG(s), &u), -EINVAL)
	BAD("");
	BAD("libudev\0\xfe\xed\xca\xfe");
	BAD("add@/devices/x");
	BAD("add@/devices/x\0ACTION=add");
	BAD("add@devices/x\0ACTION=add\0DEVPATH=devices/x");
	BAD("add@/devices/x\0ACTION=remove\0DEVPATH=/devices/x");
	BAD("add@/devices/x\0ACTION=add\0DEVPATH=/devices/y");
	BAD("add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0MAJOR=1");
	BAD("add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0MAJOR=1\0MINOR=x");
	BAD("add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0MAJOR=1\0MINOR=99999999999");
#undef BAD
	assert_int_equal(uevent_parse("add@/x", 6, &u), -EINVAL);
	assert_int_equal(uevent_parse("", 0, &u), -EINVAL);
	assert_string_equal(u.action, "untouched");
}

/* The kernel says so again when asked to. */
static void test_the_kernel_is_heard(void **state)
{
	struct error e = ERROR_INIT;
	autoclose int fd = uevent_open(&e);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[UEVENT_MAX];
	struct uevent u;
	bool heard = false;

	SKIP_UNLESS(fd >= 0 && file_write_at(AT_FDCWD, "/sys/class/mem/null/uevent", "change") >= 0,
		    "uevents cannot be made here: no root, or /sys is read-only");
	while (!heard && poll(&p, 1, 10000) > 0)
		heard = uevent_recv(fd, buf, &u) == 1 && str_eq(u.devname, "null");
	assert_true(heard);
	assert_string_equal(u.action, "change");
	assert_int_equal(u.major, 1);
	assert_int_equal(u.minor, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_disk),
		cmocka_unit_test(test_without_a_node),
		cmocka_unit_test(test_others_are_dropped),
		cmocka_unit_test(test_the_kernel_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
