/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_config - see pod_config.h. The specification is written as JSON and read as every other is:
 * one way in.
 */
#include "shim/pod_config.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/path.h"
#include "rpc/conn.h"
#include "wire/json.h"

#include "cri_pod.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "sandbox.pb-c.h"

#include <errno.h>

#define OPTIONS_TYPE "runtime.v1.PodSandboxConfig"
#define OF_HOST 2

static const Runtime__V1__NamespaceOption of_pod = RUNTIME__V1__NAMESPACE_OPTION__INIT;

static void add_namespace(struct json_writer *w, const char *type, bool host, const char *path)
{
	if (host)
		return; /* the sandbox says what is wrong with that */
	json_open_object(w, NULL);
	json_add_str(w, "type", type);
	if (!str_empty(path))
		json_add_str(w, "path", path);
	json_close(w);
}

static void add_linux(struct json_writer *w, const pod_request *rq,
		      const Runtime__V1__LinuxPodSandboxConfig *l)
{
	const Runtime__V1__LinuxSandboxSecurityContext *sc = l ? l->security_context : NULL;
	const Runtime__V1__NamespaceOption *ns = sc && sc->namespace_options ? sc->namespace_options
									     : &of_pod;

	json_open_object(w, "linux");
	if (l && *l->cgroup_parent) {
		autofree char *path = xasprintf("%s/%s", l->cgroup_parent, rq->sandbox_id);

		json_add_str(w, "cgroupsPath", path);
	}
	json_open_array(w, "namespaces");
	add_namespace(w, "network", ns->network == OF_HOST, rq->netns_path);
	add_namespace(w, "pid", ns->pid == OF_HOST, NULL);
	add_namespace(w, "ipc", ns->ipc == OF_HOST, NULL);
	add_namespace(w, "uts", false, NULL);
	json_close(w);
	json_close(w);
}

static void add_number(struct json_writer *w, const char *key, int64_t value)
{
	autofree char *text = xasprintf("%lld", (long long)value);

	if (value > 0)
		json_add_str(w, key, text);
}

static void add_strings(struct json_writer *w, Caisson__StringEntry *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_add_str(w, list[i]->key, list[i]->value);
}

/* Those that make it a pod's, and the size of all its containers, as containerd's CRI plugin has
 * them. */
static void add_annotations(struct json_writer *w, const pod_request *rq,
			    const Runtime__V1__PodSandboxConfig *c)
{
	const Runtime__V1__LinuxContainerResources *r = c && c->linux ? c->linux->resources : NULL;

	json_open_object(w, "annotations");
	if (c && c->n_annotations)
		add_strings(w, c->annotations, c->n_annotations);
	else
		add_strings(w, rq->annotations, rq->n_annotations);
	json_add_str(w, "io.kubernetes.cri.container-type", "sandbox");
	json_add_str(w, "io.kubernetes.cri.sandbox-id", rq->sandbox_id);
	if (r) {
		add_number(w, "io.kubernetes.cri.sandbox-cpu-period", r->cpu_period);
		add_number(w, "io.kubernetes.cri.sandbox-cpu-quota", r->cpu_quota);
		add_number(w, "io.kubernetes.cri.sandbox-memory", r->memory_limit_in_bytes);
	}
	json_close(w);
}

static int write_spec(const pod_request *rq, const Runtime__V1__PodSandboxConfig *c, oci_spec **ret,
		      struct error *e)
{
	autodone(buf) text = BUF_INIT(LIMIT_CONFIG_JSON);
	struct json_writer w;

	json_writer_init(&w, &text, NULL);
	json_open_object(&w, NULL);
	json_add_str(&w, "ociVersion", OCI_VERSION);
	json_open_object(&w, "root");
	json_add_str(&w, "path", "/");
	json_close(&w);
	if (c && *c->hostname)
		json_add_str(&w, "hostname", c->hostname);
	add_annotations(&w, rq, c);
	add_linux(&w, rq, c ? c->linux : NULL);
	json_close(&w);
	if (json_writer_end(&w) < 0)
		return error_plain(e, EINVAL, "the pod's configuration is not text");
	return oci_spec_parse(buf_ptr(&text), buf_len(&text), "the pod's configuration", ret, e);
}

static const char *type_name(const char *url)
{
	const char *slash = strrchr(url, '/');

	return slash ? slash + 1 : url;
}

int pod_config_spec(const pod_request *rq, oci_spec **ret, struct error *e)
{
	const Google__Protobuf__Any *any = rq->options;
	ProtobufCMessage *m = NULL;
	size_t size;
	int r = id_check(rq->sandbox_id, "sandbox id", e);

	if (r < 0)
		return r;
	if (!str_empty(rq->netns_path) && rq->netns_path[0] != '/')
		return error_plain(e, EINVAL, "netns_path \"%.64s\" is not absolute",
				   rq->netns_path);
	if (any && str_eq(type_name(any->type_url), OPTIONS_TYPE) &&
	    rpc_unpack(&runtime__v1__pod_sandbox_config__descriptor, any->value.data,
		       any->value.len, &m, &size) < 0)
		return error_plain(e, EINVAL, "the options are not a " OPTIONS_TYPE);
	r = write_spec(rq, (const Runtime__V1__PodSandboxConfig *)m, ret, e);
	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
	return r;
}
