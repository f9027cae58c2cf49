/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - the life of one virtual machine.
 *
 *   NEW       no machine yet; the first container's creation boots it
 *   BOOTING   the steps of boot_steps run; creations wait
 *   READY     the agent answers
 *   STOPPING  the last container is gone: the guest syncs, then the machine is killed
 *   DEAD      machine and devices have ended, by us or by accident (s->death says why); only
 * deleting is left
 *
 * Any accident (VMM, a device process or the agent gone, the guest's panic) goes through
 * sandbox_die, which ends every process with 137 and fails every request with the reason.
 * Everything on the host is made under the sandbox's directory, in the shim's mount namespace, or
 * is named in state.json first, so that it can be cleaned up without us.
 */
#include "sandbox/internal.h"
#include "sandbox/network.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "sys/cgroup.h"
#include "sys/cgroup_host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct sandbox *sandbox_new(const struct sandbox_params *p)
{
	struct sandbox *s = xnew(struct sandbox);

	s->id = xstrdup(p->id);
	s->dir = xstrdup(p->dir);
	s->ns = xstrdup(p->ns);
	s->bundle = xstrdup(p->bundle);
	s->config = p->config;
	s->loop = p->loop;
	s->event = p->event;
	s->event_data = p->data;
	s->sock = xasprintf("%s/vsock", s->dir);
	s->vsock_fd = s->fs_fd = s->cgroup_fd = s->log_stream = s->log_file = s->timeline = -1;
	s->net = NET_INIT;
	s->watch.events = NL_INIT;
	s->dirfd = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->began_us)
		sandbox_mark(s, p->began_us, "the sandbox's owner starts");
	list_init(&s->boot_waiters);
	list_init(&s->containers);
	list_init(&s->attached);
	list_init(&s->requests);
	list_init(&s->volumes);
	list_init(&s->room_waiters);
	sandbox_save_state(s); /* there is an owner to be ended, if nothing else yet */
	return s;
}

bool sandbox_empty(const struct sandbox *s)
{
	return list_empty(&s->containers);
}

struct container *sandbox_find(struct sandbox *s, const char *id)
{
	struct container *c;

	list_for_each(c, &s->containers, link)
		if (!c->is_pod && str_eq(c->id, id))
			return c;
	return NULL;
}

void sandbox_notify(struct process *p, enum sandbox_event ev)
{
	struct sandbox *s = p->container->sandbox;

	if (s->event && !p->container->is_pod)
		s->event(s->event_data, ev, p);
}

/* --- what must be known to clean up without us --- */

static void state_add_process(struct store_sandbox *st, const char *name, pid_t pid)
{
	struct store_process *p;
	uint64_t start;

	if (pid <= 0 || proc_start_time(pid, &start) < 0)
		return;
	st->processes = xrealloc(st->processes, st->nprocesses + 1, sizeof(*st->processes));
	p = &st->processes[st->nprocesses++];
	*p = (struct store_process){ .name = xstrdup(name), .pid = pid, .start_time = start };
}

void sandbox_save_state(struct sandbox *s)
{
	autodone(store_sandbox) st = {
		.id = xstrdup(s->id),
		.ns = xstrdup(s->ns),
		.bundle = xstrdup(s->bundle),
		.config_path = xstrdup(s->config->path ? s->config->path : ""),
		.engine = xstrdup(s->config->hypervisor.name),
	};
	struct error e = ERROR_INIT;
	struct container *c;

	if (s->cgroup)
		strv_addf(&st.cgroups, "/%s", s->cgroup);
	if (s->netns) {
		st.netns = xstrdup(s->netns);
		for (size_t i = 0; i < s->net.nnics; i++)
			strv_add(&st.links, s->net.nics[i].link.name);
	}
	state_add_process(&st, "shim", getpid());
	state_add_process(&st, s->vsock_daemon.name, s->vsock_daemon.pid);
	state_add_process(&st, s->fs_daemon.name, s->fs_daemon.pid);
	state_add_process(&st, "vmm", s->hv ? s->hv->pid : 0);
	list_for_each(c, &s->containers, link)
		strv_add(&st.containers, c->id);
	if (store_sandbox_save(s->dirfd, &st, &e) < 0)
		log_error("state of the sandbox: %s", error_text(&e));
}

/* --- the machine's end --- */

static void machine_stop(struct sandbox *s)
{
	network_unwatch(s);
	guest_disconnect(s);
	hv_free(take_ptr(s->hv));
	clone_forget(s);
	room_forget(s);
	network_leave(s);
	daemon_stop(&s->fs_daemon);
	daemon_stop(&s->vsock_daemon);
	s->vsock_fd = fd_close(s->vsock_fd);
	s->fs_fd = fd_close(s->fs_fd);
	unlinkat(s->dirfd, "vsock", 0);
}

void sandbox_end_processes(struct sandbox *s, const char *reason)
{
	struct container *c;
	struct process *p;

	list_for_each(c, &s->containers, link) {
		list_for_each(p, &c->execs, link)
			if (p->in_guest)
				process_exited(p, 128 + SIGKILL, reason);
		if (c->init.in_guest)
			process_exited(&c->init, 128 + SIGKILL, reason);
	}
}

static void death(struct loop_source *src, void *data)
{
	struct sandbox *s = data;

	s->death_timer = NULL;
	if (oom_killed_machine(s))
		oom_tell_all(s);
	sandbox_end_processes(s, error_text(&s->death));
	machine_stop(s);
	op_continue(&s->boot, &s->death);
	sandbox_save_state(s);
}

/* Adds the last lines of the guest's console to @e. */
void sandbox_tell_console(const struct sandbox *s, struct error *e)
{
	autofree char *tail = hv_console_tail(s->dir, 4);
	size_t n = strlen(e->text);

	if (str_empty(tail) || strstr(e->text, "console: "))
		return;
	snprintf(e->text + n, sizeof(e->text) - n, "; console: %s", tail);
	str_make_printable(e->text);
}

/* May be called from any callback: the end itself comes from the loop. The first reason counts. */
void sandbox_die(struct sandbox *s, int code, const char *fmt, ...)
{
	va_list ap;

	if (s->state == SANDBOX_DEAD || s->state == SANDBOX_STOPPING)
		return;
	va_start(ap, fmt);
	error_plainv(&s->death, code, fmt, ap);
	va_end(ap);
	sandbox_tell_console(s, &s->death);
	log_error("%s", error_text(&s->death));
	s->state = SANDBOX_DEAD;
	s->death_timer = loop_add_defer(s->loop, death, s);
}

#define SUSPICION_MS 500

static void suspicion_confirmed(struct loop_source *src, void *data)
{
	struct sandbox *s = data;

	s->suspicion = loop_source_free(s->suspicion);
	sandbox_die(s, s->symptom.code, "%s", s->symptom.text);
}

void sandbox_suspect(struct sandbox *s, int code, const char *fmt, ...)
{
	va_list ap;

	if (s->suspicion || s->state == SANDBOX_DEAD || s->state == SANDBOX_STOPPING)
		return;
	va_start(ap, fmt);
	error_plainv(&s->symptom, code, fmt, ap);
	va_end(ap);
	s->suspicion = loop_add_timer(s->loop, SUSPICION_MS, suspicion_confirmed, s);
}

void sandbox_vmm_event(struct hv *h, enum hv_event ev, const char *text, void *data)
{
	static const char *const what[] = {
		[HV_EVENT_EXITED] = "the virtual machine monitor ended",
		[HV_EVENT_PANICKED] = "the guest kernel panicked",
		[HV_EVENT_SHUTDOWN] = "the guest shut down",
	};
	struct sandbox *s = data;

	if (clone_event(s, ev, text))
		return;
	if ((size_t)ev >= ARRAY_SIZE(what) || !what[ev])
		return; /* not the end of anything */
	if (ev == HV_EVENT_EXITED && oom_killed_machine(s)) {
		sandbox_die(s, -ENOMEM,
			    "the machine was killed: the memory limit of cgroup %s on the "
			    "host is too small for it",
			    s->cgroup);
		return;
	}
	sandbox_die(s, -ECONNRESET, "%s%s%s", what[ev], str_empty(text) ? "" : ": ",
		    text ? text : "");
}

void sandbox_stop(struct sandbox *s)
{
	if (s->state == SANDBOX_DEAD)
		return;
	s->state = SANDBOX_STOPPING;
	error_plain(&s->death, ESRCH, "the sandbox has been stopped");
	machine_stop(s);
	s->state = SANDBOX_DEAD;
	sandbox_save_state(s);
}

static void cgroup_leave(struct sandbox *s)
{
	int r;

	s->cgroup_fd = fd_close(s->cgroup_fd);
	if (!s->cgroup)
		return;
	cgroup_host_kill(s->cgroup);
	/* Those just killed take a moment to leave; they are our children's children at most. */
	for (int i = 0; i < 50; i++) {
		r = cgroup_host_remove(s->cgroup);
		if (r != -EBUSY)
			break;
		usleep(2000);
	}
	if (r < 0)
		log_warn("cgroup %s: %s", s->cgroup, strerror(-r));
	free(s->cgroup);
	s->cgroup = NULL;
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	sandbox_stop(s);
	machine_stop(s); /* dead already, but `death` may not have come to it */
	loop_source_free(s->death_timer);
	loop_source_free(s->suspicion);
	op_abandon(&s->boot);
	while (!list_empty(&s->containers))
		container_free(list_entry(s->containers.next, struct container, link));
	attached_drop_all(s);
	share_done(s);
	cgroup_leave(s);
	fd_close(s->timeline);
	fd_close(s->dirfd);
	path_remove_tree_at(AT_FDCWD, s->dir);
	config_free(s->config);
	free(s->sock);
	free(s->id);
	free(s->dir);
	free(s->ns);
	free(s->bundle);
	free(s);
}

/* --- boot --- */

/* The first container decides settings, size and cgroup. */
struct container *sandbox_first(struct sandbox *s)
{
	return list_entry(s->containers.next, struct container, link);
}

static int boot_settings(void *data, struct error *e)
{
	struct sandbox *s = data;

	return sandbox_settings(s, sandbox_first(s)->spec, e);
}

static int boot_size(void *data, struct error *e)
{
	struct sandbox *s = data;

	int r = sandbox_size(s, sandbox_first(s)->spec, e);

	if (r == 0)
		clone_choose(s);
	return r;
}

/* Where memory is accounted: the VMM starts in it. -1 where there is none. */
static int open_cgroup(const char *cgroup)
{
	autofree char *memory = cgroup_host_dir(cgroup, "memory");
	autofree char *unified = memory ? NULL : cgroup_host_dir(cgroup, "");

	if (!memory && !unified)
		return -1;
	return open(memory ? memory : unified, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int boot_cgroup(void *data, struct error *e)
{
	struct sandbox *s = data;
	const oci_spec *spec = sandbox_first(s)->spec;
	const char *path = spec->linux ? spec->linux->cgroupspath : NULL;
	int r;

	if (str_empty(path) || !s->config->runtime.sandbox_cgroup_only)
		path = NULL;
	s->cgroup = cgroup_name(path, s->id, e);
	r = s->cgroup ? cgroup_host_create(s->cgroup, e) : e->code;
	if (r < 0) {
		/* Accounting is lost, isolation is not: the machine may run where it was started.
		 */
		log_warn("no cgroup of its own for the sandbox: %s", e->text);
		error_clear(e);
		free(s->cgroup);
		s->cgroup = NULL;
	}
	sandbox_save_state(s);
	if (s->cgroup)
		s->cgroup_fd = open_cgroup(s->cgroup);
	return 0;
}

static void boot_cgroup_undo(void *data)
{
	cgroup_leave(data);
}

static int boot_share(void *data, struct error *e)
{
	return share_init(data, e);
}

static void boot_share_undo(void *data)
{
	share_done(data);
}

static int boot_vsock(void *data, struct error *e)
{
	return daemon_start_vsock(data, e);
}

static int boot_fs(void *data, struct error *e)
{
	return daemon_start_fs(data, e);
}

/* They got going while the machine was started, which waits for them when it looks for its devices.
 */
static int boot_daemons(void *data, struct error *e)
{
	struct sandbox *s = data;
	int r = daemon_runs(&s->vsock_daemon, e);

	return r < 0 ? r : daemon_runs(&s->fs_daemon, e);
}

static void machine_undo(void *data)
{
	machine_stop(data);
}

/* While the guest boots, its first container is made ready on the host. */
static int boot_first_share(void *data, struct error *e)
{
	struct sandbox *s = data;

	struct container *c = sandbox_first(s);

	return c->is_pod || c->mounts.n ? 0 : share_container(c, e);
}

static int boot_machine(void *data, struct error *e)
{
	struct sandbox *s = data;

	return machine_start(s, e);
}

static int boot_clone(void *data, struct error *e)
{
	return clone_wait(data, e);
}

static int boot_renew(void *data, struct error *e)
{
	return clone_renew(data, e);
}

static void room_made(void *data, const struct error *e)
{
	struct sandbox *s = data;

	op_continue(&s->boot, e);
}

static int boot_room(void *data, struct error *e)
{
	struct sandbox *s = data;

	return room_make(s, room_made, s, e);
}

static int boot_agent(void *data, struct error *e)
{
	return guest_connect(data, e);
}

static void policy_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct sandbox *s = data;

	op_continue(&s->boot, e);
}

static int boot_policy(void *data, struct error *e)
{
	struct sandbox *s = data;

	return str_empty(s->config->agent.policy) ? 0 : guest_set_policy(s, policy_replied, s, e);
}

static void sandbox_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct sandbox *s = data;

	op_continue(&s->boot, e);
}

static int boot_sandbox(void *data, struct error *e)
{
	struct sandbox *s = data;

	guest_connect_log(s);
	return guest_create_sandbox(s, sandbox_replied, s);
}

static void hooks_ran(void *data, const struct error *e)
{
	struct sandbox *s = data;

	op_continue(&s->boot, e);
}

/* Hooks may look at the container's files, and may build its network: both come before the machine
 * starts. */
static int boot_hooks(struct sandbox *s, enum oci_hook_kind kind, struct error *e)
{
	struct container *c = sandbox_first(s);
	int r;

	if (!oci_hooks_count(c->spec, kind))
		return 0;
	r = c->mounts.n ? 0 : share_container(c, e);
	return r < 0 ? r : hooks_start(c, kind, "creating", hooks_ran, s, e);
}

static int boot_prestart(void *data, struct error *e)
{
	return boot_hooks(data, OCI_HOOK_PRESTART, e);
}

static int boot_create_runtime(void *data, struct error *e)
{
	return boot_hooks(data, OCI_HOOK_CREATE_RUNTIME, e);
}

static int boot_network(void *data, struct error *e)
{
	struct sandbox *s = data;

	sandbox_first(s)->hooks_done = true;
	return network_join(s, sandbox_first(s), e);
}

static int boot_guest_network(void *data, struct error *e)
{
	struct sandbox *s = data;

	return network_tell(s, &s->boot, e);
}

static const struct op_step boot_steps[] = {
	{ "read the annotations", boot_settings, NULL },
	{ "choose the size", boot_size, NULL },
	{ "make the cgroup", boot_cgroup, boot_cgroup_undo },
	{ "make the share", boot_share, boot_share_undo },
	{ "start the vsock device", boot_vsock, machine_undo },
	{ "start the file system device", boot_fs, machine_undo },
	{ "run prestart hooks", boot_prestart, NULL },
	{ "run createRuntime hooks", boot_create_runtime, NULL },
	{ "join the network", boot_network, machine_undo },
	{ "start the virtual machine", boot_machine, machine_undo },
	{ "see the devices run", boot_daemons, NULL },
	{ "share the first container", boot_first_share, NULL },
	{ "let the copy run", boot_clone, NULL },
	{ "connect to the agent", boot_agent, NULL },
	{ "make the copy its own", boot_renew, NULL },
	{ "set the guest's policy", boot_policy, NULL },
	{ "make room", boot_room, NULL },
	{ "set up the guest", boot_sandbox, NULL },
	{ "set up its network", boot_guest_network, NULL },
};

static void boot_finished(void *data, const struct error *e)
{
	struct sandbox *s = data;
	struct error reason = ERROR_INIT;

	if (e) {
		reason = *e;
		if (s->state != SANDBOX_DEAD)
			s->death = *e;
		s->state = SANDBOX_DEAD;
	} else {
		s->state = SANDBOX_READY;
		oom_watch(s);
		network_watch(s);
	}
	while (!list_empty(&s->boot_waiters)) {
		struct container *c = list_entry(s->boot_waiters.next, struct container, boot_link);

		list_del(&c->boot_link);
		container_continue(c, e ? &reason : NULL);
	}
}

void sandbox_boot(struct sandbox *s)
{
	if (s->state != SANDBOX_NEW)
		return;
	s->state = SANDBOX_BOOTING;
	op_start(&s->boot, s->loop, "boot", boot_steps, ARRAY_SIZE(boot_steps), boot_finished, s);
	op_trace(&s->boot, sandbox_mark_step, s);
}
