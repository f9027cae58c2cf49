/* SPDX-License-Identifier: Apache-2.0 */
/* gmem - see gmem.h. */
#include "virtio/gmem.h"

#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void region_unmap(struct gmem_region *r)
{
	if (r->map)
		munmap(r->map, r->map_len);
}

void gmem_done(struct gmem *m)
{
	for (size_t i = 0; i < m->n; i++)
		region_unmap(&m->region[i]);
	m->n = 0;
}

static bool overlap(uint64_t a, uint64_t b, const struct gmem_region *r, uint64_t size)
{
	return a < b + r->size && b < a + size;
}

/* Sums below cannot wrap: both ends were checked here for every region. */
static int source_check(const struct gmem *m, const struct gmem_source *s, struct error *e)
{
	uint64_t end;

	if (s->size == 0 || __builtin_add_overflow(s->gpa, s->size, &end) ||
	    __builtin_add_overflow(s->user, s->size, &end) ||
	    __builtin_add_overflow(s->offset, s->size, &end) || end > INT64_MAX)
		return error_plain(e, EINVAL, "memory region is empty or wraps around");
	for (size_t i = 0; i < m->n; i++)
		if (overlap(s->gpa, m->region[i].gpa, &m->region[i], s->size) ||
		    overlap(s->user, m->region[i].user, &m->region[i], s->size))
			return error_plain(e, EINVAL, "memory region overlaps another one");
	if (m->n == LIMIT_GMEM_REGIONS)
		return error_plain(e, ENOSPC, "more than %d memory regions", LIMIT_GMEM_REGIONS);
	return 0;
}

static void region_append(struct gmem *m, const struct gmem_source *s, void *host, void *map,
			  size_t map_len)
{
	m->region[m->n++] = (struct gmem_region){
		.gpa = s->gpa,
		.size = s->size,
		.user = s->user,
		.host = host,
		.map = map,
		.map_len = map_len,
	};
}

int gmem_add_host(struct gmem *m, const struct gmem_source *s, void *host, struct error *e)
{
	int r = source_check(m, s, e);

	if (r == 0)
		region_append(m, s, host, NULL, 0);
	return r;
}

int gmem_add(struct gmem *m, const struct gmem_source *s, int fd, struct error *e)
{
	size_t len = s->offset + s->size;
	struct stat st;
	uint8_t *map;
	int r = source_check(m, s, e);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return error_set(e, errno, "fstat of a memory region");
	/* Memory behind the end of the file would be a SIGBUS later. */
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < len)
		return error_plain(e, EINVAL, "memory region reaches behind the end of its file");
	/* From offset 0, because files of huge pages refuse offsets inside a page. */
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (map == MAP_FAILED)
		return error_set(e, errno, "map a memory region of %zu bytes", len);
	madvise(map, len, MADV_DONTDUMP); /* a core dump of ours must not hold the guest */
	region_append(m, s, map + s->offset, map, len);
	return 0;
}

int gmem_remove(struct gmem *m, uint64_t gpa, uint64_t size, uint64_t user)
{
	for (size_t i = 0; i < m->n; i++) {
		struct gmem_region *r = &m->region[i];

		if (r->gpa != gpa || r->size != size || r->user != user)
			continue;
		region_unmap(r);
		*r = m->region[--m->n];
		return 0;
	}
	return -ENOENT;
}

/* The region that holds @gpa, NULL if none does. */
static const struct gmem_region *find(const struct gmem *m, uint64_t gpa)
{
	for (size_t i = 0; i < m->n; i++)
		if (gpa - m->region[i].gpa < m->region[i].size)
			return &m->region[i];
	return NULL;
}

void *gmem_translate(const struct gmem *m, uint64_t gpa, uint64_t len)
{
	const struct gmem_region *r = find(m, gpa);

	if (!r || len == 0 || len > r->size - (gpa - r->gpa))
		return NULL;
	return r->host + (gpa - r->gpa);
}

void *gmem_translate_user(const struct gmem *m, uint64_t user, uint64_t len)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct gmem_region *r = &m->region[i];
		uint64_t at = user - r->user;

		if (at < r->size && len > 0 && len <= r->size - at)
			return r->host + at;
	}
	return NULL;
}

int gmem_iov(const struct gmem *m, uint64_t gpa, uint64_t len, struct iovec *iov, size_t max)
{
	size_t n = 0;

	while (len > 0) {
		const struct gmem_region *r = find(m, gpa);
		uint64_t piece;

		if (!r)
			return -EFAULT;
		if (n == max)
			return -ENOBUFS;
		piece = MIN(len, r->size - (gpa - r->gpa));
		iov[n++] = (struct iovec){ .iov_base = r->host + (gpa - r->gpa), .iov_len = piece };
		gpa += piece; /* wraps only at the very end, where nothing is left */
		len -= piece;
	}
	return (int)n;
}

void gmem_trim(const struct gmem *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->region[i].map)
			madvise(m->region[i].map, m->region[i].map_len, MADV_DONTNEED);
}
