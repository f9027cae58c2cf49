/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task - containerd's Task service, versions 2 and 3 (the same messages, two names), in front of
 * the sandbox.
 *
 * Every handler looks up what the request names, asks the sandbox, and answers when the sandbox
 * does. A request that cannot be taken is answered at once with the reason. One table, in the order
 * of the descriptor, serves both versions.
 */
#include "shim/task.h"

#include "base/log.h"
#include "base/path.h"
#include "rpc/handover.h"

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "task.pb-c.h"
#include "task_v3.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* --- finding --- */

struct container *task_find_container(struct shim *s, struct rpc_call *call, const char *id)
{
	struct container *c = sandbox_find(s->sandbox, id);

	if (!c)
		rpc_call_failf(call, ENOENT, "container %s does not exist", id);
	return c;
}

struct process *task_find_process(struct shim *s, struct rpc_call *call, const char *id,
				  const char *exec_id)
{
	struct container *c = task_find_container(s, call, id);
	struct process *p = c ? container_process(c, exec_id) : NULL;

	if (c && !p)
		rpc_call_failf(call, ENOENT, "process %s of container %s does not exist", exec_id,
			       id);
	return p;
}

Google__Protobuf__Timestamp task_timestamp(const struct timespec *ts)
{
	Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	t.seconds = ts->tv_sec;
	t.nanos = (int32_t)ts->tv_nsec;
	return t;
}

/* --- answers that carry nothing --- */

static void answer_empty(void *data, const struct error *e)
{
	struct rpc_call *call = data;

	if (e)
		rpc_call_fail(call, e);
	else
		rpc_call_reply_empty(call);
}

/* For calls that failed at once. */
void task_refuse(struct rpc_call *call, int r, const struct error *e)
{
	if (r < 0)
		rpc_call_fail(call, e);
}

/* Our own command line, which shows a container's processes as the guest has them. */
bool task_is_own_client(const struct rpc_call *call)
{
	return str_eq(rpc_call_metadata(call, "containerd-namespace-ttrpc"), "caisson");
}

/* --- Create --- */

/* Answers with the pid of a process, which may have been deleted meanwhile: names instead of
 * pointers. */
struct pid_answer {
	struct shim *shim;
	struct rpc_call *call;
	char *id, *exec_id;
};

static struct pid_answer *pid_answer_new(struct shim *s, struct rpc_call *call, const char *id,
					 const char *exec_id)
{
	struct pid_answer *a = xnew(struct pid_answer);

	*a = (struct pid_answer){
		.shim = s, .call = call, .id = xstrdup(id), .exec_id = xstrdup(exec_id)
	};
	return a;
}

static void pid_answer_free(struct pid_answer *a)
{
	free(a->id);
	free(a->exec_id);
	free(a);
}

static uint32_t pid_answer_pid(const struct pid_answer *a)
{
	struct container *c = sandbox_find(a->shim->sandbox, a->id);
	struct process *p = c ? container_process(c, a->exec_id) : NULL;
	struct process_status st = { 0 };

	if (p)
		process_status(p, &st);
	return (uint32_t)st.pid;
}

static void create_done(void *data, const struct error *e)
{
	Containerd__Task__V2__CreateTaskResponse resp =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	struct pid_answer *a = data;

	if (e) {
		rpc_call_fail(a->call, e);
	} else {
		resp.pid = pid_answer_pid(a);
		rpc_call_reply(a->call, &resp.base);
	}
	pid_answer_free(a);
}

/* The bundle's, or what the command line checked and kept (rpc/handover.h). */
static int load_spec(const Containerd__Task__V2__CreateTaskRequest *rq, oci_spec **ret,
		     struct error *e)
{
	autofree char *dir = NULL;

	if (!rq->options || !str_eq(rq->options->type_url, HANDOVER_SPEC_DIR))
		return oci_spec_load(rq->bundle, ret, e);
	dir = xstrndup((const char *)rq->options->value.data, rq->options->value.len);
	if (dir[0] != '/')
		return error_plain(e, EINVAL, HANDOVER_SPEC_DIR " \"%s\" is not an absolute path",
				   dir);
	return oci_spec_load(dir, ret, e);
}

static int create_container(struct shim *s, const Containerd__Task__V2__CreateTaskRequest *rq,
			    struct pid_answer *a, struct error *e)
{
	autofree struct sandbox_mount *rootfs = xnew_array(struct sandbox_mount, rq->n_rootfs);
	struct container_params p = {
		.id = rq->id,
		.bundle = rq->bundle,
		.rootfs = rootfs,
		.nrootfs = rq->n_rootfs,
		.terminal = rq->terminal,
		.in = rq->stdin,
		.out = rq->stdout,
		.err = rq->stderr,
	};
	int r;

	if (*rq->checkpoint)
		return error_plain(e, EOPNOTSUPP, "restoring from a checkpoint is not supported");
	if (rq->bundle[0] != '/')
		return error_plain(e, EINVAL, "bundle \"%s\" is not an absolute path", rq->bundle);
	for (size_t i = 0; i < rq->n_rootfs; i++)
		rootfs[i] = (struct sandbox_mount){
			.type = rq->rootfs[i]->type,
			.source = rq->rootfs[i]->source,
			.target = rq->rootfs[i]->target,
			.options = (const char *const *)rq->rootfs[i]->options,
			.noptions = rq->rootfs[i]->n_options,
		};
	r = load_spec(rq, &p.spec, e);
	if (r < 0)
		return r;
	r = oci_spec_check(p.spec, rq->bundle, e);
	if (r < 0) {
		oci_spec_free(p.spec);
		return r;
	}
	return container_create(s->sandbox, &p, create_done, a, e);
}

static void handle_create(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	struct shim *s = data;
	REQ(CreateTaskRequest, rq);
	struct pid_answer *a = pid_answer_new(s, call, rq->id, "");

	if (create_container(s, rq, a, &e) < 0) {
		rpc_call_fail(call, &e);
		pid_answer_free(a);
	}
}

/* --- Start, Exec --- */

static void start_done(void *data, const struct error *e)
{
	Containerd__Task__V2__StartResponse resp = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct pid_answer *a = data;

	if (e) {
		rpc_call_fail(a->call, e);
	} else {
		resp.pid = pid_answer_pid(a);
		rpc_call_reply(a->call, &resp.base);
	}
	pid_answer_free(a);
}

static void handle_start(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(StartRequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);
	struct pid_answer *a;

	if (!p)
		return;
	a = pid_answer_new(data, call, rq->id, rq->exec_id);
	if (process_start(p, start_done, a, &e) < 0) {
		rpc_call_fail(call, &e);
		pid_answer_free(a);
	}
}

static void handle_exec(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(ExecProcessRequest, rq);
	struct container *c = task_find_container(data, call, rq->id);
	struct exec_params p = {
		.exec_id = rq->exec_id,
		.terminal = rq->terminal,
		.in = rq->stdin,
		.out = rq->stdout,
		.err = rq->stderr,
	};
	int r;

	if (!c)
		return;
	if (!rq->spec)
		r = error_plain(&e, EINVAL, "the request has no process");
	else
		r = oci_process_parse((const char *)rq->spec->value.data, rq->spec->value.len,
				      "process", &p.process, &e);
	if (r == 0)
		r = process_exec(c, &p, &e);
	if (r < 0)
		rpc_call_fail(call, &e);
	else
		rpc_call_reply_empty(call);
}

/* --- Delete --- */

struct delete_answer {
	struct shim *shim;
	struct rpc_call *call;
	struct process_status st;
};

static void reply_deleted(struct rpc_call *call, const struct process_status *st)
{
	Containerd__Task__V2__DeleteResponse resp = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp exited = task_timestamp(&st->exited_at);

	resp.pid = (uint32_t)st->pid;
	resp.exit_status = st->exit_status;
	resp.exited_at = &exited;
	rpc_call_reply(call, &resp.base);
}

static void delete_done(void *data, const struct error *e)
{
	struct delete_answer *a = data;

	if (e)
		rpc_call_fail(a->call, e);
	else
		reply_deleted(a->call, &a->st);
	free(a);
}

static void handle_delete(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(DeleteRequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);
	struct delete_answer *a;
	int r;

	if (!p)
		return;
	a = xnew(struct delete_answer);
	*a = (struct delete_answer){ .shim = data, .call = call };
	process_status(p, &a->st);
	if (!*rq->exec_id) {
		r = container_delete(sandbox_find(a->shim->sandbox, rq->id), delete_done, a, &e);
	} else {
		r = process_delete_exec(p, &e);
		if (r == 0)
			delete_done(a, NULL);
	}
	if (r < 0) {
		rpc_call_fail(call, &e);
		free(a);
	}
}

/* --- Wait --- */

struct wait_answer {
	struct rpc_call *call;
	struct process_waiter *waiter;
};

static void wait_done(void *data, uint32_t exit_status, const struct timespec *exited_at)
{
	Containerd__Task__V2__WaitResponse resp = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp exited = task_timestamp(exited_at);
	struct wait_answer *a = data;

	resp.exit_status = exit_status;
	resp.exited_at = &exited;
	rpc_call_on_cancel(a->call, NULL, NULL);
	rpc_call_reply(a->call, &resp.base);
	free(a);
}

static void wait_cancelled(void *data)
{
	struct wait_answer *a = data;

	process_wait_cancel(a->waiter);
	rpc_call_failf(a->call, ECANCELED, "cancelled");
	free(a);
}

static void handle_wait(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	REQ(WaitRequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);
	struct wait_answer *a;

	if (!p)
		return;
	a = xnew(struct wait_answer);
	a->call = call;
	a->waiter = process_wait(p, wait_done, a);
	rpc_call_on_cancel(call, wait_cancelled, a);
}

/* --- requests that are passed on --- */

static void handle_kill(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(KillRequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);

	if (p)
		task_refuse(call, process_kill(p, rq->signal, rq->all, answer_empty, call, &e), &e);
}

static void handle_pause(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(PauseRequest, rq);
	struct container *c = task_find_container(data, call, rq->id);

	if (c)
		task_refuse(call, container_pause(c, true, answer_empty, call, &e), &e);
}

static void handle_resume(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(ResumeRequest, rq);
	struct container *c = task_find_container(data, call, rq->id);

	if (c)
		task_refuse(call, container_pause(c, false, answer_empty, call, &e), &e);
}

static void handle_resize(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(ResizePtyRequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);

	if (p)
		task_refuse(call, process_resize(p, rq->height, rq->width, answer_empty, call, &e),
			    &e);
}

static void handle_close_io(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(CloseIORequest, rq);
	struct process *p = task_find_process(data, call, rq->id, rq->exec_id);

	if (!p)
		return;
	if (rq->stdin)
		task_refuse(call, process_close_stdin(p, answer_empty, call, &e), &e);
	else
		rpc_call_reply_empty(call);
}

static void handle_update(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct error e = ERROR_INIT;
	REQ(UpdateTaskRequest, rq);
	struct container *c = task_find_container(data, call, rq->id);
	oci_resources *res = NULL;
	int r;

	if (!c)
		return;
	if (!rq->resources)
		r = error_plain(&e, EINVAL, "the request has no resources");
	else
		r = oci_resources_parse((const char *)rq->resources->value.data,
					rq->resources->value.len, "resources", &res, &e);
	if (r == 0)
		r = container_update(c, res, answer_empty, call, &e);
	if (res)
		protobuf_c_message_free_unpacked(&res->base, NULL);
	task_refuse(call, r, &e);
}

/* --- the rest --- */

static void handle_checkpoint(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	rpc_call_failf(call, EOPNOTSUPP, "checkpoint is not supported");
}

static void handle_shutdown(struct rpc_call *call, const ProtobufCMessage *m, void *data)
{
	struct shim *s = data;
	REQ(ShutdownRequest, rq);

	if (rq->now || sandbox_empty(s->sandbox)) {
		shim_quit_soon(s);
	} else if (task_is_own_client(
			   call)) { /* containerd asks after every container and wants no error */
		rpc_call_failf(call, EBUSY, "the sandbox has other containers");
		return;
	}
	rpc_call_reply_empty(call);
}

/* In the order of task.proto; task_v3.proto has the same. */
static rpc_handler_fn *const handlers[] = {
	task_handle_state,   handle_create,   handle_start,      handle_delete, task_handle_pids,
	handle_pause,        handle_resume,   handle_checkpoint, handle_kill,   handle_exec,
	handle_resize,       handle_close_io, handle_update,     handle_wait,   task_handle_stats,
	task_handle_connect, handle_shutdown,
};

static const struct rpc_service services[] = {
	{ &containerd__task__v2__task__descriptor, handlers },
	{ &containerd__task__v3__task__descriptor, handlers },
};

void shim_add_task_services(struct shim *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		rpc_server_add(s->server, &services[i], s);
}
