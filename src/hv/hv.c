/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hv - see hv.h: what all drivers share. A struct hv owns copies of its configuration's strings;
 * events wait as deferred work, so that a handler may free the struct hv that the event is about.
 */
#include "hv/hv.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "hv/qemu/qemu.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

const struct hv_ops *const hv_drivers[] = { &hv_qemu, NULL };

const struct hv_ops *hv_driver(const char *name)
{
	for (size_t i = 0; hv_drivers[i]; i++)
		if (str_eq(hv_drivers[i]->name, name))
			return hv_drivers[i];
	return NULL;
}

size_t hv_dev_fds(const struct hv_dev *d, int *ret)
{
	size_t n = 0;

	ret[n++] = d->fd;
	for (unsigned i = 0; i < d->nmore_fds; i++)
		ret[n++] = d->more_fds[i];
	for (unsigned i = 0; i < d->nvhost_fds; i++)
		ret[n++] = d->vhost_fds[i];
	return n;
}

/* The strings of a configuration. */
static const size_t config_strings[] = {
	offsetof(struct hv_config, name),         offsetof(struct hv_config, dir),
	offsetof(struct hv_config, path),         offsetof(struct hv_config, machine),
	offsetof(struct hv_config, kernel),       offsetof(struct hv_config, initrd),
	offsetof(struct hv_config, image),        offsetof(struct hv_config, cmdline),
	offsetof(struct hv_config, cpu_features), offsetof(struct hv_config, seccomp),
	offsetof(struct hv_config, entropy),      offsetof(struct hv_config, restore),
	offsetof(struct hv_config, verity),       offsetof(struct hv_config, listen_for),
};

static char **config_string(struct hv_config *c, size_t i)
{
	return (char **)(void *)((char *)c + config_strings[i]);
}

static void config_own(struct hv_config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_strings); i++) {
		char **s = config_string(c, i);

		if (*s)
			*s = xstrdup(*s);
	}
}

/* What no VM can be without, whichever driver runs it. */
static int config_check(const struct hv_config *c, struct error *e)
{
	int r = id_check(c->name, "sandbox id", e);

	if (r < 0)
		return r;
	if (str_empty(c->dir) || c->dir[0] != '/')
		return error_plain(e, EINVAL, "the sandbox's directory is not an absolute path");
	if (!c->vcpus || c->vcpus > LIMIT_HV_VCPUS)
		return error_plain(e, EINVAL, "%u vCPUs: 1 to %d are possible", c->vcpus,
				   LIMIT_HV_VCPUS);
	return 0;
}

struct hv *hv_new(const struct hv_ops *ops, const struct hv_config *cfg, struct loop *l,
		  hv_event_fn *fn, void *data, struct error *e)
{
	struct hv *h;

	if (config_check(cfg, e) < 0)
		return NULL;
	h = xcalloc(1, ops->size);
	h->ops = ops;
	h->cfg = *cfg;
	config_own(&h->cfg);
	h->loop = l;
	h->event = fn;
	h->data = data;
	list_init(&h->events);
	tsc_mark(&h->born);
	if (ops->init)
		ops->init(h);
	return h;
}

/* A killed process that the kernel does not let go of for longer is left behind, with a warning. */
#define HV_KILL_WAIT_MS 5000

struct pending_event {
	struct list link;
	struct hv *hv;
	struct loop_source *source;
	enum hv_event event;
	char *text;
	hv_done_fn *done; /* an answer instead of an event */
	void *done_data;
	struct error error;
};

static void event_free(struct pending_event *p)
{
	list_del(&p->link);
	loop_source_free(p->source);
	free(p->text);
	free(p);
}

static void event_deliver(struct loop_source *s, void *data)
{
	struct pending_event *p = data;
	autofree char *text = take_ptr(p->text);
	struct pending_event copy = *p;
	struct hv *h = p->hv;

	event_free(p);
	if (copy.done)
		copy.done(h, copy.error.code ? &copy.error : NULL, copy.done_data);
	else
		h->event(h, copy.event, text, h->data);
}

static struct pending_event *event_new(struct hv *h)
{
	struct pending_event *p = xnew(struct pending_event);

	p->hv = h;
	list_init(&p->link);
	list_add(&h->events, &p->link);
	p->source = loop_add_defer(h->loop, event_deliver, p);
	return p;
}

void hv_answer(struct hv *h, hv_done_fn *fn, const struct error *e, void *data)
{
	struct pending_event *p = event_new(h);

	p->done = fn;
	p->done_data = data;
	error_copy(&p->error, e);
}

void hv_emit(struct hv *h, enum hv_event ev, const char *fmt, ...)
{
	struct pending_event *p = event_new(h);
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_make_printable(text);
	p->event = ev;
	p->text = xstrdup(text);
}

void hv_free(struct hv *h)
{
	struct pending_event *p;

	if (!h)
		return;
	if (h->pid) {
		kill(h->pid, SIGKILL);
		if (proc_wait(h->pid, HV_KILL_WAIT_MS, &h->status) < 0)
			log_warn("the VMM of sandbox %s (pid %d) could not be waited for",
				 h->cfg.name, (int)h->pid);
		h->pid = 0;
	}
	h->ops->free(h);
	list_for_each(p, &h->events, link)
		event_free(p);
	for (size_t i = 0; i < ARRAY_SIZE(config_strings); i++)
		free(*config_string(&h->cfg, i));
	free(h);
}
