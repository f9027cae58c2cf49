/* SPDX-License-Identifier: Apache-2.0 */
/* The Task service and io.sock over real connections, with a sandbox that has no machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"
#include "shim/shim.h"

#include "base/fd.h"
#include "base/loop.h"
#include "rpc/handover.h"
#include "task.pb-c.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAITS 1000
#define SPEC "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"linux\":{}}"

struct service {
	struct fixture *f;
	struct shim shim;
	struct rpc_client *client;
	char *io_path;
	int answers, failures;
	bool has_exited_at;
	uint32_t pid; /* of Pids; 0: none */
	struct error error;
	uint32_t exit_status, shim_pid;
};

static int setup(void **state)
{
	struct service *s = xnew(struct service);
	int pair[2], r = fixture_setup((void **)&s->f);

	if (r < 0)
		return r;
	*state = s;
	s->shim.loop = s->f->loop;
	s->shim.sandbox = s->f->sandbox;
	s->shim.server = rpc_server_new(s->f->loop);
	list_init(&s->shim.io_clients);
	shim_add_task_services(&s->shim);
	s->io_path = xasprintf("%s/io.sock", s->f->dir);
	s->shim.io_listener = unix_listen(s->io_path, SOCK_SEQPACKET, 0600);
	if (shim_io_init(&s->shim) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	s->client = rpc_client_new(s->f->loop, pair[0]);
	return rpc_server_serve(s->shim.server, pair[1]);
}

static int teardown(void **state)
{
	struct service *s = *state;
	void *f = s->f;
	int r;

	rpc_client_free(s->client);
	shim_io_done(&s->shim);
	while (s->f->nproxies)
		fd_close(s->f->proxies[--s->f->nproxies]);
	rpc_server_free(s->shim.server);
	free(s->io_path);
	r = fixture_teardown(&f);
	free(s);
	return r;
}

static void answered(void *data, const struct error *e, const ProtobufCMessage *resp)
{
	struct service *s = data;

	s->answers++;
	s->failures += e != NULL;
	if (resp && resp->descriptor == &containerd__task__v2__state_response__descriptor)
		s->has_exited_at = ((const Containerd__Task__V2__StateResponse *)resp)->exited_at !=
				   NULL;
	if (resp && resp->descriptor == &containerd__task__v2__pids_response__descriptor) {
		const Containerd__Task__V2__PidsResponse *p =
			(const Containerd__Task__V2__PidsResponse *)resp;

		s->pid = p->n_processes ? p->processes[0]->pid : 0;
	}
	error_clear(&s->error);
	error_copy(&s->error, e);
	if (resp && resp->descriptor == &containerd__task__v2__wait_response__descriptor)
		s->exit_status = ((const Containerd__Task__V2__WaitResponse *)resp)->exit_status;
	if (resp && resp->descriptor == &containerd__task__v2__connect_response__descriptor)
		s->shim_pid = ((const Containerd__Task__V2__ConnectResponse *)resp)->shim_pid;
}

static void ask_only(struct service *s, const ProtobufCServiceDescriptor *d, const char *method,
		     const ProtobufCMessage *m)
{
	int index = rpc_method_index(d, method);

	assert_true(index >= 0);
	rpc_client_call(s->client, d, (unsigned)index, m, 0, answered, s);
}

/* The code of the answer. */
static int ask(struct service *s, const char *method, const ProtobufCMessage *m)
{
	int64_t end = loop_now_ms() + 10000;
	int before = s->answers;

	ask_only(s, &containerd__task__v2__task__descriptor, method, m);
	while (s->answers == before && loop_now_ms() < end)
		loop_run_once(s->f->loop, 100);
	assert_int_equal(s->answers, before + 1);
	return s->error.code;
}

/* Runs the loop until @l is empty; fails after ten seconds. */
static void until_empty(struct service *s, const struct list *l)
{
	int64_t end = loop_now_ms() + 10000;

	while (!list_empty(l) && loop_now_ms() < end)
		loop_run_once(s->f->loop, 10);
	assert_true(list_empty(l));
}

static void nobody(void *data, const struct error *e)
{
}

static void test_unknown(void **state)
{
	Containerd__Task__V2__StateRequest st = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	Containerd__Task__V2__CheckpointTaskRequest cp =
		CONTAINERD__TASK__V2__CHECKPOINT_TASK_REQUEST__INIT;
	Containerd__Task__V2__DeleteRequest del = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct service *s = *state;

	st.id = del.id = "nobody";
	assert_int_equal(ask(s, "State", &st.base), -ENOENT);
	assert_string_equal(s->error.text, "container nobody does not exist");
	assert_int_equal(ask(s, "Delete", &del.base), -ENOENT);
	fixture_container(s->f, "c1", SPEC, nobody, NULL, NULL);
	st.id = "c1";
	assert_int_equal(ask(s, "State", &st.base), 0);
	st.exec_id = "e";
	assert_int_equal(ask(s, "State", &st.base), -ENOENT);
	assert_string_equal(s->error.text, "process e of container c1 does not exist");
	assert_true(ask(s, "Checkpoint", &cp.base) < 0);
	assert_string_equal(s->error.text, "checkpoint is not supported");
}

static void test_create_refused(void **state)
{
	Containerd__Task__V2__CreateTaskRequest rq =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	struct service *s = *state;

	rq.id = "c1";
	rq.bundle = "relative";
	assert_int_equal(ask(s, "Create", &rq.base), -EINVAL);
	assert_string_equal(s->error.text, "bundle \"relative\" is not an absolute path");
	rq.bundle = s->f->dir; /* has no config.json */
	assert_int_equal(ask(s, "Create", &rq.base), -ENOENT);
	rq.checkpoint = "/x";
	assert_true(ask(s, "Create", &rq.base) < 0);
	assert_non_null(strstr(s->error.text, "checkpoint"));
	assert_true(sandbox_empty(s->f->sandbox));
}

static void test_connect(void **state)
{
	Containerd__Task__V2__ConnectRequest rq = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	struct service *s = *state;

	rq.id = "c1";
	assert_int_equal(ask(s, "Connect", &rq.base), 0);
	assert_int_equal(s->shim_pid, getpid());
}

static void test_wait(void **state)
{
	Containerd__Task__V2__WaitRequest rq = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	struct service *s = *state;
	struct container *c = fixture_container(s->f, "c1", SPEC, nobody, NULL, NULL);

	rq.id = "c1";
	ask_only(s, &containerd__task__v2__task__descriptor, "Wait", &rq.base);
	for (int i = 0; i < 20; i++)
		loop_run_once(s->f->loop, 0);
	assert_int_equal(s->answers, 0);
	process_exited(&c->init, 42, NULL);
	for (int i = 0; i < 100 && !s->answers; i++)
		loop_run_once(s->f->loop, 100);
	assert_int_equal(s->exit_status, 42);
	s->exit_status = 0;
	assert_int_equal(ask(s, "Wait", &rq.base), 0); /* has ended already */
	assert_int_equal(s->exit_status, 42);
	/* Those who still wait when their connection breaks are forgotten. */
	c = fixture_container(s->f, "c2", SPEC, nobody, NULL, NULL);
	rq.id = "c2";
	ask_only(s, &containerd__task__v2__task__descriptor, "Wait", &rq.base);
	for (int i = 0; i < 1000 && list_empty(&c->init.waiters); i++)
		loop_run_once(s->f->loop, 10);
	assert_false(list_empty(&c->init.waiters));
	rpc_client_free(take_ptr(s->client));
	until_empty(s, &c->init.waiters);
}

/* Every client of an engine may wait for the same process. */
static void test_many_waits(void **state)
{
	Containerd__Task__V2__WaitRequest rq = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	struct service *s = *state;
	struct container *c = fixture_container(s->f, "c1", SPEC, nobody, NULL, NULL);
	int64_t end = loop_now_ms() + 60000;

	rq.id = "c1";
	for (int i = 0; i < WAITS; i++) {
		ask_only(s, &containerd__task__v2__task__descriptor, "Wait", &rq.base);
		loop_run_once(s->f->loop, 0);
	}
	process_exited(&c->init, 7, NULL);
	while (s->answers < WAITS && loop_now_ms() < end)
		loop_run_once(s->f->loop, 100);
	assert_int_equal(s->answers, WAITS);
	assert_int_equal(s->failures, 0);
	assert_int_equal(s->exit_status, 7);
}

/* What is not running has no time of its end: containerd's State shows "none" then. */
static void test_state(void **state)
{
	Containerd__Task__V2__StateRequest rq = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	Containerd__Task__V2__PidsRequest pids = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	struct service *s = *state;
	struct container *c = fixture_container(s->f, "c1", SPEC, nobody, NULL, NULL);

	rq.id = pids.id = "c1";
	c->init.state = PROCESS_RUNNING;
	c->init.pid = 4711;
	assert_int_equal(ask(s, "State", &rq.base), 0);
	assert_false(s->has_exited_at);
	assert_int_equal(ask(s, "Pids", &pids.base), 0);
	assert_int_equal(s->pid, 4711);
	process_exited(&c->init, 1, NULL);
	assert_int_equal(ask(s, "State", &rq.base), 0);
	assert_true(s->has_exited_at);
	assert_int_equal(ask(s, "Pids", &pids.base), 0);
	assert_int_equal(s->pid, 0);
}

/* Sends one message to io.sock and takes the answer; its type, or 0 for a hang-up. */
static uint32_t say(struct service *s, const void *p, size_t n, const int *fds, size_t nfds,
		    struct handover_msg *ret)
{
	autoclose int c = unix_connect(s->io_path, SOCK_SEQPACKET | SOCK_NONBLOCK);
	int64_t end = loop_now_ms() + 10000;
	size_t room = 0;
	int r;

	assert_true(c >= 0);
	assert_int_equal(fd_send(c, p, n, fds, nfds), n);
	do
		loop_run_once(s->f->loop, 10);
	while ((r = handover_recv(c, ret, NULL, &room)) == -EAGAIN && loop_now_ms() < end);
	assert_true(r >= 0 || r == -ECONNRESET);
	return r > 0 ? ret->type : 0;
}

static void test_io(void **state)
{
	struct handover_msg m = { .type = HANDOVER_ATTACH, .pid = 1, .id = "c1" }, answer;
	const struct handover_msg signal = { .type = HANDOVER_SIGNAL, .value = 9 };
	struct service *s = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(say(s, &m, sizeof(m), pair, 1, &answer), HANDOVER_OK);
	assert_int_equal(say(s, &m, sizeof(m), pair, 1, &answer), HANDOVER_ERROR);
	assert_string_equal(answer.text, "another proxy waits for c1 ");
	assert_int_equal(say(s, &m, sizeof(m), NULL, 0, &answer), 0); /* attach what? */
	strcpy(m.id, "../x");
	assert_int_equal(say(s, &m, sizeof(m), pair, 1, &answer), 0);
	strcpy(m.id, "c2");
	assert_int_equal(say(s, &signal, sizeof(signal), NULL, 0, &answer), HANDOVER_ERROR);
	assert_string_equal(answer.text, "expected one attach message with one descriptor");
	/* What is no message ends the conversation. */
	assert_int_equal(say(s, &m, 10, pair, 1, &answer), 0);
	memset(m.id, 'a', sizeof(m.id));
	assert_int_equal(say(s, &m, sizeof(m), pair, 1, &answer), 0);
	fd_close(pair[0]);
	fd_close(pair[1]);
	until_empty(s, &s->f->sandbox->attached);
	until_empty(s, &s->shim.io_clients);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_io, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
