/* SPDX-License-Identifier: Apache-2.0 */
/* agent - see agent.h. */
#include "agent/agent.h"

#include "agent/alog.h"
#include "agent/boot.h"
#include "agent/console.h"
#include "agent/listen.h"
#include "agent/service.h"

#include "rpc/ttrpc.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define LATE_MS 1000    /* after boot, */
#define LATE_STEP_MS 10 /* and between one module and the next */
#define SETTLE_MS 4500  /* the kernel tells the host of free pages every 2 s */
#define LINGER_MS 200   /* how long the host may take to hang up after DestroySandbox */

static void on_child(struct loop_source *s, const struct signalfd_siginfo *si, void *data)
{
	containers_reap(data);
}

static void on_term(struct loop_source *s, const struct signalfd_siginfo *si, void *data)
{
	agent_shutdown(data);
}

static void end_loop(struct loop_source *s, void *data)
{
	struct agent *a = data;

	loop_quit(a->loop, 0);
}

static void on_idle(void *data)
{
	struct agent *a = data;

	loop_quit(a->loop, 0);
}

void agent_shutdown(struct agent *a)
{
	struct container *c;

	if (a->linger)
		return;
	list_for_each(c, &a->containers.head, link)
		container_kill(c);
	rpc_server_on_idle(a->server, on_idle, a);
	a->linger =
		loop_add_timer(a->loop, rpc_server_clients(a->server) ? LINGER_MS : 0, end_loop, a);
	if (!a->linger)
		loop_quit(a->loop, 0);
}

static int serve_rpc(struct agent *a, int fd, struct error *e)
{
	int r = rpc_server_listen(a->server, fd, agent_peer_check, NULL);

	return r < 0 ? error_set(e, r, "serve") : 0;
}

static int serve_streams(struct agent *a, int fd, struct error *e)
{
	return streams_start(&a->streams, a->loop, fd, e);
}

static int serve_log(struct agent *a, int fd, struct error *e)
{
	return alog_listen(a->log, fd, e);
}

static int serve_console(struct agent *a, int fd, struct error *e)
{
	a->console = console_new(a->loop, &a->relays, &a->policy, fd, e);
	return a->console ? 0 : -EIO;
}

/* > 0: listening. 0: the kernel has no vsock yet. */
static int agent_start_listening(void *data, struct error *e)
{
	struct agent *a = data;
	const struct {
		bool on;
		uint32_t port;                                          /* 0: the address's own */
		int (*serve)(struct agent *a, int fd, struct error *e); /* owns fd */
	} ports[] = {
		{ true, 0, serve_rpc },
		{ a->conf->stream_port, a->conf->stream_port, serve_streams },
		{ a->conf->log_port, a->conf->log_port, serve_log },
		{ a->conf->debug_console && a->conf->debug_console_port,
		  a->conf->debug_console_port, serve_console },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		int fd, r;

		if (!ports[i].on)
			continue;
		fd = agent_listen(&a->addr, ports[i].port, e);
		if (fd == -EAFNOSUPPORT && i == 0)
			return 0;
		r = fd < 0 ? fd : ports[i].serve(a, fd, e);
		if (r < 0)
			return r;
	}
	a->listening = true;
	marks_add(&a->marks, 0, "the agent listens");
	log_debug("listening");
	return 1;
}

/* Port 0 stands for the machine's console. Without a shell the guest works all the same. */
static void open_device_console(struct agent *a)
{
	struct error e = ERROR_INIT;

	if (!a->conf->debug_console || a->conf->debug_console_port)
		return;
	a->console = console_on_device(&a->policy, "/dev/console", &e);
	if (!a->console)
		log_warn("%s", e.text);
}

int agent_init(struct agent *a, const struct agent_conf *conf, struct error *e)
{
	int r;

	a->conf = conf;
	a->loop = loop_new();
	streams_init(&a->streams);
	relay_set_init(&a->relays, a->loop);
	containers_init(&a->containers);
	jobs_init(&a->jobs, a->loop);
	sandbox_init(&a->sandbox, conf, &a->jobs);
	events_init(&a->events, a);
	if (!a->loop)
		return error_set(e, errno, "event loop");
	r = events_start(&a->events, e);
	if (r < 0)
		return r;
	a->log = alog_new(a->loop, STDERR_FILENO, conf->log_level, e);
	if (!a->log)
		return -EIO;
	a->child = loop_add_signal(a->loop, SIGCHLD, on_child, a);
	a->term[0] = loop_add_signal(a->loop, SIGTERM, on_term, a);
	a->term[1] = loop_add_signal(a->loop, SIGINT, on_term, a);
	if (!a->child || !a->term[0] || !a->term[1])
		return error_set(e, errno, "signals");
	r = policy_load(&a->policy, conf->policy_file, e);
	if (r < 0)
		return r;
	a->server = rpc_server_new(a->loop);
	rpc_server_set_filter(a->server, policy_filter, &a->policy);
	service_register(a);
	return rpc_address_parse(conf->server_addr, &a->addr, e);
}

void agent_finish_boot(struct agent *a)
{
	int64_t began = timeline_now();

	if (!a->unfinished)
		return;
	a->unfinished = false;
	boot_finish();
	marks_add(&a->marks, began, "the rest of the boot");
}

static void on_pause(struct loop_source *s, void *data)
{
	agent_finish_boot(data);
}

void agent_pause(struct agent *a)
{
	if (a->unfinished)
		loop_add_defer(a->loop, on_pause, a);
}

static void on_late(struct loop_source *t, void *data)
{
	struct agent *a = data;

	agent_finish_boot(a);
	idle_shorten_lists(&a->idle);
	if (!boot_list_load(&a->late) || loop_timer_set(t, LATE_STEP_MS) < 0)
		a->late_timer = loop_source_free(t);
}

/* What nothing needs to start: when it has started, or at once where programs would wait for random
 * numbers. */
static int load_late(struct agent *a, struct error *e)
{
	int r = boot_list_open(&a->late, "late", e);

	if (r < 0)
		return r;
	a->late_timer = loop_add_timer(a->loop, boot_random_ready() ? LATE_MS : 0, on_late, a);
	return a->late_timer ? 0 : error_set(e, errno, "timer");
}

static void on_settled(struct loop_source *t, void *data)
{
	struct agent *a = data;

	a->late_timer = loop_source_free(t);
	dprintf(STDERR_FILENO, AGENT_TEMPLATE_READY "\n");
}

/* A guest that will be copied: all that comes late now, and what is free goes back to the host, for
 * the copies to be small. */
static void settle(struct agent *a)
{
	agent_finish_boot(a);
	loop_source_free(a->late_timer);
	while (boot_list_load(&a->late))
		;
	if (file_write_at(AT_FDCWD, "/proc/sys/vm/drop_caches", "3") < 0)
		log_warn("the page cache stays");
	a->late_timer = loop_add_timer(a->loop, SETTLE_MS, on_settled, a);
}

int agent_run(struct agent *a, struct error *e)
{
	int64_t began;
	int r;

	for (size_t i = 0; i < a->conf->unknown.n; i++)
		log_warn("kernel command line: %s", a->conf->unknown.v[i]);
	began = timeline_now();
	r = a->init ? boot_modules(agent_start_listening, a, e) : agent_start_listening(a, e);
	if (a->init)
		marks_add(&a->marks, began, "modules");
	if (r < 0)
		return r;
	if (!a->listening)
		return error_plain(e, EAFNOSUPPORT,
				   "the kernel has no vsock: nobody can reach the agent");
	r = a->init ? load_late(a, e) : 0;
	if (r < 0)
		return r;
	if (a->init && (r = idle_start(&a->idle, a->loop, a->conf->idle_reclaim_s, e)) < 0)
		return r;
	a->unfinished = a->init;
	if (a->init && (r = boot_core_dumps(a->conf->devmode)) < 0)
		log_warn("limit of core dumps: %s", strerror(-r));
	marks_tell(&a->marks, a->loop);
	open_device_console(a);
	if (a->init && a->conf->template)
		settle(a);
	log_info("version %s listens on %s", CAISSON_VERSION, a->conf->server_addr);
	r = loop_run(a->loop);
	return r < 0 ? error_set(e, r, "event loop") : 0;
}

void agent_done(struct agent *a)
{
	storages_close(&a->sandbox.storages);
	jobs_done(&a->jobs);
	containers_done(&a->containers);
	events_done(&a->events);
	sandbox_done(&a->sandbox);
	rpc_server_free(a->server);
	streams_done(&a->streams);
	boot_list_done(&a->late);
	marks_done(&a->marks);
	idle_stop(&a->idle);
	console_free(a->console);
	relay_set_done(&a->relays);
	alog_free(a->log);
	rpc_address_done(&a->addr);
	loop_free(a->loop);
}
