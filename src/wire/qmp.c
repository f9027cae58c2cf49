/* SPDX-License-Identifier: Apache-2.0 */
/* qmp - see qmp.h. Follows QEMU's docs/interop/qmp-spec. */
#include "wire/qmp.h"

#include "base/error.h"
#include "base/limits.h"

#include <errno.h>

#define QMP_READ 4096

void qmp_message_done(struct qmp_message *m)
{
	json_free(m->root);
	*m = (struct qmp_message){ 0 };
}

void qmp_reader_init(struct qmp_reader *r)
{
	*r = (struct qmp_reader){ .in = BUF_INIT(LIMIT_QMP_LINE) };
}

void qmp_reader_done(struct qmp_reader *r)
{
	buf_done(&r->in);
	r->scanned = 0;
}

ssize_t qmp_reader_fill(struct qmp_reader *r, int fd)
{
	ssize_t n = buf_read(&r->in, fd, QMP_READ);

	return n == -ENOBUFS ? -EMSGSIZE : n;
}

static int fill_error(struct qmp_message *m, const struct json *error, struct error *e)
{
	m->kind = QMP_ERROR;
	m->name = json_to_str(json_get(error, "class"));
	m->text = json_to_str(json_get(error, "desc"));
	if (!m->name || !m->text)
		return error_plain(e, EPROTO, "QMP: an error without class and description");
	return 0;
}

/* Which member is there tells the kinds apart. */
static int classify(struct qmp_message *m, struct error *e)
{
	const struct json *id = json_get(m->root, "id"), *v;

	if (m->root->type != JSON_OBJECT)
		return error_plain(e, EPROTO, "QMP: %s instead of an object", json_type_name(m->root));
	m->has_id = id && json_to_u64(id, &m->id) == 0;
	if ((v = json_get(m->root, "QMP"))) {
		m->kind = QMP_GREETING;
		m->data = v;
	} else if ((v = json_get(m->root, "return"))) {
		m->kind = QMP_RETURN;
		m->data = v;
	} else if ((v = json_get(m->root, "event"))) {
		m->kind = QMP_EVENT;
		m->name = json_to_str(v);
		m->data = json_get(m->root, "data");
		if (!m->name)
			return error_plain(e, EPROTO, "QMP: an event without a name");
	} else if ((v = json_get(m->root, "error"))) {
		return fill_error(m, v, e);
	} else {
		return error_plain(e, EPROTO, "QMP: neither greeting, return, error nor event");
	}
	return 0;
}

static int parse_line(const char *line, size_t n, struct qmp_message *ret, struct error *e)
{
	struct qmp_message m = { 0 };
	int r = json_parse(line, n, "QMP", &m.root, e);

	if (r < 0) {
		if (e)
			e->code = -EPROTO;
		return -EPROTO;
	}
	r = classify(&m, e);
	if (r < 0) {
		qmp_message_done(&m);
		return r;
	}
	*ret = m;
	return 1;
}

int qmp_reader_next(struct qmp_reader *r, struct qmp_message *ret, struct error *e)
{
	while (r->scanned < buf_len(&r->in)) {
		char *line = buf_ptr(&r->in);
		char *nl = memchr(line + r->scanned, '\n', buf_len(&r->in) - r->scanned);
		size_t n = nl ? (size_t)(nl - line) : 0;
		int got = 0;

		if (!nl) {
			r->scanned = buf_len(&r->in);
			break;
		}
		r->scanned = 0;
		if (n && line[n - 1] == '\r')
			n--;
		if (n)
			got = parse_line(line, n, ret, e);
		buf_consume(&r->in, (size_t)(nl - line) + 1);
		if (got)
			return got;
	}
	return 0;
}

struct json_writer *qmp_command_begin(struct qmp_command *c, struct buf *out, const char *name, uint64_t id)
{
	c->start = buf_len(out);
	json_writer_init(&c->w, out, NULL);
	json_open_object(&c->w, NULL);
	json_add_str(&c->w, "execute", name);
	json_add_u64(&c->w, "id", id);
	json_open_object(&c->w, "arguments");
	return &c->w;
}

int qmp_command_end(struct qmp_command *c)
{
	struct buf *out = c->w.out;
	int r;

	json_close(&c->w);
	json_close(&c->w);
	r = json_writer_end(&c->w);
	if (r == 0)
		r = buf_add(out, "\r\n", 2);
	if (r < 0)
		out->end = out->start + c->start;
	return r;
}
