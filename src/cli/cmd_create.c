/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create - and what run shares with it: from a bundle to a created container.
 *
 * Everything that can be wrong is found before anything is made. What is made is a visible table of
 * steps, undone backwards; the state file comes first, so that delete can clean up whatever happens
 * to us.
 */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "config/config.h"
#include "rpc/handover.h"

#include "google/protobuf/any.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

struct creation {
	const struct cli *cli;
	const struct create_options *o;
	const char *id;
	char *bundle, *sandbox, *socket;
	char *text; /* of the spec: what was checked is what is used */
	size_t text_len;
	oci_spec *spec;
	struct config *config;
	struct cli_container c;
	int lock; /* on the container's directory, until the container is created or gone */
	bool own_shim;
	pid_t pid;
};

static void creation_done(struct creation *k)
{
	free(k->bundle);
	free(k->sandbox);
	free(k->socket);
	free(k->text);
	oci_spec_free(k->spec);
	config_free(k->config);
	cli_container_done(&k->c);
	fd_close(k->lock);
}

/* --- plan --- */

/* The container whose init proxy has @pid; its sandbox. Owned; NULL: none. */
static char *sandbox_of_pid(const struct cli *c, pid_t pid)
{
	autodone(strv) ids = STRV_INIT;

	if (cli_container_ids(c, &ids, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < ids.n; i++) {
		autodone(cli_container) k = CLI_CONTAINER_INIT;

		if (cli_container_open(c, ids.v[i], false, &k, NULL) == 0 && k.st.pid == pid &&
		    proc_alive(pid, k.st.pid_start))
			return xstrdup(k.st.sandbox);
	}
	return NULL;
}

/* Who shares a namespace of another container lives in its machine. */
static int joined_sandbox(const struct creation *k, char **ret, struct error *e)
{
	const Grpc__Linux *l = k->spec->linux;
	autofree char *found = NULL;

	for (size_t i = 0; l && i < l->n_namespaces; i++) {
		autofree char *sandbox = NULL;
		pid_t pid;

		if (oci_namespace_pid(l->namespaces[i]->path, &pid))
			sandbox = sandbox_of_pid(k->cli, pid);
		if (!sandbox)
			continue;
		if (found && !str_eq(found, sandbox))
			return error_plain(e, EOPNOTSUPP,
					   "cannot join namespaces of two virtual machines (%s and "
					   "%s)",
					   found, sandbox);
		free(found);
		found = take_ptr(sandbox);
	}
	*ret = take_ptr(found);
	return 0;
}

/* A container of a pod lives in the pod's machine; one with no company in its own. */
static int choose_sandbox(struct creation *k, struct error *e)
{
	enum oci_pod_role role;
	const char *pod;
	int r = oci_pod_role(k->spec, &role, &pod, e);

	if (r == 0 && role == OCI_POD_NONE)
		r = joined_sandbox(k, &k->sandbox, e);
	if (r < 0)
		return r;
	k->own_shim = role != OCI_POD_CONTAINER && !k->sandbox;
	if (!k->sandbox)
		k->sandbox = cli_sandbox_name(k->cli, pod ? pod : k->id);
	return 0;
}

static int read_spec(struct creation *k, struct error *e)
{
	const char *name = k->o->config ? k->o->config : "config.json";
	autofree char *path = name[0] == '/' ? xstrdup(name) : xasprintf("%s/%s", k->bundle, name);
	int r = file_read_at(AT_FDCWD, path, LIMIT_CONFIG_JSON, &k->text, &k->text_len);

	if (r == -ENOENT && access(k->bundle, F_OK) < 0)
		return error_set(e, errno, "bundle %s", k->bundle);
	if (r == -EFBIG)
		return error_plain(e, EFBIG, "%s: larger than %zu MiB", path,
				   LIMIT_CONFIG_JSON >> 20);
	if (r < 0)
		return error_set(e, r, "%s", path);
	r = oci_spec_parse(k->text, k->text_len, path, &k->spec, e);
	if (r == 0 && oci_spec_check(k->spec, k->bundle, e) < 0)
		r = error_prefix(e, "%s", path);
	return r;
}

/* On a terminal somebody reads them; what an engine is told on stderr would become the container's
 * output. */
static void show_warnings(const struct creation *k)
{
	for (size_t i = 0; i < k->config->warnings.n; i++)
		if (k->cli->log || isatty(STDERR_FILENO) == 1)
			log_warn("%s", k->config->warnings.v[i]);
}

static int plan(struct creation *k, struct error *e)
{
	int r = id_check(k->id, "container id", e);

	if (r < 0)
		return r;
	if (k->o->preserve_fds)
		return error_plain(e, EOPNOTSUPP,
				   "--preserve-fds is not supported: descriptors of the host do "
				   "not exist in the guest");
	k->bundle = path_absolute(k->o->bundle ? k->o->bundle : ".");
	if (!k->bundle)
		return error_set(e, errno, "working directory");
	r = read_spec(k, e);
	if (r == 0)
		r = config_load(k->cli->config, NULL, &k->config, e);
	if (r < 0)
		return r;
	show_warnings(k);
	r = choose_sandbox(k, e);
	if (r < 0)
		return r;
	/* Once a sandbox; the shim's log, which has them too, goes away with it. */
	for (size_t i = 0; k->own_shim && i < k->config->warnings.n; i++)
		log_warn("%s", k->config->warnings.v[i]);
	k->socket = xasprintf("%s/%s/shim.sock", CLI_RUN_DIR, k->sandbox);
	return 0;
}

/* --- execute --- */

static const int deferred_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

void cli_defer_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(deferred_signals); i++)
		sigaddset(&set, deferred_signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static char *now_rfc3339(void)
{
	char day[CLOCK_SECONDS_MAX];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	clock_format_seconds(ts.tv_sec, day);
	return xasprintf("%s.%09ldZ", day, ts.tv_nsec);
}

static int step_directory(struct creation *k, struct error *e)
{
	struct store_container *st = &k->c.st;
	int r = cli_container_make(k->cli, k->id, &k->c, e);

	if (r < 0)
		return r;
	/* Before there is a state for anybody to find. */
	k->lock = cli_container_lock(&k->c, LOCK_EX | LOCK_NB, e);
	if (k->lock < 0) {
		cli_container_remove(k->cli, k->id, NULL);
		return k->lock;
	}
	st->id = xstrdup(k->id);
	st->bundle = xstrdup(k->bundle);
	st->sandbox = xstrdup(k->sandbox);
	st->socket = xstrdup(k->socket);
	st->created = now_rfc3339();
	st->owner = xasprintf("%u", getuid());
	st->rootfs = xstrdup(k->spec->root->path);
	st->annotations = oci_annotations_json(k->spec);
	st->terminal = k->spec->process->terminal;
	r = store_container_save(k->c.dirfd, st, e);
	if (r == 0) {
		r = file_replace_at(k->c.dirfd, "config.json", k->text, k->text_len, 0600);
		r = r < 0 ? error_set(e, r, "write %s/config.json", k->c.dir) : 0;
	}
	if (r < 0)
		cli_container_remove(k->cli, k->id, NULL);
	return r;
}

static void undo_directory(struct creation *k)
{
	struct error e = ERROR_INIT;

	if (cli_container_remove(k->cli, k->id, &e) < 0)
		log_warn("%s", error_text(&e));
}

static int step_shim(struct creation *k, struct error *e)
{
	return k->own_shim ? cli_shim_start(k->cli, k->sandbox, k->bundle, e) : 0;
}

static void undo_shim(struct creation *k)
{
	struct error e = ERROR_INIT;

	int r = k->own_shim ? cli_shim_shutdown(k->socket, CLI_STATE_MS) : 0;

	if (r == 0 || r == -EBUSY)
		return;
	if (cli_shim_clean(k->sandbox, k->bundle, &e) < 0)
		log_warn("%s", error_text(&e));
}

static int step_proxy(struct creation *k, struct error *e)
{
	const char *netns = NULL;
	struct cli_stdio io = {
		.terminal = k->spec->process->terminal,
		.detach = k->o->detach,
		.console_socket = k->o->console_socket,
	};
	const Grpc__Box *size = k->spec->process->consolesize;

	io.new_netns = oci_has_namespace(k->spec, "network", &netns) && !netns;
	io.netns = netns;
	io.view = k->spec;
	io.rows = size ? size->height : 0;
	io.columns = size ? size->width : 0;
	autodone(strv) args = STRV_INIT;
	for (size_t i = 0; i < k->spec->process->n_args; i++)
		strv_add(&args, k->spec->process->args[i]);
	io.args = args.v;
	k->pid = cli_start_proxy(k->sandbox, k->id, "", &io, e);
	return k->pid < 0 ? (int)k->pid : 0;
}

static void undo_proxy(struct creation *k)
{
	cli_kill_proxy(k->pid);
}

/* The machine's boot can take a while: a signal that would end the command ends the wait instead,
 * and all is undone. */
struct create_call {
	struct loop *loop;
	struct error *e;
};

static void create_replied(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct create_call *call = data;

	error_copy(call->e, e);
	loop_quit(call->loop, e ? e->code : 0);
}

static void create_interrupted(struct loop_source *s, const struct signalfd_siginfo *si, void *data)
{
	struct create_call *call = data;
	char name[16];

	loop_quit(call->loop, error_plain(call->e, EINTR, "interrupted by %s",
					  signal_name((int)si->ssi_signo, name)));
}

static int call_create(struct creation *k, const ProtobufCMessage *rq, struct error *e)
{
	const ProtobufCServiceDescriptor *d = &containerd__task__v2__task__descriptor;
	int64_t timeout = (int64_t)k->config->runtime.create_container_timeout * 1000 +
			  k->config->agent.reconnect_timeout_ms;
	struct error result = ERROR_INIT, ignored = ERROR_INIT;
	autoptr(loop) l = loop_new();
	struct create_call call = { .loop = l, .e = &result };
	struct rpc_client *r = NULL;
	int err;

	if (!l)
		return error_set(e, errno, "event loop");
	for (size_t i = 0; i < ARRAY_SIZE(deferred_signals); i++)
		if (!loop_add_signal(l, deferred_signals[i], create_interrupted, &call))
			return error_set(e, errno, "signals");
	err = cli_shim_connect_on(l, k->socket, &r, e);
	if (err < 0)
		return err;
	rpc_client_call(r, d, (unsigned)rpc_method_index(d, "Create"), rq, timeout, create_replied,
			&call);
	err = loop_run(l);
	/* A call that is given up answers once more. */
	call.e = &ignored;
	rpc_client_free(r);
	error_copy(e, &result);
	return err;
}

/* The shim reads the spec from where we put it, as it was when it was checked. */
static int step_task(struct creation *k, struct error *e)
{
	Containerd__Task__V2__CreateTaskRequest rq =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any options = GOOGLE__PROTOBUF__ANY__INIT;

	options.type_url = HANDOVER_SPEC_DIR;
	options.value.data = (uint8_t *)k->c.dir;
	options.value.len = strlen(k->c.dir);
	rq.id = (char *)(uintptr_t)k->id;
	rq.bundle = k->bundle;
	rq.terminal = k->spec->process->terminal;
	rq.stdin = rq.stdout = rq.stderr = HANDOVER_STDIO;
	rq.options = &options;
	return call_create(k, &rq.base, e);
}

static int step_record(struct creation *k, struct error *e)
{
	int r = proc_start_time(k->pid, &k->c.st.pid_start);

	if (r < 0)
		return error_set(e, r, "init proxy %d", (int)k->pid);
	k->c.st.pid = k->pid;
	r = store_container_save(k->c.dirfd, &k->c.st, e);
	if (r == 0)
		r = cli_write_pid_file(k->o->pid_file, k->pid, e);
	return r;
}

static void undo_task(struct creation *k)
{
	struct error e = ERROR_INIT;

	/* The machine goes with its only container; in a pod the container alone does. */
	if (cli_delete(k->cli, k->id, true, &e) < 0)
		log_warn("%s", error_text(&e));
}

static const struct {
	int (*run)(struct creation *k, struct error *e);
	void (*undo)(struct creation *k);
} steps[] = {
	{ step_directory, undo_directory }, { step_shim, undo_shim }, { step_proxy, undo_proxy },
	{ step_task, undo_task },           { step_record, NULL },
};

pid_t cli_create(const struct cli *c, const struct create_options *o, const char *id,
		 bool *ret_terminal, struct error *e)
{
	struct creation k = { .cli = c, .o = o, .id = id, .c = CLI_CONTAINER_INIT, .lock = -1 };
	size_t done = 0;
	int r = plan(&k, e);

	while (r == 0 && done < ARRAY_SIZE(steps)) {
		r = steps[done].run(&k, e);
		if (r == 0)
			done++;
	}
	if (r < 0)
		while (done > 0)
			if (steps[--done].undo)
				steps[done].undo(&k);
	if (r >= 0 && ret_terminal)
		*ret_terminal = k.spec->process->terminal && !o->console_socket;
	creation_done(&k);
	return r < 0 ? r : k.pid;
}

#define OPT(...) CLI_OPT(create_options, __VA_ARGS__)
const struct arg_option cli_run_options[CLI_RUN_OPTIONS] = {
	OPT("bundle", 'b', ARG_STRING, bundle, "DIR",
	    "the bundle (default: the working directory)"),
	OPT("config", 'f', ARG_STRING, config, "FILE",
	    "name of the bundle's specification (default config.json)"),
	OPT("console-socket", 0, ARG_STRING, console_socket, "PATH",
	    "unix socket that receives the terminal's master"),
	OPT("pid-file", 0, ARG_STRING, pid_file, "FILE",
	    "where to write the pid of the init proxy"),
	OPT("no-pivot", 0, ARG_BOOL, no_pivot, NULL,
	    "no effect: the guest's root file system is always left by pivot_root"),
	OPT("no-new-keyring", 0, ARG_BOOL, no_new_keyring, NULL,
	    "no effect: the guest's keyrings are the container's own"),
	OPT("no-subreaper", 0, ARG_BOOL, no_subreaper, NULL,
	    "no effect: processes of a guest are never orphaned to the host"),
	OPT("preserve-fds", 0, ARG_INT, preserve_fds, "N", "not supported unless 0"),
	/* of run alone: */
	OPT("detach", 'd', ARG_BOOL, detach, NULL, "leave it running"),
	OPT("keep", 0, ARG_BOOL, keep, NULL, "do not delete the container when it has ended"),
};

static int cmd_create(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	struct create_options *o = opts;
	pid_t pid;

	o->detach = true;
	cli_defer_signals();
	pid = cli_create(c, o, args[0], NULL, e);
	return pid < 0 ? (int)pid : 0;
}

const struct cli_command command_create = {
	.name = "create",
	.operands = "ID",
	.summary = "create a container from a bundle, ready to be started",
	.options = { .options = cli_run_options, .n = CLI_CREATE_OPTIONS },
	.size = sizeof(struct create_options),
	.min = 1,
	.max = 1,
	.run = cmd_create,
};
