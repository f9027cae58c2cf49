/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete - removes a container and, with the last one, its virtual machine.
 *
 * With --force it always ends within seconds and leaves nothing: every request to the shim is
 * bounded, and a shim that is dead or does not answer is cleaned up after by a process of its own.
 */
#include "cli/cli.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define KILL_MS 1000
#define WAIT_MS 3000
#define DELETE_MS 10000
#define FORCE_DELETE_MS 3000
#define SHUTDOWN_MS 1500

struct delete_options {
	bool force, regex;
};

#define OPT(...) CLI_OPT(delete_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("force", 'f', ARG_BOOL, force, NULL,
	    "kill it first if it lives; succeed also if there is none"),
	OPT("regex", 'r', ARG_BOOL, regex, NULL,
	    "ID is a regular expression: all containers that match"),
};

/* Kills and waits, each bounded; what does not work out is the clean-up's business. */
static void kill_and_wait(struct rpc_client *r, const char *id)
{
	Containerd__Task__V2__KillRequest kill = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	Containerd__Task__V2__WaitRequest wait = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	struct error e = ERROR_INIT;

	kill.id = wait.id = (char *)(uintptr_t)id;
	kill.signal = SIGKILL;
	kill.all = true;
	if (cli_task_call(r, "Kill", &kill.base, KILL_MS, NULL, &e) < 0)
		log_debug("kill: %s", error_text(&e));
	if (cli_task_call(r, "Wait", &wait.base, WAIT_MS, NULL, &e) < 0)
		log_debug("wait: %s", error_text(&e));
}

/* Through the shim. -ETIMEDOUT and connection errors: it is of no use. */
static int delete_task(const struct cli_container *k, const char *id, bool force, struct error *e)
{
	Containerd__Task__V2__DeleteRequest rq = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	autoptr(rpc_client) r = NULL;
	int err = cli_shim_connect(k->st.socket, &r, e);

	if (err < 0)
		return err;
	if (force)
		kill_and_wait(r, id);
	rq.id = (char *)(uintptr_t)id;
	return cli_task_call(r, "Delete", &rq.base, force ? FORCE_DELETE_MS : DELETE_MS, NULL, e);
}

/* Its state file is damaged, or was never written: then there is no sandbox. */
static int delete_unknown(const struct cli *c, const char *id, const char *sandbox, struct error *e)
{
	autofree char *dir = cli_sandbox_dir(sandbox);
	int r = access(dir, F_OK) == 0 ? cli_shim_clean(sandbox, NULL, e) : 0;

	return r < 0 ? r : cli_container_remove(c, id, e);
}

int cli_delete(const struct cli *c, const char *id, bool force, struct error *e)
{
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	struct error why = ERROR_INIT;
	autofree char *own = NULL;
	int r = cli_container_open(c, id, true, &k, e);

	if (r == -ENOENT && force)
		return 0;
	if (r < 0)
		return r;
	if (!k.known) {
		own = cli_sandbox_name(c, id);
		return delete_unknown(c, id, own, e);
	}
	r = delete_task(&k, id, force, &why);
	if (r == -EBUSY && !force)
		return error_copy(e, &why);
	if (r < 0)
		log_debug("delete %s: %s", id, error_text(&why));
	/* Other containers of the sandbox keep the shim; an empty one ends; one that does not
	 * answer is ended. */
	if (r == 0 || r == -ENOENT)
		r = cli_shim_shutdown(k.st.socket, SHUTDOWN_MS);
	if (r < 0 && r != -EBUSY)
		r = cli_shim_clean(k.st.sandbox, k.st.bundle, e);
	return r < 0 && r != -EBUSY ? r : cli_container_remove(c, id, e);
}

static int delete_one(const struct cli *c, const char *id, void *data, struct error *e)
{
	const struct delete_options *o = data;

	return cli_delete(c, id, o->force, e);
}

static int cmd_delete(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct delete_options *o = opts;

	return cli_for_ids(c, args[0], o->regex, delete_one, opts, e);
}

const struct cli_command command_delete = {
	.name = "delete",
	.operands = "ID",
	.summary = "remove a container that has stopped",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct delete_options),
	.min = 1,
	.max = 1,
	.run = cmd_delete,
};
