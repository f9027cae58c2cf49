/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's spec: what it keeps, what it loses, and what is refused with the name of the field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include <errno.h>

static void nobody(void *data, const struct error *e)
{
}

static void test_rewrite(void **state)
{
	static const char json[] =
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/host/rootfs\"},\"hostname\":\"h\","
		"\"process\":{\"args\":[\"x\"],\"cwd\":\"/"
		"\",\"apparmorProfile\":\"p\",\"selinuxLabel\":\"l\"},"
		"\"hooks\":{\"prestart\":[{\"path\":\"/1\"}],\"createRuntime\":[{\"path\":\"/"
		"2\"},{\"path\":\"/3\"}],"
		"\"createContainer\":[{\"path\":\"/4\"}],\"startContainer\":[{\"path\":\"/5\"}],"
		"\"poststart\":[{\"path\":\"/6\"}],\"poststop\":[{\"path\":\"/7\"}]},"
		"\"linux\":{\"cgroupsPath\":\"/host/"
		"cg\",\"mountLabel\":\"ml\",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},"
		"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/run/netns/"
		"x\"},{\"type\":\"mount\"}],"
		"\"resources\":{\"cpu\":{\"cpus\":\"0-3\",\"mems\":\"0\",\"shares\":5}}}}";
	struct container *c = fixture_container(*state, "c1", json, nobody, NULL, NULL);
	const oci_spec *g = c->guest_spec, *h = c->spec;

	assert_string_equal(g->root->path, GUEST_SHARE_DIR "/c1/rootfs");
	assert_string_equal(g->hostname, "h");
	assert_string_equal(g->process->apparmorprofile, "");
	assert_string_equal(g->process->selinuxlabel, "");
	assert_int_equal(g->hooks->n_prestart + g->hooks->n_createruntime +
				 g->hooks->n_createcontainer + g->hooks->n_poststart +
				 g->hooks->n_poststop,
			 0);
	assert_int_equal(g->hooks->n_startcontainer, 1);
	assert_string_equal(g->hooks->startcontainer[0]->path, "/5");
	assert_int_equal(g->linux->n_namespaces, 2);
	assert_string_equal(g->linux->namespaces[0]->type, "pid");
	assert_string_equal(g->linux->namespaces[1]->type, "mount");
	assert_string_equal(g->linux->cgroupspath, "");
	assert_string_equal(g->linux->mountlabel, "");
	assert_string_equal(g->linux->resources->cpu->cpus, "");
	assert_string_equal(g->linux->resources->cpu->mems, "");
	assert_int_equal(g->linux->resources->cpu->shares, 5);
	assert_non_null(g->linux->seccomp);
	/* The host's copy keeps all of it: hooks run from there. */
	assert_string_equal(h->root->path, "/host/rootfs");
	assert_int_equal(h->hooks->n_createruntime, 2);
	assert_int_equal(h->linux->n_namespaces, 3);
	assert_string_equal(h->linux->resources->cpu->cpus, "0-3");
}

static void test_seccomp_off(void **state)
{
	struct fixture *f = *state;
	struct container *c;

	f->sandbox->config->runtime.disable_guest_seccomp = true;
	c = fixture_container(
		f, "c1",
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"linux\":{\"seccomp\":"
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\"}}}",
		nobody, NULL, NULL);
	assert_null(c->guest_spec->linux->seccomp);
	assert_non_null(c->spec->linux->seccomp);
}

static void refused(struct fixture *f, const char *linux_json, const char *why)
{
	autofree char *json = xasprintf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"linux\":{%s}}", linux_json);
	struct container_params p = { .id = "c1", .bundle = "/", .spec = fixture_spec(json) };
	struct error e = ERROR_INIT;

	assert_int_equal(container_create(f->sandbox, &p, nobody, NULL, &e), -EOPNOTSUPP);
	if (!strstr(e.text, why))
		fail_msg("%s", e.text);
	assert_true(sandbox_empty(f->sandbox));
}

static void test_refused(void **state)
{
	struct fixture *f = *state;

	refused(f,
		"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"ipc\","
		"\"path\":\"/proc/1/ns/ipc\"},"
		"{\"type\":\"pid\"}]",
		"cannot join the ipc namespace /proc/1/ns/ipc");
}

static void test_set_mount(void **state)
{
	oci_spec *s = fixture_spec("{\"ociVersion\":\"1.0.2\",\"mounts\":[{\"destination\":\"/"
				   "a\",\"source\":\"/host\"}]}");

	guest_spec_set_mount(s->mounts[0], "bind", "/guest");
	guest_spec_set_mount(s->mounts[0], "tmpfs", "");
	guest_spec_set_mount(s->mounts[0], "bind", "/guest");
	assert_string_equal(s->mounts[0]->type, "bind");
	assert_string_equal(s->mounts[0]->source, "/guest");
	oci_spec_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rewrite, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_seccomp_off, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refused, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_set_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
