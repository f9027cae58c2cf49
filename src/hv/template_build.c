/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template_build - making a template: a guest without vhost-user devices boots, says on its console
 * that it waits, stands still, is saved; what was saved then gets its name.
 *
 * States: booting -> pausing -> saving -> over. Everything is in TENANT/.build until it is whole. A
 * lock on TENANT/.lock, which the kernel takes back when we die, keeps others away, and lets them
 * tidy up what a dead one left.
 */
#include "hv/template.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "hv/template_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct template_build {
	char *dir, *tenant, *work, *files; /* DIR, its parent, TENANT/.build, .build/files */
	int lock, dirfd;                   /* dirfd: of files */
	struct loop *loop;
	struct loop_source *timer;
	struct hv *hv;
	template_done_fn *done;
	void *data;
	bool over;
	struct error error;
};

/* --- the directories --- */

static int lock_tenant(struct template_build *b, struct error *e)
{
	autofree char *path = xasprintf("%s/.lock", b->tenant);
	int r = path_mkdir_all(b->tenant, 0700);

	if (r < 0)
		return error_set(e, r, "create %s", b->tenant);
	b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->lock < 0)
		return error_set(e, errno, "open %s", path);
	if (flock(b->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return error_plain(e, EBUSY, "the template in %s is being made by another process",
				   b->tenant);
	return error_set(e, errno, "lock %s", path);
}

static int make_work(struct template_build *b, struct error *e)
{
	int r = path_remove_tree_at(AT_FDCWD, b->work);

	if (r < 0 && r != -ENOENT)
		return error_set(e, r, "remove %s", b->work);
	if (mkdir(b->work, 0711) < 0 || mkdir(b->files, 0700) < 0)
		return error_set(e, errno, "create %s", b->files);
	b->dirfd = open(b->files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->dirfd < 0 ? error_set(e, errno, "open %s", b->files) : 0;
}

/* What the tenant had before: older configurations, kernels, versions. Clones that are being made
 * of one have its files open. */
static void remove_others(const struct template_build *b)
{
	const char *keep = strrchr(b->dir, '/') + 1;
	DIR *d = opendir(b->tenant);

	for (struct dirent *de; d && (de = readdir(d));) {
		if (de->d_name[0] == '.' || str_eq(de->d_name, keep))
			continue;
		if (path_remove_tree_at(dirfd(d), de->d_name) < 0)
			log_warn("%s/%s cannot be removed", b->tenant, de->d_name);
	}
	if (d)
		closedir(d);
}

static int give_name(struct template_build *b, struct error *e)
{
	struct template_file f;
	int r = template_describe(b->dirfd, &f, e);

	if (r == 0)
		r = template_write(b->dirfd, &f, e);
	if (r < 0)
		return r;
	r = path_remove_tree_at(AT_FDCWD, b->dir); /* a damaged one */
	if (r < 0 && r != -ENOENT)
		return error_set(e, r, "remove %s", b->dir);
	if (rename(b->files, b->dir) < 0)
		return error_set(e, errno, "name the template %s", b->dir);
	remove_others(b);
	return 0;
}

/* --- the guest --- */

static void over(struct template_build *b, const struct error *e)
{
	if (b->over)
		return;
	b->over = true;
	b->timer = loop_source_free(b->timer);
	b->done(b->data, e);
}

static void saved(struct hv *h, const struct error *e, void *data)
{
	struct template_build *b = data;
	struct error own = ERROR_INIT;

	if (!e && give_name(b, &own) < 0)
		e = &own;
	over(b, e);
}

static void event(struct hv *h, enum hv_event ev, const char *text, void *data)
{
	struct template_build *b = data;
	struct error e = ERROR_INIT;
	int r = 0;

	if (b->over)
		return;
	if (ev == HV_EVENT_SAID)
		r = h->ops->pause(h, true, &e);
	else if (ev == HV_EVENT_PAUSED)
		r = h->ops->save(h, b->dirfd, saved, b, &e);
	else if (ev != HV_EVENT_RESUMED)
		r = error_plain(&e, ECONNRESET, "the guest of the template ended: %s", text);
	if (r < 0 && r != -EINPROGRESS)
		over(b, &e);
}

static void too_late(struct loop_source *s, void *data)
{
	struct template_build *b = data;
	autofree char *tail = hv_console_tail(b->work, 3);
	struct error e = ERROR_INIT;

	error_plain(&e, ETIMEDOUT,
		    "the guest of the template does not say that it is ready (an agent of another "
		    "version?)%s%s",
		    *tail ? "; console: " : "", tail);
	over(b, &e);
}

static int boot(struct template_build *b, const struct hv_ops *ops, const struct hv_config *c,
		struct error *e)
{
	struct hv_config hc = *c;
	int r;

	hc.name = "template";
	hc.dir = b->work;
	hc.to_save = true;
	hc.listen_for = HV_TEMPLATE_READY;
	b->hv = hv_new(ops, &hc, b->loop, event, b, e);
	if (!b->hv)
		return e ? e->code : -EINVAL;
	r = ops->prepare(b->hv, e);
	return r < 0 ? r : ops->start(b->hv, e);
}

struct template_build *template_build_new(const char *dir, const struct hv_ops *ops,
					  const struct hv_config *c, int64_t timeout_ms,
					  struct loop *l, template_done_fn *done, void *data,
					  struct error *e)
{
	struct template_build *b = xnew(struct template_build);
	int r;

	b->dir = xstrdup(dir);
	b->tenant = xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
	b->work = xasprintf("%s/.build", b->tenant);
	b->files = xasprintf("%s/files", b->work);
	b->lock = b->dirfd = -1;
	b->loop = l;
	b->done = done;
	b->data = data;
	b->timer = loop_add_timer(l, timeout_ms, too_late, b);
	r = ops->caps & HV_CAP_SAVE
		    ? lock_tenant(b, e)
		    : error_plain(e, EOPNOTSUPP, "guests of %s cannot be saved", ops->name);
	if (r == 0)
		r = make_work(b, e);
	if (r == 0)
		r = boot(b, ops, c, e);
	if (r == 0)
		return b;
	template_build_free(b);
	return NULL;
}

void template_build_free(struct template_build *b)
{
	if (!b)
		return;
	loop_source_free(b->timer);
	hv_free(b->hv);
	fd_close(b->dirfd);
	/* Without the lock it is another's. */
	if (b->lock >= 0 && b->hv)
		path_remove_tree_at(AT_FDCWD, b->work);
	fd_close(b->lock);
	free(b->dir);
	free(b->tenant);
	free(b->work);
	free(b->files);
	free(b);
}
