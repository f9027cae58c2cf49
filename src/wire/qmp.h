/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp - the framing of QEMU's machine protocol: bytes to messages, commands to bytes.
 *
 * A message is one JSON object on a line. The reader takes bytes as they come and hands out whole
 * messages, told apart as greeting, return, error or event; the longest line is LIMIT_QMP_LINE.
 * Which command an answer belongs to (by id), time-outs, and what to do about events are the
 * driver's business.
 */
#pragma once

#include "base/buf.h"
#include "wire/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

enum qmp_kind {
	QMP_GREETING, /* first on every connection; qmp_capabilities must follow */
	QMP_RETURN,
	QMP_ERROR,
	QMP_EVENT,
};

struct qmp_message {
	enum qmp_kind kind;
	bool has_id;             /* errors about unreadable commands have none */
	uint64_t id;             /* of the command */
	const struct json *data; /* greeting: "QMP"; return: its value; event: "data" or NULL */
	const char *name;        /* event: its name; error: its class */
	const char *text;        /* error: the description */
	struct json *root;       /* owns all of the above */
};
void qmp_message_done(struct qmp_message *m);
DEFINE_AUTODONE(qmp_message, qmp_message_done);

struct qmp_reader {
	struct buf in;
	size_t scanned; /* of @in, without a line's end */
};
void qmp_reader_init(struct qmp_reader *r);
void qmp_reader_done(struct qmp_reader *r);

/* Reads once from @fd; call qmp_reader_next until it returns 0 first. > 0: bytes, 0: end of file,
 * -EAGAIN, -EMSGSIZE (a line too long; the connection is of no more use), -errno. */
ssize_t qmp_reader_fill(struct qmp_reader *r, int fd);
/* 1: *ret is the next message (qmp_message_done it); 0: more bytes are needed; -EPROTO and a
 * reason: the line is not QMP (it is skipped). */
int qmp_reader_next(struct qmp_reader *r, struct qmp_message *ret, struct error *e);

/*
 * A command onto @out: begin, then the arguments through @w (json_add_*), then end. qmp_command_end
 * returns 0 or the first failure (-ENOBUFS); then @out is as it was before.
 */
struct qmp_command {
	struct json_writer w;
	size_t start; /* of this command in its buffer */
};
struct json_writer *qmp_command_begin(struct qmp_command *c, struct buf *out, const char *name,
				      uint64_t id);
int qmp_command_end(struct qmp_command *c);
