/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - calls one method of a guest's agent, with the request and the answer as JSON: for tests,
 * and for people who look into a sandbox.
 *
 * Methods and messages are those of the services' descriptors, so there is no table of them here. A
 * key that no field has is refused. What the answer has at its default is not printed. The command
 * goes around the shim, which does not learn what it changes.
 */
#include "cli/cli.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"
#include "rpc/address.h"
#include "wire/json.h"
#include "wire/pbjson.h"

#include "agent.pb-c.h"
#include "health.pb-c.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGENT_PORT 1024
#define CONNECT_MS 5000 /* where no --timeout is given */

struct agent_options {
	const char *address, *timeout;
	bool list;
};

#define OPT(...) CLI_OPT(agent_options, __VA_ARGS__)
static const struct arg_option options[] = {
	OPT("address", 'a', ARG_STRING, address, "WHERE",
	    "id of a container or of a sandbox, or unix:///PATH, vsock://CID:PORT, "
	    "hvsock:///PATH:PORT"),
	OPT("timeout", 't', ARG_STRING, timeout, "TIME",
	    "to connect and to answer, as 500ms, 5s or 1m (default 5s to connect, no limit to "
	    "answer)"),
	OPT("list", 'l', ARG_BOOL, list, NULL,
	    "print all methods, or the fields of METHOD's request and answer"),
};

static const ProtobufCServiceDescriptor *const services[] = {
	&grpc__agent_service__descriptor,
	&grpc__health__descriptor,
};

struct method {
	const ProtobufCServiceDescriptor *service;
	unsigned index;
};

static const ProtobufCMethodDescriptor *method_descriptor(const struct method *m)
{
	return &m->service->methods[m->index];
}

/* "Check", "Health.Check", "grpc.Health/Check". */
static const char *name_in_service(const ProtobufCServiceDescriptor *service, const char *name)
{
	const char *rest = str_skip_prefix(name, service->name);

	if (!rest)
		rest = str_skip_prefix(name, service->short_name);
	return rest && (*rest == '.' || *rest == '/') ? rest + 1 : name;
}

static int find_method(const char *name, struct method *ret, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		int index = rpc_method_index(services[i], name_in_service(services[i], name));

		if (index < 0)
			continue;
		*ret = (struct method){ services[i], (unsigned)index };
		return 0;
	}
	return error_plain(e, EINVAL, "the agent has no method \"%s\" (see caisson agent --list)",
			   name);
}

/* --- what there is --- */

static void list_methods(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		for (unsigned k = 0; k < services[i]->n_methods; k++) {
			const ProtobufCMethodDescriptor *m = &services[i]->methods[k];

			printf("%s.%s %s %s\n", services[i]->short_name, m->name,
			       m->input->short_name, m->output->short_name);
		}
}

static const char *type_name(const ProtobufCFieldDescriptor *f)
{
	static const char *const names[] = {
		[PROTOBUF_C_TYPE_INT32] = "int32",    [PROTOBUF_C_TYPE_SINT32] = "int32",
		[PROTOBUF_C_TYPE_SFIXED32] = "int32", [PROTOBUF_C_TYPE_INT64] = "int64",
		[PROTOBUF_C_TYPE_SINT64] = "int64",   [PROTOBUF_C_TYPE_SFIXED64] = "int64",
		[PROTOBUF_C_TYPE_UINT32] = "uint32",  [PROTOBUF_C_TYPE_FIXED32] = "uint32",
		[PROTOBUF_C_TYPE_UINT64] = "uint64",  [PROTOBUF_C_TYPE_FIXED64] = "uint64",
		[PROTOBUF_C_TYPE_FLOAT] = "float",    [PROTOBUF_C_TYPE_DOUBLE] = "double",
		[PROTOBUF_C_TYPE_BOOL] = "bool",      [PROTOBUF_C_TYPE_STRING] = "string",
		[PROTOBUF_C_TYPE_BYTES] = "base64",
	};

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return ((const ProtobufCMessageDescriptor *)f->descriptor)->short_name;
	if (f->type == PROTOBUF_C_TYPE_ENUM)
		return ((const ProtobufCEnumDescriptor *)f->descriptor)->short_name;
	return names[f->type];
}

static void print_fields(const char *title, const ProtobufCMessageDescriptor *d)
{
	printf("%s %s\n", title, d->short_name);
	for (unsigned i = 0; i < d->n_fields; i++)
		printf("\t%s %s%s\n", d->fields[i].name, type_name(&d->fields[i]),
		       d->fields[i].label == PROTOBUF_C_LABEL_REPEATED ? "[]" : "");
}

static int list(const char *name, struct error *e)
{
	struct method m;
	int r;

	if (!name) {
		list_methods();
		return 0;
	}
	r = find_method(name, &m, e);
	if (r < 0)
		return r;
	print_fields("request", method_descriptor(&m)->input);
	print_fields("answer", method_descriptor(&m)->output);
	return 0;
}

/* --- JSON --- */

static int read_request(const char *arg, char **ret, size_t *ret_len, struct error *e)
{
	int r = 0;

	if (!str_eq(arg, "-")) {
		*ret = xstrdup(arg);
		*ret_len = strlen(arg);
	} else {
		r = fd_read_all(STDIN_FILENO, LIMIT_AGENT_JSON, ret, ret_len);
	}
	return r < 0 ? error_set(e, r, "read stdin") : 0;
}

static int parse_request(const char *text, size_t len, const ProtobufCMethodDescriptor *m,
			 ProtobufCMessage **ret, struct error *e)
{
	autodone(strv) unknown = STRV_INIT;
	autoptr(json) v = NULL;
	int r = json_parse(text, len, "request", &v, e);

	if (r == 0)
		r = pbjson_parse(v, m->input, &unknown, ret, e);
	if (r < 0 || !unknown.n)
		return r;
	protobuf_c_message_free_unpacked(*ret, NULL);
	return error_plain(e, EINVAL, "%s has no field \"%s\" (see caisson agent --list %s)",
			   m->input->short_name, unknown.v[0], m->name);
}

static int make_request(const char *arg, const struct method *m, ProtobufCMessage **ret,
			struct error *e)
{
	autofree char *text = NULL;
	size_t len;
	int r = read_request(arg, &text, &len, e);

	return r < 0 ? r : parse_request(text, len, method_descriptor(m), ret, e);
}

static int print_answer(const ProtobufCMessage *m, struct error *e)
{
	autodone(buf) b = BUF_INIT(LIMIT_AGENT_JSON);
	struct json_writer w;
	int r;

	json_writer_init(&w, &b, "  ");
	pbjson_write(&w, NULL, m);
	r = json_writer_end(&w);
	if (r < 0)
		return error_plain(e, r, "the answer is too large to print");
	printf("%s\n", buf_str(&b));
	return 0;
}

/* --- the call --- */

static char *sandbox_address(const char *sandbox)
{
	autofree char *dir = cli_sandbox_dir(sandbox);

	return xasprintf("hvsock://%s/vsock:%d", dir, AGENT_PORT);
}

/* A container of --root before a sandbox of the same name, which is another's or its own. */
static int find_address(const struct cli *c, const char *where, char **ret, struct error *e)
{
	autodone(cli_container) k = CLI_CONTAINER_INIT;
	autofree char *dir = NULL;
	struct stat st;
	int r;

	if (strstr(where, "://") || *where == '/') {
		*ret = xstrdup(where);
		return 0;
	}
	r = id_check(where, "container id", e);
	if (r < 0)
		return r;
	if (cli_container_open(c, where, false, &k, NULL) == 0) {
		*ret = sandbox_address(k.st.sandbox);
		return 0;
	}
	dir = cli_sandbox_dir(where);
	if (stat(dir, &st) < 0)
		return error_plain(e, ENOENT, "there is no container and no sandbox %s", where);
	*ret = sandbox_address(where);
	return 0;
}

static int connect_agent(const struct cli *c, const struct agent_options *o, int64_t timeout_ms,
			 struct rpc_client **ret, struct error *e)
{
	autofree char *address = NULL;
	int fd, r = find_address(c, o->address, &address, e);

	if (r < 0)
		return r;
	fd = rpc_dial(address, timeout_ms ? timeout_ms : CONNECT_MS, e);
	if (fd < 0)
		return fd;
	*ret = rpc_client_new(NULL, fd);
	return 0;
}

static int call(struct rpc_client *client, const struct method *m, const ProtobufCMessage *rq,
		int64_t timeout_ms, struct error *e)
{
	ProtobufCMessage *resp = NULL;
	int r = rpc_client_call_sync(client, m->service, m->index, rq, timeout_ms, &resp, e);

	if (r < 0)
		return error_prefix(e, "%s", rpc_code_name(rpc_code_of_errno(r)));
	r = print_answer(resp, e);
	protobuf_c_message_free_unpacked(resp, NULL);
	return r;
}

static int connect_and_call(const struct cli *c, const struct agent_options *o,
			    const struct method *m, const ProtobufCMessage *rq, struct error *e)
{
	autoptr(rpc_client) client = NULL;
	int64_t timeout_ms = 0;
	int r;

	if (o->timeout && str_to_duration_ms(o->timeout, &timeout_ms) < 0)
		return error_plain(e, EINVAL,
				   "invalid timeout \"%s\": give a time as 500ms, 5s or 1m",
				   o->timeout);
	r = connect_agent(c, o, timeout_ms, &client, e);
	return r < 0 ? r : call(client, m, rq, timeout_ms, e);
}

static int cmd_agent(const struct cli *c, void *opts, int nargs, char **args, struct error *e)
{
	const struct agent_options *o = opts;
	ProtobufCMessage *rq;
	struct method m;
	int r;

	if (o->list)
		return list(nargs ? args[0] : NULL, e);
	if (!nargs)
		return error_plain(e, EINVAL, "agent: give a method (see caisson agent --list)");
	if (!o->address)
		return error_plain(e, EINVAL, "agent: --address is needed: which agent is asked");
	r = find_method(args[0], &m, e);
	if (r == 0)
		r = make_request(nargs > 1 ? args[1] : "{}", &m, &rq, e);
	if (r < 0)
		return r;
	r = connect_and_call(c, o, &m, rq, e);
	protobuf_c_message_free_unpacked(rq, NULL);
	return r;
}

const struct cli_command command_agent = {
	.name = "agent",
	.operands = "[METHOD [JSON]]",
	.summary = "call a method of a guest's agent; the request is JSON, or \"-\" for stdin",
	.options = CLI_OPTIONS(options),
	.size = sizeof(struct agent_options),
	.max = 2,
	.run = cmd_agent,
};
