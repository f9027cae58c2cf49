/* SPDX-License-Identifier: Apache-2.0 */
/* hooks - see hooks.h. */
#include "agent/hooks.h"

#include "agent/agent.h"
#include "agent/container.h"
#include "agent/job.h"

#include "base/fd.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

/* In the order in which they run. */
static const enum oci_hook_kind kinds_here[] = {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
};

struct hook_run {
	struct job *job;
	hooks_done_fn *done; /* NULL: nobody waits any more */
	void *data;
	/* for the job's process */
	const struct container *c;
	uint32_t kinds;
	const char *status;
	pid_t pid;
};

uint32_t hooks_kinds(const oci_spec *spec)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds_here); i++)
		if (oci_hooks_count(spec, kinds_here[i]))
			bits |= 1U << kinds_here[i];
	return bits;
}

int hooks_prepare(const struct container *c, const oci_spec *spec, struct error *e)
{
	autofree char *path = xasprintf("%s/config.json", c->bundle);
	autofree char *json = oci_spec_to_json(spec);
	int r = json ? file_replace_at(AT_FDCWD, path, json, strlen(json), 0600) : -EFBIG;

	return r < 0 ? error_set(e, r, "write %s", path) : 0;
}

/* --- running --- */

/* In the job's process. What hooks whose failure does not count have to say goes to the console. */
static int run_kinds(void *data, struct buf *result, struct error *e)
{
	const struct hook_run *h = data;
	const struct container *c = h->c;
	oci_spec *spec = grpc__spec__unpack(NULL, c->spec_len, c->spec);
	autofree char *annotations = spec ? oci_annotations_json(spec) : NULL;
	const struct oci_state st = { .id = c->id,
				      .status = h->status,
				      .bundle = c->bundle,
				      .annotations_json = annotations,
				      .pid = h->pid };
	int r = spec ? 0 : error_plain(e, ENOMEM, "no memory for hooks");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds_here); i++)
		if (h->kinds & 1U << kinds_here[i])
			r = oci_hooks_run(spec, kinds_here[i], &st, -1, e);
	return r;
}

static void on_end(void *data, const struct error *e, const char *result, size_t n)
{
	struct hook_run *h = data;
	hooks_done_fn *done = h->done;

	data = h->data;
	free(h);
	if (done)
		done(data, e);
}

struct hook_run *hooks_start(struct container *c, uint32_t kinds, const char *status, pid_t pid,
			     hooks_done_fn *done, void *data, struct error *e)
{
	struct hook_run *h = xnew(struct hook_run);

	*h = (struct hook_run){
		.done = done, .data = data, .c = c, .kinds = kinds, .status = status, .pid = pid
	};
	/* Each hook has its own time. */
	if (job_start(&c->agent->jobs, run_kinds, on_end, h, INT_MAX, &h->job, e) == 0)
		return h;
	error_prefix(e, "run hooks");
	free(h);
	return NULL;
}

void hook_run_free(struct hook_run *h)
{
	if (!h)
		return;
	h->done = NULL;
	job_cancel(h->job);
}

/* --- the guest's own --- */

static Grpc__Hook *new_hook(const char *dir, const char *kind, const char *name)
{
	Grpc__Hook *h = xnew(Grpc__Hook);

	grpc__hook__init(h);
	h->path = xasprintf("%s/%s/%s", dir, kind, name);
	h->args = xnew_array(char *, 2);
	h->args[0] = xstrdup(name);
	h->args[1] = xstrdup(kind);
	h->n_args = 2;
	return h;
}

static bool is_program(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_mode & 0111;
}

static int compare_hooks(const void *a, const void *b)
{
	return strcmp((*(Grpc__Hook *const *)a)->path, (*(Grpc__Hook *const *)b)->path);
}

/* By name, as people expect of such directories. */
static int scan_kind(const char *dir, const char *kind, Grpc__Hook ***ret, size_t *ret_n,
		     struct error *e)
{
	autofree char *path = xasprintf("%s/%s", dir, kind);
	DIR *d = opendir(path);
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : error_set(e, errno, "guest hooks %s", path);
	for (struct dirent *de; r == 0 && (de = readdir(d));) {
		if (!is_program(dirfd(d), de->d_name))
			continue;
		if (*ret_n == LIMIT_AGENT_HOOKS) {
			r = error_plain(e, E2BIG, "more than %d hooks in %s", LIMIT_AGENT_HOOKS,
					path);
			continue;
		}
		*ret = xrealloc(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = new_hook(dir, kind, de->d_name);
	}
	closedir(d);
	if (*ret_n)
		qsort(*ret, *ret_n, sizeof(**ret), compare_hooks);
	return r;
}

int hooks_scan(const char *dir, Grpc__Hooks **ret, struct error *e)
{
	Grpc__Hooks *h = xnew(Grpc__Hooks);
	int r;

	grpc__hooks__init(h);
	r = scan_kind(dir, "prestart", &h->prestart, &h->n_prestart, e);
	if (r == 0)
		r = scan_kind(dir, "poststart", &h->poststart, &h->n_poststart, e);
	if (r == 0)
		r = scan_kind(dir, "poststop", &h->poststop, &h->n_poststop, e);
	if (r < 0)
		protobuf_c_message_free_unpacked(&h->base, NULL);
	else
		*ret = h;
	return r;
}

/* Packed messages that follow one another are one message: lists of both, the second behind the
 * first. */
oci_spec *hooks_merge(const oci_spec *spec, const Grpc__Hooks *more)
{
	Grpc__Spec extra = GRPC__SPEC__INIT;
	autofree uint8_t *bytes = NULL;
	size_t n, m;

	extra.hooks = (Grpc__Hooks *)(uintptr_t)more;
	n = grpc__spec__get_packed_size(spec);
	m = grpc__spec__get_packed_size(&extra);
	bytes = mem_try_calloc(1, n + m);
	if (!bytes)
		return NULL;
	grpc__spec__pack(spec, bytes);
	grpc__spec__pack(&extra, bytes + n);
	return grpc__spec__unpack(NULL, n + m, bytes);
}
