/* SPDX-License-Identifier: Apache-2.0 */
/* hooks - see hooks.h. */
#include "agent/hooks.h"

#include "agent/agent.h"
#include "agent/alog.h"
#include "agent/container.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order in which they run. */
static const enum oci_hook_kind kinds_here[] = {
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
};

struct hook_run {
	struct loop_source *io;
	int result; /* the error that counts, or the end of file */
	pid_t pid;  /* also of the group */
	int pidfd;
	hooks_done_fn *done;
	void *data;
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

/* --- the process that runs them --- */

/* Keeps the log and @result: the host must see its connections end when the agent ends them. */
static void close_others(const struct container *c, int result)
{
	int log = alog_fd(c->agent->log), low = MIN(log, result), high = MAX(log, result);

	if (low > 3)
		close_range(3, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0U, 0);
}

static int run_kinds(const struct container *c, uint32_t kinds, const char *status, pid_t pid,
		     struct error *e)
{
	oci_spec *spec = grpc__spec__unpack(NULL, c->spec_len, c->spec);
	autofree char *annotations = spec ? oci_annotations_json(spec) : NULL;
	const struct oci_state st = { .id = c->id,
				      .status = status,
				      .bundle = c->bundle,
				      .annotations_json = annotations,
				      .pid = pid };
	int r = spec ? 0 : error_plain(e, ENOMEM, "no memory for hooks");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds_here); i++)
		if (kinds & 1U << kinds_here[i])
			r = oci_hooks_run(spec, kinds_here[i], &st, -1, e);
	return r;
}

static _Noreturn void runner(const struct container *c, uint32_t kinds, const char *status,
			     pid_t pid, int result)
{
	struct error e = ERROR_INIT;

	proc_reset_signals();
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_others(c, result);
	if (run_kinds(c, kinds, status, pid, &e) < 0)
		fd_write_full(result, &e, sizeof(e));
	_exit(0);
}

static void on_result(struct loop_source *s, int fd, uint32_t events, void *data)
{
	struct hook_run *h = data;
	hooks_done_fn *done = h->done;
	struct error why;
	ssize_t n = fd_read_full(fd, &why, sizeof(why));

	data = h->data;
	h->pid = 0; /* it ends by itself */
	hook_run_free(h);
	why.text[sizeof(why.text) - 1] = '\0';
	done(data, n == sizeof(why) ? &why : NULL);
}

static int watch(struct hook_run *h, struct agent *a, struct error *e)
{
	h->pidfd = proc_pidfd_open(h->pid);
	if (h->pidfd < 0)
		return error_set(e, h->pidfd, "watch the hooks");
	h->io = loop_add_io(a->loop, h->result, EPOLLIN, on_result, h);
	return h->io ? 0 : error_set(e, errno, "watch the hooks");
}

struct hook_run *hooks_start(struct container *c, uint32_t kinds, const char *status, pid_t pid,
			     hooks_done_fn *done, void *data, struct error *e)
{
	struct hook_run *h;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		error_set(e, errno, "pipe");
		return NULL;
	}
	child = fork();
	if (child == 0)
		runner(c, kinds, status, pid, ends[1]);
	close(ends[1]);
	if (child < 0) {
		error_set(e, errno, "run hooks");
		close(ends[0]);
		return NULL;
	}
	h = xnew(struct hook_run);
	*h = (struct hook_run){ .result = ends[0], .pid = child, .done = done, .data = data };
	if (watch(h, c->agent, e) == 0)
		return h;
	hook_run_free(h);
	return NULL;
}

void hook_run_free(struct hook_run *h)
{
	if (!h)
		return;
	/* By its pidfd it is still the one that was started, and so is its group. */
	if (h->pid && h->pidfd >= 0 && proc_pidfd_signal(h->pidfd, SIGKILL) == 0)
		kill(-h->pid, SIGKILL);
	loop_source_free(h->io);
	fd_close(h->result);
	fd_close(h->pidfd);
	free(h);
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
