/* SPDX-License-Identifier: Apache-2.0 */
/* spec: the configurations that engines write (fixtures/), presence, errors with file and key, and
 * back to JSON. */
#include "oci/oci.h"

#include "base/fd.h"
#include "base/limits.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static oci_spec *load(const char *fixture)
{
	autofree char *path = xasprintf("%s/%s.json", FIXTURES, fixture);
	autofree char *text = NULL;
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;
	size_t len;

	assert_int_equal(file_read_at(AT_FDCWD, path, LIMIT_CONFIG_JSON, &text, &len), 0);
	if (oci_spec_parse(text, len, fixture, &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static void test_podman(void **state)
{
	oci_spec *s = load("podman");
	const Grpc__LinuxSeccomp *sec = s->linux->seccomp;
	const char *path = "x";

	assert_string_equal(s->ociversion, "1.0.2-dev");
	assert_int_equal(s->process->user->has_umask_case, GRPC__USER__HAS_UMASK_UMASK);
	assert_int_equal(s->process->user->umask, 022);
	assert_false(s->process->oomscoreadj_set);
	assert_int_equal(s->linux->resources->pids->limit, 2048);
	assert_int_equal(sec->has_default_errno_ret_case,
			 GRPC__LINUX_SECCOMP__HAS_DEFAULT_ERRNO_RET_DEFAULT_ERRNO_RET);
	assert_int_equal(sec->defaulterrnoret, 38);
	assert_int_equal(sec->n_syscalls, 4);
	assert_int_equal(sec->syscalls[0]->errnoret, 1);
	assert_int_equal(sec->syscalls[1]->has_errno_ret_case, 0);
	assert_int_equal(sec->syscalls[3]->args[0]->value, 2114060288);
	assert_string_equal(oci_annotation(s, "io.container.manager"), "libpod");
	assert_null(oci_annotation(s, "io.container"));
	assert_true(oci_has_namespace(s, "network", &path));
	assert_null(path);
	assert_false(oci_has_namespace(s, "user", &path));
	oci_spec_free(s);
}

static void test_docker(void **state)
{
	oci_spec *s = load("docker");
	const Grpc__LinuxResources *r = s->linux->resources;

	assert_true(s->process->oomscoreadj_set); /* 0, and it says so */
	assert_int_equal(s->process->oomscoreadj, 0);
	assert_int_equal(oci_hooks_count(s, OCI_HOOK_PRESTART), 1);
	assert_int_equal(oci_hooks_count(s, OCI_HOOK_POSTSTOP), 0);
	assert_string_equal(s->hooks->prestart[0]->args[0], "libnetwork-setkey");
	assert_true(r->devices[1]->minor_set);
	assert_true(r->devices[2]->major_set);
	assert_false(r->devices[2]->minor_set); /* any */
	assert_non_null(r->memory);
	assert_int_equal(r->memory->limit, 0);
	assert_int_equal(s->linux->n_sysctl, 2);
	oci_spec_free(s);
}

static void test_containerd(void **state)
{
	oci_spec *pod = load("cri-sandbox"), *c = load("cri-container"), *ctr = load("ctr");
	const char *path = NULL;

	assert_int_equal(pod->process->oomscoreadj, -998);
	assert_true(pod->root->readonly);
	assert_true(oci_has_namespace(pod, "network", &path));
	assert_string_equal(path, "/var/run/netns/cni-1");
	assert_string_equal(oci_annotation(c, "io.kubernetes.cri.container-type"), "container");
	assert_int_equal(c->linux->resources->memory->limit, 64 << 20);
	assert_false(c->linux->resources->memory->swappiness_set);
	assert_true(ctr->process->rlimits[0]->hard == UINT64_MAX);
	oci_spec_free(pod);
	oci_spec_free(c);
	oci_spec_free(ctr);
}

/* What goes out as JSON comes back the same. */
static void test_there_and_back(void **state)
{
	static const char *const fixtures[] = { "podman", "docker", "cri-sandbox", "cri-container",
						"ctr" };

	for (size_t i = 0; i < ARRAY_SIZE(fixtures); i++) {
		oci_spec *s = load(fixtures[i]), *again = NULL;
		autofree char *one = oci_spec_to_json(s);
		autofree char *two = NULL;
		size_t n;
		autofree uint8_t *a = NULL;
		autofree uint8_t *b = NULL;

		assert_int_equal(oci_spec_parse(one, strlen(one), "again", &again, NULL), 0);
		two = oci_spec_to_json(again);
		assert_string_equal(one, two);
		n = grpc__linux_resources__get_packed_size(s->linux->resources);
		assert_int_equal(grpc__linux_resources__get_packed_size(again->linux->resources),
				 n);
		a = xcalloc(n + 1, 1);
		b = xcalloc(n + 1, 1);
		grpc__linux_resources__pack(s->linux->resources, a);
		grpc__linux_resources__pack(again->linux->resources, b);
		assert_memory_equal(a, b, n);
		oci_spec_free(s);
		oci_spec_free(again);
	}
}

static void test_process_and_resources(void **state)
{
	static const char process[] =
		"{\"user\":{\"uid\":5},\"args\":[\"id\"],\"cwd\":\"/\",\"oomScoreAdj\":0}";
	static const char resources[] = "{\"memory\":{\"limit\":-1},\"cpu\":{\"idle\":0},"
					"\"unified\":{\"a\":\"1\",\"b\":\"2\"}}";
	autofree char *text = NULL;
	autofree char *text2 = NULL;
	oci_process *p = NULL;
	oci_resources *r = NULL;
	struct error e = ERROR_INIT;

	assert_int_equal(oci_process_parse(process, strlen(process), "process.json", &p, &e), 0);
	text = oci_process_to_json(p);
	assert_string_equal(
		text, "{\"user\":{\"uid\":5},\"args\":[\"id\"],\"cwd\":\"/\",\"oomScoreAdj\":0}");
	oci_process_free(p);
	assert_int_equal(oci_resources_parse(resources, strlen(resources), "-", &r, &e), 0);
	text2 = oci_resources_to_json(r);
	assert_string_equal(text2, resources);
	oci_resources_free(r);
}

static void check_error(const char *text, int code, const char *message)
{
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", &s, &e), code);
	assert_string_equal(e.text, message);
	assert_null(s);
	assert_int_equal(oci_spec_parse(text, strlen(text), "config.json", &s, NULL), code);
}

static void test_errors(void **state)
{
	check_error("{\n\"ociVersion\": }", -EINVAL,
		    "config.json:2:15: unexpected '}', expected a value");
	check_error("{\"linux\":{\"resources\":{\"memory\":{\"limit\":\"1g\"}}}}", -EINVAL,
		    "config.json: linux.resources.memory.limit: a string where an integer belongs");
	check_error("[]", -EINVAL, "config.json: an array where an object belongs");
	check_error("{\"process\":{},\"process\":{}}", -EINVAL,
		    "config.json:1:25: key \"process\" is given twice");
}

static void test_load(void **state)
{
	char dir[] = "/tmp/caisson-test-XXXXXX";
	autofree char *path = NULL;
	autofree char *want = NULL;
	struct error e = ERROR_INIT;
	oci_spec *s = NULL;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/config.json", dir);
	want = xasprintf("read %s: No such file or directory", path);
	assert_int_equal(oci_spec_load(dir, &s, &e), -ENOENT);
	assert_string_equal(e.text, want);
	assert_int_equal(file_replace_at(AT_FDCWD, path, "{\"hostname\":\"h\"}", 16, 0600), 0);
	assert_int_equal(oci_spec_load(dir, &s, &e), 0);
	assert_string_equal(s->hostname, "h");
	oci_spec_free(s);
	assert_int_equal(truncate(path, (off_t)LIMIT_CONFIG_JSON + 1), 0);
	assert_int_equal(oci_spec_load(dir, &s, NULL), -EFBIG);
	assert_int_equal(path_remove_tree_at(AT_FDCWD, dir), 0);
}

static void test_annotations_json(void **state)
{
	oci_spec *s = load("podman"), none = GRPC__SPEC__INIT;
	autofree char *some = oci_annotations_json(s);
	autofree char *empty = oci_annotations_json(&none);

	assert_string_equal(some, "{\"io.container.manager\":\"libpod\",\"org.opencontainers.image."
				  "stopSignal\":\"15\"}");
	assert_string_equal(empty, "{}");
	oci_spec_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_podman),
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_containerd),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_process_and_resources),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_annotations_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
