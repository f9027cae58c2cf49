/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hotplug - devices that come to a running VM, and go.
 *
 * Each has a PCIe root port of its own (qemu_args makes them), and is a row of QMP commands: the
 * descriptor, what it becomes on the host's side, the device. Taking it out asks the guest, waits
 * for its answer, and undoes the row.
 *
 * States of a device: adding -> plugged -> leaving -> gone. A guest that does not let go within
 * HV_REMOVE_MS leaves it plugged; where it lets go later, the device is tidied up then.
 */
#include "hv/qemu/state.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum hot_state { HOT_ADDING, HOT_PLUGGED, HOT_LEAVING, HOT_TIDYING };

struct hot_dev {
	struct list link;
	struct qemu *q;
	enum hot_state state;
	struct hv_dev dev; /* strings owned; its descriptor is the job's */
	unsigned port;
	uint64_t fdset;
	bool gone; /* the guest has let go */
	struct qmp_job job;
	struct loop_source *timer; /* while the guest is asked */
	hv_done_fn *done;          /* NULL: nobody waits */
	void *data;
};

/* --- the rows of commands --- */

static const struct hot_dev *hot_of(const void *arg)
{
	return arg;
}

/* The name of the host's side of a device: "net-ID", "disk-ID", "char-ID". */
static void add_name(struct json_writer *w, const char *key, const char *kind,
		     const struct hot_dev *h)
{
	autofree char *name = xasprintf("%s-%s", kind, h->dev.id);

	json_add_str(w, key, name);
}

static void fd_name(struct json_writer *w, const void *arg)
{
	add_name(w, "fdname", "fd", hot_of(arg));
}

static void chardev(struct json_writer *w, const void *arg)
{
	add_name(w, "id", "char", hot_of(arg));
	json_open_object(w, "backend");
	json_add_str(w, "type", "socket");
	json_open_object(w, "data");
	json_open_object(w, "addr");
	json_add_str(w, "type", "fd");
	json_open_object(w, "data");
	add_name(w, "str", "fd", hot_of(arg));
	json_close(w);
	json_close(w);
	json_add_bool(w, "server", false);
	json_close(w);
	json_close(w);
}

static void chardev_id(struct json_writer *w, const void *arg)
{
	add_name(w, "id", "char", hot_of(arg));
}

static void netdev(struct json_writer *w, const void *arg)
{
	json_add_str(w, "type", "tap");
	add_name(w, "id", "net", hot_of(arg));
	add_name(w, "fd", "fd", hot_of(arg));
	json_add_bool(w, "vhost", false);
}

static void netdev_id(struct json_writer *w, const void *arg)
{
	add_name(w, "id", "net", hot_of(arg));
}

static void fdset(struct json_writer *w, const void *arg)
{
	json_add_u64(w, "fdset-id", hot_of(arg)->fdset);
}

static void blockdev(struct json_writer *w, const void *arg)
{
	const struct hot_dev *h = hot_of(arg);
	autofree char *file = xasprintf("/dev/fdset/%llu", (unsigned long long)h->fdset);

	json_add_str(w, "driver", "raw");
	add_name(w, "node-name", "disk", h);
	json_add_bool(w, "read-only", h->dev.readonly);
	json_open_object(w, "file");
	json_add_str(w, "driver", "file");
	json_add_str(w, "filename", file);
	json_add_str(w, "locking", "off");
	json_close(w);
}

static void blockdev_name(struct json_writer *w, const void *arg)
{
	add_name(w, "node-name", "disk", hot_of(arg));
}

/* What all devices have. */
static void device(struct json_writer *w, const struct hot_dev *h, const char *driver)
{
	autofree char *bus = xasprintf(QEMU_PORT "%u", h->port);

	json_add_str(w, "driver", driver);
	json_add_str(w, "id", h->dev.id);
	json_add_str(w, "bus", bus);
}

/* 0: QEMU's default */
static void add_number(struct json_writer *w, const char *key, unsigned value)
{
	if (value)
		json_add_u64(w, key, value);
}

static void vsock_device(struct json_writer *w, const void *arg)
{
	device(w, hot_of(arg), "vhost-user-vsock-pci");
	add_name(w, "chardev", "char", hot_of(arg));
}

static void fs_device(struct json_writer *w, const void *arg)
{
	const struct hot_dev *h = hot_of(arg);

	device(w, h, "vhost-user-fs-pci");
	add_name(w, "chardev", "char", h);
	json_add_str(w, "tag", h->dev.tag);
	add_number(w, "queue-size", h->dev.queue_size);
	add_number(w, "num-request-queues", h->dev.queues);
}

static void net_device(struct json_writer *w, const void *arg)
{
	const struct hot_dev *h = hot_of(arg);

	device(w, h, "virtio-net-pci");
	add_name(w, "netdev", "net", h);
	if (h->dev.mac)
		json_add_str(w, "mac", h->dev.mac);
	add_number(w, "rx_queue_size", h->dev.queue_size);
}

static void blk_device(struct json_writer *w, const void *arg)
{
	const struct hot_dev *h = hot_of(arg);

	device(w, h, "virtio-blk-pci");
	add_name(w, "drive", "disk", h);
	json_add_strn(w, "serial", h->dev.id, MIN(strlen(h->dev.id), (size_t)20));
	json_add_str(w, "werror", "report");
	json_add_str(w, "rerror", "report");
	add_number(w, "queue-size", h->dev.queue_size);
	add_number(w, "num-queues", h->dev.queues);
}

/* The descriptor's name is used up by the command that follows, closefd is for when that fails. */
#define PASS_FD                                            \
	{                                                  \
		"getfd", fd_name, true, "closefd", fd_name \
	}
#define CHARDEV                                                             \
	{                                                                   \
		"chardev-add", chardev, false, "chardev-remove", chardev_id \
	}

static const struct qmp_step vsock_steps[] = {
	PASS_FD,
	CHARDEV,
	{ "device_add", vsock_device, false, NULL, NULL },
};

static const struct qmp_step fs_steps[] = {
	PASS_FD,
	CHARDEV,
	{ "device_add", fs_device, false, NULL, NULL },
};

static const struct qmp_step net_steps[] = {
	PASS_FD,
	{ "netdev_add", netdev, false, "netdev_del", netdev_id },
	{ "device_add", net_device, false, NULL, NULL },
};

static const struct qmp_step blk_steps[] = {
	{ "add-fd", fdset, true, "remove-fd", fdset },
	{ "blockdev-add", blockdev, false, "blockdev-del", blockdev_name },
	{ "device_add", blk_device, false, NULL, NULL },
};

static const struct {
	const struct qmp_step *steps;
	size_t n;
} rows[] = {
	[HV_DEV_VHOST_USER_VSOCK] = { vsock_steps, ARRAY_SIZE(vsock_steps) },
	[HV_DEV_VHOST_USER_FS] = { fs_steps, ARRAY_SIZE(fs_steps) },
	[HV_DEV_TAP] = { net_steps, ARRAY_SIZE(net_steps) },
	[HV_DEV_BLK] = { blk_steps, ARRAY_SIZE(blk_steps) },
};

/* --- adding --- */

static void hot_free(struct hot_dev *h)
{
	h->q->ports &= ~(1u << h->port);
	list_del(&h->link);
	loop_source_free(h->timer);
	qmp_job_done(&h->job);
	qemu_dev_done(&h->dev);
	free(h);
}

static void hot_answer(struct hot_dev *h, const struct error *e)
{
	if (h->done)
		hv_answer(&h->q->hv, h->done, e, h->data);
	h->done = NULL;
}

static void added(const struct error *e, void *data)
{
	struct hot_dev *h = data;
	struct error why = ERROR_INIT;

	if (!e) {
		h->state = HOT_PLUGGED;
		hot_answer(h, NULL);
		return;
	}
	why = *e;
	error_prefix(&why, "add device %s", h->dev.id);
	hot_answer(h, &why);
	hot_free(h);
}

static struct hot_dev *hot_find(struct qemu *q, const char *id)
{
	struct hot_dev *h;

	list_for_each(h, &q->hot, link)
		if (str_eq(h->dev.id, id))
			return h;
	return NULL;
}

static bool is_cold(const struct qemu *q, const char *id)
{
	for (size_t i = 0; i < q->ndevs; i++)
		if (str_eq(q->devs[i].id, id))
			return true;
	return false;
}

static int find_port(const struct qemu *q, const char *id, unsigned *ret, struct error *e)
{
	unsigned n = q->hv.cfg.hotplug_slots;

	if (!n)
		return error_plain(e, EOPNOTSUPP,
				   "device %s: the VM was started without slots for devices", id);
	for (unsigned i = 0; i < n; i++) {
		if (q->ports & 1u << i)
			continue;
		*ret = i;
		return 0;
	}
	return error_plain(e, ENOSPC, "device %s: all %u slots of the VM are taken", id, n);
}

/* The descriptor to pass: a copy of the caller's, or one that is made now. */
static int behind(const struct hv_dev *d, int *ret, struct error *e)
{
	struct hv_dev own = *d;
	int r = qemu_dev_open(d, &own.fd, e);

	if (r == 0 && d->fd >= 0) {
		own.fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 3);
		r = own.fd < 0 ? error_set(e, errno, "device %s", d->id) : 0;
	} else if (r == 0) {
		r = qemu_dev_connect(&own, e);
	}
	if (r == 0)
		*ret = own.fd;
	return r;
}

static struct hot_dev *hot_new(struct qemu *q, const struct hv_dev *d, unsigned port)
{
	struct hot_dev *h = xnew(struct hot_dev);

	h->q = q;
	h->job = QMP_JOB_INIT;
	qemu_dev_copy(&h->dev, d);
	h->dev.fd = -1;
	h->port = port;
	h->fdset = q->next_fdset++;
	h->done = d->done;
	h->data = d->data;
	q->ports |= 1u << port;
	list_init(&h->link);
	list_add(&q->hot, &h->link);
	return h;
}

int qemu_hotplug_add(struct qemu *q, struct hv_dev *d, struct error *e)
{
	unsigned port = 0;
	struct hot_dev *h;
	int r, fd = -1;

	if (d->nmore_fds || d->nvhost_fds)
		return error_plain(e, EOPNOTSUPP,
				   "device %s: a running VM takes one queue without vhost-net",
				   d->id);
	if (hot_find(q, d->id) || is_cold(q, d->id))
		return error_plain(e, EEXIST, "device %s is there already", d->id);
	r = find_port(q, d->id, &port, e);
	if (r == 0)
		r = behind(d, &fd, e);
	if (r < 0)
		return r;
	h = hot_new(q, d, port);
	r = qmp_job_run(&h->job, q->qmp, rows[d->type].steps, rows[d->type].n, fd, h, added, h, e);
	if (r < 0) {
		hot_free(h);
		return r;
	}
	d->fd = fd_close(d->fd);
	snprintf(d->pci_path, sizeof(d->pci_path), "%02x/00", QEMU_PORT_ADDR + port);
	return -EINPROGRESS;
}

/* --- removing --- */

static void tidied(const struct error *e, void *data)
{
	struct hot_dev *h = data;

	hot_answer(h, NULL);
	hot_free(h);
}

/* The guest has let go. */
static void tidy(struct hot_dev *h)
{
	enum hv_dev_type type = h->dev.type;
	struct error e = ERROR_INIT;

	h->timer = loop_source_free(h->timer);
	h->state = HOT_TIDYING;
	if (qmp_job_undo(&h->job, h->q->qmp, rows[type].steps, rows[type].n, h, tidied, h, &e) < 0)
		tidied(NULL, h);
}

static void stays(struct hot_dev *h, const char *why)
{
	struct error e = ERROR_INIT;

	h->timer = loop_source_free(h->timer);
	h->state = HOT_PLUGGED;
	error_plain(&e, EBUSY, "remove device %s: %s", h->dev.id, why);
	hot_answer(h, &e);
}

static void not_released(struct loop_source *s, void *data)
{
	stays(data, "the guest does not let go of it");
}

static void device_id(struct json_writer *w, const void *arg)
{
	json_add_str(w, "id", hot_of(arg)->dev.id);
}

static const struct qmp_step leave_steps[] = {
	{ "device_del", device_id, false, NULL, NULL },
};

static void asked(const struct error *e, void *data)
{
	struct hot_dev *h = data;

	if (h->gone)
		tidy(h);
	else if (e)
		stays(h, error_text(e));
}

int qemu_hotplug_remove(struct qemu *q, struct hv_dev *d, struct error *e)
{
	struct hot_dev *h = hot_find(q, d->id);
	int r;

	if (!h && is_cold(q, d->id))
		return error_plain(e, EBUSY, "device %s was there when the VM started: it stays",
				   d->id);
	if (!h)
		return error_plain(e, ENOENT, "there is no device %s", d->id);
	if (h->state != HOT_PLUGGED)
		return error_plain(e, EBUSY, "device %s is being %s", d->id,
				   h->state == HOT_ADDING ? "added" : "removed");
	r = qmp_job_run(&h->job, q->qmp, leave_steps, ARRAY_SIZE(leave_steps), -1, h, asked, h, e);
	if (r < 0)
		return r;
	h->state = HOT_LEAVING;
	h->done = d->done;
	h->data = d->data;
	h->timer = loop_add_timer(q->hv.loop, HV_REMOVE_MS, not_released, h);
	return -EINPROGRESS;
}

void qemu_hotplug_event(struct qemu *q, const char *name, const struct json *data)
{
	const char *id = json_to_str(json_get(data, "device"));
	struct hot_dev *h = id ? hot_find(q, id) : NULL;

	if (!h || (h->state != HOT_PLUGGED && h->state != HOT_LEAVING))
		return;
	if (str_eq(name, "DEVICE_DELETED")) {
		/* QEMU may say so before it answers the request. */
		h->gone = true;
		if (!h->job.active)
			tidy(h);
	} else if (str_eq(name, "DEVICE_UNPLUG_GUEST_ERROR") && h->state == HOT_LEAVING) {
		stays(h, "the guest refuses");
	}
}

void qemu_hotplug_free(struct qemu *q)
{
	struct hot_dev *h;

	list_for_each(h, &q->hot, link)
		hot_free(h);
}
