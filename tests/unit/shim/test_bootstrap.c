/* SPDX-License-Identifier: Apache-2.0 */
/* What `start` is told on its stdin by old and new containerds, which sandbox a bundle belongs to,
 * and the names and answers that others compute and read as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "shim/bootstrap.h"

#include "base/str.h"
#include "rpc/conn.h"

#include "bootstrap.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "runtimeoptions.pb-c.h"

#include <errno.h>
#include <stdio.h>

#define ID "c1"
#define NS "k8s.io"

static ProtobufCBinaryData packed(const ProtobufCMessage *m)
{
	ProtobufCBinaryData b;

	assert_int_equal(rpc_pack(m, &b), 0);
	return b;
}

/* The runtime's options as an Any of type @url; the caller frees any->value.data. */
static void options_any(const char *url, const char *path, const char *body,
			Google__Protobuf__Any *ret)
{
	Runtimeoptions__V1__Options o = RUNTIMEOPTIONS__V1__OPTIONS__INIT;

	o.config_path = (char *)(uintptr_t)path;
	o.config_body.data = (uint8_t *)(uintptr_t)body;
	o.config_body.len = strlen(body);
	google__protobuf__any__init(ret);
	ret->type_url = (char *)(uintptr_t)url;
	ret->value = packed(&o.base);
}

static int parse_message(const ProtobufCMessage *m, struct bootstrap *b, struct error *e)
{
	ProtobufCBinaryData bytes = packed(m);
	int r = bootstrap_parse(bytes.data, bytes.len, ID, NS, b, e);

	free(bytes.data);
	return r;
}

static void test_nothing(void **state)
{
	autodone(bootstrap) b = BOOTSTRAP_INIT;

	assert_int_equal(bootstrap_parse(NULL, 0, ID, NS, &b, NULL), 0);
	assert_null(b.config_path);
	assert_false(b.params);
}

static void test_options(void **state)
{
	static const char *const urls[] = { "runtimeoptions.v1.Options",
					    "type.googleapis.com/runtimeoptions.v1.Options" };
	struct error e = ERROR_INIT;
	Google__Protobuf__Any any;

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		autodone(bootstrap) b = BOOTSTRAP_INIT;

		options_any(urls[i], "/etc/x.toml", "[runtime]\n", &any);
		assert_int_equal(parse_message(&any.base, &b, &e), 0);
		free(any.value.data);
		assert_string_equal(b.config_path, "/etc/x.toml");
		assert_string_equal(b.config_body, "[runtime]\n");
		assert_null(b.unknown);
	}
}

/* Those of another runtime are named and otherwise harmless; broken ones are not. */
static void test_other_options(void **state)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	autodone(bootstrap) b = BOOTSTRAP_INIT;
	struct error e = ERROR_INIT;
	uint8_t junk[] = { 0xff, 0xff, 0xff };

	any.type_url = "containerd.runc.v1.Options";
	assert_int_equal(parse_message(&any.base, &b, &e), 0);
	assert_string_equal(b.unknown, "containerd.runc.v1.Options");
	any.type_url = "runtimeoptions.v1.Options";
	any.value = (ProtobufCBinaryData){ .data = junk, .len = sizeof(junk) };
	assert_true(parse_message(&any.base, &b, &e) < 0);
	assert_string_equal(e.text, "the runtime's options are malformed");
	assert_true(bootstrap_parse(junk, sizeof(junk), ID, NS, &b, &e) < 0);
	assert_true(bootstrap_parse("hello\n", 6, ID, NS, &b, &e) < 0);
}

static void test_params(void **state)
{
	Containerd__Runtime__Bootstrap__V1__BootstrapParams p =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension ext =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__EXTENSION__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension *list[] = { &ext };
	autodone(bootstrap) b = BOOTSTRAP_INIT;
	struct error e = ERROR_INIT;
	Google__Protobuf__Any any;

	options_any("runtimeoptions.v1.Options", "/etc/y.toml", "", &any);
	ext.value = &any;
	p.instance_id = ID;
	p.namespace_ = NS;
	p.log_level = CONTAINERD__RUNTIME__BOOTSTRAP__V1__LOG_LEVEL__LOG_LEVEL_DEBUG;
	p.containerd_ttrpc_address = "/run/c.sock.ttrpc";
	p.extensions = list;
	p.n_extensions = 1;
	p.has_socket_dir_case =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__HAS_SOCKET_DIR_SOCKET_DIR;
	p.socket_dir = "/run/s";
	assert_int_equal(parse_message(&p.base, &b, &e), 0);
	assert_true(b.params);
	assert_true(b.debug);
	assert_string_equal(b.config_path, "/etc/y.toml");
	assert_string_equal(b.ttrpc_address, "/run/c.sock.ttrpc");
	assert_string_equal(b.socket_dir, "/run/s");
	/* Of another sandbox: they are not for us, and no options either. */
	p.instance_id = "c2";
	assert_true(parse_message(&p.base, &b, &e) < 0);
	free(any.value.data);
}

/* --- which sandbox --- */

static const struct {
	const char *annotations, *sandbox; /* NULL: refused */
} groups[] = {
	{ "{}", ID },
	{ "{\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":"
	  "\"p\"}",
	  ID },
	{ "{\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":"
	  "\"p1\"}",
	  "p1" },
	{ "{\"io.kubernetes.cri-o.ContainerType\":\"container\",\"io.kubernetes.cri-o.SandboxID\":"
	  "\"p2\"}",
	  "p2" },
	{ "{\"io.kubernetes.cri.container-type\":\"container\"}", NULL },
	{ "{\"io.kubernetes.cri.container-type\":\"container\",\"io.kubernetes.cri.sandbox-id\":"
	  "\"../x\"}",
	  NULL },
};

static void test_sandbox(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		autofree char *json = xasprintf("{\"ociVersion\":\"1.0.2\",\"annotations\":%s}",
						groups[i].annotations);
		struct error e = ERROR_INIT;
		const char *sandbox = NULL;
		oci_spec *spec = NULL;
		int r;

		assert_int_equal(oci_spec_parse(json, strlen(json), "t", &spec, &e), 0);
		r = bootstrap_sandbox(spec, ID, &sandbox, &e);
		assert_int_equal(r, groups[i].sandbox ? 0 : -EINVAL);
		if (r == 0)
			assert_string_equal(sandbox, groups[i].sandbox);
		oci_spec_free(spec);
	}
}

/* --- names and answers --- */

static void test_names(void **state)
{
	/* sha256 of "/run/containerd/containerd.sock/default/x2" */
	autofree char *socket =
		bootstrap_socket(NULL, "/run/containerd/containerd.sock", "default", "x2");
	autofree char *elsewhere = bootstrap_socket("/d", "/a", "b", "c");
	autofree char *own = bootstrap_name(NULL, "caisson", "c.1234");
	autofree char *a = bootstrap_name("/a", "default", "c");
	autofree char *b = bootstrap_name("/a", "k8s.io", "c");

	assert_string_equal(socket,
			    "/run/containerd/s/"
			    "861d07bc38cbb9c2c0ba04b2a247dc481e04f50ba56a125059f465c73b0310bf");
	assert_non_null(str_skip_prefix(elsewhere, "/d/"));
	assert_string_equal(own, "c.1234");
	assert_int_equal(strlen(a), strlen("c.") + 8);
	assert_string_not_equal(a, b);
}

static void test_answer(void **state)
{
	static const struct {
		bool params;
		const char *max, *answer;
	} cases[] = {
		{ false, NULL, "unix:///s" },
		{ false, "1", "unix:///s" },
		{ false, "x", "unix:///s" },
		{ false, "2", "{\"version\":2,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}" },
		{ false, "3", "{\"version\":3,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}" },
		{ false, "9", "{\"version\":3,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}" },
		{ true, NULL, "{\"version\":3,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bootstrap b = { .params = cases[i].params };
		autofree char *answer = bootstrap_answer(&b, cases[i].max, "/s");

		assert_string_equal(answer, cases[i].answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),       cmocka_unit_test(test_options),
		cmocka_unit_test(test_other_options), cmocka_unit_test(test_params),
		cmocka_unit_test(test_sandbox),       cmocka_unit_test(test_names),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
