/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap - see bootstrap.h. Nothing here touches the system. */
#include "shim/bootstrap.h"

#include "base/sha256.h"
#include "base/str.h"
#include "rpc/conn.h"

#include "bootstrap.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "runcoptions.pb-c.h"
#include "runtimeoptions.pb-c.h"

#include <errno.h>
#include <stdio.h>

#define SOCKET_DIR "/run/containerd/s"
#define VERSION_MAX 3 /* of the Task service, as containerd counts */

void bootstrap_done(struct bootstrap *b)
{
	free(b->config_path);
	free(b->config_body);
	free(b->ttrpc_address);
	free(b->socket_dir);
	free(b->unknown);
	*b = BOOTSTRAP_INIT;
}

static void set_text(char **field, const char *s)
{
	if (str_empty(s))
		return;
	free(*field);
	*field = xstrdup(s);
}

/* --- stdin --- */

/* The name behind "type.googleapis.com/", which some write and some do not. */
static const char *type_name(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash ? slash + 1 : url;
}

static int parse_options(const Google__Protobuf__Any *any, struct bootstrap *ret, struct error *e)
{
	Runtimeoptions__V1__Options *o;
	ProtobufCMessage *m;
	size_t size;
	int r;

	if (!str_eq(type_name(any->type_url), runtimeoptions__v1__options__descriptor.name)) {
		set_text(&ret->unknown, any->type_url);
		return 0;
	}
	r = rpc_unpack(&runtimeoptions__v1__options__descriptor, any->value.data, any->value.len,
		       &m, &size);
	if (r < 0)
		return error_plain(e, r, "the runtime's options are malformed");
	o = (Runtimeoptions__V1__Options *)m;
	set_text(&ret->config_path, o->config_path);
	if (o->config_body.len && !ret->config_body)
		ret->config_body = xstrndup((const char *)o->config_body.data, o->config_body.len);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

static int take_params(const Containerd__Runtime__Bootstrap__V1__BootstrapParams *p,
		       struct bootstrap *ret, struct error *e)
{
	int r = 0;

	ret->params = true;
	ret->debug = (int)p->log_level < 0;
	set_text(&ret->ttrpc_address, p->containerd_ttrpc_address);
	if (p->has_socket_dir_case ==
	    CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__HAS_SOCKET_DIR_SOCKET_DIR)
		set_text(&ret->socket_dir, p->socket_dir);
	for (size_t i = 0; r == 0 && i < p->n_extensions; i++)
		if (p->extensions[i]->value)
			r = parse_options(p->extensions[i]->value, ret, e);
	return r;
}

/* 1: they were. */
static int try_params(const void *p, size_t n, const char *id, const char *ns,
		      struct bootstrap *ret, struct error *e)
{
	const Containerd__Runtime__Bootstrap__V1__BootstrapParams *params;
	ProtobufCMessage *m;
	size_t size;
	int r = 0;

	if (rpc_unpack(&containerd__runtime__bootstrap__v1__bootstrap_params__descriptor, p, n, &m,
		       &size) < 0)
		return 0;
	params = (const Containerd__Runtime__Bootstrap__V1__BootstrapParams *)m;
	if (str_eq(params->instance_id, id) && str_eq(params->namespace_, ns)) {
		r = take_params(params, ret, e);
		r = r < 0 ? r : 1;
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

int bootstrap_parse(const void *p, size_t n, const char *id, const char *ns, struct bootstrap *ret,
		    struct error *e)
{
	const Google__Protobuf__Any *any;
	ProtobufCMessage *m;
	size_t size;
	int r;

	if (!n)
		return 0;
	r = try_params(p, n, id, ns, ret, e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (rpc_unpack(&google__protobuf__any__descriptor, p, n, &m, &size) < 0)
		return error_plain(e, EPROTO, "stdin has neither options nor parameters");
	any = (const Google__Protobuf__Any *)m;
	if (!strchr(any->type_url, '.'))
		r = error_plain(e, EPROTO,
				"stdin has neither options nor the parameters of this sandbox");
	else
		r = parse_options(any, ret, e);
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

/* --- the sandbox --- */

int bootstrap_sandbox(const oci_spec *s, const char *id, const char **ret, struct error *e)
{
	enum oci_pod_role role;
	const char *sandbox;
	int r = oci_pod_role(s, &role, &sandbox, e);

	if (r == 0)
		*ret = role == OCI_POD_CONTAINER ? sandbox : id;
	return r;
}

/* --- names --- */

char *bootstrap_socket(const char *dir, const char *address, const char *ns, const char *sandbox)
{
	autofree char *key = xasprintf("%s/%s/%s", address, ns, sandbox);
	char hex[SHA256_HEX];

	return xasprintf("%s/%s", dir ? dir : SOCKET_DIR, sha256_hex(key, strlen(key), hex));
}

char *bootstrap_name(const char *address, const char *ns, const char *sandbox)
{
	autofree char *key = NULL;
	char hex[SHA256_HEX];

	if (str_empty(address))
		return xstrdup(sandbox);
	key = xasprintf("%s/%s", address, ns);
	return xasprintf("%s.%.8s", sandbox, sha256_hex(key, strlen(key), hex));
}

/* --- the answer --- */

char *bootstrap_answer(const struct bootstrap *b, const char *max_version, const char *socket)
{
	uint32_t max = 0;

	if (!max_version || str_to_u32(max_version, 10, &max) < 0)
		max = b->params ? VERSION_MAX : 0;
	if (max < 2)
		return xasprintf("unix://%s", socket);
	return xasprintf("{\"version\":%u,\"address\":\"unix://%s\",\"protocol\":\"ttrpc\"}",
			 MIN(max, (uint32_t)VERSION_MAX), socket);
}
