/* SPDX-License-Identifier: Apache-2.0 */
/* watch - see watch.h. The copies are made by one job at a time, started by a timer. */
#include "agent/watch.h"

#include "agent/job.h"
#include "agent/storage.h"
#include "agent/storage_driver.h"

#include "sys/mounts.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB_MS 30000

/* --- mounting --- */

static int mirror_path(const struct storage_place *at, const char *source, const char *path,
		       struct error *e)
{
	autoclose int from = storage_open(at, source, e);
	autoclose int to = path_open_beneath(at->root, path, O_PATH | O_DIRECTORY, 0);

	if (from < 0)
		return from;
	return to < 0 ? error_set(e, to, "%s", path) : watch_mirror(from, to, e);
}

static int mount_copy(const struct storage_place *at, const Grpc__Storage *rq, const char *path,
		      const struct stat *st, struct error *e)
{
	autodone(strv) options = STRV_INIT;
	autoclose int target = storage_target(at, path, e);
	int r;

	if (target < 0)
		return target;
	/* Twice: while it is brought up to date, old and new are there. */
	strv_addf(&options, "size=%zu,nr_inodes=%d,mode=%o", 2 * LIMIT_AGENT_WATCHED_BYTES,
		  4 * LIMIT_AGENT_WATCHED, (unsigned)(st->st_mode & 07777));
	r = storage_mount_type("tmpfs", "watchable", target, &options, e);
	return r < 0 ? r : mirror_path(at, rq->source, path, e);
}

int storage_watch_mount(const struct storage_place *at, const struct storage_request *sr,
			const char *path, struct error *e)
{
	static const struct storage_driver copy = { .name = "watchable-bind", .quick = true };
	autoclose int source = storage_open(at, sr->rq->source, e);
	struct stat st;
	int r;

	if (source < 0)
		return source;
	if (fstat(source, &st) < 0)
		return error_set(e, errno, "%s", sr->rq->source);
	if (S_ISDIR(st.st_mode)) {
		r = mount_copy(at, sr->rq, path, &st, e);
		if (r != -EFBIG)
			return r < 0 ? r : 1;
		log_info("%s: too large to be watched", sr->rq->source);
		storage_unmount(&copy, at, path);
	}
	return storage_driver_find("bind")->mount(at, sr, path, e);
}

/* --- keeping up to date --- */

static bool any_watched(const struct storages *s)
{
	struct storage *st;

	list_for_each(st, &s->head, link)
		if (st->source && st->mounted)
			return true;
	return false;
}

/* In the job: all of them; the result is the mount points of those that failed, a line each. */
static int mirror_all(void *data, struct buf *result, struct error *e)
{
	struct storages *s = data;
	struct storage_place at = { .run_dir = s->run_dir, .env = s->env };
	struct storage *st;

	at.root = open(s->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at.root < 0)
		return error_set(e, errno, "%s", s->run_dir);
	list_for_each(st, &s->head, link) {
		struct error why = ERROR_INIT;

		if (!st->source || !st->mounted ||
		    mirror_path(&at, st->source, st->mount_point + strlen(s->run_dir), &why) >= 0)
			continue;
		if (why.code == -EFBIG && buf_addf(result, "%s\n", st->mount_point) < 0)
			return error_plain(e, ENOBUFS, "too many failures");
	}
	return 0;
}

static void give_up(struct storages *s, const char *lines, size_t n)
{
	autofree char *text = xstrndup(lines, n);
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct storage *st;

		list_for_each(st, &s->head, link) {
			if (!str_eq(st->mount_point, line) || !st->source)
				continue;
			log_warn("%s has become too large to be watched", st->source);
			free(st->source);
			st->source = NULL;
		}
	}
}

static void mirrored(void *data, const struct error *e, const char *result, size_t n)
{
	struct storages *s = data;

	if (e)
		log_warn("watched directories: %s", e->text);
	else if (n)
		give_up(s, result, n);
	if (s->watch && any_watched(s))
		loop_timer_set(s->watch, s->watch_ms);
	else
		s->watch = loop_source_free(s->watch);
}

static void on_timer(struct loop_source *t, void *data)
{
	struct storages *s = data;
	struct error e = ERROR_INIT;

	if (job_start(s->jobs, mirror_all, mirrored, s, JOB_MS, NULL, &e) < 0)
		mirrored(s, &e, NULL, 0);
}

void watch_start(struct storages *s)
{
	if (s->watch || s->closing)
		return;
	s->watch = loop_add_timer(s->jobs->loop, s->watch_ms, on_timer, s);
	if (!s->watch)
		log_warn("watched directories: timer: %s", strerror(errno));
}

void watch_stop(struct storages *s)
{
	s->watch = loop_source_free(s->watch);
}
