/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp - see qmp.h. The input buffer holds at most one line beyond what was handed out; what has
 * been searched for a line's end is not searched again.
 */
#include "wire/qmp.h"

#include "base/error.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>

#define READ_SIZE KIB(64)

void qmp_message_done(struct qmp_message *m)
{
	if (!m)
		return;
	json_free(m->root);
	*m = (struct qmp_message){ 0 };
}

void qmp_reader_init(struct qmp_reader *r)
{
	*r = (struct qmp_reader){ .in = BUF_INIT(LIMIT_QMP_LINE) };
}

void qmp_reader_done(struct qmp_reader *r)
{
	if (r)
		buf_done(&r->in);
}

ssize_t qmp_reader_fill(struct qmp_reader *r, int fd)
{
	ssize_t n = buf_read(&r->in, fd, READ_SIZE);

	return n == -ENOBUFS ? -EMSGSIZE : n;
}

/* The kinds by the member that makes them out. */
static int classify(struct qmp_message *m)
{
	static const struct {
		const char *member;
		enum qmp_kind kind;
	} kinds[] = {
		{ "event", QMP_EVENT },
		{ "return", QMP_RETURN },
		{ "error", QMP_ERROR },
		{ "QMP", QMP_GREETING },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		m->data = json_get(m->root, kinds[i].member);
		m->kind = kinds[i].kind;
		if (m->data)
			return 0;
	}
	return -EPROTO;
}

static int interpret(struct qmp_message *m, struct error *e)
{
	const struct json *id = json_get(m->root, "id");

	if (classify(m) < 0)
		return error_plain(e, EPROTO, "neither greeting nor answer nor event");
	if (id && json_to_u64(id, &m->id) < 0)
		return error_plain(e, EPROTO, "an id that is not ours");
	m->has_id = id != NULL;
	if (m->kind == QMP_EVENT) {
		m->name = json_to_str(m->data);
		m->data = json_get(m->root, "data");
	} else if (m->kind == QMP_ERROR) {
		m->name = json_to_str(json_get(m->data, "class"));
		m->text = json_to_str(json_get(m->data, "desc"));
		if (!m->text)
			return error_plain(e, EPROTO, "an error without its description");
	}
	if ((m->kind == QMP_EVENT || m->kind == QMP_ERROR) && !m->name)
		return error_plain(e, EPROTO, "%s without its name",
				   m->kind == QMP_EVENT ? "an event" : "an error");
	return 0;
}

static int parse_line(const char *line, size_t len, struct qmp_message *ret, struct error *e)
{
	autodone(qmp_message) m = { 0 };
	int r = json_parse(line, len, "qmp", &m.root, e);

	if (r < 0) {
		if (e)
			e->code = -EPROTO;
		return -EPROTO;
	}
	r = interpret(&m, e);
	if (r < 0) {
		error_prefix(e, "qmp");
		return r;
	}
	*ret = m;
	m.root = NULL; /* the caller's */
	return 1;
}

static bool is_blank(const char *line, size_t len)
{
	return strspn(line, " \t\r") >= len;
}

int qmp_reader_next(struct qmp_reader *r, struct qmp_message *ret, struct error *e)
{
	for (;;) {
		size_t have = buf_len(&r->in), len;
		char *line, *end;
		int result = 0;

		end = have > r->scanned
			      ? memchr(buf_ptr(&r->in) + r->scanned, '\n', have - r->scanned)
			      : NULL;
		if (!end) {
			r->scanned = have;
			return 0;
		}
		line = buf_ptr(&r->in);
		len = (size_t)(end - line);
		*end = '\0';
		if (!is_blank(line, len))
			result = parse_line(line, len, ret, e);
		buf_consume(&r->in, len + 1);
		r->scanned = 0;
		if (result)
			return result;
	}
}

struct json_writer *qmp_command_begin(struct qmp_command *c, struct buf *out, const char *name,
				      uint64_t id)
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
		r = buf_add(out, "\n", 1);
	if (r < 0)
		out->end = out->start + c->start;
	return r;
}
