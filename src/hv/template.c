/* SPDX-License-Identifier: Apache-2.0 */
/* template - see template.h: names, checks and removal. How one is made is in template_build.c. */
#include "hv/template.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "hv/template_file.h"
#include "wire/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* FNV-1a */
uint64_t template_hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 1099511628211u;
	return h;
}

static int add_file(struct buf *b, const char *path, struct error *e)
{
	struct stat st;

	if (str_empty(path))
		return buf_add_str(b, "-\n");
	if (stat(path, &st) < 0)
		return error_set(e, errno, "%s", path);
	return buf_addf(b, "%s %llx %llx %llx %lld.%09ld %lld.%09ld\n", path,
			(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
			(unsigned long long)st.st_size, (long long)st.st_mtim.tv_sec,
			st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static int add_files(struct buf *b, const struct hv_config *c, struct error *e)
{
	const char *const files[] = { c->path, c->kernel, c->initrd, c->image };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = add_file(b, files[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static const char *text_of(const char *s)
{
	return s ? s : "";
}

static int add_config(struct buf *b, const struct hv_ops *ops, const struct hv_config *c)
{
	autofree char *boot_id = NULL;

	/* Of this boot of the host: its clock goes on in the saved guest. */
	file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot_id, NULL);
	return buf_addf(b, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%u %u %llu %llu %d %d %d %u %d\n",
			CAISSON_VERSION, text_of(boot_id), ops->name, text_of(c->machine),
			text_of(c->cmdline), text_of(c->cpu_features), text_of(c->verity), c->vcpus,
			c->max_vcpus, (unsigned long long)c->mem_mib,
			(unsigned long long)c->max_mem_mib, (int)c->accel, c->debug,
			c->free_page_reporting, c->hotplug_slots, c->mem_dimms);
}

char *template_dir(const char *path, const char *tenant, const struct hv_ops *ops,
		   const struct hv_config *c, struct error *e)
{
	autodone(buf) b = BUF_INIT(KIB(64));
	uint64_t h;
	int r = id_check(tenant, "tenant of the template", e);

	if (r == 0)
		r = add_files(&b, c, e);
	if (r < 0)
		return NULL;
	if (add_config(&b, ops, c) < 0) {
		error_plain(e, E2BIG, "the configuration is too long for a template");
		return NULL;
	}
	h = template_hash(TEMPLATE_HASH_START, buf_ptr(&b), buf_len(&b));
	return xasprintf("%s/%s/%016llx", path, tenant, (unsigned long long)h);
}

/* --- template.json --- */

int template_describe(int dirfd, struct template_file *ret, struct error *e)
{
	autofree char *state = NULL;
	struct stat st;
	size_t n;
	int r;

	if (fstatat(dirfd, "memory", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(e, errno, "memory of the template");
	r = file_read_at(dirfd, "state", LIMIT_HV_STATE, &state, &n);
	if (r < 0)
		return error_set(e, r, "state of the template");
	*ret = (struct template_file){
		.memory_size = (uint64_t)st.st_size,
		.memory_used = (uint64_t)st.st_blocks * 512,
		.memory_inode = st.st_ino,
		.memory_time =
			(uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec,
		.state_size = n,
		.state_hash = template_hash(TEMPLATE_HASH_START, state, n),
	};
	return 0;
}

static const struct {
	const char *key;
	size_t offset;
} numbers[] = {
	{ "memory_size", offsetof(struct template_file, memory_size) },
	{ "memory_inode", offsetof(struct template_file, memory_inode) },
	{ "memory_time", offsetof(struct template_file, memory_time) },
	{ "state_size", offsetof(struct template_file, state_size) },
	{ "state_hash", offsetof(struct template_file, state_hash) },
};

static uint64_t *number(struct template_file *f, size_t i)
{
	return (uint64_t *)(void *)((char *)f + numbers[i].offset);
}

int template_write(int dirfd, struct template_file *f, struct error *e)
{
	autodone(buf) b = BUF_INIT(KIB(4));
	struct json_writer w;
	int r;

	json_writer_init(&w, &b, "  ");
	json_open_object(&w, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_add_u64(&w, numbers[i].key, *number(f, i));
	json_close(&w);
	r = json_writer_end(&w);
	if (r == 0)
		r = file_replace_at(dirfd, TEMPLATE_FILE, buf_ptr(&b), buf_len(&b), 0400);
	return r < 0 ? error_set(e, r, "write " TEMPLATE_FILE) : 0;
}

static int read_file(int dirfd, struct template_file *ret, uint64_t *ret_time, struct error *e)
{
	autoptr(json) j = NULL;
	autofree char *text = NULL;
	struct stat st;
	size_t n;
	int r = file_read_at(dirfd, TEMPLATE_FILE, KIB(4), &text, &n);

	if (r == 0 && fstatat(dirfd, TEMPLATE_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r < 0)
		return error_set(e, r, TEMPLATE_FILE);
	r = json_parse(text, n, TEMPLATE_FILE, &j, e);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(numbers); i++)
		r = json_get_u64(j, numbers[i].key, number(ret, i), e);
	*ret_time = (uint64_t)st.st_mtim.tv_sec;
	return r;
}

static int damaged(struct error *e, const char *dir, const char *why)
{
	return error_plain(e, EBADMSG, "template %s is damaged: %s", dir, why);
}

int template_check(const char *dir, struct template_info *ret, struct error *e)
{
	autoclose int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct template_file said = { 0 }, is = { 0 };
	struct error why = ERROR_INIT;
	struct stat st;
	uint64_t time = 0;

	if (dirfd < 0)
		return error_set(e, errno, "template %s", dir);
	if (fstat(dirfd, &st) < 0 || st.st_uid != geteuid() || st.st_mode & 0022)
		return damaged(e, dir, "others can write it");
	if (read_file(dirfd, &said, &time, &why) < 0 || template_describe(dirfd, &is, &why) < 0)
		return damaged(e, dir, error_text(&why));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (*number(&said, i) != *number(&is, i))
			return damaged(e, dir, numbers[i].key);
	if (ret)
		*ret = (struct template_info){ .memory = is.memory_used,
					       .state = is.state_size,
					       .built = time };
	return 0;
}

void template_spoil(const char *dir)
{
	autofree char *path = xasprintf("%s/" TEMPLATE_FILE, dir);

	if (unlink(path) < 0 && errno != ENOENT)
		log_warn("remove %s: %s", path, strerror(errno));
}

int template_remove(const char *path, const char *tenant, struct error *e)
{
	autofree char *dir = tenant ? xasprintf("%s/%s", path, tenant) : xstrdup(path);
	int r = tenant ? id_check(tenant, "tenant of the template", e) : 0;

	if (r < 0)
		return r;
	r = path_remove_tree_at(AT_FDCWD, dir);
	return r < 0 && r != -ENOENT ? error_set(e, r, "remove %s", dir) : 0;
}
