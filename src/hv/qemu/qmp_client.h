/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp_client - one QMP connection on the loop: commands with their answers, events.
 *
 * Nothing blocks: commands wait in a buffer until the greeting has come (qmp_capabilities goes
 * first), answers and events arrive as callbacks. A QEMU that does not answer within
 * QMP_TIMEOUT_MS, refuses, or goes away is an answer too, so every command gets exactly one. Of a
 * connection that breaks the protocol nothing more is read.
 */
#pragma once

#include "base/error.h"
#include "wire/qmp.h"

#define QMP_TIMEOUT_MS 5000

struct loop;
struct qmp_client;

/* @data: the value returned, valid during the call; NULL with the reason in @e. Must not free the
 * client. */
typedef void qmp_reply_fn(const struct json *data, const struct error *e, void *arg);
/* Must not free the client. */
typedef void qmp_event_fn(const char *name, const struct json *data, void *arg);

/* @fd is taken. @fn hears events. NULL and the reason. */
struct qmp_client *qmp_client_new(struct loop *l, int fd, qmp_event_fn *fn, void *arg,
				  struct error *e);
/* Open commands get no answer any more. */
void qmp_client_free(struct qmp_client *c);

/*
 * A command: begin, add its arguments through the writer, send; a command begun anew replaces the
 * one that was not sent. @fn may be NULL. A failure of send (-ENOTCONN, -EBUSY, -ENOBUFS) has its
 * reason in @e, and no answer follows.
 */
struct json_writer *qmp_client_begin(struct qmp_client *c, const char *name);
int qmp_client_send(struct qmp_client *c, qmp_reply_fn *fn, void *arg, struct error *e);
/* Likewise with a descriptor beside it (getfd, add-fd): @fd is taken on success. One at a time:
 * -EBUSY while the one before has not been sent. */
int qmp_client_send_fd(struct qmp_client *c, int fd, qmp_reply_fn *fn, void *arg, struct error *e);

/* Handles what has arrived, without waiting: for the end of QEMU. */
void qmp_client_drain(struct qmp_client *c);
