/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage - see storage.h.
 *
 * An operation waits while a mount point of its is busy with another, then makes what is not
 * mounted yet its own (`busy`), works, and lets the next ones go. A storage exists while somebody
 * holds it or an operation is about it.
 */
#include "agent/storage.h"

#include "agent/job.h"
#include "agent/storage_driver.h"
#include "agent/watch.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WORK_MS 300000 /* of one operation, beside waiting for devices */
#define WATCH_MS 2000

struct item {
	struct storage *st;
	const Grpc__Storage *rq; /* to be mounted; NULL: let go of */
	bool work;               /* by this operation, not by one before it */
};

struct storage_op {
	struct list link;
	struct storages *s;
	struct storages_request rq;
	char *id;
	struct item *items;
	size_t n;
	bool release, started;
	struct job *job;
	struct device_node *devices;
	void (*released)(void *data);
};

void storages_init(struct storages *s, const char *run_dir, struct jobs *jobs)
{
	*s = (struct storages){
		.run_dir = run_dir, .jobs = jobs, .env = DEVICE_ENV_INIT, .watch_ms = WATCH_MS
	};
	list_init(&s->head);
	list_init(&s->ops);
}

static struct storage *lookup(const struct storages *s, const char *mount_point)
{
	struct storage *st;

	list_for_each(st, &s->head, link)
		if (str_eq(st->mount_point, mount_point))
			return st;
	return NULL;
}

bool storages_mounted(const struct storages *s, const char *mount_point, const char *driver)
{
	struct storage *st = lookup(s, mount_point);

	return st && st->mounted && (!driver || str_eq(st->driver->name, driver));
}

static void storage_free(struct storages *s, struct storage *st)
{
	list_del(&st->link);
	s->n--;
	free(st->mount_point);
	free(st->source);
	free(st);
}

static void op_free(struct storage_op *op)
{
	list_del(&op->link);
	free(op->items);
	free(op->devices);
	free(op->id);
	free(op);
}

/* --- the work, in a job or not --- */

static const char *relative(const struct storages *s, const struct storage *st)
{
	return st->mount_point + strlen(s->run_dir) + 1;
}

/* Goes on after a failure: the rest is to be let go of too. */
static void unmount_item(struct storage_op *op, const struct storage_place *at,
			 const struct item *it)
{
	int r = storage_unmount(it->st->driver, at, relative(op->s, it->st));

	if (r < 0)
		log_warn("storage %s: %s", it->st->mount_point, strerror(-r));
}

static int mount_item(struct storage_op *op, const struct storage_place *at, const struct item *it,
		      struct error *e)
{
	const struct storage_request sr = { it->rq, op->rq.storages, op->rq.n_storages };

	/* What one that failed has left. */
	if (it->st->tried)
		unmount_item(op, at, it);
	return storage_mount(it->st->driver, at, &sr, relative(op->s, it->st), e);
}

static int wait_devices(const struct storage_op *op, const struct storage_place *at,
			struct buf *result, struct error *e)
{
	for (size_t i = 0; i < op->rq.n_devices; i++) {
		const Grpc__Device *d = op->rq.devices[i];
		struct device_node node = { 0 };
		int r = device_wait(&at->env, d->type, device_where(d), &node, e);

		if (r >= 0 && buf_add(result, &node, sizeof(node)) < 0)
			r = error_plain(e, ENOBUFS, "too many devices");
		if (r < 0)
			return r;
	}
	return 0;
}

/* The result: the nodes of the devices, then a byte for each item, 1 where it is to be watched. */
static int op_work(void *data, struct buf *result, struct error *e)
{
	struct storage_op *op = data;
	struct storage_place at = { .run_dir = op->s->run_dir, .id = op->id, .env = op->s->env };
	autoclose int root = open(at.run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return error_set(e, errno, "%s", at.run_dir);
	at.root = root;
	r = wait_devices(op, &at, result, e);
	for (size_t i = 0; i < op->n && r >= 0; i++) {
		char watch = 0;

		if (op->items[i].work && op->release)
			unmount_item(op, &at, &op->items[i]);
		else if (op->items[i].work)
			watch = (char)(r = mount_item(op, &at, &op->items[i], e));
		if (r >= 0 && buf_add(result, &watch, 1) < 0)
			r = error_plain(e, ENOBUFS, "too many storages");
	}
	return r < 0 ? r : 0;
}

/* --- operations --- */

static void ops_run(struct storages *s);

static void item_done(struct storage_op *op, struct item *it, bool ok, bool watch)
{
	struct storage *st = it->st;

	if (!it->work)
		return;
	st->busy = NULL;
	st->mounted = ok && !op->release;
	st->tried = !op->release;
	if (watch) {
		st->source = xstrdup(it->rq->source);
		watch_start(op->s);
	}
}

/* Those nobody holds and no operation is about. */
static void drop_unused(struct storages *s)
{
	struct storage *st;

	list_for_each(st, &s->head, link)
		if (!st->refs && !st->tried && !st->releasing && !st->busy)
			storage_free(s, st);
}

static void op_done(void *data, const struct error *e, const char *result, size_t n)
{
	struct storage_op *op = data;
	struct storages *s = op->s;
	size_t head = op->rq.n_devices * sizeof(struct device_node);
	bool whole = !e && n == head + op->n;
	const char *flags = whole && op->n ? result + head : NULL;

	s->under_way -= !!op->job;
	if (e && op->release)
		log_warn("let go of storages: %s", e->text);
	for (size_t i = 0; i < op->n; i++) {
		if (op->release)
			op->items[i].st->releasing = false;
		item_done(op, &op->items[i], !e, flags && flags[i]);
	}
	drop_unused(s);
	if (whole && head)
		op->devices = xmemdup(result, head);
	list_del(&op->link);
	if (op->release && op->released)
		op->released(op->rq.data);
	else if (!op->release)
		op->rq.done(op->rq.data, e, op->devices);
	op_free(op);
	ops_run(s);
}

/* Is there something to do about @it that no other operation is doing? */
static bool item_wanted(const struct storage_op *op, const struct item *it)
{
	const struct storage *st = it->st;

	return op->release ? !st->refs && st->tried : !st->mounted;
}

static bool item_blocks(const struct storage_op *op, const struct item *it)
{
	return op->release ? !it->st->driver->quick : storage_is_slow(it->st->driver, it->rq);
}

static bool op_blocks(const struct storage_op *op)
{
	bool blocks = op->rq.n_devices;

	for (size_t i = 0; i < op->n; i++)
		blocks |= item_wanted(op, &op->items[i]) && item_blocks(op, &op->items[i]);
	return blocks && !op->s->closing;
}

static bool op_ready(const struct storage_op *op)
{
	for (size_t i = 0; i < op->n; i++)
		if (op->items[i].st->busy)
			return false;
	return op->s->under_way < LIMIT_AGENT_STORAGE_JOBS || !op_blocks(op);
}

/* What there is to do becomes this operation's; the second of two items with one storage has
 * nothing to do. */
static void op_take(struct storage_op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		struct item *it = &op->items[i];

		it->work = !it->st->busy && item_wanted(op, it);
		if (it->work)
			it->st->busy = op;
	}
}

static void op_start(struct storage_op *op)
{
	autodone(buf) result = BUF_INIT(LIMIT_AGENT_JOB_RESULT);
	int devices = (int)(op->rq.n_devices + op->n) * op->s->env.timeout_ms;
	struct error e = ERROR_INIT;
	bool blocks = op_blocks(op);
	int r = 0;

	op->started = true;
	op_take(op);
	if (op->s->closing && !op->release) {
		r = error_plain(&e, ECANCELED, "the agent ends");
	} else if (blocks) {
		r = job_start(op->s->jobs, op_work, op_done, op, WORK_MS + devices, &op->job, &e);
		op->s->under_way += r >= 0;
		if (r >= 0)
			return;
		/* Nothing stays mounted for want of a job. */
		if (op->release)
			r = op_work(op, &result, &e);
	} else {
		r = op_work(op, &result, &e);
	}
	op_done(op, r < 0 ? &e : NULL, buf_ptr(&result), buf_len(&result));
}

static bool start_one(struct storages *s)
{
	struct storage_op *op;

	list_for_each(op, &s->ops, link) {
		if (op->started || !op_ready(op))
			continue;
		op_start(op);
		return true;
	}
	return false;
}

/* Those that end at once let others go on, and may begin new ones. */
static void ops_run(struct storages *s)
{
	if (s->running)
		return;
	s->running = true;
	while (start_one(s))
		;
	s->running = false;
}

void storages_cancel(struct storages *s, struct storage_op *op)
{
	struct error e = ERROR_INIT;

	if (op->job) {
		job_cancel(op->job);
		return;
	}
	if (op->started)
		return;
	error_plain(&e, ECANCELED, "the container is being removed");
	op_done(op, &e, NULL, 0);
}

/* --- taking hold --- */

/* Below the run directory, no "..", without slashes at the end; NULL and a reason. */
static char *clean_mount_point(const struct storages *s, const char *path, struct error *e)
{
	const char *rest = str_skip_prefix(path, s->run_dir);
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	if (!rest || *rest != '/' || n <= strlen(s->run_dir) || strstr(rest, "/../") ||
	    str_ends_with(rest, "/..")) {
		error_plain(e, EINVAL, "storage mount point \"%.256s\" is not below %s", path,
			    s->run_dir);
		return NULL;
	}
	return xstrndup(path, n);
}

static int check_all(const struct storages *s, const struct storages_request *rq, struct error *e)
{
	if (rq->n_storages > LIMIT_AGENT_STORAGES - MIN(s->n, LIMIT_AGENT_STORAGES))
		return error_plain(e, ENOBUFS,
				   "%zu storages in one request, %u in all: more than %d",
				   rq->n_storages, s->n, LIMIT_AGENT_STORAGES);
	if (rq->n_devices > LIMIT_AGENT_DEVICES)
		return error_plain(e, ENOBUFS, "%zu devices in one request", rq->n_devices);
	for (size_t i = 0; i < rq->n_devices; i++) {
		const Grpc__Device *d = rq->devices[i];
		int r = device_check(d->type, device_where(d), e);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < rq->n_storages; i++) {
		const struct storage_driver *d;
		autofree char *path = NULL;
		int r;

		if (!storage_is_layer(rq->storages[i]))
			path = clean_mount_point(s, rq->storages[i]->mount_point, e);
		r = path || storage_is_layer(rq->storages[i])
			    ? storage_driver_check(rq->storages[i], &d, e)
			    : -EINVAL;
		if (r < 0)
			return r;
	}
	return 0;
}

static struct storage *hold(struct storages *s, const Grpc__Storage *rq, struct strv *refs)
{
	autofree char *path = clean_mount_point(s, rq->mount_point, NULL);
	struct storage *st = lookup(s, path);

	if (!st) {
		st = xnew(struct storage);
		storage_driver_check(rq, &st->driver, NULL);
		st->mount_point = take_ptr(path);
		list_add(&s->head, &st->link);
		s->n++;
	}
	st->shared = st->shared || rq->shared;
	st->refs++;
	strv_add(refs, st->mount_point);
	return st;
}

static struct storage_op *op_new(struct storages *s, size_t items)
{
	struct storage_op *op = xnew(struct storage_op);

	op->s = s;
	op->items = xnew_array(struct item, items ? items : 1);
	list_add(&s->ops, &op->link);
	return op;
}

int storages_add(struct storages *s, const struct storages_request *rq, struct strv *refs,
		 struct storage_op **ret, struct error *e)
{
	struct storage_op *op;
	int r = check_all(s, rq, e);

	if (r < 0)
		return r;
	op = op_new(s, rq->n_storages);
	op->rq = *rq;
	op->id = rq->id ? xstrdup(rq->id) : NULL;
	for (size_t i = 0; i < rq->n_storages; i++)
		if (!storage_is_layer(rq->storages[i]))
			op->items[op->n++] = (struct item){ hold(s, rq->storages[i], refs),
							    rq->storages[i], false };
	if (ret)
		*ret = op;
	ops_run(s);
	return 0;
}

/* --- letting go --- */

void storages_release(struct storages *s, struct strv *refs, void (*done)(void *data), void *data)
{
	struct storage_op *op = op_new(s, refs->n);

	op->release = true;
	op->released = done;
	op->rq.data = data;
	/* The last one first: it may lie in an earlier one. */
	for (size_t i = refs->n; i-- > 0;) {
		struct storage *st = lookup(s, refs->v[i]);

		if (!st || --st->refs > 0 || st->shared || st->releasing)
			continue;
		st->releasing = true;
		op->items[op->n++] = (struct item){ .st = st };
	}
	strv_done(refs);
	ops_run(s);
}

void storages_sync(const struct storages *s)
{
	const struct storage *st;

	list_for_each(st, &s->head, link) {
		autoclose int fd = -1;

		/* The share's server has everything already, and memory goes with the machine. */
		if (!st->driver->disk || !st->mounted)
			continue;
		fd = open(st->mount_point, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syncfs(fd) < 0)
			log_warn("storage %s: %s", st->mount_point, strerror(errno));
	}
}

void storages_close(struct storages *s)
{
	s->closing = true;
	watch_stop(s);
}

void storages_done(struct storages *s)
{
	struct strv refs = STRV_INIT;
	struct storage *st;

	storages_close(s);
	list_for_each(st, &s->head, link) {
		st->shared = false;
		st->releasing = false;
		st->refs = 1;
		strv_add(&refs, st->mount_point);
	}
	if (refs.n)
		storages_release(s, &refs, NULL, NULL);
}
