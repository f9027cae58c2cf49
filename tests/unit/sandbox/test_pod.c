/* SPDX-License-Identifier: Apache-2.0 */
/* Containers of one sandbox: whose namespaces may be joined, and what a pod cannot ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the above */
#include <cmocka.h>

#include "fixture.h"

#include <errno.h>
#include <unistd.h>

static void nobody(void *data, const struct error *e)
{
}

#define SPEC(annotations, namespaces)                                                        \
	"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"annotations\":{" annotations \
	"},\"linux\":{\"namespaces\":[" namespaces "]}}"
#define CRI(type)                                            \
	"\"io.kubernetes.cri.container-type\":\"" type "\"," \
	"\"io.kubernetes.cri.sandbox-id\":\"p1\""
#define ALL "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"network\"}"

static const Grpc__LinuxNamespace *namespace_of(const struct container *c, const char *type)
{
	const Grpc__Linux *l = c->guest_spec->linux;

	for (size_t i = 0; i < l->n_namespaces; i++)
		if (str_eq(l->namespaces[i]->type, type))
			return l->namespaces[i];
	fail_msg("no %s namespace", type);
	return NULL;
}

/* The fixture's init proxies all have our pid. */
static void test_joined(void **state)
{
	struct fixture *f = *state;
	autofree char *json = xasprintf(SPEC(CRI("container"), "{\"type\":\"ipc\",\"path\":\"/proc/"
							       "%d/ns/ipc\"},{\"type\":\"uts\","
							       "\"path\":\"/proc/%d/ns/uts\"},"
							       "{\"type\":\"pid\"}"),
					getpid(), getpid());
	autofree char *shared =
		xasprintf(SPEC(CRI("container"), "{\"type\":\"pid\",\"path\":\"/proc/%d/ns/pid\"}"),
			  getpid());
	struct container *pod =
		fixture_container(f, "p1", SPEC(CRI("sandbox"), ALL), nobody, NULL, NULL);
	struct container *c = fixture_container(f, "c1", json, nobody, NULL, NULL);
	struct container *d = fixture_container(f, "c2", shared, nobody, NULL, NULL);

	assert_int_equal(pod->role, OCI_POD_SANDBOX);
	assert_null(pod->pidns_of);
	assert_int_equal(c->role, OCI_POD_CONTAINER);
	assert_string_equal(namespace_of(c, "ipc")->path, "");
	assert_string_equal(namespace_of(c, "uts")->path, "");
	assert_null(c->pidns_of);
	assert_string_equal(namespace_of(d, "pid")->path, "");
	/* The pod does not share its processes: the other container is meant. */
	assert_string_equal(d->pidns_of, "c1");
}

/* A pod that shares its processes: all of them join the first. */
static void test_shared_processes(void **state)
{
	struct fixture *f = *state;
	autofree char *shared =
		xasprintf(SPEC(CRI("container"), "{\"type\":\"pid\",\"path\":\"/proc/%d/ns/pid\"}"),
			  getpid());
	struct container *c;

	fixture_container(f, "p1", SPEC(CRI("sandbox"), ALL), nobody, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		autofree char *id = xasprintf("c%d", i);

		c = fixture_container(f, id, shared, nobody, NULL, NULL);
		assert_string_equal(c->pidns_of, "p1");
	}
}

/* Two that do not share, and one that joins one of them: nobody knows which. */
static void test_ambiguous(void **state)
{
	struct fixture *f = *state;
	autofree char *joins =
		xasprintf(SPEC(CRI("container"), "{\"type\":\"pid\",\"path\":\"/proc/%d/ns/pid\"}"),
			  getpid());

	fixture_container(f, "p1", SPEC(CRI("sandbox"), ALL), nobody, NULL, NULL);
	fixture_container(f, "c1", SPEC(CRI("container"), ALL), nobody, NULL, NULL);
	fixture_container(f, "c2", SPEC(CRI("container"), ALL), nobody, NULL, NULL);
	assert_string_equal(fixture_container(f, "c3", joins, nobody, NULL, NULL)->pidns_of, "p1");
}

/* CRI-O's, which lie in files. */
static void test_pinned(void **state)
{
	struct container *pod = fixture_container(
		*state, "p1",
		SPEC(CRI("sandbox"),
		     "{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\",\"path\":\"/run/"
		     "ipcns/"
		     "1\"},{\"type\":\"uts\",\"path\":\"/run/utsns/1\"}"),
		nobody, NULL, NULL);
	struct container *c = fixture_container(
		*state, "c1",
		SPEC(CRI("container"), "{\"type\":\"pid\",\"path\":\"/run/pidns/1\"},{\"type\":"
				       "\"ipc\",\"path\":\"/run/ipcns/1\"}"),
		nobody, NULL, NULL);

	assert_string_equal(namespace_of(pod, "ipc")->path, "");
	assert_null(pod->pidns_of);
	assert_string_equal(c->pidns_of, "p1");
}

static void refused(struct fixture *f, const char *json, const char *why)
{
	struct container_params p = { .id = "x", .bundle = "/", .spec = fixture_spec(json) };
	struct error e = ERROR_INIT;

	assert_int_equal(container_create(f->sandbox, &p, nobody, NULL, &e), -EOPNOTSUPP);
	if (!strstr(e.text, why))
		fail_msg("%s", e.text);
	assert_null(sandbox_find(f->sandbox, "x"));
}

static void test_refused(void **state)
{
	refused(*state,
		SPEC(CRI("sandbox"), "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}"),
		"hostNetwork is not supported");
	refused(*state, SPEC(CRI("sandbox"), "{\"type\":\"network\"},{\"type\":\"ipc\"}"),
		"hostPID is not supported");
	refused(*state, SPEC(CRI("sandbox"), "{\"type\":\"network\"},{\"type\":\"pid\"}"),
		"hostIPC is not supported");
	/* Another's, whoever that is; and what is none of a pod's. */
	refused(*state, SPEC(CRI("container"), "{\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"}"),
		"cannot join the ipc namespace /proc/1/ns/ipc");
	refused(*state, SPEC("", "{\"type\":\"pid\",\"path\":\"/run/pidns/1\"}"),
		"cannot join the pid namespace");
	refused(*state, SPEC(CRI("container"), "{\"type\":\"user\",\"path\":\"/run/userns/1\"}"),
		"cannot join the user namespace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_joined, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_shared_processes, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_ambiguous, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_pinned, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refused, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
