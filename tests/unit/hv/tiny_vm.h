/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tiny_vm - a real QEMU with a guest of a few bytes (tiny_guest.h), its loop, and what it has told.
 */
#pragma once

#include "tiny_guest.h"

#include "base/loop.h"
#include "hv/hv.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define VMM_UID 64000
#define PATIENCE_MS 20000

struct vm {
	char *dir;
	struct loop *loop;
	struct hv *hv;
	struct hv_config cfg;
	char *kernel;
	char seen[8];      /* one letter an event */
	char text[5][256]; /* by event */
	struct error e;
};

static inline void on_event(struct hv *h, enum hv_event ev, const char *text, void *data)
{
	static const char letters[] = {
		[HV_EVENT_EXITED] = 'x', [HV_EVENT_PANICKED] = 'p', [HV_EVENT_SHUTDOWN] = 's',
		[HV_EVENT_PAUSED] = 'h', [HV_EVENT_RESUMED] = 'r',
	};
	struct vm *v = data;
	size_t n = strlen(v->seen);

	if (n < sizeof(v->seen) - 1)
		v->seen[n] = letters[ev];
	snprintf(v->text[ev], sizeof(v->text[ev]), "%s", text);
}

static inline void vm_make(struct vm *v, const char *text, enum tiny_then then)
{
	*v = (struct vm){ .dir = scratch_new(), .loop = loop_new() };
	v->kernel = tiny_guest_new(v->dir, text, then);
	v->cfg = (struct hv_config){
		.name = "tiny",
		.dir = v->dir,
		.kernel = v->kernel,
		.vcpus = 1,
		.mem_mib = 64,
		.cgroup_fd = -1,
		.uid = geteuid() == 0 ? VMM_UID : 0,
		.gid = geteuid() == 0 ? VMM_UID : 0,
	};
}

static inline int vm_start(struct vm *v)
{
	int r;

	if (!v->hv)
		v->hv = hv_new(hv_driver("qemu"), &v->cfg, v->loop, on_event, v, &v->e);
	if (!v->hv)
		return v->e.code;
	r = v->hv->ops->prepare(v->hv, &v->e);
	if (r == 0)
		r = v->hv->ops->start(v->hv, &v->e);
	return r;
}

static inline void vm_done(struct vm *v)
{
	pid_t pid = v->hv ? v->hv->pid : 0;

	hv_free(v->hv);
	if (pid)
		assert_int_equal(kill(pid, 0), -1);
	loop_free(v->loop);
	scratch_free(&v->dir);
	free(v->kernel);
}

static inline bool console_has(const struct vm *v, const char *text)
{
	autofree char *all = scratch_read(v->dir, "console.log");

	return all && strstr(all, text);
}

/* Runs the loop until the guest has said @text. */
static inline void wait_console(struct vm *v, const char *text)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;

	while (!console_has(v, text) && loop_now_ms() < end && !strchr(v->seen, 'x'))
		loop_run_once(v->loop, 50);
	if (!console_has(v, text))
		print_message("the guest did not say \"%s\"; %s\n", text, v->text[HV_EVENT_EXITED]);
	assert_true(console_has(v, text));
}

/* Runs the loop until the events are exactly these. */
static inline void wait_events(struct vm *v, const char *letters)
{
	int64_t end = loop_now_ms() + PATIENCE_MS;

	while (strcmp(v->seen, letters) != 0 && loop_now_ms() < end)
		loop_run_once(v->loop, 50);
	assert_string_equal(v->seen, letters);
}
