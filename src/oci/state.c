/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - a container's state as JSON, in the specification's form and in that of runc's command
 * line.
 */
#include "oci/oci.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "wire/json.h"

#include <errno.h>
#include <time.h>

const char *oci_format_time(const struct timespec *t, char *buf)
{
	size_t n = clock_format_seconds(t->tv_sec, buf);

	if (!n)
		return buf;
	if (t->tv_nsec) {
		n += (size_t)snprintf(buf + n, OCI_TIME_MAX - n, ".%09ld", t->tv_nsec);
		while (buf[n - 1] == '0')
			n--;
	}
	snprintf(buf + n, OCI_TIME_MAX - n, "Z");
	return buf;
}

/* Reads the annotations; *ret is NULL if there are none. */
static int parse_annotations(const struct oci_state *st, struct json **ret)
{
	autoptr(json) v = NULL;
	const char *text = st->annotations_json;
	int r;

	if (str_empty(text))
		return 0;
	r = json_parse(text, strlen(text), "annotations", &v, NULL);
	if (r < 0)
		return r;
	if (v->type != JSON_OBJECT)
		return -EINVAL;
	if (v->count)
		*ret = take_ptr(v);
	return 0;
}

static void add_annotations(struct json_writer *w, const struct json *annotations)
{
	if (annotations)
		json_add_value(w, "annotations", annotations);
}

char *oci_state_json(const struct oci_state *st)
{
	autodone(buf) b = BUF_INIT(LIMIT_STATE_FILE);
	autoptr(json) annotations = NULL;
	struct json_writer w;

	if (parse_annotations(st, &annotations) < 0)
		return NULL;
	json_writer_init(&w, &b, NULL);
	json_open_object(&w, NULL);
	json_add_str(&w, "ociVersion", OCI_VERSION);
	json_add_str(&w, "id", st->id);
	json_add_str(&w, "status", st->status);
	if (st->pid)
		json_add_i64(&w, "pid", st->pid);
	json_add_str(&w, "bundle", st->bundle);
	add_annotations(&w, annotations);
	json_close(&w);
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}

int oci_state_write(struct json_writer *w, const struct oci_state *st)
{
	autoptr(json) annotations = NULL;
	int r = parse_annotations(st, &annotations);

	if (r < 0)
		return r;
	json_open_object(w, NULL);
	json_add_str(w, "ociVersion", OCI_VERSION);
	json_add_str(w, "id", st->id);
	json_add_i64(w, "pid", st->pid);
	json_add_str(w, "status", st->status);
	json_add_str(w, "bundle", st->bundle);
	json_add_str(w, "rootfs", st->rootfs ? st->rootfs : "");
	json_add_str(w, "created", st->created ? st->created : "");
	add_annotations(w, annotations);
	json_add_str(w, "owner", st->owner ? st->owner : "");
	json_close(w);
	return 0;
}

char *oci_state_print_json(const struct oci_state *st)
{
	autodone(buf) b = BUF_INIT(LIMIT_STATE_FILE);
	struct json_writer w;

	json_writer_init(&w, &b, "  ");
	if (oci_state_write(&w, st) < 0)
		return NULL;
	return json_writer_end(&w) < 0 ? NULL : xstrdup(buf_str(&b));
}
