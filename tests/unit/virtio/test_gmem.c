/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/error.h"
#include "virtio/gmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ULL

static int memory(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static struct gmem two_regions(uint8_t a[2 * PAGE], uint8_t b[PAGE])
{
	struct gmem m = { 0 };
	struct gmem_source low = { .gpa = 0x10000, .size = 2 * PAGE, .user = 0x70000000 };
	struct gmem_source high = { .gpa = 0x10000 + 2 * PAGE, .size = PAGE, .user = 0x90000000 };

	assert_int_equal(gmem_add_host(&m, &low, a, NULL), 0);
	assert_int_equal(gmem_add_host(&m, &high, b, NULL), 0);
	return m;
}

static void test_translates_a_range_inside_one_region(void **state)
{
	static uint8_t a[2 * PAGE], b[PAGE];
	struct gmem m = two_regions(a, b);

	assert_ptr_equal(gmem_translate(&m, 0x10000, 1), a);
	assert_ptr_equal(gmem_translate(&m, 0x10000, 2 * PAGE), a);
	assert_ptr_equal(gmem_translate(&m, 0x10000 + 2 * PAGE - 1, 1), a + 2 * PAGE - 1);
	assert_ptr_equal(gmem_translate(&m, 0x10000 + 2 * PAGE, PAGE), b);
	assert_ptr_equal(gmem_translate_user(&m, 0x90000004, 4), b + 4);
}

static void test_refuses_what_is_not_wholly_inside(void **state)
{
	static uint8_t a[2 * PAGE], b[PAGE];
	struct gmem m = two_regions(a, b);

	assert_null(gmem_translate(&m, 0x10000, 0));
	assert_null(gmem_translate(&m, 0xffff, 2));
	assert_null(gmem_translate(&m, 0x10000, 2 * PAGE + 1));
	assert_null(gmem_translate(&m, 0x10000, UINT64_MAX));
	assert_null(gmem_translate(&m, 0x10000 + 3 * PAGE, 1));
	assert_null(gmem_translate(&m, UINT64_MAX, 1));
	assert_null(gmem_translate(&m, UINT64_MAX - 1, 4));
	assert_null(gmem_translate_user(&m, 0x70000000, 2 * PAGE + 1));
	assert_null(gmem_translate_user(&m, 0x6fffffff, 2));
	assert_null(gmem_translate_user(&m, 0x10000, 1));
}

static void test_a_buffer_may_span_adjacent_regions(void **state)
{
	static uint8_t a[2 * PAGE], b[PAGE];
	struct gmem m = two_regions(a, b);
	struct iovec iov[2];

	assert_int_equal(gmem_iov(&m, 0x10000 + PAGE, 2 * PAGE, iov, 2), 2);
	assert_ptr_equal(iov[0].iov_base, a + PAGE);
	assert_int_equal(iov[0].iov_len, PAGE);
	assert_ptr_equal(iov[1].iov_base, b);
	assert_int_equal(iov[1].iov_len, PAGE);
	assert_int_equal(gmem_iov(&m, 0x10000 + PAGE, 2 * PAGE, iov, 1), -ENOBUFS);
	assert_int_equal(gmem_iov(&m, 0x10000 + PAGE, 2 * PAGE + 1, iov, 2), -EFAULT);
	assert_int_equal(gmem_iov(&m, 0, 0, iov, 2), 0);
}

static void test_maps_files_from_an_offset(void **state)
{
	int fd = memory(3 * PAGE);
	struct gmem m = { 0 };
	struct gmem_source s = { .gpa = 0, .size = 2 * PAGE, .user = 0x1000, .offset = PAGE };
	uint8_t byte = 0;

	assert_int_equal(gmem_add(&m, &s, fd, NULL), 0);
	memset(gmem_translate(&m, PAGE, 1), 0x5a, 1);
	assert_int_equal(pread(fd, &byte, 1, 2 * PAGE), 1);
	assert_int_equal(byte, 0x5a);
	gmem_trim(&m);
	assert_int_equal(*(uint8_t *)gmem_translate(&m, PAGE, 1), 0x5a);
	assert_int_equal(gmem_remove(&m, 0, PAGE, 0x1000), -ENOENT);
	assert_int_equal(gmem_remove(&m, 0, 2 * PAGE, 0x1000), 0);
	assert_null(gmem_translate(&m, PAGE, 1));
	close(fd);
}

static void test_refuses_wrong_sources(void **state)
{
	static const struct gmem_source wrong[] = {
		{ .gpa = 0, .size = 0, .user = 0 },
		{ .gpa = UINT64_MAX - PAGE + 2, .size = PAGE },
		{ .gpa = 0, .size = PAGE, .user = UINT64_MAX },
		{ .gpa = 0, .size = PAGE, .offset = UINT64_MAX - PAGE + 2 },
		{ .gpa = 0, .size = PAGE, .offset = INT64_MAX },
		{ .gpa = 0, .size = PAGE, .offset = PAGE }, /* behind the end of the file */
		{ .gpa = 0, .size = PAGE + 1 },
		{ .gpa = 0x200fff, .size = 2 }, /* overlaps the one that is there */
		{ .gpa = 0, .size = 2, .user = 0x300fff },
	};
	int fd = memory(PAGE);
	struct gmem m = { 0 };
	struct gmem_source there = { .gpa = 0x200000, .size = PAGE, .user = 0x300000 };

	assert_int_equal(gmem_add(&m, &there, fd, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct error e = ERROR_INIT;

		assert_int_equal(gmem_add(&m, &wrong[i], fd, &e), -EINVAL);
		assert_true(e.text[0]);
	}
	assert_int_equal(m.n, 1);
	gmem_done(&m);
	close(fd);
}

static void test_refuses_more_regions_than_the_limit(void **state)
{
	static uint8_t page[PAGE];
	struct gmem m = { 0 };

	for (uint64_t i = 0; i <= LIMIT_GMEM_REGIONS; i++) {
		struct gmem_source s = { .gpa = i * PAGE, .size = PAGE, .user = i * PAGE };

		assert_int_equal(gmem_add_host(&m, &s, page, NULL),
				 i < LIMIT_GMEM_REGIONS ? 0 : -ENOSPC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translates_a_range_inside_one_region),
		cmocka_unit_test(test_refuses_what_is_not_wholly_inside),
		cmocka_unit_test(test_a_buffer_may_span_adjacent_regions),
		cmocka_unit_test(test_maps_files_from_an_offset),
		cmocka_unit_test(test_refuses_wrong_sources),
		cmocka_unit_test(test_refuses_more_regions_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
