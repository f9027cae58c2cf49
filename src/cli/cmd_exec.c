/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec - another process in a running container.
 *
 * The process is the one of --process, or the container's own with what the options change. It gets
 * an init proxy of its own; in the foreground the command waits for it and returns its status,
 * detached the shim forgets it when the proxy has gone.
 */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "rpc/handover.h"
#include "sys/caps.h"

#include "google/protobuf/any.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define EXEC_MS 30000
#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"

struct exec_options {
	const char *process, *pid_file, *console_socket, *cwd, *user, *apparmor, *process_label,
		*cgroup;
	struct strv env, gids, caps;
	bool tty, detach, no_new_privs, ignore_paused, no_subreaper;
	int preserve_fds;
};

#define OPT(...) CLI_OPT(exec_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("process", 'p', ARG_STRING, process, "FILE", "the process as JSON"),
	OPT("detach", 'd', ARG_BOOL, detach, NULL, "leave it running"),
	OPT("tty", 't', ARG_BOOL, tty, NULL, "give it a terminal"),
	OPT("console-socket", 0, ARG_STRING, console_socket, "PATH",
	    "unix socket that receives the terminal's master"),
	OPT("pid-file", 0, ARG_STRING, pid_file, "FILE",
	    "where to write the pid of the init proxy"),
	OPT("cwd", 0, ARG_STRING, cwd, "DIR", "working directory in the container"),
	OPT("env", 'e', ARG_STRINGS, env, "NAME=VALUE",
	    "set an environment variable (may be given again)"),
	OPT("user", 'u', ARG_STRING, user, "UID[:GID]", "numeric user and group"),
	OPT("additional-gids", 'g', ARG_STRINGS, gids, "GID", "another group (may be given again)"),
	OPT("cap", 'c', ARG_STRINGS, caps, "CAP", "add a capability (may be given again)"),
	OPT("no-new-privs", 0, ARG_BOOL, no_new_privs, NULL, "set no_new_privs"),
	OPT("apparmor", 0, ARG_STRING, apparmor, "PROFILE",
	    "not supported: the guest has no AppArmor"),
	OPT("process-label", 0, ARG_STRING, process_label, "LABEL",
	    "not supported: the guest has no SELinux"),
	OPT("preserve-fds", 0, ARG_INT, preserve_fds, "N", "not supported unless 0"),
	OPT("ignore-paused", 0, ARG_BOOL, ignore_paused, NULL,
	    "no effect: a paused container is always refused"),
	OPT("no-subreaper", 0, ARG_BOOL, no_subreaper, NULL,
	    "no effect: processes of a guest are never orphaned to the host"),
	OPT("cgroup", 0, ARG_STRING, cgroup, "PATH",
	    "not supported: the process joins the container's group"),
};

static int check_options(const struct exec_options *o, int nargs, struct error *e)
{
	if (o->apparmor || o->process_label)
		return error_plain(e, EOPNOTSUPP,
				   "%s is not supported: the guest has no such security module",
				   o->apparmor ? "--apparmor" : "--process-label");
	if (o->cgroup)
		return error_plain(
			e, EOPNOTSUPP,
			"--cgroup is not supported: the process joins the container's group");
	if (o->preserve_fds)
		return error_plain(e, EOPNOTSUPP,
				   "--preserve-fds is not supported: descriptors of the host do "
				   "not exist in the guest");
	if (!o->process && nargs < 2)
		return error_plain(e, EINVAL, "exec: no command given (an operand, or --process)");
	return 0;
}

static int parse_user(oci_process *p, const char *text, struct error *e)
{
	autodone(strv) parts = STRV_INIT;

	if (!p->user) {
		p->user = xcalloc(1, sizeof(*p->user));
		grpc__user__init(p->user);
	}
	strv_split(&parts, text, ":");
	if (parts.n < 1 || parts.n > 2 || str_to_u32(parts.v[0], 10, &p->user->uid) < 0 ||
	    (parts.n == 2 && str_to_u32(parts.v[1], 10, &p->user->gid) < 0))
		return error_plain(e, EINVAL, "invalid user \"%s\": give UID or UID:GID as numbers",
				   text);
	return 0;
}

static void append(size_t *n, char ***list, char *s)
{
	*list = xrealloc(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = s;
}

static void set_field(char **field, const char *value)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(value);
}

static void add_caps(oci_process *p, const struct strv *caps)
{
	Grpc__LinuxCapabilities *c = p->capabilities;

	if (!caps->n)
		return;
	if (!c) {
		c = p->capabilities = xcalloc(1, sizeof(*c));
		grpc__linux_capabilities__init(c);
	}
	for (size_t i = 0; i < caps->n; i++) {
		if (cap_parse(caps->v[i]) < 0)
			log_warn("--cap %s: unknown, and so not granted", caps->v[i]);
		append(&c->n_bounding, &c->bounding, xstrdup(caps->v[i]));
		append(&c->n_effective, &c->effective, xstrdup(caps->v[i]));
		append(&c->n_permitted, &c->permitted, xstrdup(caps->v[i]));
	}
}

static int add_gids(oci_process *p, const struct strv *gids, struct error *e)
{
	for (size_t i = 0; i < gids->n; i++) {
		uint32_t gid;

		if (str_to_u32(gids->v[i], 10, &gid) < 0)
			return error_plain(e, EINVAL, "invalid group \"%s\"", gids->v[i]);
		p->user->additionalgids = xrealloc(p->user->additionalgids,
						   p->user->n_additionalgids + 1, sizeof(gid));
		p->user->additionalgids[p->user->n_additionalgids++] = gid;
	}
	return 0;
}

static void set_args(oci_process *p, int n, char **args)
{
	for (size_t i = 0; i < p->n_args; i++)
		free(p->args[i]);
	free(p->args);
	p->args = NULL;
	p->n_args = 0;
	for (int i = 0; i < n; i++)
		append(&p->n_args, &p->args, xstrdup(args[i]));
}

static int change_process(oci_process *p, const struct exec_options *o, int n, char **args,
			  struct error *e)
{
	int r = 0;

	set_args(p, n, args);
	for (size_t i = 0; i < o->env.n; i++)
		append(&p->n_env, &p->env, xstrdup(o->env.v[i]));
	if (o->cwd)
		set_field(&p->cwd, o->cwd);
	p->terminal = o->tty;
	p->nonewprivileges = p->nonewprivileges || o->no_new_privs;
	if (o->user)
		r = parse_user(p, o->user, e);
	if (r == 0 && o->gids.n && !p->user)
		r = parse_user(p, "0", e);
	if (r == 0)
		r = add_gids(p, &o->gids, e);
	add_caps(p, &o->caps);
	return r;
}

/* The container's own process with what the options change. */
static int derive_process(const struct cli_container *k, const struct exec_options *o, int n,
			  char **args, oci_process **ret, struct error *e)
{
	oci_spec *s = NULL;
	int r = oci_spec_load(k->dir, &s, e);

	if (r < 0)
		return r;
	*ret = take_ptr(s->process);
	oci_spec_free(s);
	if (!*ret)
		return error_plain(e, EINVAL, "%s/config.json has no process", k->dir);
	return change_process(*ret, o, n, args, e);
}

static int read_process(const char *file, const struct exec_options *o, oci_process **ret,
			struct error *e)
{
	autofree char *text = NULL;
	size_t n;
	int r = file_read_at(AT_FDCWD, file, LIMIT_CONFIG_JSON, &text, &n);

	if (r < 0)
		return error_set(e, r, "read %s", file);
	r = oci_process_parse(text, n, file, ret, e);
	if (r == 0 && o->tty)
		(*ret)->terminal = true;
	return r;
}

static int exec_requests(struct rpc_client *r, const struct cli_container *k, const char *exec_id,
			 const oci_process *p, struct error *e)
{
	Containerd__Task__V2__ExecProcessRequest rq =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Containerd__Task__V2__StartRequest start = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	autofree char *json = oci_process_to_json(p);
	int err;

	if (!json)
		return error_plain(e, EFBIG, "the process is too large");
	any.type_url = PROCESS_TYPE;
	any.value.data = (uint8_t *)json;
	any.value.len = strlen(json);
	rq.id = start.id = k->st.id;
	rq.exec_id = start.exec_id = (char *)(uintptr_t)exec_id;
	rq.terminal = p->terminal;
	rq.stdin = rq.stdout = rq.stderr = HANDOVER_STDIO;
	rq.spec = &any;
	err = cli_task_call(r, "Exec", &rq.base, CLI_REQUEST_MS, NULL, e);
	if (err == 0)
		err = cli_task_call(r, "Start", &start.base, EXEC_MS, NULL, e);
	return err;
}

static pid_t start_proxy(const struct cli_container *k, const struct exec_options *o,
			 const char *exec_id, const oci_process *p, struct error *e)
{
	autodone(strv) args = STRV_INIT;
	struct cli_stdio io = { .terminal = p->terminal,
				.detach = o->detach,
				.console_socket = o->console_socket,
				.rows = p->consolesize ? p->consolesize->height : 0,
				.columns = p->consolesize ? p->consolesize->width : 0 };

	for (size_t i = 0; i < p->n_args; i++)
		strv_add(&args, p->args[i]);
	io.args = args.v;
	return cli_start_proxy(k->st.sandbox, k->st.id, exec_id, &io, e);
}

static pid_t start_exec(const struct cli_container *k, const struct exec_options *o,
			const oci_process *p, struct error *e)
{
	autofree char *exec_id = xasprintf("exec-%d-%08x", (int)getpid(), (unsigned)loop_now_ms());
	autoptr(rpc_client) c = NULL;
	pid_t pid;
	int r;

	if (cli_shim_connect(k->st.socket, &c, NULL) < 0)
		return error_plain(e, ESRCH, "cannot exec in a stopped container");
	/* What comes meanwhile is forwarded to the process, once there is one. */
	cli_defer_signals();
	pid = start_proxy(k, o, exec_id, p, e);
	if (pid < 0)
		return pid;
	r = exec_requests(c, k, exec_id, p, e);
	if (r == 0)
		r = cli_write_pid_file(o->pid_file, pid, e);
	if (r < 0)
		cli_kill_proxy(pid);
	return r < 0 ? r : pid;
}

static int run_exec(const struct cli *c, const struct exec_options *o, int nargs, char **args,
		    struct error *e)
{
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	oci_process *p = NULL;
	pid_t pid;
	int r = cli_container_open(c, args[0], false, &k, e);

	if (r == 0)
		r = o->process ? read_process(o->process, o, &p, e)
			       : derive_process(&k, o, nargs - 1, args + 1, &p, e);
	if (r == 0)
		r = oci_process_check(p, e);
	if (r == 0) {
		pid = start_exec(&k, o, p, e);
		r = pid < 0     ? (int)pid
		    : o->detach ? 0
				: cli_wait_proxy(pid, p->terminal && !o->console_socket, e);
	}
	oci_process_free(p);
	return r;
}

static int cmd_exec(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	struct exec_options *o = opts;
	int r = check_options(o, nargs, e);

	if (r == 0)
		r = run_exec(c, o, nargs, args, e);
	strv_done(&o->env);
	strv_done(&o->gids);
	strv_done(&o->caps);
	return r;
}

const struct cli_command command_exec = {
	.name = "exec",
	.operands = "ID [COMMAND [ARG ...]]",
	.summary = "run another process in a running container",
	.options = { .options = options, .n = ARRAY_SIZE(options), .stop_at_operand = true },
	.size = sizeof(struct exec_options),
	.min = 1,
	.max = -1,
	.failure = 255,
	.run = cmd_exec,
};
