/* SPDX-License-Identifier: Apache-2.0 */
/* shim - starting, finding and calling the shim of a sandbox. */
#include "cli/cli.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHIM_START_MS 10000

/* Runs the shim with one action; its one line on stderr becomes the reason. */
static int run_shim(const struct strv *argv, struct error *e)
{
	struct proc_spec ps = PROC_SPEC_INIT;
	autofree char *text = NULL;
	autoclose int rd = -1;
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_set(e, errno, "pipe");
	rd = p[0];
	ps.path = argv->v[0];
	ps.argv = argv->v;
	ps.err = p[1];
	r = proc_run(&ps, NULL, 0, SHIM_START_MS, 0, NULL, e);
	close(p[1]);
	if (r <= 0)
		return r;
	if (fd_read_all(rd, KIB(64), &text, NULL) < 0 || !*text)
		return error_plain(e, EIO, "%s ended with status %d", CLI_SHIM_NAME, r);
	text[strcspn(text, "\n")] = '\0';
	const char *reason = str_skip_prefix(text, CLI_SHIM_NAME ": ");
	return error_plain(e, EIO, "%s", reason ? reason : text);
}

static void shim_arguments(struct strv *argv, const char *sandbox, const char *bundle)
{
	strv_take(argv, path_own_program(CLI_SHIM_NAME, "shim", CAISSON_BINDIR));
	strv_add(argv, "-namespace");
	strv_add(argv, CLI_NAMESPACE);
	strv_add(argv, "-id");
	strv_add(argv, sandbox);
	strv_add(argv, "-bundle");
	strv_add(argv, bundle);
}

int cli_shim_start(const struct cli *c, const char *sandbox, const char *bundle, struct error *e)
{
	autodone(strv) argv = STRV_INIT;

	shim_arguments(&argv, sandbox, bundle);
	if (c->config) {
		strv_add(&argv, "-config");
		strv_add(&argv, c->config);
	}
	if (c->debug)
		strv_add(&argv, "-debug");
	if (c->began_us) {
		strv_add(&argv, "-began");
		strv_addf(&argv, "%lld", (long long)c->began_us);
	}
	strv_add(&argv, "start");
	return run_shim(&argv, e);
}

int cli_shim_clean(const char *sandbox, const char *bundle, struct error *e)
{
	autodone(strv) argv = STRV_INIT;

	shim_arguments(&argv, sandbox, bundle ? bundle : "/");
	strv_add(&argv, "delete");
	return run_shim(&argv, e);
}

int cli_shim_connect_on(struct loop *l, const char *socket, struct rpc_client **ret,
			struct error *e)
{
	int fd = socket ? unix_connect(socket, SOCK_STREAM) : -ENOENT;

	if (fd < 0)
		return error_set(e, fd, "the sandbox's shim is not there (%s)",
				 socket ? socket : "no socket");
	*ret = rpc_client_new(l, fd);
	rpc_client_set_namespace(*ret, CLI_NAMESPACE);
	return 0;
}

int cli_shim_connect(const char *socket, struct rpc_client **ret, struct error *e)
{
	return cli_shim_connect_on(NULL, socket, ret, e);
}

int cli_task_call(struct rpc_client *r, const char *method, const ProtobufCMessage *rq,
		  int64_t timeout_ms, ProtobufCMessage **ret, struct error *e)
{
	int index = rpc_method_index(&containerd__task__v2__task__descriptor, method);

	return rpc_client_call_sync(r, &containerd__task__v2__task__descriptor, (unsigned)index, rq,
				    timeout_ms, ret, e);
}

int cli_task_request(const struct cli_container *c, const char *method, const ProtobufCMessage *rq,
		     struct error *e)
{
	autoptr(rpc_client) r = NULL;
	int err = cli_shim_connect(c->st.socket, &r, e);

	if (err < 0)
		return error_plain(e, ESRCH, "container not running");
	/* Before new limits hold the machine may have to grow. */
	return cli_task_call(r, method, rq,
			     str_eq(method, "Update") ? CLI_UPDATE_MS : CLI_REQUEST_MS, NULL, e);
}

/* The shim's end shows as the end of a second connection: when that reads as closed, everything has
 * been removed. */
int cli_shim_shutdown(const char *socket, int timeout_ms)
{
	Containerd__Task__V2__ShutdownRequest rq = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	autoclose int watch = unix_connect(socket, SOCK_STREAM);
	autoptr(rpc_client) r = NULL;
	struct pollfd p = { .fd = watch, .events = POLLIN };
	int err = watch < 0 ? watch : cli_shim_connect(socket, &r, NULL);

	if (err == 0)
		err = cli_task_call(r, "Shutdown", &rq.base, timeout_ms, NULL, NULL);
	if (err < 0)
		return err;
	return poll(&p, 1, timeout_ms) > 0 ? 0 : -ETIMEDOUT;
}
