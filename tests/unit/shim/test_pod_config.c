/* SPDX-License-Identifier: Apache-2.0 */
/* The pod's configuration as a specification, and the Sandbox service in front of a sandbox without
 * a machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"
#include "shim/pod_config.h"
#include "shim/shim.h"

#include "base/loop.h"

#include "cri_pod.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "sandbox.pb-c.h"

#include <errno.h>
#include <sys/socket.h>

typedef Containerd__Runtime__Sandbox__V1__CreateSandboxRequest create_request;
#define CREATE_INIT CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT

/* --- the configuration --- */

static oci_spec *spec_of(create_request *rq, const Runtime__V1__PodSandboxConfig *c)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	uint8_t bytes[1024];
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	any.type_url = "runtime.v1.PodSandboxConfig";
	any.value.data = bytes;
	any.value.len = c ? runtime__v1__pod_sandbox_config__pack(c, bytes) : 0;
	rq->options = c ? &any : NULL;
	if (pod_config_spec(rq, &s, &e) < 0)
		fail_msg("%s", e.text);
	rq->options = NULL;
	return s;
}

static void test_config(void **state)
{
	Runtime__V1__PodSandboxConfig c = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig l = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxContainerResources r = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	Caisson__StringEntry a = CAISSON__STRING_ENTRY__INIT, *list[] = { &a };
	create_request rq = CREATE_INIT;
	enum oci_pod_role role;
	const char *id, *path;
	oci_spec *s;

	rq.sandbox_id = "p1";
	rq.netns_path = "/run/netns/x";
	a.key = "io.katacontainers.config.hypervisor.default_vcpus";
	a.value = "2";
	c.annotations = list;
	c.n_annotations = 1;
	c.hostname = "web\"1";
	c.linux = &l;
	l.cgroup_parent = "/kubepods/pod1";
	l.resources = &r;
	r.cpu_quota = 50000;
	r.cpu_period = 100000;
	r.memory_limit_in_bytes = 1 << 27;
	s = spec_of(&rq, &c);
	assert_int_equal(oci_pod_role(s, &role, &id, NULL), 0);
	assert_int_equal(role, OCI_POD_SANDBOX);
	assert_string_equal(id, "p1");
	assert_string_equal(s->hostname, "web\"1");
	assert_string_equal(s->linux->cgroupspath, "/kubepods/pod1/p1");
	assert_true(oci_has_namespace(s, "network", &path));
	assert_string_equal(path, "/run/netns/x");
	assert_true(oci_has_namespace(s, "pid", &path));
	assert_null(path);
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-memory"), "134217728");
	assert_string_equal(oci_annotation(s, "io.kubernetes.cri.sandbox-cpu-quota"), "50000");
	assert_string_equal(oci_annotation(s, a.key), "2");
	oci_spec_free(s);
}

static void test_host_namespaces(void **state)
{
	Runtime__V1__PodSandboxConfig c = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig l = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxSandboxSecurityContext sc =
		RUNTIME__V1__LINUX_SANDBOX_SECURITY_CONTEXT__INIT;
	Runtime__V1__NamespaceOption ns = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	create_request rq = CREATE_INIT;
	oci_spec *s;

	rq.sandbox_id = "p1";
	c.linux = &l;
	l.security_context = &sc;
	sc.namespace_options = &ns;
	ns.network = 2;
	s = spec_of(&rq, &c);
	assert_false(oci_has_namespace(s, "network", NULL));
	assert_true(oci_has_namespace(s, "ipc", NULL));
	oci_spec_free(s);
}

static void test_bad_config(void **state)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	create_request rq = CREATE_INIT;
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	rq.sandbox_id = "../x";
	assert_int_equal(pod_config_spec(&rq, &s, &e), -EINVAL);
	rq.sandbox_id = "p1";
	rq.netns_path = "relative";
	assert_int_equal(pod_config_spec(&rq, &s, &e), -EINVAL);
	rq.netns_path = "";
	any.type_url = "runtime.v1.PodSandboxConfig";
	any.value.data = (uint8_t *)"\xff\xff\xff";
	any.value.len = 3;
	rq.options = &any;
	assert_int_equal(pod_config_spec(&rq, &s, &e), -EINVAL);
	assert_null(s);
}

/* --- the service --- */

struct service {
	struct fixture *f;
	struct shim shim;
	struct rpc_client *client;
	int answers;
	struct error error;
	uint32_t exit_status;
	char state[32], architecture[32];
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
	shim_add_task_services(&s->shim);
	shim_add_sandbox_service(&s->shim);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
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
	rpc_server_free(s->shim.server);
	r = fixture_teardown(&f);
	free(s);
	return r;
}

static void answered(void *data, const struct error *e, const ProtobufCMessage *m)
{
	struct service *s = data;

	s->answers++;
	error_clear(&s->error);
	error_copy(&s->error, e);
	if (m &&
	    m->descriptor == &containerd__runtime__sandbox__v1__wait_sandbox_response__descriptor)
		s->exit_status = ((const Containerd__Runtime__Sandbox__V1__WaitSandboxResponse *)m)
					 ->exit_status;
	if (m &&
	    m->descriptor == &containerd__runtime__sandbox__v1__sandbox_status_response__descriptor)
		snprintf(s->state, sizeof(s->state), "%s",
			 ((const Containerd__Runtime__Sandbox__V1__SandboxStatusResponse *)m)
				 ->state);
	if (m && m->descriptor == &containerd__runtime__sandbox__v1__platform_response__descriptor)
		snprintf(s->architecture, sizeof(s->architecture), "%s",
			 ((const Containerd__Runtime__Sandbox__V1__PlatformResponse *)m)
				 ->platform->architecture);
}

static void ask_only(struct service *s, const char *method, const ProtobufCMessage *m)
{
	const ProtobufCServiceDescriptor *d =
		&containerd__runtime__sandbox__v1__sandbox__descriptor;
	int index = rpc_method_index(d, method);

	assert_true(index >= 0);
	rpc_client_call(s->client, d, (unsigned)index, m, 0, answered, s);
}

static void until_answers(struct service *s, int n)
{
	int64_t end = loop_now_ms() + 10000;

	while (s->answers < n && loop_now_ms() < end)
		loop_run_once(s->f->loop, 100);
	assert_int_equal(s->answers, n);
}

static int ask(struct service *s, const char *method, const ProtobufCMessage *m)
{
	int n = s->answers + 1;

	ask_only(s, method, m);
	until_answers(s, n);
	return s->error.code;
}

#define RQ(type, upper, name)                           \
	Containerd__Runtime__Sandbox__V1__##type name = \
		CONTAINERD__RUNTIME__SANDBOX__V1__##upper##__INIT

/* All but the machine. */
static void test_service(void **state)
{
	struct service *s = *state;
	RQ(CreateSandboxRequest, CREATE_SANDBOX_REQUEST, create);
	RQ(PlatformRequest, PLATFORM_REQUEST, platform);
	RQ(PingRequest, PING_REQUEST, ping);
	RQ(SandboxStatusRequest, SANDBOX_STATUS_REQUEST, status);
	RQ(SandboxMetricsRequest, SANDBOX_METRICS_REQUEST, metrics);
	RQ(WaitSandboxRequest, WAIT_SANDBOX_REQUEST, wait);
	RQ(StopSandboxRequest, STOP_SANDBOX_REQUEST, stop);
	RQ(StartSandboxRequest, START_SANDBOX_REQUEST, start);

	create.sandbox_id = ping.sandbox_id = status.sandbox_id = wait.sandbox_id = "p1";
	stop.sandbox_id = metrics.sandbox_id = start.sandbox_id = "p1";
	create.bundle_path = "/";
	assert_int_equal(ask(s, "Platform", &platform.base), 0);
	assert_true(str_eq(s->architecture, "amd64") || str_eq(s->architecture, "arm64"));
	assert_int_equal(ask(s, "PingSandbox", &ping.base), -ENOENT);
	assert_int_equal(ask(s, "StartSandbox", &start.base), -ENOENT);
	assert_int_equal(ask(s, "CreateSandbox", &create.base), 0);
	assert_int_equal(ask(s, "CreateSandbox", &create.base), -EEXIST);
	assert_int_equal(ask(s, "PingSandbox", &ping.base), 0);
	assert_int_equal(ask(s, "SandboxStatus", &status.base), 0);
	assert_string_equal(s->state, "SANDBOX_NOTREADY");
	assert_int_equal(ask(s, "SandboxMetrics", &metrics.base), -ENOENT);
	/* It is no container of the Task service. */
	assert_null(sandbox_find(s->f->sandbox, "p1"));
	assert_false(sandbox_empty(s->f->sandbox));
	s->exit_status = 99;
	ask_only(s, "WaitSandbox", &wait.base);
	ask_only(s, "StopSandbox", &stop.base);
	until_answers(s, s->answers + 2);
	assert_int_equal(s->exit_status, 0);
	assert_int_equal(ask(s, "StopSandbox", &stop.base), 0);
	ping.sandbox_id = "other";
	assert_int_equal(ask(s, "PingSandbox", &ping.base), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_host_namespaces),
		cmocka_unit_test(test_bad_config),
		cmocka_unit_test_setup_teardown(test_service, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
