/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps - the processes of a container.
 *
 * The table shows them as the guest knows them, with the guest's pids: that is all there is to
 * show. The JSON is what engines join with the host's own process list, so it has the pid on the
 * host that stands for the container.
 */
#include "cli/cli.h"

#include "google/protobuf/any.pb-c.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <inttypes.h>

#define PROCESS_TYPE "caisson.GuestProcess"

struct ps_options {
	const char *format;
};

#define OPT(...) CLI_OPT(ps_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("format", 'f', ARG_STRING, format, "FORMAT",
	    "table (default) or json (a list of pids of the host)"),
};

/* The arguments in one line; [comm] for a process without, as ps has it. Owned. */
static char *command_line(const Grpc__GuestProcess *p)
{
	struct strv args = { .v = p->args, .n = p->n_args };
	char *text = p->n_args ? strv_join(&args, " ") : xasprintf("[%s]", p->comm);

	str_make_printable(text);
	return text;
}

static void print_process(const Grpc__GuestProcess *p)
{
	autofree char *command = command_line(p);
	autofree char *state = xstrdup(p->state);
	uint64_t s = p->cpu_ms / 1000;

	str_make_printable(state);
	printf("%-8u %8u %8u %-2.1s %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " %s\n", p->uid, p->pid,
	       p->ppid, state, s / 3600, s / 60 % 60, s % 60, command);
}

static void print_table(const Containerd__Task__V2__PidsResponse *resp)
{
	printf("%-8s %8s %8s %-2s %8s %s\n", "UID", "PID", "PPID", "S", "TIME", "CMD");
	for (size_t i = 0; resp && i < resp->n_processes; i++) {
		const Google__Protobuf__Any *info = resp->processes[i]->info;
		Grpc__GuestProcess *p = NULL;

		if (info && str_eq(info->type_url, PROCESS_TYPE))
			p = grpc__guest_process__unpack(NULL, info->value.len, info->value.data);
		if (p)
			print_process(p);
		grpc__guest_process__free_unpacked(p, NULL);
	}
}

/* A container that has stopped has no processes. */
static int ask(const struct cli_container *k, ProtobufCMessage **ret, struct error *e)
{
	Containerd__Task__V2__PidsRequest rq = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	autoptr(rpc_client) r = NULL;
	int err;

	if (cli_shim_connect(k->st.socket, &r, NULL) < 0)
		return 0;
	rq.id = k->st.id;
	err = cli_task_call(r, "Pids", &rq.base, CLI_REQUEST_MS, ret, e);
	return err < 0 && str_eq(cli_container_status(k, NULL), "stopped") ? 0 : err;
}

static int ps_table(const struct cli_container *k, struct error *e)
{
	ProtobufCMessage *resp = NULL;
	int r = ask(k, &resp, e);

	if (r < 0)
		return r;
	print_table((const Containerd__Task__V2__PidsResponse *)resp);
	if (resp)
		protobuf_c_message_free_unpacked(resp, NULL);
	return 0;
}

static int ps_json(const struct cli_container *k, struct error *e)
{
	pid_t pid;

	cli_container_status(k, &pid);
	if (pid)
		printf("[%d]\n", (int)pid);
	else
		printf("null\n"); /* runc's empty list */
	return 0;
}

static int cmd_ps(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct ps_options *o = opts;
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	bool json = str_eq(o->format, "json");
	int r;

	if (o->format && !json && !str_eq(o->format, "table"))
		return error_plain(e, EINVAL, "invalid format option");
	for (int i = 1; i < nargs; i++)
		if (!str_eq(args[i], "-ef"))
			return error_plain(e, EOPNOTSUPP,
					   "ps option \"%s\" is not supported: the processes are "
					   "not the host's",
					   args[i]);
	r = cli_container_open(c, args[0], false, &k, e);
	if (r < 0)
		return r;
	return json ? ps_json(&k, e) : ps_table(&k, e);
}

const struct cli_command command_ps = {
	.name = "ps",
	.operands = "ID [-ef]",
	.summary = "list the processes of a container",
	.options = { .options = options, .n = ARRAY_SIZE(options), .stop_at_operand = true },
	.size = sizeof(struct ps_options),
	.min = 1,
	.max = -1,
	.run = cmd_ps,
};
