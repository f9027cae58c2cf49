/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a QEMU says while a row of commands is on its way: each command is answered at most once,
 * the row ends at most once, and nothing is left when the client goes.
 */
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "hv/qemu/qmp_client.h"
#include "hv/qemu/qmp_job.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	int answers, ends;
};

static void on_event(const char *name, const struct json *data, void *arg)
{
	if (!name)
		abort();
}

static void on_reply(const struct json *data, const struct error *e, void *arg)
{
	struct state *s = arg;

	if (++s->answers > 1 || (e && (!e->code || !*e->text)))
		abort();
}

static void on_end(const struct error *e, void *data)
{
	struct state *s = data;

	if (++s->ends > 1 || (e && !e->code))
		abort();
}

static const struct qmp_step steps[] = {
	{ "getfd", NULL, true, "closefd", NULL },
	{ "chardev-add", NULL, false, "chardev-remove", NULL },
	{ "device_add", NULL, false, NULL, NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qmp_job job = QMP_JOB_INIT;
	struct loop *l = loop_new();
	struct state s = { 0 };
	struct qmp_client *c;
	int p[2];

	log_init("fuzz_qmp_client", 2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p) < 0)
		abort();
	c = qmp_client_new(l, p[0], on_event, NULL, NULL);
	if (!c || qmp_job_run(&job, c, steps, 3, open("/dev/null", O_RDONLY | O_CLOEXEC), NULL,
			      on_end, &s, NULL) < 0)
		abort();
	qmp_client_begin(c, "stop");
	if (qmp_client_send(c, on_reply, &s, NULL) < 0)
		abort();
	while (size) {
		size_t n = size < 512 ? size : 512;

		if (write(p[1], data, n) != (ssize_t)n)
			break;
		for (int i = 0; i < 3; i++)
			loop_run_once(l, 0);
		data += n;
		size -= n;
	}
	fd_close(p[1]);
	for (int i = 0; i < 8; i++)
		loop_run_once(l, 0);
	/* The peer has gone: everything has been answered. */
	if (s.answers != 1 || s.ends != 1)
		abort();
	qmp_client_free(c);
	qmp_job_done(&job);
	loop_free(l);
	return 0;
}
