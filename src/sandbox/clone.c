/* SPDX-License-Identifier: Apache-2.0 */
/* clone - machines that are copies of a template; see machine.h. */
#include "sandbox/internal.h"
#include "sandbox/machine.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "hv/template.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RENEW_RANDOM 64 /* bytes */
#define ORDER_MS 10000  /* after the start of the first sandbox that could have used a template */

/* --- is there one --- */

static void ordered_ended(struct loop_source *src, pid_t pid, int status, void *data)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		log_warn("the template could not be made: try caisson factory init");
}

static int be_nice(void *data, struct error *e)
{
	return setpriority(PRIO_PROCESS, 0, 10) < 0 ? error_set(e, errno, "nice") : 0;
}

/* For the next sandbox; outlives us. */
static void order_template(struct sandbox *s)
{
	autofree char *program = path_own_program("caisson", "cli", CAISSON_BINDIR);
	autodone(strv) argv = STRV_INIT;
	struct proc_spec spec = PROC_SPEC_INIT;
	struct error e = ERROR_INIT;
	pid_t pid;

	strv_add(&argv, program);
	if (s->config->path) {
		strv_add(&argv, "--config");
		strv_add(&argv, s->config->path);
	}
	strv_add(&argv, "factory");
	strv_add(&argv, "--tenant");
	strv_add(&argv, s->ns);
	strv_add(&argv, "init");
	spec.path = program;
	spec.argv = argv.v;
	spec.new_session = true;
	spec.setup = be_nice;
	pid = proc_spawn(&spec, &e);
	if (pid < 0)
		log_warn("the template cannot be made: %s", error_text(&e));
	else
		loop_add_child(s->loop, pid, ordered_ended, NULL);
}

static void order_is_due(struct loop_source *src, void *data)
{
	struct sandbox *s = data;

	s->template_order = loop_source_free(s->template_order);
	order_template(s);
}

static bool fits(const struct sandbox *s, const struct hv_config *c)
{
	return s->vcpus <= MAX(c->vcpus, c->max_vcpus) &&
	       s->mem_mib <= MAX(c->mem_mib, c->max_mem_mib);
}

void clone_choose(struct sandbox *s)
{
	const struct hv_ops *ops = hv_driver(s->config->hypervisor.name);
	autodone(hv_settings) hs = { 0 };
	autofree char *dir = NULL;
	struct error e = ERROR_INIT;
	int r;

	hv_probe_host(&s->probe);
	if (!s->config->factory.enable_template || !ops || !(ops->caps & HV_CAP_SAVE) ||
	    geteuid() != 0)
		return;
	hv_settings_init_template(&hs, s->config, &s->probe);
	if (!fits(s, &hs.cfg))
		return;
	dir = template_dir(s->config->factory.template_path, s->ns, ops, &hs.cfg, &e);
	r = dir ? template_check(dir, NULL, &e) : e.code;
	if (r == 0) {
		s->template = take_ptr(dir);
		return;
	}
	log_info("no template to start from: %s", error_text(&e));
	/* Not while this one starts. */
	if (dir)
		s->template_order = loop_add_timer(s->loop, ORDER_MS, order_is_due, s);
}

/* --- from the saved state to a guest that runs --- */

static void plugging_failed(struct sandbox *s, const struct error *e)
{
	s->clone = CLONE_NONE;
	sandbox_die(s, e->code, "the copy of a template: %s", error_text(e));
}

static void all_plugged(struct sandbox *s)
{
	struct error e = ERROR_INIT;

	s->clone = CLONE_RESUMING;
	if (s->hv->ops->pause(s->hv, false, &e) < 0)
		plugging_failed(s, &e);
}

static void plugged(struct hv *h, const struct error *e, void *data)
{
	struct sandbox *s = data;

	s->clone_pending--;
	if (s->clone != CLONE_PLUGGING)
		return;
	if (e)
		plugging_failed(s, e);
	else if (!s->clone_pending)
		all_plugged(s);
}

int machine_add(struct sandbox *s, struct hv_dev *d, struct error *e)
{
	int r;

	d->done = plugged;
	d->data = s;
	r = s->hv->ops->add(s->hv, d, e);
	if (r != -EINPROGRESS)
		return r;
	s->clone_pending++;
	return 0;
}

static void plug(struct sandbox *s)
{
	struct error e = ERROR_INIT;

	s->clone = CLONE_PLUGGING;
	if (machine_devices(s, &e) < 0)
		plugging_failed(s, &e);
}

/* Nothing of the sandbox has reached the copy yet: another machine takes its place. */
static void not_loaded(struct sandbox *s, const char *why)
{
	struct error e = ERROR_INIT;
	int r;

	log_warn("template %s: %s; the machine boots instead", s->template, why);
	template_spoil(s->template);
	hv_free(take_ptr(s->hv));
	r = machine_boot(s, &e);
	op_continue(&s->boot, r < 0 ? &e : NULL);
}

bool clone_event(struct sandbox *s, enum hv_event ev, const char *text)
{
	switch (s->clone) {
	case CLONE_LOADING:
		if (ev == HV_EVENT_PAUSED)
			plug(s);
		else if (ev == HV_EVENT_EXITED)
			not_loaded(s, text);
		return true;
	case CLONE_RESUMING:
		if (ev != HV_EVENT_RESUMED)
			return false;
		s->clone = CLONE_RUNS;
		op_continue(&s->boot, NULL);
		return true;
	default:
		return false;
	}
}

int clone_wait(struct sandbox *s, struct error *e)
{
	return s->clone == CLONE_NONE || s->clone == CLONE_RUNS ? 0 : -EINPROGRESS;
}

void clone_forget(struct sandbox *s)
{
	if (s->template_order)
		order_is_due(s->template_order, s);
	s->clone = CLONE_NONE;
	s->clone_pending = 0;
	free(take_ptr(s->template));
}

/* --- its own --- */

static void renewed(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct sandbox *s = data;
	struct error why = ERROR_INIT;

	s->clone_pending--;
	if (e) {
		why = *e;
		error_prefix(&why, "the copy of a template is not made its own");
		op_continue(&s->boot, &why);
	} else if (!s->clone_pending) {
		op_continue(&s->boot, NULL);
	}
}

static int renew_random(struct sandbox *s, struct error *e)
{
	Grpc__ReseedRandomDevRequest rq = GRPC__RESEED_RANDOM_DEV_REQUEST__INIT;
	uint8_t data[RENEW_RANDOM];

	if (getrandom(data, sizeof(data), 0) != (ssize_t)sizeof(data))
		return error_set(e, errno, "getrandom");
	rq.data.data = data;
	rq.data.len = sizeof(data);
	guest_call(s, "ReseedRandomDev", &rq.base, SANDBOX_REQUEST_MS, renewed, s);
	explicit_bzero(data, sizeof(data));
	return 0;
}

static void renew_time(struct sandbox *s)
{
	Grpc__SetGuestDateTimeRequest rq = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	rq.sec = now.tv_sec;
	rq.usec = now.tv_nsec / 1000;
	guest_call(s, "SetGuestDateTime", &rq.base, SANDBOX_REQUEST_MS, renewed, s);
}

int clone_renew(struct sandbox *s, struct error *e)
{
	int r;

	if (s->clone != CLONE_RUNS)
		return 0;
	r = renew_random(s, e);
	if (r < 0)
		return r;
	renew_time(s);
	s->clone_pending = 2;
	return -EINPROGRESS;
}
