/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - the daemon: one loop with the sandbox, the Task service and the hand-over of stdio.
 *
 * It ends when Shutdown finds the sandbox empty, by SIGTERM, or when nobody has come to use it: a
 * caller that dies between `start` and the first Create must not leave a daemon for ever.
 */
#include "shim/shim.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "shim/publish.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#define IDLE_MS 10000
#define FLUSH_MS 2000 /* for the last events; containerd waits for 3 s */

static void quit_now(struct loop_source *src, void *data)
{
	struct shim *s = data;

	loop_quit(s->loop, 0);
}

static void everything_told(void *data)
{
	struct shim *s = data;

	loop_add_defer(s->loop, quit_now, s);
}

void shim_quit_soon(struct shim *s)
{
	if (s->quitting)
		return;
	s->quitting = true;
	publisher_flush(s->publisher, FLUSH_MS, everything_told, s);
}

static void idle_expired(struct loop_source *src, void *data)
{
	struct shim *s = data;

	if (rpc_server_clients(s->server) || !sandbox_empty(s->sandbox))
		return;
	log_info("nobody uses this sandbox: ending");
	shim_quit_soon(s);
}

void shim_restart_idle_timer(struct shim *s)
{
	loop_timer_set(s->idle_timer, IDLE_MS);
}

static void clients_gone(void *data)
{
	shim_restart_idle_timer(data);
}

static void terminated(struct loop_source *src, const struct signalfd_siginfo *si, void *data)
{
	struct shim *s = data;

	log_info("terminated");
	loop_quit(s->loop, 0);
}

/* Mounts made from here on are ours and our children's; the host's still arrive. */
static int private_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	return 0;
}

static struct publisher *make_publisher(struct shim *s, const struct shim_plan *plan)
{
	const char *told = plan->boot.ttrpc_address, *env = getenv("TTRPC_ADDRESS");
	const struct publisher_params q = {
		.ns = plan->options->ns,
		.ttrpc_address = told ? told : env,
		.address = plan->options->address,
		.binary = plan->options->publish_binary,
	};

	return shim_for_engine(plan->options) ? publisher_new(s->loop, &q) : NULL;
}

static int shim_init(struct shim *s, const struct shim_plan *plan, struct config *cfg,
		     int task_listener)
{
	const struct sandbox_params p = {
		.id = plan->name,
		.dir = plan->dir,
		.ns = plan->options->ns,
		.began_us = plan->options->began_us,
		.bundle = plan->bundle,
		.config = cfg,
		.loop = s->loop,
		.event = shim_event,
		.data = s,
	};
	int r = private_mounts();

	if (r < 0)
		return r;
	for (size_t i = 0; i < cfg->warnings.n; i++)
		log_warn("%s", cfg->warnings.v[i]);
	if (plan->boot.unknown)
		log_warn("options of type %s mean nothing to this runtime", plan->boot.unknown);
	s->sandbox = sandbox_new(&p);
	s->publisher = make_publisher(s, plan);
	s->server = rpc_server_new(s->loop);
	shim_add_task_services(s);
	shim_add_sandbox_service(s);
	rpc_server_on_idle(s->server, clients_gone, s);
	s->idle_timer = loop_add_timer(s->loop, IDLE_MS, idle_expired, s);
	s->term = loop_add_signal(s->loop, SIGTERM, terminated, s);
	s->intr = loop_add_signal(s->loop, SIGINT, terminated, s);
	r = shim_io_init(s);
	if (r == 0)
		r = rpc_server_listen(s->server, task_listener, NULL, NULL);
	return r;
}

static void shim_done(struct shim *s)
{
	shim_io_done(s);
	/* Before the connections close: their end tells a client that nothing is left. */
	sandbox_free(s->sandbox);
	/* Elsewhere than in the sandbox's directory when containerd chose the place. */
	if (unlink(s->socket) < 0 && errno != ENOENT)
		log_warn("remove %s: %s", s->socket, strerror(errno));
	rpc_server_free(s->server);
	publisher_free(s->publisher);
	loop_free(s->loop);
}

int shim_serve(const struct shim_plan *plan, struct config *cfg, int task_listener, int io_listener)
{
	struct shim s = {
		.loop = loop_new(),
		.io_listener = io_listener,
		.socket = plan->socket,
	};
	int r;

	signal(SIGPIPE, SIG_IGN);
	list_init(&s.io_clients);
	if (!s.loop)
		return -errno;
	r = shim_init(&s, plan, cfg, task_listener);
	if (r == 0)
		r = loop_run(s.loop);
	if (r < 0)
		log_error("%s", strerror(-r));
	shim_done(&s);
	return r;
}
