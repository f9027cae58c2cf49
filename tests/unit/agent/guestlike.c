/* SPDX-License-Identifier: Apache-2.0 */
/* guestlike - see guestlike.h. */
#include "guestlike.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "sys/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CALL_MS 20000
#define START_MS 10000

static const char *find_busybox(void)
{
	static const char *const paths[] = { "/bin/busybox", "/usr/bin/busybox",
					     "/bin/busybox.static" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

static int copy_file(const char *from, const char *to)
{
	autofree char *data = NULL;
	size_t n;
	int r = file_read_at(AT_FDCWD, from, MIB(16), &data, &n);

	return r < 0 ? r : file_replace_at(AT_FDCWD, to, data, n, 0755);
}

static int make_rootfs(const char *root, const char *busybox)
{
	static const char *const tools[] = { "sh",        "cat", "echo",   "sleep",    "head",
					     "stty",      "tty", "kill",   "true",     "wc",
					     "id",        "dd",  "printf", "hostname", "ps",
					     "sha256sum", "rm",  "ln" };
	static const char *const dirs[] = { "bin", "dev", "proc", "sys", "tmp", "etc" };
	char path[160];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, dirs[i]);
		if (path_mkdir_all(path, 0755) < 0)
			return -errno;
	}
	snprintf(path, sizeof(path), "%s/bin/busybox", root);
	r = copy_file(busybox, path);
	for (size_t i = 0; i < ARRAY_SIZE(tools) && r >= 0; i++) {
		snprintf(path, sizeof(path), "%s/bin/%s", root, tools[i]);
		r = symlink("busybox", path) < 0 ? -errno : 0;
	}
	return r;
}

/* In the child, before the agent: what it mounts and names is nobody else's. */
static int enter_namespaces(void *data, struct error *e)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) < 0)
		return error_set(e, errno, "unshare");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_set(e, errno, "private mounts");
	return 0;
}

static int start_agent(struct guestlike *g, const char *agent, struct error *e)
{
	autofree char *address = xasprintf("unix://%s", g->sock);
	char *argv[] = { (char *)agent,
			 (char *)"--address",
			 address,
			 (char *)"--run-dir",
			 g->run_dir,
			 (char *)"--log-level",
			 (char *)"debug",
			 (char *)"--policy",
			 (char *)(g->policy ? g->policy : "/nonexistent"),
			 NULL };
	struct proc_spec ps = PROC_SPEC_INIT;

	ps.path = agent;
	ps.argv = argv;
	ps.out = STDOUT_FILENO;
	ps.err = STDERR_FILENO;
	ps.new_group = true;
	ps.pdeathsig = SIGKILL;
	ps.setup = enter_namespaces;
	g->pid = proc_spawn(&ps, e);
	return g->pid < 0 ? (int)g->pid : 0;
}

static int connect_agent(struct guestlike *g)
{
	int64_t end = loop_now_ms() + START_MS;
	int fd;

	while ((fd = unix_connect(g->sock, SOCK_STREAM)) < 0 && loop_now_ms() < end)
		usleep(5000);
	if (fd < 0)
		return fd;
	g->client = rpc_client_new(NULL, fd);
	return 0;
}

static void clean(struct guestlike *g)
{
	int64_t end = loop_now_ms() + START_MS;

	/* What was killed with the agent may take a moment to end. */
	while (cgroup_remove(g->cgroup) == -EBUSY && loop_now_ms() < end)
		usleep(5000);
	path_remove_tree_at(AT_FDCWD, g->dir);
}

const char *guestlike_start(struct guestlike *g, const char *agent)
{
	const char *busybox = find_busybox();
	struct error e = ERROR_INIT;
	static char why[ERROR_TEXT_MAX];

	*g = (struct guestlike){ .pid = -1, .policy = g->policy };
	if (geteuid() != 0)
		return "not root";
	if (!cgroup_mount())
		return "no cgroup2 is mounted";
	if (!busybox)
		return "no busybox";
	snprintf(g->dir, sizeof(g->dir), "/tmp/test-agent-XXXXXX");
	if (!mkdtemp(g->dir))
		return "no temporary directory";
	snprintf(g->cgroup, sizeof(g->cgroup), "%s", path_base(g->dir));
	snprintf(g->run_dir, sizeof(g->run_dir), "%s/run", g->dir);
	snprintf(g->rootfs, sizeof(g->rootfs), "%s/rootfs", g->dir);
	snprintf(g->sock, sizeof(g->sock), "%s/agent", g->dir);
	snprintf(g->stream_sock, sizeof(g->stream_sock), "%s_1027", g->sock);
	snprintf(g->log_sock, sizeof(g->log_sock), "%s_1025", g->sock);
	if (make_rootfs(g->rootfs, busybox) < 0)
		error_plain(&e, EIO, "cannot make a rootfs");
	else if (start_agent(g, agent, &e) >= 0 && connect_agent(g) < 0)
		error_plain(&e, ETIMEDOUT, "the agent does not listen");
	if (!e.code)
		return NULL;
	snprintf(why, sizeof(why), "%s", e.text);
	clean(g);
	return why;
}

int guestlike_stop(struct guestlike *g)
{
	Grpc__DestroySandboxRequest rq = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	int status = -1, r;

	r = guestlike_call(g, "DestroySandbox", &rq.base, NULL, NULL);
	if (r < 0)
		kill(g->pid, SIGKILL);
	rpc_client_free(g->client);
	g->client = NULL;
	r = proc_wait(g->pid, START_MS, &status);
	clean(g);
	return r < 0 ? r : proc_exit_code(status);
}

int guestlike_call(struct guestlike *g, const char *method, const ProtobufCMessage *req,
		   ProtobufCMessage **ret, struct error *e)
{
	int m = rpc_method_index(&grpc__agent_service__descriptor, method);

	if (m < 0)
		return error_plain(e, EINVAL, "the test asks for method %s", method);
	return rpc_client_call_sync(g->client, &grpc__agent_service__descriptor, (unsigned)m, req,
				    CALL_MS, ret, e);
}

int guestlike_stream(struct guestlike *g, uint32_t *ret_port)
{
	struct sockaddr_un me = { .sun_family = AF_UNIX }, to = { .sun_family = AF_UNIX };
	uint32_t port = (uint32_t)getpid() * 1000 + ++g->ports;
	int n = snprintf(me.sun_path + 1, sizeof(me.sun_path) - 1, "%u", port);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", g->stream_sock);
	if (bind(fd, (struct sockaddr *)&me,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)n) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	*ret_port = port;
	return take_fd(fd);
}

/* --- specifications --- */

static const struct {
	const char *destination, *type, *option;
} spec_mounts[] = {
	{ "/proc", "proc", "nosuid" },
	{ "/dev", "tmpfs", "mode=755" },
	{ "/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620" },
};
static const char *const spec_namespaces[] = { "pid", "ipc", "uts", "mount", "network", "cgroup" };

#define N_MOUNTS ARRAY_SIZE(spec_mounts)
#define N_NAMESPACES ARRAY_SIZE(spec_namespaces)

struct spec {
	Grpc__Spec spec;
	Grpc__Root root;
	Grpc__Process process;
	Grpc__User user;
	Grpc__Box console;
	Grpc__Linux lin;
	Grpc__Mount mount[N_MOUNTS], *mounts[N_MOUNTS];
	char *option[N_MOUNTS];
	Grpc__LinuxNamespace ns[N_NAMESPACES], *nss[N_NAMESPACES];
	Caisson__StringEntry annotation, *annotations;
	Grpc__Hooks hooks;
	Grpc__Hook hook, *hook_list;
	char *args[3], *env[1];
	char cgroup[LIMIT_ID_MAX * 2];
};

static void fill_process(struct spec *s, const struct guestlike_run *r)
{
	grpc__process__init(&s->process);
	grpc__user__init(&s->user);
	s->args[0] = (char *)"sh";
	s->args[1] = (char *)"-c";
	s->args[2] = (char *)r->command;
	s->env[0] = (char *)"PATH=/bin";
	s->process.args = s->args;
	s->process.n_args = 3;
	s->process.env = s->env;
	s->process.n_env = 1;
	s->process.cwd = (char *)"/";
	s->process.user = &s->user;
	s->process.terminal = r->terminal;
	grpc__box__init(&s->console);
	s->console.height = 24;
	s->console.width = 80;
	if (r->terminal)
		s->process.consolesize = &s->console;
}

static void fill_mounts(struct spec *s)
{
	for (size_t i = 0; i < N_MOUNTS; i++) {
		grpc__mount__init(&s->mount[i]);
		s->mount[i].destination = (char *)spec_mounts[i].destination;
		s->mount[i].type = s->mount[i].source = (char *)spec_mounts[i].type;
		s->option[i] = (char *)spec_mounts[i].option;
		s->mount[i].options = &s->option[i];
		s->mount[i].n_options = 1;
		s->mounts[i] = &s->mount[i];
	}
	s->spec.mounts = s->mounts;
	s->spec.n_mounts = N_MOUNTS;
}

static void fill_spec(struct spec *s, const struct guestlike *g, const struct guestlike_run *r)
{
	grpc__spec__init(&s->spec);
	grpc__root__init(&s->root);
	grpc__linux__init(&s->lin);
	fill_process(s, r);
	fill_mounts(s);
	s->root.path = (char *)g->rootfs;
	for (size_t i = 0; i < N_NAMESPACES; i++) {
		grpc__linux_namespace__init(&s->ns[i]);
		s->ns[i].type = (char *)spec_namespaces[i];
		s->nss[i] = &s->ns[i];
	}
	snprintf(s->cgroup, sizeof(s->cgroup), "/%s/%.255s", g->cgroup, r->id);
	s->lin.cgroupspath = s->cgroup;
	s->lin.namespaces = s->nss;
	s->lin.n_namespaces = N_NAMESPACES;
	caisson__string_entry__init(&s->annotation);
	s->annotation.key = (char *)"io.kubernetes.container.terminationMessagePath";
	s->annotation.value = (char *)r->message_path;
	s->annotations = &s->annotation;
	s->spec.annotations = &s->annotations;
	s->spec.n_annotations = r->message_path ? 1 : 0;
	grpc__hooks__init(&s->hooks);
	grpc__hook__init(&s->hook);
	s->hook.path = (char *)r->hook;
	s->hook_list = &s->hook;
	s->hooks.createruntime = &s->hook_list;
	s->hooks.n_createruntime = 1;
	s->spec.hooks = r->hook ? &s->hooks : NULL;
	s->spec.ociversion = (char *)"1.0.2";
	s->spec.root = &s->root;
	s->spec.process = &s->process;
	s->spec.linux = &s->lin;
}

/* --- calls --- */

static int create(struct guestlike *g, struct spec *s, const struct guestlike_run *r,
		  struct error *e)
{
	Grpc__CreateContainerRequest rq = GRPC__CREATE_CONTAINER_REQUEST__INIT;

	rq.container_id = (char *)r->id;
	rq.oci = &s->spec;
	rq.sandbox_pidns = r->pidns;
	if (r->pidns_of)
		rq.pidns_container = (char *)(uintptr_t)r->pidns_of;
	rq.stdin_port = r->port[0];
	rq.stdout_port = r->port[1];
	rq.stderr_port = r->port[2];
	return guestlike_call(g, "CreateContainer", &rq.base, NULL, e);
}

static int exec(struct guestlike *g, struct spec *s, const struct guestlike_run *r, struct error *e)
{
	Grpc__ExecProcessRequest rq = GRPC__EXEC_PROCESS_REQUEST__INIT;

	rq.container_id = (char *)r->id;
	rq.exec_id = (char *)r->exec_id;
	rq.process = &s->process;
	rq.stdin_port = r->port[0];
	rq.stdout_port = r->port[1];
	rq.stderr_port = r->port[2];
	return guestlike_call(g, "ExecProcess", &rq.base, NULL, e);
}

int guestlike_create(struct guestlike *g, const struct guestlike_run *r, struct error *e)
{
	struct spec s;

	fill_spec(&s, g, r);
	return r->exec_id ? exec(g, &s, r, e) : create(g, &s, r, e);
}

int guestlike_begin(struct guestlike *g, const char *id, struct error *e)
{
	Grpc__StartContainerRequest rq = GRPC__START_CONTAINER_REQUEST__INIT;

	rq.container_id = (char *)id;
	return guestlike_call(g, "StartContainer", &rq.base, NULL, e);
}

int guestlike_signal(struct guestlike *g, const char *id, const char *exec_id, int sig,
		     struct error *e)
{
	Grpc__SignalProcessRequest rq = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	rq.container_id = (char *)id;
	rq.exec_id = (char *)exec_id;
	rq.signal = (uint32_t)sig;
	return guestlike_call(g, "SignalProcess", &rq.base, NULL, e);
}

int guestlike_remove(struct guestlike *g, const char *id, struct error *e)
{
	Grpc__RemoveContainerRequest rq = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	rq.container_id = (char *)id;
	return guestlike_call(g, "RemoveContainer", &rq.base, NULL, e);
}

int guestlike_wait(struct guestlike *g, const char *id, const char *exec_id)
{
	Grpc__WaitProcessRequest rq = GRPC__WAIT_PROCESS_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;
	int r;

	rq.container_id = (char *)id;
	rq.exec_id = (char *)exec_id;
	r = guestlike_call(g, "WaitProcess", &rq.base, &resp, NULL);
	if (r < 0)
		return r;
	r = ((Grpc__WaitProcessResponse *)resp)->status;
	protobuf_c_message_free_unpacked(resp, NULL);
	return r;
}

char *guestlike_output(struct guestlike *g, const char *id, const char *exec_id, int which)
{
	Grpc__ReadStreamRequest rq = GRPC__READ_STREAM_REQUEST__INIT;
	autodone(buf) text = BUF_INIT(MIB(64));
	size_t n = 1;

	rq.container_id = (char *)id;
	rq.exec_id = (char *)exec_id;
	rq.len = 32768;
	while (n) {
		ProtobufCMessage *resp = NULL;
		const Grpc__ReadStreamResponse *data;

		if (guestlike_call(g, which == 1 ? "ReadStdout" : "ReadStderr", &rq.base, &resp,
				   NULL) < 0)
			return xstrdup("(the call failed)");
		data = (const Grpc__ReadStreamResponse *)resp;
		n = data->data.len;
		buf_add(&text, data->data.data, n);
		protobuf_c_message_free_unpacked(resp, NULL);
	}
	return xstrdup(buf_str(&text));
}
