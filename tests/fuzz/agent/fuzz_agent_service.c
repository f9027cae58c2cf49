/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host may send: requests to the agent's service, through the real server and the real
 * handlers, against a sandbox with one container and one running process whose stdio goes by calls.
 *
 * The input is a sequence of records {method, length (2 bytes, little-endian), payload}; whether
 * there is a sandbox already is told by its size, odd or even. What would reach the machine this
 * runs on is shut off: the calls about the clock, the random numbers, processors and packet filters
 * are refused, and the program is nobody without rights, so that no container can be made; that
 * part has tests of its own.
 */
#include "agent/agent.h"

#include "agent.pb-c.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "rpc/ttrpc.h"
#include "ttrpc.pb-c.h"
#include "wire/ttrpc_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define NO_PID 0x7ffffff0 /* above the largest there can be */
#define RECORDS_MAX 64

static struct agent_conf conf;
static char run_dir[] = "/tmp/fuzz-agent-XXXXXX";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_run_dir(void)
{
	path_remove_tree_at(AT_FDCWD, run_dir);
}

static void prepare(void)
{
	if (conf.run_dir)
		return;
	log_set_fd(-1);
	signal(SIGPIPE, SIG_IGN);
	/* Interfaces and routes are nobody's too. */
	if (geteuid() == 0 && unshare(CLONE_NEWNET) < 0)
		abort();
	if (geteuid() == 0 &&
	    (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
		abort();
	if (!mkdtemp(run_dir))
		abort();
	atexit(remove_run_dir);
	agent_conf_init(&conf);
	free(conf.run_dir);
	conf.run_dir = xstrdup(run_dir);
}

static int refuse_dangerous(void *data, const char *service, const char *method,
			    const ProtobufCMessage *req, struct error *e)
{
	static const char *const names[] = { "SetGuestDateTime", "ReseedRandomDev", "OnlineCPUMem",
					     "DestroySandbox",   "GetIPTables",     "SetIPTables" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(method, names[i]))
			return error_plain(e, EPERM, "not here");
	return 0;
}

/* A container "c" with a running init, as container_create and its set-up would leave them. */
static void add_container(struct agent *a)
{
	const struct procio_request rq = { 0 };
	struct container *c = xnew(struct container);
	struct process *p = xnew(struct process);
	int child[3];

	c->agent = a;
	c->id = xstrdup("c");
	c->cgroup = xstrdup("fuzz-agent-absent");
	c->bundle = xasprintf("%s/c", conf.run_dir);
	c->watch[0] = c->watch[1] = -1;
	c->pins = CTR_PINS_INIT;
	list_init(&c->processes);
	pending_list_init(&c->removers, LIMIT_AGENT_WAITERS);
	pending_list_init(&c->freezers, LIMIT_AGENT_WAITERS);
	list_add(&a->containers.head, &c->link);
	a->containers.n++;
	p->ctr = c;
	p->exec_id = xstrdup("");
	p->state = PROCESS_RUNNING;
	p->pid = NO_PID;
	p->sync = -1;
	pending_list_init(&p->waiters, LIMIT_AGENT_WAITERS);
	list_add(&c->processes, &p->link);
	a->containers.nprocesses++;
	procio_init(&p->io, a);
	if (procio_open(&p->io, &rq, child, NULL) < 0)
		abort();
	/* Nobody reads stdin; stdout has something to say and goes on, stderr is at its end. */
	if (write(child[1], "output", 6) != 6)
		abort();
	fd_close(child[2]);
	fd_close(child[0]);
	fd_close(child[1]);
}

/* The host's end of the connection. */
static int begin(struct agent *a)
{
	int s[2];

	*a = (struct agent){ 0 };
	if (agent_init(a, &conf, NULL) < 0)
		abort();
	log_set_fd(-1);
	rpc_server_set_filter(a->server, refuse_dangerous, a);
	add_container(a);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s) < 0 ||
	    rpc_server_serve(a->server, s[0]) < 0)
		abort();
	return s[1];
}

static void end(struct agent *a, int host)
{
	fd_close(host);
	if (loop_run_once(a->loop, 0) < 0)
		abort();
	agent_done(a);
	log_set_fd(-1);
	/* Set-ups that were begun end with their connection to us. */
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* Sends one request; answers are thrown away. */
static void send_request(struct agent *a, int host, uint32_t stream, uint8_t method,
			 const uint8_t *p, size_t n)
{
	const ProtobufCServiceDescriptor *d = &grpc__agent_service__descriptor;
	Ttrpc__Request rq = TTRPC__REQUEST__INIT;
	struct ttrpc_header h = { .stream = stream, .type = TTRPC_TYPE_REQUEST };
	autodone(buf) out = BUF_INIT(LIMIT_TTRPC_MESSAGE);
	uint8_t *to;
	char trash[4096];

	rq.service = (char *)d->name;
	rq.method = (char *)d->methods[method % d->n_methods].name;
	rq.payload.data = (uint8_t *)p;
	rq.payload.len = n;
	h.length = (uint32_t)ttrpc__request__get_packed_size(&rq);
	to = buf_reserve(&out, TTRPC_HEADER_SIZE + h.length);
	if (!to || ttrpc_header_encode(&h, to) < 0)
		abort();
	ttrpc__request__pack(&rq, to + TTRPC_HEADER_SIZE);
	buf_commit(&out, TTRPC_HEADER_SIZE + h.length);
	while (buf_len(&out) && buf_write(&out, host) != -EPIPE)
		if (loop_run_once(a->loop, 0) < 0 || read(host, trash, sizeof(trash)) == 0)
			return;
	for (int i = 0; i < 3; i++)
		if (loop_run_once(a->loop, 0) < 0 || read(host, trash, sizeof(trash)) == 0)
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent a;
	uint32_t stream = 1;
	int host;

	prepare();
	host = begin(&a);
	a.sandbox.created = size & 1;
	for (int i = 0; i < RECORDS_MAX && size >= 3; i++, stream += 2) {
		size_t n = MIN((size_t)(data[1] | data[2] << 8), size - 3);

		send_request(&a, host, stream, data[0], data + 3, n);
		data += 3 + n;
		size -= 3 + n;
	}
	end(&a, host);
	return 0;
}
