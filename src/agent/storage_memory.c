/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage_memory - storages without a disk: tmpfs and hugetlbfs ("ephemeral"), scratch directories
 * ("local").
 *
 * Both know "fsgid=GID", which hands the root to a group. Huge pages are added to the guest's pool
 * for a hugetlbfs and taken out of it again after it; a pool that does not become large enough is
 * an error.
 */
#include "agent/storage_driver.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- groups --- */

static int check_group(const Grpc__Storage *rq, struct error *e)
{
	const char *text = storage_option(rq, "fsgid");
	uint32_t gid;

	if (text && str_to_u32(text, 10, &gid) < 0)
		return error_plain(e, EINVAL, "storage %.256s: fsgid=%.32s is not a group",
				   rq->mount_point, text);
	return 0;
}

static int give_to_group(const Grpc__Storage *rq, int dir, struct error *e)
{
	const char *text = storage_option(rq, "fsgid");
	char name[PATH_FD_MAX];
	struct stat st;
	uint32_t gid;

	if (!text || str_to_u32(text, 10, &gid) < 0)
		return 0;
	if (fchownat(dir, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0 || fstat(dir, &st) < 0 ||
	    chmod(path_of_fd(dir, name), (st.st_mode & 07777) | S_ISGID) < 0)
		return error_set(e, errno, "group %s", text);
	return 0;
}

/* --- huge pages --- */

/* "2M", "2Mi", "1GB", "2097152" */
static int parse_page_size(const char *text, uint64_t *ret)
{
	autofree char *copy = xstrdup(text);
	size_t n = strlen(copy);

	if (n && copy[n - 1] == 'B')
		copy[--n] = '\0';
	if (n && copy[n - 1] == 'i')
		copy[--n] = '\0';
	return str_to_size(copy, ret);
}

struct huge {
	uint64_t page, pages;
};

static int parse_huge(const Grpc__Storage *rq, struct huge *ret, struct error *e)
{
	autodone(strv) words = STRV_INIT;
	uint64_t page = 0, size = 0;

	for (size_t i = 0; i < rq->n_options; i++)
		strv_split(&words, rq->options[i], ",");
	for (size_t i = 0; i < words.n; i++) {
		const char *p = str_skip_prefix(words.v[i], "pagesize=");
		const char *s = str_skip_prefix(words.v[i], "size=");

		if ((p && parse_page_size(p, &page) < 0) || (s && parse_page_size(s, &size) < 0))
			return error_plain(e, EINVAL, "storage %.256s: \"%.64s\" is not a size",
					   rq->mount_point, words.v[i]);
	}
	if (page < 4096 || (page & (page - 1)) || size < page)
		return error_plain(e, EINVAL,
				   "storage %.256s: huge pages need pagesize= and size=, the size "
				   "of one page at least",
				   rq->mount_point);
	ret->page = page;
	ret->pages = size / page;
	return 0;
}

static char *pool_path(const struct storage_place *at, uint64_t page)
{
	return xasprintf("%s/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", at->env.sys,
			 page >> 10);
}

static int pool_read(const char *path, uint64_t *ret)
{
	autofree char *text = NULL;
	int r = file_read_at(AT_FDCWD, path, 64, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, 10, ret);
}

static int pool_change(const char *path, uint64_t pages)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", pages);
	return file_write_at(AT_FDCWD, path, text);
}

static int pool_grow(const struct storage_place *at, const struct huge *h, struct error *e)
{
	autofree char *path = pool_path(at, h->page);
	uint64_t before, after = 0;
	int r = pool_read(path, &before);

	if (r == -ENOENT)
		return error_plain(e, EINVAL, "there are no huge pages of %" PRIu64 " KiB",
				   h->page >> 10);
	if (r >= 0 && before > UINT64_MAX - h->pages)
		r = -ERANGE;
	if (r >= 0)
		r = pool_change(path, before + h->pages);
	if (r >= 0)
		r = pool_read(path, &after);
	if (r < 0)
		return error_set(e, r, "%s", path);
	if (after - before >= h->pages)
		return 0;
	pool_change(path, before);
	return error_plain(e, ENOMEM,
			   "memory has room for %" PRIu64 " of %" PRIu64 " huge pages of %" PRIu64
			   " KiB",
			   after - before, h->pages, h->page >> 10);
}

static void pool_shrink(const struct storage_place *at, uint64_t page, uint64_t pages)
{
	autofree char *path = pool_path(at, page);
	uint64_t before;
	int r = pool_read(path, &before);

	if (r >= 0)
		r = pool_change(path, before > pages ? before - pages : 0);
	if (r < 0)
		log_warn("%s: %s", path, strerror(-r));
}

/* --- ephemeral --- */

static bool is_huge(const Grpc__Storage *rq)
{
	return str_eq(rq->fstype, "hugetlbfs");
}

int storage_ephemeral_check(const Grpc__Storage *rq, struct error *e)
{
	struct huge h;

	if (is_huge(rq) && parse_huge(rq, &h, e) < 0)
		return -EINVAL;
	if (!str_empty(rq->fstype) && !str_eq(rq->fstype, "tmpfs") && !is_huge(rq))
		return error_plain(e, EOPNOTSUPP,
				   "ephemeral storage of type %.64s is not supported", rq->fstype);
	return check_group(rq, e);
}

/* What the kernel is told is what was counted. */
static int mount_huge(const struct storage_place *at, const Grpc__Storage *rq, int target,
		      struct error *e)
{
	autodone(strv) options = STRV_INIT;
	struct huge h;
	int r = parse_huge(rq, &h, e);

	if (r >= 0)
		r = pool_grow(at, &h, e);
	if (r < 0)
		return r;
	strv_addf(&options, "pagesize=%" PRIu64, h.page);
	strv_addf(&options, "size=%" PRIu64, h.page * h.pages);
	r = storage_mount_type("hugetlbfs", "nodev", target, &options, e);
	if (r < 0)
		pool_shrink(at, h.page, h.pages);
	return r;
}

int storage_ephemeral_mount(const struct storage_place *at, const struct storage_request *sr,
			    const char *path, struct error *e)
{
	autodone(strv) options = STRV_INIT;
	autoclose int target = storage_target(at, path, e), root = -1;
	int r = target;

	storage_options_without(sr->rq, "fsgid=", &options);
	if (r >= 0)
		r = is_huge(sr->rq) ? mount_huge(at, sr->rq, target, e)
				    : storage_mount_type("tmpfs",
							 str_empty(sr->rq->source) ? "tmpfs"
										   : sr->rq->source,
							 target, &options, e);
	if (r < 0)
		return r;
	root = path_open_beneath(at->root, path, O_PATH | O_DIRECTORY, 0);
	return root < 0 ? error_set(e, root, "%s", path) : give_to_group(sr->rq, root, e);
}

/* Blocks as large as a page of the pool, and as many as were taken: a hugetlbfs. */
void storage_ephemeral_unmounted(const struct storage_place *at, uint64_t blocks,
				 uint64_t block_size)
{
	autofree char *path = pool_path(at, block_size);

	if (block_size > 4096 && access(path, F_OK) == 0)
		pool_shrink(at, block_size, blocks);
}

/* --- local --- */

static int local_mode(const Grpc__Storage *rq, uint32_t *ret, struct error *e)
{
	uint32_t mode = 0755;

	for (size_t i = 0; i < rq->n_options; i++) {
		const char *text = str_skip_prefix(rq->options[i], "mode=");

		if (str_skip_prefix(rq->options[i], "fsgid="))
			continue;
		if (!text || str_to_u32(text, 8, &mode) < 0 || mode > 07777)
			return error_plain(e, EINVAL,
					   "storage %.256s: option \"%.64s\" is not understood",
					   rq->mount_point, rq->options[i]);
	}
	*ret = mode;
	return 0;
}

int storage_local_check(const Grpc__Storage *rq, struct error *e)
{
	uint32_t mode;
	int r = local_mode(rq, &mode, e);

	return r < 0 ? r : check_group(rq, e);
}

int storage_local_make(const struct storage_place *at, const struct storage_request *sr,
		       const char *path, struct error *e)
{
	autoclose int dir = storage_target(at, path, e);
	char name[PATH_FD_MAX];
	uint32_t mode;
	int r = dir < 0 ? dir : local_mode(sr->rq, &mode, e);

	if (r < 0)
		return r;
	if (chmod(path_of_fd(dir, name), mode) < 0)
		return error_set(e, errno, "mode %o", mode);
	return give_to_group(sr->rq, dir, e);
}
